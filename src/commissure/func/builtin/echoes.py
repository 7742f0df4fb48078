"""Several echoes of one BOLD run: read, compared, and combined by the decay of their signal.

Notes
-----
Posse S et al., Magn Reson Med 42:87-97, 1999: each echo with the weight TE exp(-TE/T2*), which
gives a small change of T2* the largest contrast over noise that is equal in all echoes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.func.builtin.normalisation import resampled_series
from commissure.func.builtin.realign import Motion
from commissure.func.derivatives import ECHO
from commissure.images.load import load_image, same_grid
from commissure.images.susceptibility import Shift
from commissure.names import Scan, read_sidecars

#: Echo times that a BOLD run can have, s.
_ECHO_TIME_S = (0.001, 0.2)

#: T2* that is longer than this, or endless, is taken as this, s (free water, noise).
LONGEST_T2STAR_S = 0.5

#: Volumes by whose differences the noise of an echo is known.
_COMPARED = 8


@dataclass(frozen=True)
class Echoes:
    """The echoes of a run, in the order of their times.

    Attributes
    ----------
    images
        4-D images on one grid and of one length.
    times_s
        Their echo times; empty where there is one echo.
    notes
        What is to be said of them.
    """

    images: tuple[nib.Nifti1Image, ...]
    times_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def sidecar(self, realigned: int) -> dict[str, Any]:
        """What the JSON of the series says of its echoes; nothing where there is one.

        Parameters
        ----------
        realigned
            Place of the echo from which movement is known.
        """
        if not self.times_s:
            return {}
        return {
            "EchoCombination": "T2*-weighted (Posse 1999): TE exp(-TE/T2*)",
            "EchoTimes": list(self.times_s),
            "RealignmentEchoTime": self.times_s[realigned],
        }


def read_echoes(scan: Scan) -> Echoes:
    """Read the echoes of a run and check that they belong together.

    Parameters
    ----------
    scan
        The first echo, with the others as associated files ``echo2``, ``echo2_json0`` ...

    Raises
    ------
    DatasetError
        An echo time is missing, impossible or there twice, or echoes differ in length, grid or
        repetition time.
    """
    first = load_image(scan.path, who=scan.who, ndim=4)
    keys = sorted((k for k in scan.associated if ECHO.fullmatch(k)), key=lambda key: int(key[4:]))
    if not keys:
        echo = scan.entities.get("echo")
        alone = f"Of several echoes only echo-{echo} is there; it is taken as it is."
        return Echoes((first,), notes=(alone,) if echo else ())
    names, fields, images = [scan.path.name], [scan.metadata()], [first]
    for key in keys:
        names.append(scan.associated[key].name)
        sidecars = [path for k, path in scan.associated.items() if k.startswith(f"{key}_json")]
        fields.append(read_sidecars(sidecars, who=scan.who))
        images.append(load_image(scan.associated[key], who=scan.who, ndim=4))
        _refuse_difference(scan, names, images, fields)
    times = [_echo_time(scan, name, each) for name, each in zip(names, fields, strict=True)]
    if len(set(times)) < len(times):
        raise DatasetError(
            scan.who,
            found=f"the echoes {', '.join(names)} have the echo times {times} s",
            wanted="another EchoTime for each echo",
            mend="Mend EchoTime in the sidecars",
        )
    order = np.argsort(times)
    return Echoes(tuple(images[i] for i in order), tuple(times[i] for i in order))


def _echo_time(scan: Scan, name: str, fields: dict) -> float:
    value = fields.get("EchoTime")
    if isinstance(value, int | float) and _ECHO_TIME_S[0] <= value <= _ECHO_TIME_S[1]:
        return float(value)
    raise DatasetError(
        scan.who,
        found=f"EchoTime of {name} is {value!r}",
        wanted="a time in seconds, {:g} to {:g}".format(*_ECHO_TIME_S),
        mend=f"Mend EchoTime in the sidecar of {name}",
    )


def _refuse_difference(
    scan: Scan, names: Sequence[str], images: Sequence[nib.Nifti1Image], fields: Sequence[dict]
) -> None:
    """Refuse the last echo where it does not belong to the first."""
    one, other = images[0], images[-1]
    problem = ""
    if one.shape[3] != other.shape[3]:
        problem = f"{one.shape[3]} and {other.shape[3]} volumes"
    elif not same_grid(one, other, tolerance_mm=0.01):
        problem = f"the grids {one.shape[:3]} and {other.shape[:3]}, or lie elsewhere"
    elif fields[0].get("RepetitionTime") != fields[-1].get("RepetitionTime"):
        both = " and ".join(f"{each.get('RepetitionTime')}" for each in (fields[0], fields[-1]))
        problem = f"the repetition times {both}"
    if problem:
        raise DatasetError(
            scan.who,
            found=f"the echoes {names[0]} and {names[-1]} have {problem}",
            wanted="echoes of one run: as many volumes, on one grid, with one RepetitionTime",
            mend=f"Convert {names[-1]} again, or remove the echoes that do not belong together",
        )


def sharpest_echo(series: Sequence[np.ndarray], mask: np.ndarray) -> int:
    """The echo by which movement is known best: steep edges, little noise.

    Parameters
    ----------
    series
        Each echo, shape (X, Y, Z, T).
    mask
        Shape (X, Y, Z), where to look.

    Returns
    -------
    int
        Its place: of which the sum of squared slopes over the variance of the noise, the
        information on a small shift, is largest.
    """
    if len(series) == 1:
        return 0
    inside = np.asarray(mask) > 0
    information = []
    for echo in series:
        start = max(0, echo.shape[3] // 2 - _COMPARED // 2)
        volumes = np.asarray(echo[..., start : start + _COMPARED], np.float32)
        slopes = np.gradient(volumes.mean(axis=3))
        steepness = float(np.mean(sum(slope[inside] ** 2 for slope in slopes)))
        noise = float(np.median(np.abs(np.diff(volumes, axis=3)[inside])))
        information.append(steepness / max(noise, 1e-6) ** 2)
    return int(np.argmax(information))


def t2star_s(means: np.ndarray, times_s: Sequence[float]) -> np.ndarray:
    """T2* by a log-linear fit over the echoes' means.

    Parameters
    ----------
    means
        Shape (E, ...).
    times_s
        Echo times, E of them.

    Returns
    -------
    numpy.ndarray
        Shape (...), float32 in s, at most :data:`LONGEST_T2STAR_S`. The logarithm of a signal has
        a noise in proportion to one over it, so echoes weigh by their squared signal.
    """
    signal = np.maximum(np.asarray(means, float), 1e-3)
    logarithm, weight = np.log(signal), signal**2
    times = np.asarray(times_s, float).reshape(-1, *(signal.ndim - 1) * [1])
    total = weight.sum(axis=0)
    middle = (weight * times).sum(axis=0) / total
    height = (weight * logarithm).sum(axis=0) / total
    arm = times - middle
    slope = (weight * arm * (logarithm - height)).sum(axis=0) / (weight * arm**2).sum(axis=0)
    return (1 / np.maximum(-slope, 1 / LONGEST_T2STAR_S)).astype(np.float32)


def echo_weights(t2star: np.ndarray, times_s: Sequence[float]) -> np.ndarray:
    """Weights TE exp(-TE/T2*) of the echoes, their sum 1: shape (E, ...), float32."""
    times = np.asarray(times_s, np.float32).reshape(-1, *t2star.ndim * [1])
    weights = times * np.exp(-times / np.maximum(t2star, 1e-3))
    return weights / weights.sum(axis=0)


def combined_volume(means: Sequence[np.ndarray], times_s: Sequence[float]) -> np.ndarray:
    """The echoes' mean volumes combined, shape (X, Y, Z); one echo stays as it is."""
    if len(means) == 1:
        return means[0]
    stack = np.stack(means)
    return (echo_weights(t2star_s(stack, times_s), times_s) * stack).sum(axis=0)


def resampled_echoes(
    series: Sequence[np.ndarray],
    affine: np.ndarray,
    motion: Motion,
    coordinates_mm: np.ndarray,
    inside: np.ndarray,
    shift: Shift | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Resample every echo once.

    Parameters
    ----------
    series
        Each echo, shape (X, Y, Z, T).
    affine, motion, coordinates_mm, inside, shift
        As in :func:`commissure.func.builtin.normalisation.resampled_series`; all echoes of a
        volume were taken in one pose.

    Returns
    -------
    values
        As there, one for each echo.
    seen
        As there.
    """
    echoes, seen = [], np.empty(0)
    for echo in series:
        values, seen = resampled_series(echo, affine, motion, coordinates_mm, inside, shift)
        echoes.append(values)
    return echoes, seen


def combined_echoes(
    echoes: Sequence[np.ndarray], times_s: Sequence[float]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Combine echoes by the decay of their mean.

    Parameters
    ----------
    echoes, times_s
        Each echo, shape (N, T), and its echo time.

    Returns
    -------
    values
        Shape (N, T).
    t2star : numpy.ndarray or None
        Shape (N,) in s; None where there is one echo.
    """
    if len(echoes) == 1:
        return echoes[0], None
    t2star = t2star_s(np.stack([values.mean(axis=1) for values in echoes]), times_s)
    weights = echo_weights(t2star, times_s)
    combined = np.zeros_like(echoes[0])
    for weight, values in zip(weights, echoes, strict=True):
        combined += weight[:, None] * values
    return combined, t2star
