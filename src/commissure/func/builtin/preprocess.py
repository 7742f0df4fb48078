"""The built-in engine: a raw BOLD series to the template, with its confounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import write_json, write_table
from commissure.func.builtin.acquisition import (
    Acquisition,
    acquisition,
    check_length,
    shift_slices,
)
from commissure.func.builtin.confounds import (
    components,
    confounds_table,
    cosine_drifts,
)
from commissure.func.builtin.distortion import Susceptibility, checked_at_border, susceptibility
from commissure.func.builtin.echoes import (
    combined_echoes,
    combined_volume,
    read_echoes,
    resampled_echoes,
    sharpest_echo,
)
from commissure.func.builtin.normalisation import (
    TransformChain,
    brain_mask,
    dilated,
    resampled_volume,
    transform_chain,
)
from commissure.func.builtin.realign import Motion, mean_volume, realign
from commissure.func.builtin.steady import non_steady_volumes
from commissure.func.builtin.tedana import (
    LEAST_ECHOES,
    RejectedComponents,
    rejected_components,
)
from commissure.func.builtin.tissue import tissue_core, tissue_maps
from commissure.func.builtin.to_t1w import registration_reference
from commissure.func.derivatives import FuncFiles
from commissure.func.settings import FuncPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.header import header_notes
from commissure.images.load import (
    identical_volumes,
    save_image,
    voxel_volume_mm3,
    zooms_mm,
)
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan

#: Brain median of the series as written: in 16-bit integers a step of 0.02 %, and six times the
#: median still fits.
GRAND_MEDIAN = 5_000

#: A voxel of the brain was in the field of view in more than this share of the volumes.
SEEN_SHARE = 0.95

#: Less brain than this is no series of a brain.
BRAIN_LITRES_MIN = 0.05

#: At this repetition time or below no slice lies more than 0.6 s from the middle of its volume,
#: little against the seconds of the haemodynamic response.
SLICE_TIMING_ABOVE_S = 1.2


def preprocess(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: FuncPreprocessSettings
) -> None:
    """Realign one BOLD run, bring it to the template and write its derivatives.

    Parameters
    ----------
    scan
        The raw run.
    folder
        Where to write (a person's ``func/``).
    anat
        Derivatives of the same person's T1w image; None, or incomplete, when there is none.
    settings
        Settings of preprocessing.

    Raises
    ------
    DatasetError
        The series is no 4-D series, too short, holds NaN, shows no brain or the same volume
        throughout, or its timing is missing or impossible.
    """
    echoes = read_echoes(scan)
    image = echoes.images[0]
    timing = acquisition(scan, image)
    check_length(scan, image.shape[3], settings.dummy_volumes)
    anat = anat if anat is not None and anat.complete() else None
    affine = image.affine
    every = [np.asanyarray(echo.dataobj)[..., settings.dummy_volumes :] for echo in echoes.images]
    repeated = _repeated_volumes(scan, every[0])
    every, corrected, notes = _slice_timing(every, timing, wanted=settings.slice_timing)
    notes = [*header_notes(image), *echoes.notes, *notes]

    sharpest = sharpest_echo(every, brain_mask(_middle(every[0]), affine))
    series = every[sharpest]
    bright = brain_mask(_middle(series), affine)
    _refuse_no_brain(scan, bright, _middle(series), affine, "bright in one piece")
    first_mask = dilated(bright, affine, radius_mm=6)
    first = non_steady_volumes(series[bright], tr_s=timing.tr_s)
    motion = realign(series, affine, mask=first_mask, first=first, slice_axis=timing.slice_axis)
    steady = np.arange(first, series.shape[3])
    means = [mean_volume(echo, affine, motion, among=steady) for echo in every]
    boldref = nib.Nifti1Image(combined_volume(means, echoes.times_s), affine)
    distortion = susceptibility(scan, series, motion, boldref, wanted=settings.susceptibility)
    distortion = checked_at_border(distortion, boldref, anat)
    reference, registered, odd = registration_reference(scan, boldref)
    reference, boldref = distortion.undone(reference), distortion.undone(boldref)
    notes += [*distortion.notes, *odd]
    wants_components = settings.multi_echo == "tedana" and len(echoes.times_s) >= LEAST_ECHOES
    if settings.multi_echo == "tedana" and len(echoes.times_s) < LEAST_ECHOES:
        notes.append(f"tedana was not used: it needs {LEAST_ECHOES} echoes.")

    # A grid finer than the data would cost time and memory and show nothing more.
    resolution_mm = max(settings.resolution_mm, min(zooms_mm(affine)))
    grid = template("mask", resolution_mm=resolution_mm)
    tissue = tissue_maps(anat, grid, who=scan.who)
    native_mask = brain_mask(np.asanyarray(boldref.dataobj), affine)
    chain = transform_chain(reference, native_mask, grid, anat=anat, who=scan.who)
    run = _in_template(
        every,
        echoes.times_s,
        affine,
        motion,
        distortion,
        boldref,
        native_mask,
        chain,
        tissue["brain"],
        grid,
        resolution_mm=resolution_mm,
        scan=scan,
        find_components=partial(
            rejected_components,
            times_s=echoes.times_s,
            affine=grid.affine,
            tr_s=timing.tr_s,
            first=first,
            who=scan.who,
        )
        if wants_components
        else None,
    )

    drifts = cosine_drifts(run.values.shape[1], tr_s=timing.tr_s, period_s=settings.drift_period_s)
    cores = {name: tissue_core(tissue[name], run.brain) for name in ("CSF", "WM")}
    table, metadata = _confounds(run, motion, cores, drifts, settings, first=first)
    sidecar = {
        "TaskName": timing.task,
        "RepetitionTime": timing.tr_s,
        "SpatialReference": TEMPLATE,
        "Resolution": f"{resolution_mm:g} mm",
        "SkullStripped": True,
        "SliceTimingCorrected": corrected,
        "NumberOfVolumesDiscardedByUser": settings.dummy_volumes,
        "NonSteadyVolumes": first,
        "Sources": [scan.path.name, *([] if anat is None else [anat.preproc.name])],
        **chain.sidecar(),
        "RegistrationReference": registered,
        "Interpolations": "one: distortion, movement and template transform together, cubic spline",
        **distortion.sidecar(),
        **echoes.sidecar(sharpest),
        **(run.rejected.sidecar() if run.rejected else {}),
        "IdenticalVolumes": repeated,
        "IntensityScale": run.scale,
        "RealignmentReference": "mean of the realigned volumes",
        "TissueCoreVoxels": {name: int(core.sum()) for name, core in cores.items()},
        "Notes": [*notes, *chain.notes],
    }

    files = FuncFiles.of(scan, folder)
    whole = np.zeros((*grid.shape, run.values.shape[1]), np.int16)
    whole[run.box] = np.rint(run.values)
    save_image(whole, grid.affine, files.series, tr_s=timing.tr_s)
    write_json(sidecar, files.sidecar)
    save_image(run.brain, grid.affine, files.mask)
    save_image(run.boldref * np.float32(run.scale), grid.affine, files.boldref)
    _save_t2star(run, grid.affine, files.t2star)
    write_table(table, files.confounds)
    write_json(metadata, files.confounds_sidecar)


@dataclass(frozen=True)
class _TemplateRun:
    """A run on the output grid in template space.

    Attributes
    ----------
    values
        Shape (N, T): the scaled series of the voxels in the box, in array order.
    box
        Boolean, shape (X, Y, Z): the voxels that are computed, N of them.
    brain
        Boolean, shape (X, Y, Z): brain of the run that was in view in nearly every volume.
    boldref
        Shape (X, Y, Z): mean volume, not scaled.
    scale
        By how much the series was multiplied.
    t2star
        Shape (N,), s; None where the run has one echo.
    rejected
        Components of the echoes that are no BOLD; None where none were looked for.
    """

    values: np.ndarray
    box: np.ndarray
    brain: np.ndarray
    boldref: np.ndarray
    scale: float
    t2star: np.ndarray | None = None
    rejected: RejectedComponents | None = None


def _save_t2star(run: _TemplateRun, affine: np.ndarray, path: Path) -> None:
    """Write the map of T2* in s; a run of one echo leaves none behind."""
    if run.t2star is None:
        path.unlink(missing_ok=True)
        return
    whole = np.zeros(run.box.shape, np.float32)
    whole[run.box] = run.t2star
    save_image(whole * run.brain, affine, path)


def _slice_timing(
    echoes: list[np.ndarray], timing: Acquisition, *, wanted: bool | Literal["auto"]
) -> tuple[list[np.ndarray], bool, list[str]]:
    """The echoes, shifted in time where that is wanted and known how; whether so; notes."""
    notes = list(timing.notes)
    if wanted == "auto":
        wanted = timing.tr_s > SLICE_TIMING_ABOVE_S
    if wanted and timing.slice_times_s is not None:
        times, axis = timing.slice_times_s, timing.slice_axis
        shifted = [shift_slices(each, times, axis=axis, tr_s=timing.tr_s) for each in echoes]
        return shifted, True, notes
    if wanted:
        notes.append("Slice timing is not corrected: the sidecar has no SliceTiming.")
    return echoes, False, notes


def _repeated_volumes(scan: Scan, series: np.ndarray) -> int:
    """How many volumes repeat the one before; a series of nothing else is refused."""
    repeated = identical_volumes(series)
    if repeated == series.shape[3] - 1:
        raise DatasetError(
            scan.who,
            found=f"the {series.shape[3]} volumes of {scan.path.name} are identical",
            wanted="a series that changes with time",
            mend=f"Convert {scan.path.name} again",
        )
    return repeated


def _refuse_no_brain(
    scan: Scan, brain: np.ndarray, image: np.ndarray, affine: np.ndarray, what: str
) -> None:
    """Refuse a series in which hardly anything is ``what`` a brain is, in words."""
    litres = float(brain.sum() * voxel_volume_mm3(affine) / 1e6)
    if litres < BRAIN_LITRES_MIN or np.median(image[brain]) <= 0:
        raise DatasetError(
            scan.who,
            found=f"{litres:.2f} l of {scan.path.name} are {what}",
            wanted=f"at least {BRAIN_LITRES_MIN:g} l",
            mend="Look at the series: noise, another organ, a wrong voxel size, or a registration "
            "that failed",
        )


def _in_template(
    echoes: list[np.ndarray],
    times_s: tuple[float, ...],
    affine: np.ndarray,
    motion: Motion,
    distortion: Susceptibility,
    boldref: nib.Nifti1Image,
    native_mask: np.ndarray,
    chain: TransformChain,
    template_brain: np.ndarray,
    grid: nib.Nifti1Image,
    *,
    resolution_mm: float,
    scan: Scan,
    find_components: Callable[..., RejectedComponents] | None,
) -> _TemplateRun:
    """Resample series, mean volume and mask to the template, and scale the series."""
    box = dilated(template_brain > 0.5, grid.affine, radius_mm=2 * resolution_mm)
    every, seen = resampled_echoes(
        echoes, affine, motion, chain.coordinates_mm, box, distortion.shift
    )
    rejected = find_components(every, box, template_brain > 0.5) if find_components else None
    values, t2star = combined_echoes(every, times_s)
    mean = np.asanyarray(boldref.dataobj)
    reference = resampled_volume(mean, affine, chain.coordinates_mm, order=3)
    bold_brain = resampled_volume(native_mask, affine, chain.coordinates_mm) > 0.5
    near = dilated(template_brain > 0.5, grid.affine, radius_mm=resolution_mm)
    in_view = np.zeros(grid.shape, bool)
    in_view[box] = (seen > SEEN_SHARE) & (np.ptp(values, axis=1) > 0)
    brain = bold_brain & near & in_view
    _refuse_no_brain(scan, brain, reference, grid.affine, "bright where the template has its brain")
    scale = GRAND_MEDIAN / float(np.median(reference[brain]))
    values = np.clip(values * np.float32(scale), 0, np.iinfo(np.int16).max)
    return _TemplateRun(values, box, brain, reference, scale, t2star, rejected)


def _confounds(
    run: _TemplateRun,
    motion: Motion,
    cores: dict[str, np.ndarray],
    drifts: np.ndarray,
    settings: FuncPreprocessSettings,
    *,
    first: int,
) -> tuple[pd.DataFrame, dict]:
    """The confounds table of a run in template space, and what its columns mean."""
    values, box = run.values, run.box
    table, metadata = confounds_table(
        motion,
        {
            "csf": values[cores["CSF"][box]].mean(axis=0),
            "white_matter": values[cores["WM"][box]].mean(axis=0),
            "global_signal": values[run.brain[box]].mean(axis=0),
        },
        values[run.brain[box]],
        tuple(
            components(
                values[core[box]],
                drifts,
                tissue=name,
                count=settings.compcor_components,
                first=first,
            )
            for name, core in cores.items()
        ),
        drifts,
        radius_mm=settings.fd_radius_mm,
        first=first,
    )
    if run.rejected is None:
        return table, metadata
    columns, meaning = run.rejected.columns()
    return table.assign(**columns), metadata | meaning


def _middle(series: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(series[..., series.shape[3] // 2], dtype=np.float32)
