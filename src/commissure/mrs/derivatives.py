"""The files of one spectrum: what an engine writes, what measuring writes, and their readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from commissure.derivatives import Derivatives
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.settings import MrsMeasureSettings, MrsPreprocessSettings
from commissure.names import Scan, read_sidecars


@dataclass(frozen=True)
class MrsFiles(Derivatives):
    """What an engine writes for one spectrum; measuring reads nothing else.

    Attributes
    ----------
    region
        Name of the voxel.
    spectrum, sidecar
        ``desc-preproc_svs``: one FID, combined, aligned and averaged. The sidecar tells what each
        step did.
    fit
        ``fit.tsv``: amplitude and Cramér-Rao bound of each metabolite.
    fit_record
        ``fit.json``: basis, line shape, signal-to-noise, correlations.
    curves
        ``desc-fit_svs.tsv``: data, model, baseline and components over ppm.
    difference_curves
        ``desc-difference_svs.tsv``: the same of the difference of edited spectra.
    water, water_sidecar
        ``desc-preproc_mrsref``: one FID of the unsuppressed water.
    shots_figure
        The shots before and after alignment, where the file holds several.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {
            "sidecar", "fit_record", "curves", "difference_curves", "water", "water_sidecar",
            "shots_figure",
        }
    )  # fmt: skip

    region: str
    spectrum: Path
    sidecar: Path
    fit: Path
    fit_record: Path
    curves: Path
    difference_curves: Path
    water: Path
    water_sidecar: Path
    shots_figure: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, voi: str) -> MrsFiles:
        """Name the derivatives of the spectrum ``scan`` in ``folder``, a subject's ``mrs/``.

        Parameters
        ----------
        voi
            Name of the voxel where the file has no ``voi-`` entity.
        """
        region = region_of(scan, voi)
        svs = {
            extension: folder / scan.derivative("svs", extension, voi=region, desc="preproc")
            for extension in (".nii.gz", ".json")
        }
        water = {
            extension: folder / scan.derivative("mrsref", extension, voi=region, desc="preproc")
            for extension in (".nii.gz", ".json")
        }
        return cls(
            region=region,
            spectrum=svs[".nii.gz"],
            sidecar=svs[".json"],
            fit=folder / scan.derivative("fit", ".tsv", voi=region),
            fit_record=folder / scan.derivative("fit", ".json", voi=region),
            curves=folder / scan.derivative("svs", ".tsv", voi=region, desc="fit"),
            difference_curves=folder
            / scan.derivative("svs", ".tsv", voi=region, desc="difference"),
            water=water[".nii.gz"],
            water_sidecar=water[".json"],
            shots_figure=folder / "figures" / scan.derivative("svs", ".svg", desc="shots"),
        )

    @classmethod
    def of_step(
        cls, scan: Scan, folder: Path, *, anat: Derivatives | None, settings: MrsPreprocessSettings
    ) -> MrsFiles:
        """With the voxel's name from the settings where the file has none."""
        return cls.of(scan, folder, voi=settings.voi)


@dataclass(frozen=True)
class MrsMeasured(Derivatives):
    """What measuring writes for one spectrum.

    Attributes
    ----------
    region
        Name of the voxel.
    markers, quality
        Marker rows, and the quality record with the rows of the MRSinMRS table.
    tissue
        TissueFractions and place of the voxel; only where there is a T1w image.
    fit_figure, difference_figure
        The fit, and that of the edited difference; only where the engine left curves.
    voxel_figure
        The voxel on the T1w image.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"tissue", "fit_figure", "difference_figure", "voxel_figure"}
    )

    region: str
    markers: Path
    quality: Path
    tissue: Path
    fit_figure: Path
    difference_figure: Path
    voxel_figure: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, voi: str) -> MrsMeasured:
        """Name what measuring the spectrum ``scan`` writes; see :meth:`MrsFiles.of`."""
        region = region_of(scan, voi)
        figures = folder / "figures"
        return cls(
            region=region,
            markers=folder / scan.derivative("markers", ".tsv"),
            quality=folder / scan.derivative("qc", ".json"),
            tissue=folder / scan.derivative("tissue", ".json", voi=region),
            fit_figure=figures / scan.derivative("svs", ".svg", desc="fit"),
            difference_figure=figures / scan.derivative("svs", ".svg", desc="difference"),
            voxel_figure=figures / scan.derivative("svs", ".svg", desc="voxel"),
        )

    @classmethod
    def of_step(
        cls, scan: Scan, folder: Path, *, anat: Derivatives | None, settings: MrsMeasureSettings
    ) -> MrsMeasured:
        """With the voxel's name from the settings where the file has none."""
        return cls.of(scan, folder, voi=settings.voi)


def region_of(scan: Scan, voi: str) -> str:
    """Name of the voxel: the file's own, or else ``voi``."""
    return scan.entities.get("voi") or voi


@dataclass(frozen=True)
class Curves:
    """The fitted spectrum in units of its highest point, (points,) each."""

    ppm: np.ndarray
    data: np.ndarray
    model: np.ndarray
    baseline: np.ndarray
    components: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PreprocessedSpectrum:
    """What an engine left of one spectrum.

    Attributes
    ----------
    svs
        The averaged spectrum.
    record
        ``fit.json``; empty where the engine wrote none.
    steps
        What each step of preprocessing did; empty where the engine does not tell.
    acquisition
        What the raw file said of itself; empty where the engine does not tell.
    curves, difference
        Of the fit, and of the fit of the edited difference; None where there are none.
    """

    svs: Svs
    record: Mapping[str, Any]
    steps: list[Mapping[str, Any]]
    acquisition: Mapping[str, Any]
    curves: Curves | None
    difference: Curves | None


def read_preprocessed(files: MrsFiles, *, who: str) -> PreprocessedSpectrum:
    """Read what an engine left of one spectrum, water and table of amplitudes aside.

    Raises
    ------
    DatasetError
        A required file is not there, or a file is unreadable.
    """
    for path in files.absent():
        raise DatasetError(
            who, found=f"{path.name} is not there", mend="Run the preprocessing of mrs first"
        )
    sidecar = read_record(files.sidecar, who=who)
    return PreprocessedSpectrum(
        svs=_read_averaged(files.spectrum, files.sidecar, who),
        record=read_record(files.fit_record, who=who),
        steps=list(sidecar.get("Steps", [])),
        acquisition=sidecar.get("Acquisition", {}),
        curves=read_curves(files.curves),
        difference=read_curves(files.difference_curves),
    )


def read_averaged_water(files: MrsFiles, *, who: str) -> Svs | None:
    """Read the averaged water reference, or None where the engine left none.

    Raises
    ------
    DatasetError
        The file is unreadable.
    """
    return _read_averaged(files.water, files.water_sidecar, who) if files.water.exists() else None


def _read_averaged(path: Path, sidecar: Path, who: str) -> Svs:
    return read_svs(path, (sidecar,) if sidecar.exists() else (), who=who)


def read_curves(path: Path) -> Curves | None:
    """Read the curves, or None where the engine left none."""
    if not path.exists():
        return None
    table = read_table(path, text=())
    values = {str(name): table[name].to_numpy(float) for name in table}
    return Curves(
        ppm=values.pop("ppm"),
        data=values.pop("data"),
        model=values.pop("model"),
        baseline=values.pop("baseline"),
        components=values,
    )


def read_record(path: Path, *, who: str) -> dict[str, Any]:
    """Read a JSON record, empty where the engine left none."""
    return read_sidecars((path,), who=who) if path.exists() else {}
