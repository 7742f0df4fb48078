"""Structures by expectation-maximisation: an atlas' expectation, local intensities, neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

#: Log-odds by which a face neighbour of a structure favours the same structure.
NEIGHBOUR_WEIGHT = 0.3

#: Exponent of the likelihood. Neighbouring voxels share their blur, and no structure is of one
#: intensity: a voxel says less than a Gaussian of its noise would have it.
INTENSITY_TRUST = 0.6

#: Steps of learning and labelling.
STEPS = 6

#: Voxels that the first guess of an intensity is worth.
GUESS_VOXELS = 50

#: Limits of a structure's spread of intensities, and the first guess, over WM minus CSF.
SPREAD = (0.03, 0.12)
SPREAD_GUESS = 0.07

#: Share of a structure's log-spread that is that of all structures: borders then lie half way.
SPREAD_SHARED = 0.5

#: A structure is learnt where it is surer than the first, and its neighbours, on average, than the
#: second.
INNER = (0.8, 0.8)

#: Weight of voxels that are part of one class, part of another, over the geometric mean of both.
PARTIAL_VOLUME_WEIGHT = 0.6

#: Two classes share voxels where the geometric mean of their priors is more than this, and if
#: there are so many such voxels.
PARTIAL_VOLUME_MIN = (0.03, 30)

#: Share of white matter in the classes' box that has any intensity from GM to WM: the claustrum,
#: hyperintensities, what is blurred.
WHITE_OTHER = 0.1

#: Quantile of the voxels where fluid is expected that fluid's mean does not exceed.
DARKEST = 0.15

#: Share of a ventricle that has any intensity from fluid to GM: the choroid plexus.
PLEXUS = 0.03

#: Share of sulci and cisterns that is no fluid: vessels and meninges of any intensity.
OUTSIDE_OTHER = 0.1

#: Brightness, from fluid (0) to a structure (1), at which half of a voxel is the structure's, and
#: the kinds along the choroid fissure that it holds for. Fluid beside them holds plexus, vessels
#: and membranes, so that voxels look fuller of grey matter than they are: borders drawn by hand lie
#: at about 0.6 (1 mm), FreeSurfer's at 0.75 (2 mm).
FLUID_BORDER = 0.65
CHOROID_FISSURE = ("Hippocampus", "Amygdala", "Thalamus")

#: Farther than this from the tissue it is made of, over WM minus CSF, no structure's mean is.
TISSUE_RANGE = 0.08


@dataclass(frozen=True)
class Classes:
    """What a voxel can be.

    Attributes
    ----------
    names
        K names, with a side (``Hippocampus_L``) or without.
    kinds
        K kinds; classes of one kind share their intensities: ``CSF``, ``WM``, ``GM``, ``outside``
        or, of its own, the structure's name without its side.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Appearance:
    """Mean and spread of intensities by kind."""

    mean: dict[str, float]
    sd: dict[str, float]


def tissue_means(intensity: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Means of CSF, GM and WM by a mixture that starts from where each is expected.

    Parameters
    ----------
    intensity
        (N,) voxels.
    expected
        (3, N) share of CSF, GM, WM that the atlas expects.
    """
    sure = expected.max(axis=0) > 0.5
    y, prior = intensity[sure], expected[:, sure]
    prior = (prior / prior.sum(axis=0) + 0.05) / 1.15
    quantile = (0.2, 0.5, 0.75)
    mean = np.array(
        [np.quantile(y[p > 0.6], q) if (p > 0.6).any() else np.quantile(y, q)
         for p, q in zip(prior, quantile, strict=True)]
    )  # fmt: skip
    sd = np.full(3, 0.1 * max(mean[2] - mean[0], 1e-6))
    outlier = np.full((1, y.size), np.log(0.02 / max(np.ptp(y), 1e-6)))
    for _ in range(20):
        score = np.log(prior) - 0.5 * ((y - mean[:, None]) / sd[:, None]) ** 2
        score = np.concatenate([score - np.log(sd)[:, None] - 0.92, outlier])
        weight = np.exp(score - score.max(axis=0))
        weight = (weight / weight.sum(axis=0))[:3]
        count = weight.sum(axis=1) + 1e-6
        mean = weight @ y / count
        sd = np.sqrt((weight * (y - mean[:, None]) ** 2).sum(axis=1) / count + 1e-12)
        sd = np.minimum(sd, 1.3 * np.median(sd))
    # Slit-like ventricles have hardly a voxel of fluid alone: their darkest are nearest to it.
    sure_fluid = expected[0] > 0.5
    if sure_fluid.any():
        mean[0] = min(mean[0], np.quantile(intensity[sure_fluid], DARKEST))
    return mean


def memberships(
    intensity: np.ndarray,
    prior: np.ndarray,
    classes: Classes,
    tissues: np.ndarray,
    neighbours: np.ndarray,
    *,
    intensity_trust: float = INTENSITY_TRUST,
    neighbour_weight: float = NEIGHBOUR_WEIGHT,
) -> tuple[np.ndarray, Appearance]:
    """Share of each class in each voxel.

    Means and spreads are learnt where a class is sure and surrounded by itself, so that blurred
    borders do not widen them. Fluid and white matter of a ventricle's wall are divided by
    intensity; no grey structure takes them for itself.

    Parameters
    ----------
    intensity
        (N,) voxels, coil brightness divided out.
    prior
        (K, N) probability that the atlas gives each class; sums to 1.
    classes
        Names and kinds.
    tissues
        Means of CSF, GM and WM (:func:`tissue_means`).
    neighbours
        (6, N) index of each face neighbour; N where there is none.
    intensity_trust, neighbour_weight
        Weights of the likelihood and of the Markov random field.

    Returns
    -------
    numpy.ndarray
        (K, N) float32, sums to 1.
    Appearance
        What was learnt.

    Notes
    -----
    Fischl B et al., Whole brain segmentation, Neuron 33:341-355, 2002; Puonti O et al., Fast and
    sequence-adaptive whole-brain segmentation, NeuroImage 143:235-249, 2016; partial volume as
    Van Leemput K et al., IEEE TMI 22:105-119, 2003.
    """
    model = _Model(intensity, prior, classes, tissues)
    field = None
    for step in range(STEPS):
        shares = model.shares(intensity_trust, field)
        around = _sum_around(shares, neighbours)
        field = neighbour_weight * around
        if step < STEPS - 1:
            model.learn(shares, around)
    kinds = model.kinds
    return shares, Appearance(
        dict(zip(kinds, model.mean.tolist(), strict=True)),
        dict(zip(kinds, model.sd.tolist(), strict=True)),
    )


@dataclass(frozen=True)
class _Pair:
    """Two classes that share voxels.

    Attributes
    ----------
    first, second
        Their numbers.
    voxels
        Where both are expected.
    log_prior
        Of a voxel being part of both.
    """

    first: int
    second: int
    voxels: np.ndarray
    log_prior: np.ndarray


def _pairs(prior: np.ndarray, kind_of: np.ndarray, classes: Classes) -> list[_Pair]:
    """All classes of different intensities that touch."""
    least, count = PARTIAL_VOLUME_MIN
    pairs = []
    roots = np.sqrt(prior)
    for first in range(len(prior)):
        some = np.flatnonzero(roots[first] > least)
        for second in range(first + 1, len(prior)):
            if kind_of[first] == kind_of[second]:
                continue
            if {classes.kinds[first], classes.kinds[second]} == {"CSF", "outside"}:
                continue
            both = roots[first, some] * roots[second, some]
            near = both > least
            if near.sum() < count:
                continue
            chance = np.log(PARTIAL_VOLUME_WEIGHT * both[near])
            pairs.append(_Pair(first, second, some[near], chance))
    return pairs


class _Model:
    """Intensities of the kinds, and the classes' scores under them."""

    def __init__(
        self, intensity: np.ndarray, prior: np.ndarray, classes: Classes, tissues: np.ndarray
    ) -> None:
        self.y = intensity
        self.names = classes.names
        self.kinds = tuple(dict.fromkeys(classes.kinds))
        self.kind_of = np.array([self.kinds.index(kind) for kind in classes.kinds])
        self.tissues = tissues
        self.range = float(tissues[2] - tissues[0])
        self.log_prior = np.log(np.maximum(prior, 1e-7))
        self.pairs = _pairs(prior, self.kind_of, classes)
        self.limits = np.array([self._limits(kind) for kind in self.kinds])
        self.guess = np.array([self._guess(k, prior) for k in range(len(self.kinds))])
        self.mean = self.guess.copy()
        self.sd = np.full(len(self.kinds), SPREAD_GUESS * self.range)

    def _limits(self, kind: str) -> tuple[float, float]:
        csf, grey, white = self.tissues
        near = TISSUE_RANGE * self.range
        centre = {"CSF": csf, "outside": csf, "WM": white, "GM": grey}.get(kind)
        if centre is None:
            return grey - 1.5 * near, white + 0.6 * near
        return centre - near, centre + near

    def _guess(self, kind: int, prior: np.ndarray) -> float:
        low, high = self.limits[kind]
        if self.kinds[kind] in ("CSF", "outside", "WM", "GM"):
            return float((low + high) / 2)
        sure = prior[self.kind_of == kind].sum(axis=0)
        core = sure >= min(0.9, np.partition(sure, -30)[-30]) if sure.size > 30 else sure > 0
        values = self.y[core]
        values = values[values > self.tissues[1] - 0.25 * self.range]
        return float(np.clip(np.median(values) if values.size else low, low, high))

    def _likelihood(self) -> np.ndarray:
        """(kinds, N) log-likelihood of each voxel."""
        y, white = self.y, self.kinds.index("WM")
        score = np.empty((len(self.kinds), y.size), np.float32)
        for row, mean, sd in zip(score, self.mean, self.sd, strict=True):
            np.square((y - np.float32(mean)) / np.float32(sd), out=row)
            row *= -0.5
            row -= np.float32(np.log(sd) + 0.92)
        grey, clear = self.tissues[1], self.tissues[2]
        between = (y > grey) & (y < clear)
        other = np.where(between, np.log(WHITE_OTHER / max(clear - grey, 1e-6)), -50.0)
        score[white] = np.logaddexp(score[white] + np.log1p(-WHITE_OTHER), other)
        fluid = self.kinds.index("CSF")
        plexus = (y > self.tissues[0]) & (y < grey)
        other = np.where(plexus, np.log(PLEXUS / max(grey - self.tissues[0], 1e-6)), -50.0)
        score[fluid] = np.logaddexp(score[fluid] + np.log1p(-PLEXUS), other)
        if "outside" in self.kinds:
            outside = self.kinds.index("outside")
            score[outside] = np.logaddexp(
                score[fluid] + np.log1p(-OUTSIDE_OTHER),
                np.float32(np.log(OUTSIDE_OTHER / self.range)),
            )
        return score

    def _partial(self, pair: _Pair) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of a voxel that is part of both, and the first one's share of it."""
        first, second = self.kind_of[pair.first], self.kind_of[pair.second]
        y = self.y[pair.voxels]
        gap = self.mean[second] - self.mean[first]
        noise = np.sqrt((self.sd[first] ** 2 + self.sd[second] ** 2) / 2)
        share = np.clip((self.mean[second] - y) / (gap if gap else 1e-9), 0, 1)
        share = self._beside_fluid(share, first, second)
        low, high = sorted((self.mean[first], self.mean[second]))
        width = max(high - low, 2 * noise)
        density = (ndtr((y - low) / noise) - ndtr((y - high) / noise)) / width
        return np.log(np.maximum(density, 1e-12)), share

    def _beside_fluid(self, share: np.ndarray, first: int, second: int) -> np.ndarray:
        """The first kind's share, a border with fluid at :data:`FLUID_BORDER`."""
        kinds = self.kinds[first], self.kinds[second]
        fluid = [kind in ("CSF", "outside") for kind in kinds]
        if not any(fluid) or not any(kind in CHOROID_FISSURE for kind in kinds):
            return share
        power = np.log(0.5) / np.log(FLUID_BORDER)
        return share**power if fluid[1] else 1 - (1 - share) ** power

    def shares(self, trust: float, field: np.ndarray | None) -> np.ndarray:
        """(K, N) posterior share of each class."""
        score = trust * self._likelihood()[self.kind_of]
        score += self.log_prior
        if field is not None:
            score += field
        top = score.max(axis=0)
        mixed = []
        for pair in self.pairs:
            partial, share = self._partial(pair)
            row = pair.log_prior + trust * partial
            if field is not None:
                row += 0.5 * (field[pair.first, pair.voxels] + field[pair.second, pair.voxels])
            top[pair.voxels] = np.maximum(top[pair.voxels], row)
            mixed.append((pair, row, share))
        score -= top
        np.exp(score, out=score)
        for pair, row, share in mixed:
            weight = np.exp(row - top[pair.voxels])
            score[pair.first, pair.voxels] += (weight * share).astype(np.float32)
            score[pair.second, pair.voxels] += (weight * (1 - share)).astype(np.float32)
        score /= score.sum(axis=0)
        return score

    def learn(self, shares: np.ndarray, around: np.ndarray) -> None:
        """Means and spreads from the inside of each class."""
        for kind, name in enumerate(self.kinds):
            if name == "outside":
                continue
            members = self.kind_of == kind
            sure, surrounded = shares[members].sum(axis=0), around[members].sum(axis=0) / 6
            inner = (sure > INNER[0]) & (surrounded > INNER[1])
            if inner.sum() < 20:
                inner = (sure > INNER[0]) & (surrounded > 0.5)
            n = int(inner.sum())
            if n < 10:
                continue
            values = self.y[inner]
            middle = np.median(values)
            variance = (1.4826 * np.median(np.abs(values - middle))) ** 2
            mean = (n * middle + GUESS_VOXELS * self.guess[kind]) / (n + GUESS_VOXELS)
            self.mean[kind] = np.clip(mean, *self.limits[kind])
            first = (SPREAD_GUESS * self.range) ** 2
            self.sd[kind] = np.sqrt((n * variance + GUESS_VOXELS * first) / (n + GUESS_VOXELS))
        low, high = (limit * self.range for limit in SPREAD)
        spread = np.log(np.clip(self.sd, low, high))
        self.sd = np.exp((1 - SPREAD_SHARED) * spread + SPREAD_SHARED * np.median(spread))


def face_neighbours(region: np.ndarray) -> np.ndarray:
    """(6, N) index among a region's N voxels of each one's face neighbours; N where none is."""
    count = int(region.sum())
    padded = np.full(tuple(size + 2 for size in region.shape), count, np.int32)
    inner = padded[1:-1, 1:-1, 1:-1]
    inner[region] = np.arange(count, dtype=np.int32)
    where: Sequence[np.ndarray] = np.nonzero(region)
    rows = []
    for axis in range(3):
        for step in (0, 2):
            place = [index + (step if axis == k else 1) for k, index in enumerate(where)]
            rows.append(padded[tuple(place)])
    return np.stack(rows)


def _sum_around(shares: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    padded = np.concatenate([shares, np.zeros((len(shares), 1), np.float32)], axis=1)
    total = padded[:, neighbours[0]]
    for row in neighbours[1:]:
        total += padded[:, row]
    return total
