"""The files of diffusion MRI: what an engine writes, what measuring writes, and reading them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from commissure.derivatives import Derivatives
from commissure.dwi.gradients import Gradients, read_gradients
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.load import load_image, same_grid
from commissure.images.template import TEMPLATE
from commissure.names import Scan

#: Space of the preprocessed series: that of the T1w image, or its own, whose entity is left out.
Space = Literal["T1w", ""]

#: Columns of the confounds that are the pose of the head, in mm and radians.
POSE_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@dataclass(frozen=True)
class DwiFiles(Derivatives):
    """What an engine writes for one diffusion series.

    Attributes
    ----------
    series, bval, bvec, sidecar
        ``[space-T1w_]desc-preproc_dwi``.
    mask, mask_sidecar
        ``[space-T1w_]desc-brain_mask``.
    confounds, confounds_sidecar
        ``desc-confounds_timeseries``: one row per volume.
    space
        ``T1w``, or empty for the series' own space.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"sidecar", "mask_sidecar", "confounds", "confounds_sidecar"}
    )

    series: Path
    bval: Path
    bvec: Path
    sidecar: Path
    mask: Path
    mask_sidecar: Path
    confounds: Path
    confounds_sidecar: Path
    space: Space

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, space: Space = "T1w") -> DwiFiles:
        """Name the derivatives of the series ``scan`` in ``folder``, a person's ``dwi/``."""
        return cls(
            series=folder / scan.derivative("dwi", ".nii.gz", space=space, desc="preproc"),
            bval=folder / scan.derivative("dwi", ".bval", space=space, desc="preproc"),
            bvec=folder / scan.derivative("dwi", ".bvec", space=space, desc="preproc"),
            sidecar=folder / scan.derivative("dwi", ".json", space=space, desc="preproc"),
            mask=folder / scan.derivative("mask", ".nii.gz", space=space, desc="brain"),
            mask_sidecar=folder / scan.derivative("mask", ".json", space=space, desc="brain"),
            confounds=folder / scan.derivative("timeseries", ".tsv", desc="confounds"),
            confounds_sidecar=folder / scan.derivative("timeseries", ".json", desc="confounds"),
            space=space,
        )

    @classmethod
    def of_step(
        cls, scan: Scan, folder: Path, *, anat: Derivatives | None, settings: Any
    ) -> DwiFiles:
        """In T1w space where there is a T1w image."""
        return cls.of(scan, folder, space="T1w" if anat else "")


@dataclass(frozen=True)
class DwiMeasured(Derivatives):
    """What measuring writes for one diffusion series.

    Attributes
    ----------
    markers, quality
        Marker rows and quality record.
    fa
        Fractional anisotropy on the grid of the series, only where a tensor was fitted.
    tensor_figure, motion_figure
        For a person to look at; each only where its numbers could be had.
    to_template, from_template
        Transforms between the series and the template, only without a T1w image.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"fa", "tensor_figure", "motion_figure", "to_template", "from_template"}
    )

    markers: Path
    quality: Path
    fa: Path
    tensor_figure: Path
    motion_figure: Path
    to_template: Path
    from_template: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path) -> DwiMeasured:
        """Name the results for the series ``scan`` in ``folder``, a person's ``dwi/``."""
        return cls(
            markers=folder / scan.derivative("markers", ".tsv"),
            quality=folder / scan.derivative("qc", ".json"),
            fa=folder / scan.derivative("dwimap", ".nii.gz", model="tensor", param="fa"),
            tensor_figure=folder / "figures" / scan.derivative("dwi", ".svg", desc="tensor"),
            motion_figure=folder / "figures" / scan.derivative("dwi", ".svg", desc="motion"),
            to_template=folder
            / scan.derivative("xfm", ".h5", from_="dwiref", to=TEMPLATE, mode="image"),
            from_template=folder
            / scan.derivative("xfm", ".h5", from_=TEMPLATE, to="dwiref", mode="image"),
        )


@dataclass(frozen=True)
class PreprocessedSeries:
    """A preprocessed diffusion series.

    Attributes
    ----------
    data
        ``(x, y, z, volumes)`` float32.
    affine
        4x4, voxel to mm.
    mask
        3-D of bool.
    gradients
        One row per volume, in the world of the series.
    space
        ``T1w``, or empty for the series' own space.
    confounds
        One row per volume with poses and framewise displacement; None where the engine wrote none.
    sidecar
        JSON beside the series; empty where there is none.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.
    """

    data: np.ndarray
    affine: np.ndarray
    mask: np.ndarray
    gradients: Gradients
    space: Space
    confounds: pd.DataFrame | None
    sidecar: dict[str, Any]
    b0_max_b_s_mm2: float = 50.0

    @property
    def poses(self) -> np.ndarray | None:
        """``(volumes, 6)`` in mm and radians, if the engine wrote them."""
        if self.confounds is None or not set(POSE_COLUMNS) <= set(self.confounds):
            return None
        return self.confounds[list(POSE_COLUMNS)].to_numpy(float)

    @property
    def displacement(self) -> np.ndarray | None:
        """``(volumes,)`` framewise displacement in mm, 0 for the first, if the engine wrote it."""
        if self.confounds is None or "framewise_displacement" not in self.confounds:
            return None
        values = self.confounds["framewise_displacement"].to_numpy(float).copy()
        values[0] = 0.0
        return values

    @property
    def mean_displacement(self) -> float | None:
        """Mean framewise displacement in mm, the first volume left out; None where unknown."""
        displacement = self.displacement
        if displacement is None or len(displacement) < 2:
            return None
        return float(np.nanmean(displacement[1:]))

    @property
    def dropouts(self) -> np.ndarray | None:
        """``(n, 2)`` volume and slice of each dropout; None where the engine did not list them."""
        listed = self.sidecar.get("OutlierSlices")
        return None if listed is None else np.array(listed, dtype=float).reshape(-1, 2)


def read_preprocessed(
    scan: Scan, folder: Path, *, in_t1w: bool, b0_max_b_s_mm2: float
) -> PreprocessedSeries:
    """Read a preprocessed series with all that belongs to it, whichever engine wrote it.

    Parameters
    ----------
    scan
        The raw series; only its name is used.
    folder
        Where the derivatives lie.
    in_t1w
        Whether anatomical derivatives are at hand, so that a series in T1w space can be used.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.

    Raises
    ------
    DatasetError
        A file is missing, unreadable, or does not fit the others.
    """
    spaces: tuple[Space, ...] = ("T1w", "") if in_t1w else ("",)
    candidates = [DwiFiles.of(scan, folder, space=space) for space in spaces]
    files = next((candidate for candidate in candidates if candidate.series.exists()), None)
    if files is None:
        raise DatasetError(
            scan.who,
            found=f"{candidates[0].series.name} is not there",
            wanted="a preprocessed diffusion series",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    image = load_image(files.series, who=scan.who, ndim=4)
    mask = load_image(files.mask, who=scan.who, ndim=3)
    if not same_grid(image, mask):
        raise DatasetError(
            scan.who,
            found=f"the brain mask {mask.shape} is not on the grid of the series {image.shape[:3]}",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    gradients = read_gradients(
        {"bval": files.bval, "bvec": files.bvec},
        image.affine,
        volumes=image.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=b0_max_b_s_mm2,
    )
    confounds = _read_confounds(scan, files.confounds, image.shape[3])
    data, left_out = np.asanyarray(image.dataobj), gradients.without_direction
    if left_out:
        data = np.delete(data, left_out, axis=3)
        confounds = confounds if confounds is None else confounds.drop(index=list(left_out))
    return PreprocessedSeries(
        data=data,
        affine=image.affine,
        mask=np.asanyarray(mask.dataobj) > 0,
        gradients=gradients,
        space=files.space,
        confounds=confounds,
        sidecar=json.loads(files.sidecar.read_text(encoding="utf-8"))
        if files.sidecar.exists()
        else {},
        b0_max_b_s_mm2=b0_max_b_s_mm2,
    )


def _read_confounds(scan: Scan, path: Path, volumes: int) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = read_table(path)
    if len(table) != volumes:
        raise DatasetError(
            scan.who,
            found=f"{path.name} has {len(table)} rows for {volumes} volumes",
            wanted="one row per volume",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    return table
