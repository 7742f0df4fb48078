"""What images of some voxel size can give at best, where everything else is known.

The template's own regions are laid on grids of that voxel size, at four places half a voxel apart.
Each voxel is given to what fills most of it: no error of a method is in it, and the rest is
the resolution alone. Four places are as many as tell apart where the grid lies along each axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from commissure.images.atlas import Atlas, desikan_killiany, jhu_dti81, regions
from commissure.images.template import template
from commissure.phantom.scanner.dwi import INTENSITY, ISOTROPIC

#: Voxels from which resolution is looked at, mm; the regions themselves have 1 mm.
COARSE_MM = 1.5

#: The weighting of the diffusion signal, s/mm².
_B = 1000.0

#: Where the grid lies, in halves of a voxel.
_PLACES = ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1))

#: Mean r of the planted signals themselves with the truth in so many minutes (docs/phantom.md:
#: 0.60 to 0.79 in seven networks, benchmarks/recovery_clinical.py).
_PLANTED_R, _PLANTED_MINUTES = 0.71, 8.0


@dataclass(frozen=True)
class Attainable:
    """What the resolution alone leaves of a marker.

    Attributes
    ----------
    bias_percent
        Found over true, one value for each place of the grid.
    r
        Correlation with the truth over people, if only the place of the grid differed between them.
    """

    bias_percent: Sequence[float]
    r: float

    @property
    def mean_percent(self) -> float:
        """Bias over all places."""
        return float(np.mean(self.bias_percent))


def attainable_volumes(
    voxel_mm: float, truth: Mapping[str, tuple[float, float]]
) -> dict[str, Attainable]:
    """Volumes of structures, cortical regions, lobes and tissues.

    Parameters
    ----------
    voxel_mm
        Edge of the voxels.
    truth
        Mean and standard deviation over people of each region's true volume.

    Returns
    -------
    dict
        By region; empty for voxels finer than :data:`COARSE_MM`.
    """
    if not voxel_mm >= COARSE_MM:
        return {}
    shares = _volume_shares(round(voxel_mm, 2))
    return {
        region: Attainable(
            [100 * (share - 1) for share in shares[region]],
            _r(spread * float(np.mean(shares[region])), mean * float(np.std(shares[region]))),
        )
        for region, (mean, spread) in truth.items()
        if region in shares and mean > 0
    }


def attainable_diffusion(
    voxel_mm: float,
    fa: Mapping[str, tuple[float, float]],
    md: Mapping[str, tuple[float, float]],
) -> dict[tuple[str, str], Attainable]:
    """FA and MD of tracts whose voxels hold grey matter and fluid, too.

    The tensor is that of white matter with the true FA and MD of the tract; its direction does not
    change within a voxel. The signal at b = 1000 s/mm² is that of all tissues in the voxel.

    Parameters
    ----------
    voxel_mm
        Edge of the voxels.
    fa, md
        Mean and standard deviation over people of each tract's truth, md in mm²/s.

    Returns
    -------
    dict
        By marker (``fa``, ``md``) and tract; empty for voxels finer than :data:`COARSE_MM`.
    """
    if not voxel_mm >= COARSE_MM:
        return {}
    found: dict[tuple[str, str], Attainable] = {}
    for tract, tissues in _tract_tissues(round(voxel_mm, 2)).items():
        if tract not in fa or tract not in md:
            continue
        mean_fa, mean_md = fa[tract][0], md[tract][0]
        if not (0 < mean_fa < 1 and mean_md > 0):
            continue
        for at, (marker, (mean, spread)) in enumerate((("fa", fa[tract]), ("md", md[tract]))):
            now = [_mixed(part, mean_fa, mean_md)[at] for part in tissues]
            changed = (mean_fa + spread, mean_md) if marker == "fa" else (mean_fa, mean_md + spread)
            moved = [_mixed(part, *changed)[at] for part in tissues]
            found[marker, tract] = Attainable(
                [100 * (value / mean - 1) for value in now],
                _r(float(np.mean(moved) - np.mean(now)), float(np.std(now))),
            )
    return found


def attainable_connectivity(minutes: float) -> float:
    """Mean r of connectivity within networks with the truth, where the signals are known.

    From :data:`_PLANTED_R` by the formula of Spearman and Brown: r² is the reliability of the
    measurement, which grows with its length.
    """
    reliability, times = _PLANTED_R**2, minutes / _PLANTED_MINUTES
    return float(np.sqrt(times * reliability / (1 + (times - 1) * reliability)))


def _r(signal: float, error: float) -> float:
    return abs(signal) / float(np.hypot(signal, error)) if signal or error else float("nan")


def _mixed(tissues: np.ndarray, fa: float, md: float) -> tuple[float, float]:
    """Mean FA and MD of voxels (n, 3: white matter, grey matter, fluid)."""
    turn = fa / np.sqrt(3 - 2 * fa**2)
    attenuated = []
    for white in (md * (1 + 2 * turn), md * (1 - turn)):
        weighted = np.array(
            [
                INTENSITY["wm"] * np.exp(-_B * white),
                INTENSITY["gm"] * np.exp(-_B * ISOTROPIC["gm"]),
                INTENSITY["csf"] * np.exp(-_B * ISOTROPIC["csf"]),
            ]
        )
        plain = np.array([INTENSITY["wm"], INTENSITY["gm"], INTENSITY["csf"]])
        attenuated.append(-np.log((tissues @ weighted) / (tissues @ plain)) / _B)
    along, across = attenuated
    mean = (along + 2 * across) / 3
    spread = np.sqrt(1.5 * ((along - mean) ** 2 + 2 * (across - mean) ** 2))
    return float(np.mean(spread / np.sqrt(along**2 + 2 * across**2))), float(np.mean(mean))


def _numbers(atlas: Atlas, column: str) -> tuple[np.ndarray, list[str]]:
    """The groups of an atlas as one image, 0 for none, and their names from 1 on."""
    groups = atlas.groups(column)
    data = np.asanyarray(atlas.image.dataobj)
    number = np.zeros(int(data.max()) + 1, np.int32)
    for at, indices in enumerate(groups.values(), 1):
        number[indices] = at
    return number[data], list(groups)


def _coarse(shape: Sequence[int], voxel_mm: float, place: Sequence[int]) -> tuple[np.ndarray, int]:
    """Number of the coarse voxel in which each voxel of 1 mm lies, and how many there are."""
    along = [
        np.floor((np.arange(size) + half * voxel_mm / 2) / voxel_mm).astype(np.int64)
        for size, half in zip(shape, place, strict=True)
    ]
    sizes = [int(axis[-1]) + 1 for axis in along]
    x, y, z = along
    cells = (x[:, None, None] * sizes[1] + y[:, None]) * sizes[2] + z
    return cells, int(np.prod(sizes))


def _filling(numbers: np.ndarray, names: int, cells: np.ndarray, n_cells: int) -> np.ndarray:
    """What fills most of each coarse voxel."""
    counts = np.bincount(
        (cells * (names + 1) + numbers).ravel(), minlength=n_cells * (names + 1)
    ).reshape(n_cells, names + 1)
    return counts.argmax(axis=1)


@lru_cache(maxsize=4)
def _volume_shares(voxel_mm: float) -> dict[str, list[float]]:
    """Volume over true volume of each region, one value for each place of the grid."""
    tissue = np.stack([np.asanyarray(template(name).dataobj) for name in ("GM", "WM", "CSF")])
    inside = np.asanyarray(template("mask").dataobj) > 0
    shares: dict[str, list[float]] = {}
    for numbers, names in (
        _numbers(regions(), "structure"),
        _numbers(desikan_killiany(), "lobe"),
        (np.where(inside, tissue.argmax(axis=0) + 1, 0), ["GM", "WM", "CSF"]),
        (inside.astype(np.int32), ["TIV"]),
    ):
        true = np.bincount(numbers.ravel(), minlength=len(names) + 1)
        for place in _PLACES:
            cells, n_cells = _coarse(numbers.shape, voxel_mm, place)
            filling = _filling(numbers, len(names), cells, n_cells)
            found = np.bincount(filling, minlength=len(names) + 1) * voxel_mm**3
            for at, name in enumerate(names, 1):
                if true[at]:
                    shares.setdefault(name, []).append(float(found[at] / true[at]))
    return {name: values for name, values in shares.items() if len(values) == len(_PLACES)}


@lru_cache(maxsize=4)
def _tract_tissues(voxel_mm: float) -> dict[str, list[np.ndarray]]:
    """White matter, grey matter and fluid in the voxels of each tract, by place of the grid."""
    numbers, names = _numbers(jhu_dti81(), "tract")
    maps = [np.asanyarray(template(name).dataobj).ravel() for name in ("WM", "GM", "CSF")]
    tissues: dict[str, list[np.ndarray]] = {}
    for place in _PLACES:
        cells, n_cells = _coarse(numbers.shape, voxel_mm, place)
        filling = _filling(numbers, len(names), cells, n_cells)
        sums = np.stack(
            [np.bincount(cells.ravel(), weights=values, minlength=n_cells) for values in maps], 1
        )
        sums = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-6)
        for at, name in enumerate(names, 1):
            if (filling == at).any():
                tissues.setdefault(name, []).append(sums[filling == at])
    return {name: parts for name, parts in tissues.items() if len(parts) == len(_PLACES)}
