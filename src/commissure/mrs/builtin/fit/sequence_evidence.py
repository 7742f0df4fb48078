"""What a spectrum itself says of the sequence that it was taken with.

Coupled protons turn with the timing of the echoes: glutamate, glutamine and inositol look another
way at another first echo, and another way again after STEAM. The right basis leaves less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.fit.baseline import baselines_over
from commissure.mrs.builtin.fit.model import COMMON, FitProblem, Priors, solve
from commissure.mrs.builtin.fit.spectrum import SpectralFit, minimise, observations

#: How much less a first echo must leave than half of the echo time does, in units of chi squared.
_CLEAR = 4.0

#: First echoes that are tried, s: what scanners use, and near half of the echo time.
_SHORT_S = (0.008, 0.010, 0.012, 0.014, 0.016, 0.018, 0.020, 0.022, 0.024)
_OF_HALF = (0.7, 0.85, 1.0, 1.15)

#: Steps of a first echo, s: bases of a study are shared by its people.
_STEP_S = 0.0005

#: Mixing time that STEAM is tried with where nobody says that it is STEAM.
_MIXING_S = 0.010


@dataclass(frozen=True)
class FirstEcho:
    """The first echo of PRESS or MEGA-PRESS as the spectrum shows it.

    Attributes
    ----------
    seconds
        Where the fit leaves least.
    se_s
        Its standard error; infinite where the spectrum cannot tell.
    gain
        How much less it leaves than half of the echo time, in units of chi squared.
    """

    seconds: float
    se_s: float
    gain: float

    @property
    def clear(self) -> bool:
        """Whether it is told from half of the echo time."""
        return self.gain > _CLEAR


@dataclass(frozen=True)
class SequenceTrial:
    """A sequence that was tried in place of the one a spectrum was fitted with.

    Attributes
    ----------
    sequence
        Which.
    residual_ratio
        Residual with the sequence of the fit over that with this one: above 1 this one is better.
    """

    sequence: PulseSequence
    residual_ratio: float


class SequenceEvidence:
    """Tries other sequences on a fitted spectrum, from where its fit stands.

    Parameters
    ----------
    fid
        The spectrum that was fitted, (points,).
    fit, basis
        Its fit with a simulated basis, and that basis.
    metabolites
        Of the basis.
    dwell_s, frequency_mhz
        Sampling and field.
    """

    def __init__(
        self, fid: np.ndarray, fit: SpectralFit, basis: Basis, metabolites: tuple[str, ...], *,
        dwell_s: float, frequency_mhz: float,
    ) -> None:  # fmt: skip
        self.fid, self.fit, self.basis, self.metabolites = fid, fit, basis, metabolites
        self.sampling: dict[str, Any] = {"dwell_s": dwell_s, "frequency_mhz": frequency_mhz}
        self.baseline = baselines_over(fit.ppm).with_freedom(fit.freedom_per_ppm)
        residual = fit.data - fit.model
        self.observations = observations(residual)

    def left_by(self, sequence: PulseSequence) -> float:
        """Squared residual that the best amplitudes and nearby line shapes leave."""
        simulated = simulated_basis(
            self.metabolites, sequence, points=len(self.fid), **self.sampling
        )
        # What is broad stays as it was fitted, whichever model it is of.
        count = len(simulated.names) - simulated.macromolecules
        fids = np.concatenate([simulated.fids[:count], self.basis.fids[count:]])
        problem = FitProblem(
            self.fid, replace(self.basis, fids=fids), **self.sampling,
            low_ppm=float(self.fit.ppm[0]), high_ppm=float(self.fit.ppm[-1]),
        )  # fmt: skip
        priors = self._priors(problem)
        state = solve(problem, self.fit.shape, self.baseline, priors)
        free = np.ones(COMMON + 2 * len(self.fit.names), bool)
        _, state, _ = minimise(
            problem, self.fit.shape, self.baseline, priors, free=free, iterations=2
        )
        return float(state.residual @ state.residual)

    def _priors(self, problem: FitProblem) -> Priors:
        """Those of the fit: the same for every sequence that is tried."""
        return Priors.of(
            problem,
            self.fit.amplitudes,
            noise=self.fit.residual_sd / problem.scale,
            shift_sd_hz=0.01 * self.fit.frequency_mhz,
            width_sd_hz=0.1,
        )

    def first_echo(self, sequence: PulseSequence) -> FirstEcho:
        """Where PRESS or MEGA-PRESS of this echo time leaves least.

        Parameters
        ----------
        sequence
            With a first echo, near which is looked, or without, which looks everywhere.
        """
        half = sequence.te_s / 2
        tried = _grid(sequence.te_s) if sequence.first_echo_s is None else _near(sequence)
        left = np.array([self.left_by(replace(sequence, first_echo_s=t)) for t in tried])
        of_half = left[tried == half]
        by_half = of_half[0] if len(of_half) else self.left_by(replace(sequence, first_echo_s=half))
        off = self.observations * np.log(left / left.min())
        gain = self.observations * float(np.log(by_half / left.min()))
        best = int(off.argmin())
        if best in (0, len(tried) - 1):
            return FirstEcho(float(tried[best]), float("inf"), gain)
        near = slice(best - 1, best + 2)
        bend, slope, _ = np.polyfit(tried[near] - tried[best], off[near], 2)
        lowest = float(np.clip(-slope / (2 * bend), *(tried[[best - 1, best + 1]] - tried[best])))
        seconds = round((float(tried[best]) + lowest) / _STEP_S) * _STEP_S
        return FirstEcho(round(seconds, 6), float(1 / np.sqrt(bend)), gain)

    def alternatives(self, sequence: PulseSequence) -> list[SequenceTrial]:
        """Other localisations of this echo time, the one that leaves least first."""
        own = self.left_by(sequence)
        trials = [
            SequenceTrial(other, float(np.sqrt(own / self.left_by(other))))
            for other in _others(sequence)
        ]
        return sorted(trials, key=lambda trial: -trial.residual_ratio)


def _grid(te_s: float) -> np.ndarray:
    """First echoes to try, ascending, s; half of the echo time is one of them."""
    near_half = [te_s / 2 * share for share in _OF_HALF]
    every = sorted({round(t, 6) for t in (*_SHORT_S, *near_half) if 0.006 <= t <= te_s - 0.006})
    kept = [te_s / 2]
    for t in every:
        if all(abs(t - other) > 0.0011 for other in kept):
            kept.append(t)
    return np.array(sorted(kept))


def _near(sequence: PulseSequence) -> np.ndarray:
    """First echoes around that of a sequence, ascending, s."""
    assert sequence.first_echo_s is not None
    return np.array([round(sequence.first_echo_s + step, 6) for step in (-0.002, 0.0, 0.002)])


def _others(sequence: PulseSequence) -> Iterable[PulseSequence]:
    for first_echo in (sequence.te_s / 2, min(0.012, 0.4 * sequence.te_s)):
        taken = sequence.te_s / 2 if sequence.first_echo_s is None else sequence.first_echo_s
        if sequence.name != "press" or abs(taken - first_echo) > 0.1 * sequence.te_s:
            yield PulseSequence("press", sequence.te_s, first_echo)
    if sequence.name != "slaser":
        yield PulseSequence("slaser", sequence.te_s)
    if sequence.name != "steam":
        yield PulseSequence("steam", sequence.te_s, mixing_s=_MIXING_S)
