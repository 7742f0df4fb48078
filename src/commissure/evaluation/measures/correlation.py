"""A number: correlation of predicted and measured among people of one site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.measure import Measure, Statistic, scored
from commissure.evaluation.out_of_fold import FoldScores, left_out_of, repeats_of
from commissure.evaluation.permutation import permuted_labels
from commissure.models.settings import ModelSettings
from commissure.study.splits import CV, LEAVE_SITE_OUT
from commissure.study.study import Study

#: Groups of equal size in the calibration figure.
GROUPS = 5
#: Predictions that differ by a smaller share of their size are the same.
SMALLEST = 1e-9


class Correlation(Measure):
    """Pearson's r within site.

    Measured and predicted values are centred among the people of one site and fold, and freed of
    the outcome's covariates there: neither sites nor fitted models nor baseline severity can rank
    anybody. Of a model that says the same of everybody r is 0. The value is the mean of the folds'
    correlations, weighted by their degrees of freedom: given the training people, each of these is
    0 on average where the outcome means nothing. One correlation over all folds is not: models that
    found more by chance spread their predictions further, and weigh more (-0.02 in 100 people).
    """

    key, name = "r", "r"
    # An AUC of 0.60 and of 0.70 between halves of the outcome are about these correlations.
    chance, suspicious, planted = 0.0, 0.18, 0.35
    chance_spread, scale = 1.5, "fisher"

    def statistic(self, held: HeldOut, strata: np.ndarray) -> Statistic:
        """R among people of one stratum, each fold by itself."""
        influence = np.zeros(len(held.labels))
        value, weight = 0.0, 0.0
        for rows, y, s, left in _by_fold(held, np.flatnonzero(scored(held)), strata):
            r, part = _correlations(y[:, None], s[:, None])
            influence[rows] = part[:, 0] * math.sqrt(len(rows) / left) * left
            value, weight = value + float(r[0]) * left, weight + left
        if not weight:
            return Statistic(math.nan, influence, 0.0)
        return Statistic(value / weight, influence / weight, weight)

    def by_labelling(self, held: HeldOut) -> tuple[np.ndarray, np.ndarray]:
        """R of every labelling."""
        rows = np.flatnonzero(np.isfinite(held.labels[:, 0]) & np.isfinite(held.logits[:, 0]))
        labellings = held.labels.shape[1]
        values, variances, weight = np.zeros(labellings), np.zeros(labellings), 0.0
        for people, y, s, left in _by_fold(held, rows, held.cells):
            r, influence = _correlations(y, s)
            values += r * left
            variances += (influence**2).sum(axis=0) * (len(people) / left) * left**2
            weight += left
        if not weight:
            nothing = np.full(labellings, np.nan)
            return nothing, nothing
        return values / weight, variances / weight**2

    def permuted(self, study: Study[ModelSettings], count: int, first: int = 0) -> np.ndarray:
        """What covariates leave of the outcome is permuted within site (Freedman and Lane 1983)."""
        y, sites = study.y, study.design.sites
        if study.covariates is None or not len(study.covariates.columns):
            return super().permuted(study, count, first)
        rows = np.flatnonzero(study.labelled)
        z = _covariates(study.covariates.to_numpy(float)[rows], sites[rows])
        centred, _ = _centred(y[rows, None], sites[rows])
        rest = centred[:, 0] - z @ (z.T @ centred[:, 0])
        residual = np.full(len(y), np.nan)
        residual[rows] = rest
        table = permuted_labels(
            residual, sites, count, study.settings.seed, first, study.design.families
        )
        table += (y - residual)[:, None]
        table[:, 0] = y
        return table

    def details(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """R² within site, errors beside those of the means, slope and intercept."""
        held, away = repeats_of(study, scores), left_out_of(study, scores)
        known = [one for one in held if scored(one).sum() > 2]
        errors = _errors(study, scores, CV)
        further: dict[str, Any] = {
            "r2_within_site": _mean([_r2(one, one.cells) for one in known]),
            "r2_pooled": _mean([_r2(one, one.fold) for one in known]),
            "mae": errors["model"],
            "mae_mean": errors["mean"],
            "mae_site_mean": errors["site_mean"],
            "calibration_slope": _mean([calibration_line(one)[0] for one in known]),
            "calibration_intercept": _mean([calibration_line(one)[1] for one in known]),
        }
        if away is not None:
            errors = _errors(study, scores, LEAVE_SITE_OUT)
            further |= {
                "r2_leave_site_out": _r2(away, away.sites),
                "mae_leave_site_out": errors["model"],
                "mae_mean_leave_site_out": errors["mean"],
            }
        return further

    def curves(
        self, study: Study[ModelSettings], scores: Sequence[FoldScores]
    ) -> Mapping[str, Any]:
        """Measured and predicted of everybody (mean over the repeats), and groups of equal size."""
        held = repeats_of(study, scores)
        mean = np.mean([one.logits for one in held], axis=0)
        rows = np.flatnonzero(np.isfinite(study.y) & np.isfinite(mean))
        order = rows[np.argsort(mean[rows], kind="stable")]
        groups = [group for group in np.array_split(order, GROUPS) if len(group) > 1]
        return {
            "n": len(rows),
            "points": [[float(mean[row]), float(study.y[row])] for row in rows],
            "groups": [
                {
                    "predicted": float(mean[group].mean()),
                    "measured": float(study.y[group].mean()),
                    "sd": float(study.y[group].std(ddof=1)),
                    "n": len(group),
                }
                for group in groups
            ],
        }


def _by_fold(
    held: HeldOut, rows: np.ndarray, strata: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    """People of each fold, measured and predicted values freed there, degrees of freedom left."""
    for fold in np.unique(held.fold[rows]):
        people = rows[held.fold[rows] == fold]
        y, s, lost = _freed(held, people, strata)
        left = float(len(people) - lost)
        if left >= 1 and len(people) > 2:
            yield people, y, s, left


def _correlations(y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of centred columns, and each person's influence on it.

    Parameters
    ----------
    y, s
        Shape (people, columns). Columns of one value throughout have a correlation of 0.
    """
    spread = np.sqrt((y**2).sum(axis=0)), np.sqrt((s**2).sum(axis=0))
    y = y / np.maximum(spread[0], 1e-300)
    s = s / np.maximum(spread[1], 1e-300)
    r = np.clip((y * s).sum(axis=0), -1, 1)
    return r, np.where(spread[1] > 0, y * s - r * (y**2 + s**2) / 2, 0.0)


def _freed(
    held: HeldOut, rows: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Measured and predicted values without strata and covariates, and what that used up.

    Predictions that differ by rounding only are made the same.
    """
    if not len(rows):
        return held.labels[rows], held.logits[rows], 0
    strata = strata[rows]
    y, lost = _centred(held.labels[rows].reshape(len(rows), -1), strata)
    said = held.logits[rows].reshape(len(rows), -1)
    s, _ = _centred(said, strata)
    if held.covariates is not None and held.covariates.shape[1]:
        # One slope a fold: what a fitted model says of a covariate differs between the folds.
        folds = np.unique(held.fold[rows])
        in_fold = held.fold[rows][:, None] == folds
        by_fold = held.covariates[rows][:, :, None] * np.where(in_fold, 1.0, np.nan)[:, None, :]
        z = _covariates(by_fold.reshape(len(rows), -1), strata, in_fold)
        y, s, lost = y - z @ (z.T @ y), s - z @ (z.T @ s), lost + z.shape[1]
    s = np.where((s**2).sum(axis=0) > SMALLEST**2 * (said**2).sum(axis=0), s, 0.0)
    if held.labels.ndim == 1:
        y, s = y[:, 0], s[:, 0]
    return y, s, lost


def _centred(values: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, int]:
    """Columns without the mean of each stratum, and the number of strata."""
    names, number = np.unique(strata, return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(names)))
    total = np.add.reduceat(values[order], starts, axis=0)
    count = np.bincount(number)
    return values - (total / count[:, None])[number], len(names)


def _covariates(
    values: np.ndarray, strata: np.ndarray, in_fold: np.ndarray | None = None
) -> np.ndarray:
    """Orthonormal columns of the covariates within strata; a gap counts as the mean.

    Parameters
    ----------
    values
        Shape (people, columns); with ``in_fold`` a column for every covariate and fold.
    strata
        Shape (people,).
    in_fold
        Who belongs to which fold, shape (people, folds); outside its fold a column is 0.
    """
    known = np.isfinite(values)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, means)
    if in_fold is not None:
        filled *= np.tile(in_fold, values.shape[1] // in_fold.shape[1])
    centred, _ = _centred(filled, strata)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, size > 1e-10 * max(float(size.max(initial=0)), 1e-300)]


def _r2(held: HeldOut, strata: np.ndarray) -> float:
    """Share of the variance within strata that predictions take away; below 0 if they add to it."""
    y, s, _ = _freed(held, np.flatnonzero(scored(held)), strata)
    total = float((y**2).sum())
    return 1 - float(((y - s) ** 2).sum()) / total if total > 0 else math.nan


def calibration_line(held: HeldOut) -> tuple[float, float]:
    """Slope and intercept of measured on predicted values; 1 and 0 are right."""
    rows = scored(held)
    y, s = held.labels[rows], held.logits[rows]
    spread = float(s.var())
    if not spread > 1e-18 * max(1e-300, float((s**2).mean())):
        return math.nan, math.nan
    slope = float(((s - s.mean()) * (y - y.mean())).mean()) / spread
    return slope, float(y.mean() - slope * s.mean())


def _errors(
    study: Study[ModelSettings], scores: Sequence[FoldScores], scheme: str
) -> dict[str, float]:
    """Mean absolute errors of the model, of the training mean and of the site's training mean."""
    y, sites = study.y, study.design.sites
    parts: dict[str, list[np.ndarray]] = {"model": [], "mean": [], "site_mean": []}
    for part in scores:
        if part.fold.scheme != scheme:
            continue
        rows = part.rows[np.isfinite(part.logits)]
        said = part.logits[np.isfinite(part.logits)]
        train = part.fold.train[np.isfinite(y[part.fold.train])]
        mean = float(y[train].mean())
        of_site = {
            site: float(y[train[sites[train] == site]].mean())
            for site in np.unique(sites[rows])
            if (sites[train] == site).any()
        }
        parts["model"].append(np.abs(y[rows] - said))
        parts["mean"].append(np.abs(y[rows] - mean))
        parts["site_mean"].append(
            np.abs(y[rows] - np.array([of_site.get(site, mean) for site in sites[rows]], float))
        )
    return {name: float(np.concatenate(part).mean()) if part else math.nan
            for name, part in parts.items()}  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan
