"""The runs of one acquisition: reading them, and the series that they become."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from commissure.dwi.builtin.realign import Realignment
from commissure.dwi.builtin.steps import BUILTIN, Steps
from commissure.dwi.gradients import Gradients, read_gradients
from commissure.dwi.quality import neighbouring_correlation
from commissure.images.header import header_notes
from commissure.images.load import identical_volumes, load_image, zooms_mm
from commissure.images.rigid import resample_pose, rigid_pose
from commissure.images.susceptibility import phase_axis
from commissure.names import Scan

#: Voxels of two runs are alike within this share, and their grids lie on one another within mm.
_SIZE_TOLERANCE, _PLACE_TOLERANCE_MM = 0.01, 0.05

#: b-values of one shell are rounded to this, s/mm².
_SHELL_STEP = 100


@dataclass(frozen=True)
class Run:
    """One raw series.

    Attributes
    ----------
    name
        Of its file.
    series
        ``(x, y, z, volumes)``.
    affine
        4x4, voxel to mm.
    gradients
        One row per volume.
    unweighted
        ``(volumes,)`` of bool.
    brain
        3-D rough mask, from the b0 as acquired.
    metadata
        Its sidecar.
    correlation
        Neighbouring correlation.
    repeated
        Volumes that repeat the one before, voxel by voxel.
    """

    name: str
    series: np.ndarray
    affine: np.ndarray
    gradients: Gradients
    unweighted: np.ndarray
    brain: np.ndarray
    metadata: dict[str, Any]
    correlation: float
    repeated: int

    @property
    def sense(self) -> float:
        """Sense of the phase encoding along its axis, 1 or -1; 1 where it is unknown."""
        encoded = phase_axis(self.metadata.get("PhaseEncodingDirection"))
        return encoded[1] if encoded else 1.0


def read_runs(
    scan: Scan, notes: list[str], *, b0_max_b_s_mm2: float, steps: Steps = BUILTIN
) -> list[Run]:
    """Read a series and the other runs of its acquisition.

    Parameters
    ----------
    scan
        The first run; the others are its associated files ``run2``, ``run2_bval`` ...
    notes
        Takes what was mended, and which runs were left out and why.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.
    steps
        Outlines the brain.

    Returns
    -------
    list of Run
        The first one first, all on its grid.
    """
    first = _read(scan, notes, steps, b0_max_b_s_mm2=b0_max_b_s_mm2)
    runs = [first]
    for other in _other_runs(scan):
        read = _read(other, notes, steps, b0_max_b_s_mm2=b0_max_b_s_mm2)
        run = _on_grid_of(first, read, notes)
        if run is None:
            continue
        runs.append(run)
        if _shells(run) != _shells(first):
            notes.append(
                f"{run.name} has b-values {_shells(run)} and {first.name} {_shells(first)}: they "
                "were joined to one series."
            )
    return runs


def joined_gradients(runs: Sequence[Run]) -> Gradients:
    """The gradient table of all runs, one after the other."""
    return Gradients(
        np.concatenate([run.gradients.b for run in runs]),
        np.vstack([run.gradients.directions for run in runs]),
    )


def joined_realignments(
    groups: Sequence[Realignment], matrices: Sequence[np.ndarray]
) -> Realignment:
    """One realignment of several groups of volumes.

    Parameters
    ----------
    groups
        Each relative to its own first b0.
    matrices
        4x4 each, from the world of the first group's first b0 to that of the group's.
    """
    centre = groups[0].centre
    poses = [
        rigid_pose(head @ matrix, centre)
        for group, matrix in zip(groups, matrices, strict=True)
        for head in group.head
    ]
    series = [group.series for group in groups]
    return Realignment(
        np.stack(poses),
        centre,
        np.concatenate([group.eddies for group in groups]),
        np.concatenate([group.dropouts for group in groups]),
        series[0] if len(series) == 1 else np.concatenate(series, axis=3),
    )


def _read(scan: Scan, notes: list[str], steps: Steps, *, b0_max_b_s_mm2: float) -> Run:
    image = load_image(scan.path, who=scan.who, ndim=4)
    series = np.asanyarray(image.dataobj)
    gradients = read_gradients(
        scan.associated,
        image.affine,
        volumes=series.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=b0_max_b_s_mm2,
    )
    notes += [*header_notes(image), *gradients.notes]
    series = np.delete(series, gradients.without_direction, axis=3)
    unweighted = gradients.b0(b0_max_b_s_mm2)
    brain = steps.outline(series, gradients, unweighted, image.affine, who=scan.who)
    notes += _empty_slices(series, brain, scan.path.name)
    return Run(
        scan.path.name,
        series,
        image.affine,
        gradients,
        unweighted,
        brain,
        scan.metadata() if scan.sidecars else {},
        neighbouring_correlation(series, gradients, brain, b0_max_b_s_mm2=b0_max_b_s_mm2),
        identical_volumes(series),
    )


def _empty_slices(series: np.ndarray, brain: np.ndarray, name: str) -> list[str]:
    """What to say of slices through the brain that are 0 throughout."""
    through = np.asarray(brain.any(axis=(0, 1)))
    empty = ~series.any(axis=(0, 1)) & through[:, None]
    places = [f"{k} of volume {t}" for k, t in np.argwhere(empty)]
    if not places:
        return []
    listed = ", ".join(places[:5]) + (" ..." if len(places) > 5 else "")
    return [f"{name} has slices without any signal, which count as lost: slice {listed} (from 0)."]


def _other_runs(scan: Scan) -> list[Scan]:
    """The associated runs as scans of their own."""
    numbers = sorted(
        int(match[1]) for key in scan.associated if (match := re.fullmatch(r"run(\d+)", key))
    )
    return [
        Scan(
            scan.associated[f"run{number}"],
            scan.entities,
            scan.suffix,
            _sidecars(scan, number),
            {kind: scan.associated[f"run{number}_{kind}"] for kind in ("bval", "bvec")},
        )
        for number in numbers
    ]


def _sidecars(scan: Scan, number: int) -> list[Path]:
    keys = sorted(key for key in scan.associated if key.startswith(f"run{number}_json"))
    return [scan.associated[key] for key in keys]


def _on_grid_of(first: Run, run: Run, notes: list[str]) -> Run | None:
    """A run on the grid of the first, or None where its voxels are others."""
    sizes = [np.array(zooms_mm(each.affine)) for each in (first, run)]
    shape = first.series.shape[:3]
    if np.abs(sizes[1] / sizes[0] - 1).max() > _SIZE_TOLERANCE:
        named = [" x ".join(f"{edge:.2f}" for edge in size) for size in sizes]
        notes.append(
            f"{run.name} is left out: its voxels are {named[1]} mm, those of {first.name} "
            f"{named[0]} mm."
        )
        return None
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    corners[:, :3] *= np.array(shape) - 1
    apart = (corners @ (run.affine - first.affine).T)[:, :3]
    if run.series.shape[:3] == shape and np.abs(apart).max() < _PLACE_TOLERANCE_MM:
        return replace(run, affine=first.affine)
    notes.append(f"{run.name} was brought to the grid of {first.name}, where it lay otherwise.")
    moved = np.empty((*shape, run.series.shape[3]), np.float32)
    for i in range(moved.shape[3]):
        moved[..., i] = resample_pose(
            run.series[..., i], run.affine, np.eye(4), shape, first.affine
        )
    brain = resample_pose(run.brain, run.affine, np.eye(4), shape, first.affine, order=1) > 0.5
    return replace(run, series=np.clip(moved, 0, None), affine=first.affine, brain=brain)


def _shells(run: Run) -> list[int]:
    rounded = np.round(run.gradients.b[~run.unweighted] / _SHELL_STEP) * _SHELL_STEP
    return [int(value) for value in np.unique(rounded)]
