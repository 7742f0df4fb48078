"""From a preprocessed diffusion series to markers, quality record and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commissure.checks import Check, write_quality
from commissure.dwi.derivatives import Preprocessed, read_preprocessed
from commissure.dwi.figures import draw_motion, draw_tensor
from commissure.dwi.gradients import distinct_directions, quadratic
from commissure.dwi.partial_volume import white_matter_signal
from commissure.dwi.quality import axes_check, fibre_coherence, neighbouring_correlation
from commissure.dwi.settings import DwiSettings
from commissure.dwi.tensor import TensorMaps, fit_tensor
from commissure.dwi.tracts import Average, tract_average
from commissure.dwi.white_matter import WhiteMatter, from_anatomy, from_template_white_matter
from commissure.images.anat_files import AnatFiles
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.template import TEMPLATE
from commissure.names import Scan
from commissure.rows import Marker, write_markers


def measure(scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: DwiSettings) -> None:
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
        Settings of the room.

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit the others.
    QualityError
        The directions span no tensor.
    """
    anat = anat if anat is not None and anat.complete() else None
    run = read_preprocessed(
        scan, folder, in_t1w=anat is not None, b0_max_b_s_mm2=settings.b0_max_b_s_mm2
    )
    rows: list[Marker] = []
    checks = [*_series_checks(scan, run, settings)]
    missing: dict[str, str] = {}
    details: dict = {}
    notes = list(run.gradients.notes) + list(run.sidecar.get("Notes", []))
    motion = _mean_motion(run)
    if motion is None:
        notes.append("dwi_motion is missing: the engine wrote no framewise displacement.")
    else:
        rows.append(_row(scan, "dwi_motion", "brain", motion, "mm"))

    chosen = run.gradients.b <= settings.tensor_max_b_s_mm2
    gradients = run.gradients.subset(chosen)
    weighted = gradients.directions[~gradients.b0(settings.b0_max_b_s_mm2)]
    white: WhiteMatter | None = None
    if len(weighted) < 6 or np.linalg.matrix_rank(quadratic(weighted), tol=0.05) < 6:
        cause = (
            f"{distinct_directions(weighted)} distinct directions up to b = "
            f"{settings.tensor_max_b_s_mm2:g} s/mm² are too few for a tensor (6)"
        )
        missing = {"tensor": cause, "tracts": cause}
    else:
        maps = fit_tensor(run.series[..., chosen], gradients, run.mask)
        white = _white_matter(scan, folder, run, maps, anat, settings)
        core = (white.tissue["WM"] >= settings.tract_wm_min) & run.mask
        pure, counted = maps, core
        if max(zooms_mm(run.affine)) >= settings.partial_volume_from_mm - 1e-3:
            known = {"GM", "CSF"} <= set(white.tissue)
            if known:
                pure, counted = _purified(run, white, chosen, settings)
            # FA with and without the subtraction is not one measure: who lacks it is flagged.
            checks.append(
                Check(
                    "partial_volume_corrected", float(known), ">= 1", known,
                    "" if known else "there is no T1w image to tell the tissues' shares",
                )
            )  # fmt: skip
        counted = counted & (pure.fa > settings.tract_fa_min)
        checks += _tensor_checks(run, maps, white, core)
        snr, how = _b0_snr(run, maps, core)
        checks.append(Check("b0_snr", snr, ">= 15", snr >= 15, how))
        rows.append(_row(scan, "b0_snr", "WM", snr, "1"))
        flagged = any(check.passed is False for check in checks)
        averages = _averages(pure, white, counted)
        for region, (fa, md) in averages.items():
            if fa.voxels >= settings.tract_voxels_min:
                rows.append(_row(scan, "fa", region, fa.value, "1", flagged=flagged))
                rows.append(_row(scan, "md", region, md.value, "mm2/s", flagged=flagged))
            else:
                notes.append(
                    f"fa and md of {region} are missing: {fa.voxels} voxels of white matter with "
                    f"FA above {settings.tract_fa_min:g}, {settings.tract_voxels_min} are needed."
                )
        if not any(row.marker == "fa" for row in rows):
            missing["tracts"] = (
                f"no tract has {settings.tract_voxels_min} voxels of white matter with FA above "
                f"{settings.tract_fa_min:g}"
            )
        notes += white.notes
        details = {
            "atlas": "JHU189",
            "atlas_transform": white.transform,
            "partial_volume_corrected": pure is not maps,
            "tract_voxels": {region: fa.voxels for region, (fa, _) in averages.items()},
        }
        draw_tensor(
            maps,
            white.shares,
            run.mask,
            run.affine,
            title=scan.label,
            path=folder / "figures" / scan.derivative("dwi", ".svg", desc="tensor"),
        )
    poses, displacement = run.poses, run.displacement
    if poses is not None and displacement is not None:
        draw_motion(
            poses,
            displacement,
            _dropout_list(run),
            title=scan.label,
            path=folder / "figures" / scan.derivative("dwi", ".svg", desc="motion"),
        )
    write_markers(rows, folder / scan.derivative("markers", ".tsv"))
    write_quality(
        checks,
        folder / scan.derivative("qc", ".json"),
        notes=notes,
        missing=missing,
        space=run.space or "own",
        volumes=int(run.series.shape[3]),
        b_values=sorted({round(float(b), -1) for b in run.gradients.b}),
        **details,
    )


def _row(
    scan: Scan, marker: str, region: str, value: float, unit: str, *, flagged: bool = False
) -> Marker:
    session = scan.entities.get("ses", "")
    return Marker(
        f"sub-{scan.entities['sub']}",
        f"ses-{session}" if session else "",
        "dwi",
        region,
        marker,
        value,
        unit,
        "flag" if flagged else "ok",
    )


def _mean_motion(run: Preprocessed) -> float | None:
    displacement = run.displacement
    if displacement is None or len(displacement) < 2:
        return None
    return float(np.nanmean(displacement[1:]))


def _dropout_list(run: Preprocessed) -> np.ndarray | None:
    listed = run.sidecar.get("OutlierSlices")
    return None if listed is None else np.array(listed, dtype=float).reshape(-1, 2)


def _series_checks(scan: Scan, run: Preprocessed, settings: DwiSettings) -> list[Check]:
    b0_max = settings.b0_max_b_s_mm2
    weighted = ~run.gradients.b0(b0_max)
    directions = distinct_directions(run.gradients.directions[weighted])
    checks = [Check("directions", directions, ">= 20", directions >= 20)]
    raw = run.sidecar.get("NeighbouringCorrelationRaw")
    if raw is not None:
        checks.append(Check("neighbouring_correlation_raw", raw, ">= 0.4", raw >= 0.4))
    own = neighbouring_correlation(run.series, run.gradients, run.mask, b0_max_b_s_mm2=b0_max)
    checks.append(Check("neighbouring_correlation", own, ">= 0.4", own >= 0.4))
    motion = _mean_motion(run)
    if motion is not None:
        checks.append(Check("mean_displacement_mm", motion, "<= 1", motion <= 1))
    dropouts = _dropout_list(run)
    if dropouts is not None:
        slices = run.sidecar["Slices"] * int(weighted.sum())
        percent = 100 * len(dropouts) / slices
        checks.append(Check("outlier_slices_percent", percent, "<= 10", percent <= 10))
    litres = float(run.mask.sum() * voxel_volume_mm3(run.affine) / 1e6)
    checks.append(Check("brain_litres", litres, "0.8 to 2.2", 0.8 <= litres <= 2.2))
    return checks


def _tensor_checks(
    run: Preprocessed, maps: TensorMaps, white: WhiteMatter, core: np.ndarray
) -> list[Check]:
    checks = [axes_check(fibre_coherence(maps.direction, maps.fa, run.affine))]
    inside = run.mask
    share = white.tissue["WM"][inside]
    if share.std() > 0:
        agreement = float(np.corrcoef(maps.fa[inside], share)[0, 1])
        checks.append(Check("fa_white_matter_correlation", agreement, ">= 0.4", agreement >= 0.4))
    if core.any():
        md = float(np.median(maps.md[core]))
        checks.append(
            Check("white_matter_md_mm2_s", md, "0.5e-3 to 1.2e-3", 0.5e-3 <= md <= 1.2e-3)
        )
        signal = np.maximum(maps.s0[core], 1e-6)
        checks.append(
            Check("tensor_residual_percent", float(100 * np.median(maps.residual[core] / signal)))
        )
    return checks


def _b0_snr(run: Preprocessed, maps: TensorMaps, core: np.ndarray) -> tuple[float, str]:
    where = core if core.any() else run.mask
    signal = float(np.median(maps.s0[where]))
    noise = run.sidecar.get("NoiseStandardDeviation")
    if noise:
        return signal / noise, "Noise from the denoising of the raw series."
    noise = max(float(np.median(maps.residual[where])), 1e-6)
    return (
        signal / noise,
        "Noise from the residuals of the tensor in the preprocessed series: an upper bound of SNR.",
    )


def _white_matter(
    scan: Scan,
    folder: Path,
    run: Preprocessed,
    maps: TensorMaps,
    anat: AnatFiles | None,
    settings: DwiSettings,
) -> WhiteMatter:
    if anat is not None and run.space == "T1w":
        return from_anatomy(run.mask.shape, run.affine, anat)

    def transform(start: str, end: str) -> Path:
        return folder / scan.derivative("xfm", ".h5", from_=start, to=end, mode="image")

    return from_template_white_matter(
        maps.fa,
        run.mask,
        run.affine,
        forward=transform("dwiref", TEMPLATE),
        inverse=transform(TEMPLATE, "dwiref"),
        resolution_mm=settings.registration_resolution_mm,
    )


def _purified(
    run: Preprocessed, white: WhiteMatter, chosen: np.ndarray, settings: DwiSettings
) -> tuple[TensorMaps, np.ndarray]:
    """Tensor of the white matter alone, and the voxels that have one."""
    gradients = run.gradients.subset(chosen)
    signal, corrected = white_matter_signal(
        run.series[..., chosen],
        gradients,
        white.tissue,
        run.mask,
        run.affine,
        white_min=max(settings.tract_wm_min, 0.3),
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
    )
    return fit_tensor(signal, gradients, corrected), corrected


def _averages(
    maps: TensorMaps, white: WhiteMatter, tissue: np.ndarray
) -> dict[str, tuple[Average, Average]]:
    everywhere = np.ones(tissue.shape, np.float32)
    regions = {**white.shares, "WM": everywhere}
    return {
        region: (tract_average(maps.fa, share, tissue), tract_average(maps.md, share, tissue))
        for region, share in regions.items()
    }
