"""A time to an event: whether of two people of one site the one with the earlier event stands out.

Harrell's C (1982, JAMA 247:2543) over pairs of one site. A pair counts where it is known who had
the event first: the earlier time is that of an event, or both times are the same and one of them
is censored. Two events at the same time are not compared; equal risks count half.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from statsmodels.duration.hazard_regression import PHReg

from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.measure import Measure, Statistic, scored, share_won
from commissure.evaluation.out_of_fold import FoldScores, repeats_of
from commissure.models.settings import ModelSettings
from commissure.study.study import Study

#: Groups of predicted risk whose curves are drawn.
THIRDS = ("low", "middle", "high")


class Concordance(Measure):
    """Harrell's C within site."""

    key, name = "c_index", "C-index"
    chance, suspicious, planted = 0.5, 0.60, 0.65

    def statistic(self, held: HeldOut, strata: np.ndarray) -> Statistic:
        """C among people of one stratum."""
        rows = np.flatnonzero(scored(held))
        won, compared, gain = 0.0, 0.0, np.zeros((2, len(held.labels)))
        for stratum in np.unique(strata[rows]):
            people = rows[strata[rows] == stratum]
            first = precedes(held.labels[people], held.labels[people])
            ahead = share_won(held.logits[people][:, None] - held.logits[people][None, :])
            wins = np.where(first, ahead, 0.0)
            won, compared = won + float(wins.sum()), compared + float(first.sum())
            gain[0, people] = wins.sum(axis=1) + wins.sum(axis=0)
            gain[1, people] = first.sum(axis=1) + first.sum(axis=0)
        if not compared:
            return Statistic(math.nan, np.zeros(len(held.labels)), 0.0)
        value = won / compared
        n = max(2, int((gain[1] > 0).sum()))
        influence = (gain[0] - value * gain[1]) / compared * math.sqrt(n / (n - 1))
        return Statistic(value, influence, compared)

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """C of every labelling."""
        known = np.flatnonzero(np.isfinite(held.labels[:, 0]) & np.isfinite(held.logits[:, 0]))
        labels, logits, cells = held.labels[known], held.logits[known], held.cells[known]
        won, compared = np.zeros(labels.shape), np.zeros(labels.shape)
        for stratum in np.unique(cells):
            rows = np.flatnonzero(cells == stratum)
            for person in rows:
                first = precedes(labels[person][None], labels[rows], pairwise=False)
                wins = first * share_won(logits[person] - logits[rows])
                won[person] += wins.sum(axis=0)
                won[rows] += wins
                compared[person] += first.sum(axis=0)
                compared[rows] += first
        pairs = compared.sum(axis=0) / 2
        value = np.where(pairs > 0, won.sum(axis=0) / 2 / np.maximum(pairs, 1), np.nan)
        n = np.maximum(2, (compared > 0).sum(axis=0))
        influence = (won - value * compared) / np.maximum(pairs, 1)
        return value, np.where(pairs > 0, (influence**2).sum(axis=0) * n / (n - 1), np.nan)

    def details(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """Events, and the slope of a Cox regression on the predicted log hazard within site."""
        held = repeats_of(study, scores)
        rows = scored(held[0])
        slopes = [calibration_slope(one) for one in held]
        known = [slope for slope in slopes if math.isfinite(slope)]
        return {
            "calibration_slope": float(np.mean(known)) if known else math.nan,
            "n_events": int((study.y[rows] > 0).sum()),
        }

    def curves(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """Kaplan and Meier's curves of thirds by predicted risk within site."""
        third = np.mean([_within_rank(one) for one in repeats_of(study, scores)], axis=0)
        rows = np.flatnonzero(np.isfinite(third) & np.isfinite(study.y))
        order = np.argsort(np.argsort(third[rows], kind="stable"), kind="stable")
        number = order * len(THIRDS) // max(1, len(rows))
        return {
            "n": len(rows),
            "thirds": [
                {"risk": name, "n": int((number == place).sum()),
                 "n_events": int((study.y[rows[number == place]] > 0).sum()),
                 **survival_curve(study.y[rows[number == place]])}
                for place, name in enumerate(THIRDS)
            ],
        }  # fmt: skip


def precedes(first: np.ndarray, second: np.ndarray, *, pairwise: bool = True) -> np.ndarray:
    """Whether the first person is known to have had the event before the second.

    Parameters
    ----------
    first, second
        Signed times. With ``pairwise`` shape (people,) each, and every first is held against every
        second; else of shapes that fit each other.
    """
    if pairwise:
        first, second = first[:, None], second[None, :]
    earlier = np.abs(first) < np.abs(second)
    same = (np.abs(first) == np.abs(second)) & (second < 0)
    return (first > 0) & (earlier | same)


def calibration_slope(held: HeldOut) -> float:
    """Slope of a Cox regression of the outcome on the predicted log hazard, cells as strata.

    statsmodels' ``PHReg``; 1 is right, below 1 the hazards are too far apart. NaN where the
    predictions do not vary or it does not converge.
    """
    rows = scored(held)
    y, risk, cells = held.labels[rows], held.logits[rows], held.cells[rows]
    apart = max((float(np.ptp(risk[cells == cell])) for cell in np.unique(cells)), default=0.0)
    if rows.sum() < 3 or not apart > 1e-9:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PHReg(
            np.abs(y), (risk / risk.std())[:, None], status=(y > 0).astype(int),
            strata=np.unique(cells, return_inverse=True)[1], ties="breslow",
        )  # fmt: skip
        try:
            slope = float(model.fit(disp=0).params[0] / risk.std())
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
            return math.nan
    return slope if abs(slope * risk.std()) < 50 else math.nan


def survival_curve(outcome: np.ndarray) -> dict[str, list[float]]:
    """Kaplan and Meier's estimate (1958, JASA 53:457) at the times of events.

    Parameters
    ----------
    outcome
        Signed times, shape (people,).

    Returns
    -------
    dict
        ``time`` and ``free``, from time 0 and a share of 1 to the last observation.
    """
    time, event = np.abs(outcome), outcome > 0
    free, times, shares = 1.0, [0.0], [1.0]
    for at in np.unique(time[event]):
        free *= 1 - float((event & (time == at)).sum()) / float((time >= at).sum())
        times.append(float(at))
        shares.append(free)
    if len(time) and times[-1] < float(time.max()):
        times.append(float(time.max()))
        shares.append(free)
    return {"time": times, "free": shares}


def _within_rank(held: HeldOut) -> np.ndarray:
    """Rank of each person's risk in their cell, from 0 to 1; NaN for who is not scored."""
    rank = np.full(len(held.labels), np.nan)
    rows = np.flatnonzero(scored(held))
    for cell in np.unique(held.cells[rows]):
        people = rows[held.cells[rows] == cell]
        place = np.argsort(np.argsort(held.logits[people], kind="stable"), kind="stable")
        rank[people] = (place + 0.5) / len(people)
    return rank
