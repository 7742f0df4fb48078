"""From a preprocessed diffusion series to markers, quality record and figures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commissure.checks import Check, at_least, at_most, write_quality
from commissure.dwi.bvec_order import order_check
from commissure.dwi.compartments import (
    free_water,
    lacking_for_free_water,
    lacking_for_kurtosis,
    mean_kurtosis,
)
from commissure.dwi.derivatives import DwiMeasured, PreprocessedSeries, read_preprocessed
from commissure.dwi.figures import draw_motion, draw_tensor
from commissure.dwi.partial_volume import white_matter_signal
from commissure.dwi.quality import (
    b0_snr,
    contrast_checks,
    placement_checks,
    series_checks,
    subtraction_check,
    tensor_checks,
)
from commissure.dwi.settings import DwiMeasureSettings
from commissure.dwi.skeleton import on_skeleton, read_skeleton
from commissure.dwi.tensor import TensorMaps, fit_tensor
from commissure.dwi.tensor_volumes import (
    B_JITTER,
    carries_tensor,
    tensor_volumes,
    too_few_directions,
    usable_values,
)
from commissure.dwi.tracts import Average, averaged_tracts, tract_average
from commissure.dwi.white_matter import WhiteMatter, from_anatomy, from_template_white_matter
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas, jhu_dti81
from commissure.images.atlas_files import chosen_atlas
from commissure.images.load import save_image
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Least share of white matter from which the other tissues' signal is subtracted.
_PARTIAL_VOLUME_WM_MIN = 0.3


@dataclass
class _Findings:
    """What measuring one series gives, gathered step by step."""

    scan: Scan
    rows: list[Marker] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether a check failed so far."""
        return any(check.passed is False for check in self.checks)

    def add(
        self, marker: str, region: str, value: float, unit: str, *, flagged: bool = False
    ) -> None:
        """Add a marker row."""
        self.rows.append(
            Marker.of(
                self.scan,
                "dwi",
                region=region,
                marker=marker,
                value=value,
                unit=unit,
                flagged=flagged,
            )
        )


@dataclass(frozen=True)
class _WhiteMatterTensor:
    """The tensor that tracts are averaged over, and the voxels that may count."""

    maps: TensorMaps
    counted: np.ndarray
    corrected: bool


def measure(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: DwiMeasureSettings
) -> DwiMeasured:
    """Measure one preprocessed diffusion series.

    Parameters
    ----------
    scan
        The raw series; only its name and its header are used.
    folder
        Where the derivatives lie and the results go.
    anat
        Derivatives of the same person's T1w image, None when there are none.
    settings
        Settings of the step.

    Returns
    -------
    DwiMeasured
        The files of the results.

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit the others.
    """
    anat = anat if anat is not None and anat.complete() else None
    files = DwiMeasured.of(scan, folder)
    series = read_preprocessed(
        scan, folder, in_t1w=anat is not None, b0_max_b_s_mm2=settings.b0_max_b_s_mm2
    )
    findings = _Findings(
        scan,
        checks=series_checks(series, settings),
        notes=[*series.gradients.notes, *series.sidecar.get("Notes", [])],
    )
    motion = series.mean_displacement
    if motion is None:
        findings.notes.append("dwi_motion is missing: the engine wrote no framewise displacement.")
    else:
        findings.add("dwi_motion", "brain", motion, "mm")
    _measure_tensor(findings, series, files, anat, settings)
    poses, displacement = series.poses, series.displacement
    if poses is not None and displacement is not None:
        draw_motion(
            poses, displacement, series.dropouts, title=scan.label, path=files.motion_figure
        )
    write_markers(findings.rows, files.markers)
    write_quality(
        findings.checks,
        files.quality,
        notes=findings.notes,
        missing=findings.missing,
        space=series.space or "own",
        volumes=int(series.data.shape[3]),
        runs=len(series.sidecar.get("RunVolumes", [1])),
        susceptibility=series.sidecar.get("SusceptibilitySource") or "",
        b_values=sorted({round(float(b), -1) for b in series.gradients.b}),
        **findings.details,
    )
    return files


def _measure_tensor(
    findings: _Findings,
    series: PreprocessedSeries,
    files: DwiMeasured,
    anat: AnatFiles | None,
    settings: DwiMeasureSettings,
) -> None:
    """Fit the tensor, and average it over tracts; what is missing is said in ``findings``."""
    b0_max = settings.b0_max_b_s_mm2
    chosen = tensor_volumes(
        series.gradients, max_b_s_mm2=settings.tensor_max_b_s_mm2, b0_max_b_s_mm2=b0_max
    )
    gradients = series.gradients.subset(chosen)
    if not carries_tensor(gradients, b0_max_b_s_mm2=b0_max):
        cause = too_few_directions(series.gradients, b0_max_b_s_mm2=b0_max)
        findings.missing = {"tensor": cause, "tracts": cause}
        return
    usable = usable_values(series)
    maps = fit_tensor(
        series.data[..., chosen],
        gradients,
        series.mask,
        robust=settings.robust_tensor,
        usable=None if usable is None else usable[..., chosen],
    )
    save_image(maps.fa.astype(np.float32), series.affine, files.fa)
    findings.checks.append(
        at_most(
            "tensor_b_s_mm2",
            float(gradients.b.max()),
            settings.tensor_max_b_s_mm2 + B_JITTER,
            "Diffusion is not Gaussian at high b-values: FA and MD read lower.",
        )
    )
    findings.checks.append(Check("tensor_outliers_percent", 100 * maps.left_out))
    findings.checks.append(
        order_check(
            series.data[..., chosen],
            gradients,
            series.mask,
            b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
        )
    )
    atlas = chosen_atlas(settings.atlas, jhu_dti81(), key="dwi.atlas")
    white = _white_matter(series, maps, files, anat, atlas, settings)
    core = (white.tissue["WM"] >= settings.tract_wm_min) & series.mask
    tensor = _white_matter_tensor(findings, series, maps, white, core, settings)
    findings.checks += tensor_checks(maps, white.tissue["WM"], series.mask, core, series.affine)
    if anat is not None and series.space == "T1w":
        findings.checks += placement_checks(maps, series, anat)
    findings.checks += contrast_checks(series, core)
    snr, noise_source = b0_snr(series, maps, core)
    findings.checks.append(at_least("b0_snr", snr, settings.min_b0_snr, noise_source))
    findings.add("b0_snr", "WM", snr, "1")
    averages = _averages(tensor.maps, white, tensor.counted)
    averages |= _averages_of_tracts(averages)
    _add_tracts(findings, averages, settings)
    if settings.skeleton.template:
        _add_skeleton(findings, maps, series, files, settings)
    _add_compartments(findings, series, white, tensor.counted, settings)
    findings.notes += white.notes
    findings.details = {
        "atlas": atlas.name,
        "atlas_transform": white.transform,
        "partial_volume_corrected": tensor.corrected,
        "tract_voxels": {region: fa.voxels for region, (fa, _) in averages.items()},
    }
    draw_tensor(
        maps,
        white.shares,
        series.mask,
        series.affine,
        title=findings.scan.label,
        path=files.tensor_figure,
    )


def _white_matter(
    series: PreprocessedSeries,
    maps: TensorMaps,
    files: DwiMeasured,
    anat: AnatFiles | None,
    atlas: Atlas,
    settings: DwiMeasureSettings,
) -> WhiteMatter:
    if anat is not None and series.space == "T1w":
        return from_anatomy(series.mask.shape, series.affine, anat, atlas)
    return from_template_white_matter(
        maps,
        series.mask,
        series.affine,
        atlas,
        forward=files.to_template,
        inverse=files.from_template,
    )


def _white_matter_tensor(
    findings: _Findings,
    series: PreprocessedSeries,
    maps: TensorMaps,
    white: WhiteMatter,
    core: np.ndarray,
    settings: DwiMeasureSettings,
) -> _WhiteMatterTensor:
    """The tensor of the white matter alone where that is asked for, else the tensor as it is."""
    if not settings.subtract_partial_volume:
        return _WhiteMatterTensor(maps, core, corrected=False)
    known = {"GM", "CSF"} <= set(white.tissue)
    # FA with and without the subtraction is not one measure: who lacks it is flagged.
    note = "" if known else "there is no T1w image to tell the tissues' shares"
    findings.checks.append(at_least("partial_volume_corrected", float(known), 1, note))
    if not known:
        return _WhiteMatterTensor(maps, core, corrected=False)
    tensor = _partial_volume_corrected(series, white, settings)
    findings.checks.append(subtraction_check(tensor.maps, tensor.counted))
    return tensor


def _partial_volume_corrected(
    series: PreprocessedSeries, white: WhiteMatter, settings: DwiMeasureSettings
) -> _WhiteMatterTensor:
    chosen = tensor_volumes(
        series.gradients,
        max_b_s_mm2=settings.tensor_max_b_s_mm2,
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
    )
    gradients = series.gradients.subset(chosen)
    signal, corrected = white_matter_signal(
        series.data[..., chosen],
        gradients,
        white.tissue,
        series.mask,
        series.affine,
        white_min=max(settings.tract_wm_min, _PARTIAL_VOLUME_WM_MIN),
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
    )
    return _WhiteMatterTensor(fit_tensor(signal, gradients, corrected), corrected, corrected=True)


def _averages(
    maps: TensorMaps, white: WhiteMatter, counted: np.ndarray
) -> dict[str, tuple[Average, Average]]:
    """FA and MD by tract, and of all white matter under ``WM``."""
    everywhere = np.ones(counted.shape, np.float32)
    weight = np.where(counted, white.tissue["WM"], 0)
    return {
        region: (tract_average(maps.fa, share, weight), tract_average(maps.md, share, weight))
        for region, share in {**white.shares, "WM": everywhere}.items()
    }


def _add_skeleton(
    findings: _Findings,
    maps: TensorMaps,
    series: PreprocessedSeries,
    files: DwiMeasured,
    settings: DwiMeasureSettings,
) -> None:
    """Add the averages over the skeleton of the study's template."""
    with tempfile.TemporaryDirectory(dir=files.markers.parent) as folder:
        averages = on_skeleton(
            read_skeleton(settings.skeleton),
            {"fa": maps.fa, "md": maps.md},
            series.mask,
            series.affine,
            folder=Path(folder),
            resolution_mm=settings.registration_resolution_mm,
        )
    flagged = findings.flagged
    for name, unit in (("fa", "1"), ("md", "mm2/s")):
        for region, average in averages[name].items():
            if average.voxels >= settings.tract_voxels_min:
                findings.add(f"tbss_{name}", region, average.value, unit, flagged=flagged)


def _add_compartments(
    findings: _Findings,
    series: PreprocessedSeries,
    white: WhiteMatter,
    counted: np.ndarray,
    settings: DwiMeasureSettings,
) -> None:
    """Add free water and kurtosis of the tracts where they are asked for, or say why not."""
    maps, reasons, flagged = {}, {}, findings.flagged
    table, b0_max = series.gradients, settings.b0_max_b_s_mm2
    if settings.free_water:
        reasons["free_water"] = lacking_for_free_water(table, b0_max_b_s_mm2=b0_max)
        if not reasons["free_water"]:
            maps["free_water"], maps["fa_tissue"] = free_water(
                series.data, table, counted, b0_max_b_s_mm2=b0_max
            )
    if settings.kurtosis:
        reasons["mean_kurtosis"] = lacking_for_kurtosis(table, b0_max_b_s_mm2=b0_max)
        if not reasons["mean_kurtosis"]:
            maps["mean_kurtosis"] = mean_kurtosis(
                series.data, table, counted, b0_max_b_s_mm2=b0_max
            )
    everywhere = np.ones(counted.shape, np.float32)
    weight = np.where(counted, white.tissue["WM"], 0)
    for marker, values in maps.items():
        for region, share in {**white.shares, "WM": everywhere}.items():
            average = tract_average(values, share, weight)
            if average.voxels >= settings.tract_voxels_min:
                findings.add(marker, region, average.value, "1", flagged=flagged)
    findings.notes += [f"{name} is missing: {why}." for name, why in reasons.items() if why]


def _averages_of_tracts(
    averages: dict[str, tuple[Average, Average]],
) -> dict[str, tuple[Average, Average]]:
    """FA and MD over both sides and over compounds, of sides that have any voxel."""
    fa, md = (averaged_tracts({name: pair[k] for name, pair in averages.items()}) for k in (0, 1))
    return {name: (fa[name], md[name]) for name in fa}


def _add_tracts(
    findings: _Findings,
    averages: dict[str, tuple[Average, Average]],
    settings: DwiMeasureSettings,
) -> None:
    """Add the markers of tracts that have enough voxels, and name those that have not."""
    flagged = findings.flagged
    for region, (fa, md) in averages.items():
        if fa.voxels >= settings.tract_voxels_min:
            findings.add("fa", region, fa.value, "1", flagged=flagged)
            findings.add("md", region, md.value, "mm2/s", flagged=flagged)
        else:
            findings.notes.append(
                f"fa and md of {region} are missing: {fa.voxels} voxels of white matter, "
                f"{settings.tract_voxels_min} are needed."
            )
    if not any(row.marker == "fa" for row in findings.rows):
        findings.missing["tracts"] = (
            f"no tract has {settings.tract_voxels_min} voxels of white matter"
        )
