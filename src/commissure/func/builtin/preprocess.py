"""The built-in engine: a raw BOLD series to the template, with its confounds."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.files import write_json, write_table
from commissure.func.builtin.acquisition import acquisition, check_length, shift_slices
from commissure.func.builtin.confounds import (
    components,
    confounds_table,
    cosine_drifts,
)
from commissure.func.builtin.normalisation import (
    brain_mask,
    carried_series,
    carried_volume,
    dilated,
    journey,
)
from commissure.func.builtin.realign import mean_volume, realign
from commissure.func.settings import FuncPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.grid import coarser
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan

#: Brain median of the series as written: in 16-bit integers a step of 0.02 %, and six times the
#: median still fits.
GRAND_MEDIAN = 5_000

#: A tissue's core: at least this probability, and at least so many voxels, else the most probable.
CORE_PROBABILITY = 0.9
CORE_VOXELS = 30


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
        Settings of the room.

    Raises
    ------
    DatasetError
        The series is no 4-D series, too short, holds NaN, or its timing is missing or impossible.
    """
    image = load_image(scan.path, who=scan.who, ndim=4)
    timing = acquisition(scan, image)
    check_length(scan, image.shape[3], settings.dummy_volumes)
    anat = anat if anat is not None and anat.complete() else None
    series = np.asanyarray(image.dataobj)[..., settings.dummy_volumes :]
    affine = image.affine
    notes = list(timing.notes)

    corrected = False
    if settings.slice_timing and timing.slice_times_s is not None:
        corrected = True
        series = shift_slices(
            series, timing.slice_times_s, axis=timing.slice_axis, tr_s=timing.tr_s
        )
    elif settings.slice_timing:
        notes.append("Slice timing is not corrected: the sidecar has no SliceTiming.")

    first_mask = dilated(brain_mask(_middle(series), affine), affine, radius_mm=6)
    motion = realign(series, affine, mask=first_mask)
    boldref = nib.Nifti1Image(mean_volume(series, affine, motion), affine)
    native_mask = brain_mask(np.asanyarray(boldref.dataobj), affine)

    # A grid finer than the data would cost time and memory and show nothing more.
    resolution_mm = max(settings.resolution_mm, min(zooms_mm(affine)))
    grid = template("mask", resolution_mm=resolution_mm)
    way = journey(boldref, native_mask, grid, anat=anat, who=scan.who)
    tissue = tissue_maps(anat, grid, who=scan.who)
    box = dilated(tissue["brain"] > 0.5, grid.affine, radius_mm=2 * resolution_mm)
    values, seen = carried_series(series, affine, motion, way.coordinates_mm, box)
    reference = carried_volume(np.asanyarray(boldref.dataobj), affine, way.coordinates_mm)
    bold_brain = carried_volume(native_mask, affine, way.coordinates_mm) > 0.5
    near = dilated(tissue["brain"] > 0.5, grid.affine, radius_mm=resolution_mm)
    in_view = np.zeros(grid.shape, bool)
    in_view[box] = (seen > 0.95) & (np.ptp(values, axis=1) > 0)
    brain = bold_brain & near & in_view
    scale = GRAND_MEDIAN / float(np.median(reference[brain]))
    values = np.clip(values * np.float32(scale), 0, np.iinfo(np.int16).max)

    drifts = cosine_drifts(values.shape[1], tr_s=timing.tr_s, period_s=settings.drift_period_s)
    cores = {name: tissue_core(tissue[name], brain) for name in ("CSF", "WM")}
    table, metadata = confounds_table(
        motion,
        {
            "csf": values[cores["CSF"][box]].mean(axis=0),
            "white_matter": values[cores["WM"][box]].mean(axis=0),
            "global_signal": values[brain[box]].mean(axis=0),
        },
        values[brain[box]],
        tuple(
            components(values[core[box]], drifts, tissue=name, count=settings.compcor_components)
            for name, core in cores.items()
        ),
        drifts,
        radius_mm=settings.fd_radius_mm,
    )
    sidecar = {
        "TaskName": timing.task,
        "RepetitionTime": timing.tr_s,
        "SpatialReference": TEMPLATE,
        "Resolution": f"{resolution_mm:g} mm",
        "SkullStripped": True,
        "SliceTimingCorrected": corrected,
        "NumberOfVolumesDiscardedByUser": settings.dummy_volumes,
        "Sources": [scan.path.name, *([] if anat is None else [anat.preproc.name])],
        "Transforms": list(way.steps),
        "approximate": way.approximate,
        "Interpolations": "one: movement and template transform together, cubic spline",
        "IntensityScale": scale,
        "RealignmentReference": "mean of the realigned volumes",
        "TissueCoreVoxels": {name: int(core.sum()) for name, core in cores.items()},
        "Notes": notes,
    }

    def path(suffix: str, extension: str, **entities: str) -> Path:
        return folder / scan.derivative(suffix, extension, **entities)

    written = np.zeros((*grid.shape, values.shape[1]), np.int16)
    written[box] = np.rint(values)
    save_image(
        written,
        grid.affine,
        path("bold", ".nii.gz", space=TEMPLATE, desc="preproc"),
        tr_s=timing.tr_s,
    )
    write_json(sidecar, path("bold", ".json", space=TEMPLATE, desc="preproc"))
    save_image(brain, grid.affine, path("mask", ".nii.gz", space=TEMPLATE, desc="brain"))
    save_image(
        reference * np.float32(scale), grid.affine, path("boldref", ".nii.gz", space=TEMPLATE)
    )
    write_table(table, path("timeseries", ".tsv", desc="confounds"))
    write_json(metadata, path("timeseries", ".json", desc="confounds"))


def tissue_maps(
    anat: AnatFiles | None, grid: nib.Nifti1Image, *, who: str
) -> dict[str, np.ndarray]:
    """Brain and tissue probabilities on the output grid.

    Parameters
    ----------
    anat
        Where the person's own maps are; without them the template's are given.
    grid
        3-D image in template space.
    who
        Person and visit, for error messages.

    Returns
    -------
    dict
        ``brain``, ``WM`` and ``CSF``, each 0 to 1 with the shape of ``grid``.
    """
    resolution = zooms_mm(grid.affine)[0]
    if anat is None:
        return {
            "brain": np.asanyarray(grid.dataobj),
            "WM": np.asanyarray(template("WM", resolution_mm=resolution).dataobj),
            "CSF": np.asanyarray(template("CSF", resolution_mm=resolution).dataobj),
        }
    maps = {}
    for name, source in (("brain", anat.mask), ("WM", anat.wm), ("CSF", anat.csf)):
        image = load_image(source, who=who, ndim=3)
        if max(zooms_mm(image.affine)) < resolution:
            image = coarser(image, resolution)
        maps[name] = np.asanyarray(apply_transform(image, grid, [anat.to_template]).dataobj)
    return maps


def tissue_core(probability: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Voxels that surely hold one tissue, for its mean signal and components.

    Parameters
    ----------
    probability
        3-D, 0 to 1.
    brain
        Boolean mask of the same shape; only voxels in it are taken.

    Returns
    -------
    numpy.ndarray
        Boolean. Where fewer than 30 voxels reach a probability of 0.9, the 30 most probable.
    """
    inside = np.where(brain, probability, -1.0)
    sure = inside >= CORE_PROBABILITY
    if sure.sum() >= CORE_VOXELS:
        return sure
    ranked = np.argsort(-inside, axis=None, kind="stable")[:CORE_VOXELS]
    core = np.zeros(brain.size, bool)
    core[ranked] = inside.ravel()[ranked] > 0
    return core.reshape(brain.shape)


def _middle(series: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(series[..., series.shape[3] // 2], dtype=np.float32)
