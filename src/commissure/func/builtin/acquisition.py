"""When the volumes and slices of a BOLD series were taken, checked against physics."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.interpolate import CubicSpline

from commissure.errors import DatasetError
from commissure.func.timing import repetition_time_s
from commissure.names import Scan

#: Values of SliceEncodingDirection: array axis, and whether slices are counted from its end.
_SLICE_AXES = {
    f"{name}{sign}": ("ijk".index(name), bool(sign)) for name in "ijk" for sign in ("", "-")
}

#: Fewer volumes than this are no time series.
LEAST_VOLUMES = 10


@dataclass(frozen=True)
class Acquisition:
    """Timing of a series.

    Attributes
    ----------
    tr_s
        Repetition time in seconds.
    task
        Name of the task.
    slice_times_s
        Time of each slice after the start of its volume, or None where the sidecar has none.
    slice_axis
        Array axis along which slices were taken.
    notes
        Sentences about what was odd and how it was read.
    """

    tr_s: float
    task: str
    slice_times_s: np.ndarray | None
    slice_axis: int
    notes: tuple[str, ...] = ()


def acquisition(scan: Scan, image: nib.Nifti1Image) -> Acquisition:
    """Read and check the timing of a series.

    Parameters
    ----------
    scan
        The BOLD scan with its sidecars.
    image
        The 4-D image, as :func:`commissure.images.load.load_image` gives it.

    Raises
    ------
    DatasetError
        RepetitionTime is missing, impossible, or contradicts the image header; the task is named
        nowhere; SliceTiming does not fit the slices or the repetition time;
        SliceEncodingDirection is no axis.
    """
    metadata = scan.metadata()
    tr_s, notes = repetition_time_s(scan), []
    header_tr = float(image.header.get_zooms()[3])
    unset = header_tr in (0.0, 1.0)
    if unset and header_tr != tr_s:
        notes.append(f"The image header gives no repetition time; the sidecar's {tr_s:g} s holds.")
    elif not unset and min(abs(header_tr - tr_s), abs(header_tr / 1000 - tr_s)) > 0.01 * tr_s:
        raise DatasetError(
            scan.who,
            found=f"RepetitionTime is {tr_s:g} s in the sidecar and {header_tr:g} in the header "
            f"of {scan.path.name}",
            wanted="the same time in both",
            mend="Mend RepetitionTime in the sidecar or pixdim[4] in the image",
        )
    task = scan.entities.get("task", "")
    named = str(metadata.get("TaskName", ""))
    if not task and not named:
        raise DatasetError(
            scan.who,
            found=f"neither the name nor the sidecar of {scan.path.name} names the task",
            mend="Add task-<name> to the file name and TaskName to the sidecar",
        )
    if not named:
        notes.append("The sidecar has no TaskName; the task is taken from the file name.")
    elif task and _letters(named) != _letters(task):
        notes.append(f"TaskName is '{named}' and the file name says '{task}'; the latter holds.")
    axis, backwards = _slice_axis(scan, metadata.get("SliceEncodingDirection"))
    times = metadata.get("SliceTiming")
    if times is not None:
        times = _slice_times(scan, times, image.shape[axis], tr_s)
        if backwards:
            times = times[::-1]
    return Acquisition(tr_s, task or named, times, axis, tuple(notes))


def _slice_axis(scan: Scan, direction: object) -> tuple[int, bool]:
    """Array axis of the slices, and whether they are counted from its end."""
    if direction is None:
        return 2, False
    if not isinstance(direction, str) or direction not in _SLICE_AXES:
        raise DatasetError(
            scan.who,
            found=f"SliceEncodingDirection of {scan.path.name} is {direction!r:.40}",
            wanted=f"one of {', '.join(_SLICE_AXES)}",
            mend="Mend SliceEncodingDirection, or remove it where slices lie along k",
        )
    return _SLICE_AXES[direction]


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _slice_times(scan: Scan, times: object, slices: int, tr_s: float) -> np.ndarray:
    try:
        times_s = np.asarray(times, dtype=float)
    except (OverflowError, TypeError, ValueError):
        times_s = np.full(1, np.nan)
    fits = times_s.shape == (slices,) and (times_s >= 0).all() and times_s.max() < tr_s * 1.001
    if not fits:
        up_to = f" up to {np.max(times_s):g}" if times_s.size else ""
        raise DatasetError(
            scan.who,
            found=f"SliceTiming of {scan.path.name} has {times_s.size} values{up_to}",
            wanted=f"{slices} times in seconds below the repetition time of {tr_s:g} s",
            mend="Mend SliceTiming, or remove it",
        )
    return times_s


def shift_slices(
    series: np.ndarray, slice_times_s: np.ndarray, *, axis: int, tr_s: float
) -> np.ndarray:
    """Interpolate every slice to the middle of its volume's slice times (cubic spline in time).

    Parameters
    ----------
    series
        Shape (X, Y, Z, T).
    slice_times_s
        One time per slice along ``axis``.
    axis
        Slice axis.
    tr_s
        Repetition time.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape; the ends are held constant.
    """
    frames = np.arange(series.shape[3], dtype=float)
    middle = (slice_times_s.min() + slice_times_s.max()) / 2
    shifted = np.empty(series.shape, np.float32)
    for number, time in enumerate(slice_times_s):
        where = (slice(None),) * axis + (number,)
        wanted = np.clip(frames + (middle - time) / tr_s, 0, frames[-1])
        shifted[where] = CubicSpline(frames, series[where], axis=-1)(wanted)
    return shifted


def check_length(scan: Scan, volumes: int, dummy_volumes: int) -> None:
    """Refuse a series that is too short once the dummy volumes are gone.

    Raises
    ------
    DatasetError
        Fewer than :data:`LEAST_VOLUMES` remain.
    """
    if volumes - dummy_volumes < LEAST_VOLUMES:
        raise DatasetError(
            scan.who,
            found=f"{scan.path.name} has {volumes} volumes, {dummy_volumes} of them dummies",
            wanted=f"at least {LEAST_VOLUMES} after the dummies",
            mend="Replace the file by the full series, or lower func.dummy_volumes",
        )
