"""Attempts that ask of the numbers whether something else than the brain explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from commissure.evaluation.auc import AucEstimate
from commissure.evaluation.calibration import slope_and_intercept
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.null_distribution import NullDistribution
from commissure.fusion.falsification.check import Verdict
from commissure.fusion.fitted import FittedStudy
from commissure.markers.intervals import Z_95
from commissure.models.logistic import sigmoid
from commissure.study.design import CONFOUNDS, MISSINGNESS, SITE
from commissure.study.splits import Fold

#: Above this AUC a model that sees no brain is suspicious (methods: C2, C9).
SUSPICIOUS = 0.60
#: Standard errors above 0.5 from which a baseline's AUC is no chance event in any of many studies.
SURE = 3.3

_AT_MOST = f"<= {SUSPICIOUS:.2f}"


def permuted_labels(fitted: FittedStudy) -> Verdict:
    """Labels that mean nothing must give chance."""
    return null_verdict(fitted.null)


def null_verdict(null: NullDistribution | None) -> Verdict:
    """Whether a permutation test has the mean of chance."""
    if null is None or not len(null.permuted):
        return Verdict(None, "0.50", None, "no permutation was asked for (fusion.permutations)")
    known = null.known
    if not len(known):
        return Verdict(None, "0.50", None, "under no permuted labels could anybody be compared")
    mean, spread = float(known.mean()), float(known.std())
    band = 0.01 + 3 * spread / math.sqrt(len(known))
    passed = abs(mean - 0.5) <= band
    return Verdict(
        mean, f"0.50 +- {band:.3f}", passed,
        f"{len(known)} permutations give a mean AUC of {mean:.3f} (SD {spread:.3f}), "
        + ("that of chance" if passed else "which chance does not: there is a leak"),
    )  # fmt: skip


def site_only(fitted: FittedStudy) -> Verdict:
    """The site must not be what the result rests on."""
    if SITE not in fitted.aucs:
        return Verdict(None, _AT_MOST, None, "there is one site, or the model was not asked for")
    return site_verdict(fitted.aucs[SITE]["pooled"], fitted.aucs[fitted.main.name])


def site_verdict(site: AucEstimate, main: Mapping[str, AucEstimate]) -> Verdict:
    """Whether the site can explain the result.

    An AUC within site compares people of one site: labels that are spread unevenly over the sites
    do not touch it. What they do touch is a pooled AUC.

    Parameters
    ----------
    site
        Pooled AUC of the site alone.
    main
        AUCs of the main model: ``within`` and ``pooled``.
    """
    description = f"the site alone reaches a pooled AUC of {site.value:.2f}"
    if not math.isfinite(site.value) or site.value <= SUSPICIOUS:
        even = None if not math.isfinite(site.value) else True
        return Verdict(
            site.value, _AT_MOST, even, f"{description}: the labels are spread evenly enough"
        )
    description += ": the labels are spread unevenly over the sites, and pooled AUCs mean little; "
    within = main["within"]
    stands = (
        f"the AUC within site, {within.value:.2f} ({within.ci_low:.2f} to {within.ci_high:.2f})"
    )
    if within.ci_low > 0.5:
        passed: bool | None = True
        description += f"{stands}, compares people of one site and does not rest on that"
    elif main["pooled"].ci_low > 0.5:
        passed = False
        description += (
            f"the pooled {main['pooled'].value:.2f} of the main model may be the site's, for "
            f"{stands}, does not exceed chance"
        )
    else:
        passed = None
        description += f"{stands}, does not exceed chance: there is no result to explain"
    return Verdict(site.value, f"{_AT_MOST}, or > 0.50 within site", passed, description)


def confounds_only(fitted: FittedStudy) -> Verdict:
    """Age, sex and the quality of the measurement must not tell the labels apart."""
    if CONFOUNDS not in fitted.aucs:
        return Verdict(None, _AT_MOST, None, "there is no such model")
    subject = "age, sex and the quality of the measurement alone reach"
    return baseline_verdict(fitted.aucs[CONFOUNDS]["within"], subject, _main_within(fitted))


def missingness_only(fitted: FittedStudy) -> Verdict:
    """Gaps in the data must not tell the labels apart."""
    if MISSINGNESS not in fitted.aucs:
        return Verdict(None, _AT_MOST, None, "nobody lacks a modality that others have")
    subject = "which modalities a person has, alone reaches"
    return baseline_verdict(fitted.aucs[MISSINGNESS]["within"], subject, _main_within(fitted))


def baseline_verdict(baseline: AucEstimate, subject: str, main: str) -> Verdict:
    """Whether a model that sees no brain tells the labels apart within site.

    Parameters
    ----------
    baseline
        Its AUC within site.
    subject
        What it sees, with a verb.
    main
        Name and AUC of the main model, for comparison.
    """
    passed: bool | None = baseline.value <= SUSPICIOUS
    description = f"{subject} {baseline.value:.2f} within site, {main}"
    if not passed and not surely_above_chance(baseline):
        passed, description = None, f"{description}; among so few people that may be chance"
    elif not passed:
        description += ": part of the result may be theirs"
    return Verdict(baseline.value, _AT_MOST, passed, description)


def transports(fitted: FittedStudy) -> Verdict:
    """What was learnt must hold at a site that the model has not seen."""
    return transport_verdict(fitted.aucs[fitted.main.name], fitted.main.name)


def transport_verdict(main: Mapping[str, AucEstimate], name: str) -> Verdict:
    """Whether a model ranks the people of a left-out site as it ranks those of sites it knows.

    Markers that turn round between sites give an AUC below 0.5 there: a model that is right at
    home and wrong elsewhere.

    Parameters
    ----------
    main
        AUCs ``within`` and ``left_out``.
    name
        The model's name.
    """
    within, away = main["within"], main["left_out"]
    expected = "> 0.50"
    if not math.isfinite(away.value):
        return Verdict(None, expected, None, "no site can be left out")
    description = (
        f"with the site left out the {name} model reaches {away.value:.2f} ({away.ci_low:.2f} to "
        f"{away.ci_high:.2f}), within site {within.value:.2f}"
    )
    lost = within.value - away.value
    error = math.hypot(within.standard_error, away.standard_error)
    passed: bool | None
    if 0.5 - away.value > SURE * away.standard_error:
        passed = False
        description += ": the markers turn round between the sites"
    elif lost > SURE * error:
        passed = False
        description += ": what it learnt at some sites does not hold at others"
    elif away.ci_low > 0.5:
        passed = True
    else:
        passed = None
        description += ": that may be chance, for good or bad"
    return Verdict(away.value, expected, passed, description)


def overconfidence(fitted: FittedStudy) -> Verdict:
    """The main model's probabilities must not be surer than they may be."""
    return calibration_verdict(fitted.main_repeats, fitted.main.name)


def calibration_verdict(repeats: Sequence[HeldOut], name: str) -> Verdict:
    """Whether probabilities are too extreme, by the mean calibration slope of the repeats.

    Parameters
    ----------
    repeats
        Out-of-fold predictions.
    name
        The model's name.
    """
    slopes, errors = [], []
    for repeat in repeats:
        scored = np.isfinite(repeat.logits) & (repeat.labels >= 0)
        logit = repeat.logits[scored]
        slope, _ = slope_and_intercept(repeat.labels[scored], sigmoid(logit))
        centred = logit - logit.mean()
        p = sigmoid(slope * centred) if math.isfinite(slope) else np.full(len(logit), 0.5)
        slopes.append(slope)
        errors.append(1 / math.sqrt(max(float((p * (1 - p) * centred**2).sum()), 1e-12)))
    slope, error = float(np.mean(slopes)), float(np.mean(errors))
    if not math.isfinite(slope):
        return Verdict(None, "1", None, "no slope could be fitted")
    low, high = slope - Z_95 * error, slope + Z_95 * error
    description = f"the calibration slope of the {name} model is {slope:.2f} ({low:.2f} to "
    description += f"{high:.2f})"
    if high < 1:
        description += ": its probabilities are too extreme and must not be read as such"
    elif low > 1:
        description += ": its probabilities are too modest"
    # As for the baselines: what one study in forty shows by chance is not decided.
    passed: bool | None = True if high >= 1 else False if slope + SURE * error < 1 else None
    if passed is None:
        description += ", though among so few people that may be chance"
    return Verdict(slope, "not below 1", passed, description)


def people_in_two_folds(fitted: FittedStudy) -> Verdict:
    """Nobody, and no family, may be in training and test at once."""
    design = fitted.study.design
    return overlap_verdict(fitted.folds, design.participants, design.families)


def overlap_verdict(
    folds: Sequence[Fold], participants: np.ndarray, families: np.ndarray | None = None
) -> Verdict:
    """Whether nobody, and nobody's relative, is in training and test of a division."""
    shared = _shared(folds, participants)
    related = set() if families is None else _shared(folds, families)
    return Verdict(
        len(shared) + len(related), "0", not shared and not related,
        f"{len(folds)} divisions were compared; "
        + (f"{len(shared)} people are on both sides" if shared else "nobody is on both sides")
        + ("" if families is None else
           f"; {len(related)} families are divided" if related else "; no family is divided"),
    )  # fmt: skip


def _shared(folds: Sequence[Fold], names: np.ndarray) -> set[str | float]:
    """Names that stand on both sides of a division."""
    return {
        name
        for fold in folds
        for name in np.intersect1d(names[fold.train], names[fold.test]).tolist()
    }


def _main_within(fitted: FittedStudy) -> str:
    name = fitted.main.name
    return f"the {name} model {fitted.aucs[name]['within'].value:.2f}"


def surely_above_chance(estimate: AucEstimate) -> bool:
    """Whether an AUC is above 0.5 by more than chance does in any of many studies."""
    return estimate.value - 0.5 > SURE * estimate.standard_error
