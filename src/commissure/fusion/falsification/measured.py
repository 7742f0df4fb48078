"""Attempts on a result of any kind of outcome, by its measure.

They ask what the attempts on two labels ask, in the numbers of the measure: a correlation, a
C-index, a mean of pairwise AUCs.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator

import numpy as np

from commissure.evaluation.auc import AucEstimate
from commissure.evaluation.held_out import held_out
from commissure.evaluation.out_of_fold import repeats_of
from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification.check import Verdict
from commissure.fusion.falsification.leakage_audit import (
    AUDIT_TRIALS,
    COPY,
    sees_test_labels,
    study_procedure,
)
from commissure.fusion.fitted import FittedStudy
from commissure.modalities import modality_title
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec
from commissure.study.design import CONFOUNDS, MISSINGNESS, Block
from commissure.study.splits import Fold

#: Draws of noise, and the planted difference in standard deviations, as for two labels.
DRAWS, PLANTED_D = 10, 3.0
#: Standard errors from which a baseline is no chance event in any of many studies.
SURE = 3.3


def permuted_outcomes(fitted: FittedStudy) -> Verdict:
    """Outcomes that mean nothing must give chance."""
    measure, null = fitted.measure, fitted.null
    expected = f"{measure.chance:.2f}"
    if null is None or not len(null.permuted):
        return Verdict(None, expected, None, "no permutation was asked for (fusion.permutations)")
    known = null.permuted[np.isfinite(null.permuted)]
    if not len(known):
        return Verdict(None, expected, None, "in no permutation could anybody be compared")
    mean, spread = float(known.mean()), float(known.std())
    band = 0.01 + 3 * spread / math.sqrt(len(known))
    passed = abs(mean - measure.chance) <= band
    return Verdict(
        mean, f"{expected} +- {band:.3f}", passed,
        f"{len(known)} permutations give a mean {measure.name} of {mean:.3f} (SD {spread:.3f}), "
        + ("that of chance" if passed else "which chance does not: there is a leak"),
    )  # fmt: skip


def noise_features(fitted: FittedStudy) -> Verdict:
    """Noise in place of every marker, with the gaps dealt anew, must give chance."""
    measure = fitted.measure
    mean = float(np.mean(fitted.result_of(values_in_noise)))
    band = 0.01 + 3.5 * fitted.null_spread / math.sqrt(DRAWS)
    expected = f"{measure.chance:.2f} +- {band:.2f}"
    if not math.isfinite(mean):
        return Verdict(None, expected, None, "nobody could be compared")
    passed = abs(mean - measure.chance) <= band
    return Verdict(
        mean, expected, passed,
        f"with noise in place of all markers the {fitted.main.name} model reaches {mean:.2f} "
        f"(mean of {DRAWS} draws)" + ("" if passed else ", which chance does not: there is a leak"),
    )  # fmt: skip


def values_in_noise(divided: DividedStudy) -> list[float]:
    """What the main model reaches in each draw of noise."""
    blocks = tuple(_plain(block) for block in divided.main.blocks)
    spec = dataclasses.replace(divided.main, blocks=blocks)
    return [_within(divided, spec, noise) for noise in _draws(divided)]


def planted_signal(divided: DividedStudy) -> Verdict:
    """A difference along the outcome, planted in noise, must be found."""
    study, measure = divided.study, divided.measure
    largest = max(
        divided.main.blocks, key=lambda block: int(has_block(study.design.values, block).sum())
    )
    spec = ModelSpec(
        "planted", "modality", "", (largest.name,), (_plain(largest),), divided.main.response
    )
    columns = list(largest.columns)
    values = []
    for noise in _draws(divided):
        shift = PLANTED_D / math.sqrt(len(columns)) * study.kind.signal(study.y)
        noise[:, columns] += shift[:, None]
        values.append(_within(divided, spec, noise))
    mean, expected = float(np.mean(values)), f">= {measure.planted:.2f}"
    if not math.isfinite(mean):
        return Verdict(None, expected, None, "nobody could be compared")
    found = mean >= measure.planted
    return Verdict(
        mean, expected, True if found else None,
        f"a difference of {PLANTED_D:g} SD along the outcome, spread over {len(columns)} noise "
        f"markers of {modality_title(largest.name)}, gives {mean:.2f} (mean of {DRAWS} draws)"
        + ("" if found else ": so few people would miss even that"),
    )  # fmt: skip


def confounds_only(fitted: FittedStudy) -> Verdict:
    """Age, sex and the quality of the measurement must not tell the outcome."""
    return _baseline(
        fitted, CONFOUNDS, "age, sex and the quality of the measurement alone reach",
        "there is no such model",
    )  # fmt: skip


def missingness_only(fitted: FittedStudy) -> Verdict:
    """Gaps in the data must not tell the outcome."""
    return _baseline(
        fitted, MISSINGNESS, "which modalities a person has, alone reaches",
        "nobody lacks a modality that others have",
    )  # fmt: skip


def beyond_confounds(fitted: FittedStudy) -> Verdict:
    """The main model must tell more than age, sex and the quality of the measurement."""
    if CONFOUNDS not in fitted.aucs:
        return Verdict(None, "> 0", None, "there is no such model")
    gap = fitted.measure.difference(
        fitted.main_repeats, repeats_of(fitted.study, fitted.scores[CONFOUNDS])
    )
    if not math.isfinite(gap.value):
        return Verdict(None, "> 0", None, "nobody has both")
    confounds = fitted.aucs[CONFOUNDS]["within"]
    description = (
        f"the {fitted.main.name} model exceeds the confounds by {gap.value:.2f} "
        f"({gap.ci_low:.2f} to {gap.ci_high:.2f}) on the same people"
    )
    suspicious = confounds.value > fitted.measure.suspicious and _surely(fitted, confounds)
    passed: bool | None = True if gap.ci_low > 0 else False if suspicious else None
    if passed is False:
        description += ": what it tells may be age, sex, motion or noise and nothing else"
    elif passed is None:
        description += ": among so few people that may be chance"
    return Verdict(gap.value, "> 0", passed, description)


def transports(fitted: FittedStudy) -> Verdict:
    """What was learnt must hold at a site that the model has not seen."""
    measure, name = fitted.measure, fitted.main.name
    within, away = fitted.aucs[name]["within"], fitted.aucs[name]["left_out"]
    expected = f"> {measure.chance:.2f}"
    if not math.isfinite(away.value):
        return Verdict(None, expected, None, "no site can be left out")
    description = (
        f"with the site left out the {name} model reaches {away.value:.2f} ({away.ci_low:.2f} to "
        f"{away.ci_high:.2f}), within site {within.value:.2f}"
    )
    passed: bool | None = True if away.ci_low > measure.chance else None
    if measure.chance - away.value > SURE * away.standard_error:
        passed = False
        description += ": the markers turn round between the sites"
    elif within.value - away.value > SURE * math.hypot(within.standard_error, away.standard_error):
        passed = False
        description += ": what it learnt at some sites does not hold at others"
    elif passed is None:
        description += ": that may be chance, for good or bad"
    return Verdict(away.value, expected, passed, description)


def planted_leak(divided: DividedStudy) -> Verdict:
    """A procedure that selects markers by everybody's outcome must be found out."""
    study = divided.study
    procedure, signal = study_procedure(divided.main, study.settings), study.kind.signal
    columns = [column for block in divided.main.blocks for column in block.columns]
    kept = max(1, (len(columns) + 1) // 2)

    def leaking(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        along = signal(labels) - signal(labels).mean()
        centred = np.nan_to_num(values[:, columns] - np.nanmean(values[:, columns], axis=0))
        strength = np.abs(along @ centred) / np.maximum(np.sqrt((centred**2).sum(axis=0)), 1e-300)
        best = np.argsort(-strength, kind="stable")[:kept]
        values = values.copy()
        values[:, np.setdiff1d(columns, np.array(columns)[best])] = np.nan
        return procedure(values, labels, fold)

    noise = next(_draws(divided))
    noise[:, columns] += (PLANTED_D / math.sqrt(len(columns)) * signal(study.y))[:, None]
    noise[~np.isfinite(study.design.values)] = np.nan
    if len(columns) < 2:
        return Verdict(None, "1", None, "there is one marker, so none can be selected")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns that nobody has
        seen = sees_test_labels(
            leaking, noise, study.y, divided.first_repeat[0], seed=study.settings.seed,
            trials=AUDIT_TRIALS,
        )  # fmt: skip
    return Verdict(
        int(seen > 0), "1", seen > 0,
        "markers were selected by the outcomes of everybody before the folds; the audit "
        + ("found it" if seen else "did not find it"),
    )  # fmt: skip


def outcome_copy(divided: DividedStudy) -> Verdict:
    """No marker may be made of the outcome."""
    design, study = divided.study.design, divided.study
    signal, best, name = study.kind.signal(study.y), 0.0, ""
    for column in {c for name in design.modalities for c in design.blocks[name].columns}:
        values = design.values[:, column]
        known = study.labelled & np.isfinite(values)
        if known.sum() < 10 or not np.ptp(values[known]) or not np.ptp(signal[known]):
            continue
        r = abs(float(np.corrcoef(_ranks(values[known]), _ranks(signal[known]))[0, 1]))
        if r > best:
            source = design.columns[column]
            best, name = r, " ".join(
                part for part in (source.modality, source.marker, source.region) if part
            )  # fmt: skip
    expected = f"< {COPY:.2f}"
    if not name:
        return Verdict(None, expected, None, "no marker has enough people to tell")
    return Verdict(
        best, expected, best < COPY,
        f"the marker that follows the outcome best, {name}, has a rank correlation of {best:.2f}"
        + ("" if best < COPY else ": no measurement of a brain does that; it was made of it"),
    )  # fmt: skip


def _baseline(fitted: FittedStudy, name: str, subject: str, absent: str) -> Verdict:
    limit = fitted.measure.suspicious
    expected = f"<= {limit:.2f}"
    if name not in fitted.aucs:
        return Verdict(None, expected, None, absent)
    baseline, main = fitted.aucs[name]["within"], fitted.main_auc
    if not math.isfinite(baseline.value):
        return Verdict(None, expected, None, "nobody could be compared")
    passed: bool | None = baseline.value <= limit
    description = (
        f"{subject} {baseline.value:.2f} within site, the {fitted.main.name} model {main.value:.2f}"
    )
    if not passed and not _surely(fitted, baseline):
        passed, description = None, f"{description}; among so few people that may be chance"
    elif not passed:
        description += ": part of the result may be theirs"
    return Verdict(baseline.value, expected, passed, description)


def _surely(fitted: FittedStudy, estimate: AucEstimate) -> bool:
    return estimate.value - fitted.measure.chance > SURE * estimate.standard_error


def _within(divided: DividedStudy, spec: ModelSpec, values: np.ndarray) -> float:
    held = held_out(divided.study, spec, divided.first_repeat, values=values, solver="one_step")
    return divided.measure.within(held)


def _draws(divided: DividedStudy) -> Iterator[np.ndarray]:
    """Noise in the columns of the modalities, with gaps dealt anew within each site."""
    study = divided.study
    sites, columns = study.design.sites, sorted(
        {column for block in divided.main.blocks for column in block.columns}
    )  # fmt: skip
    for draw in range(DRAWS):
        rng = np.random.default_rng(np.random.SeedSequence([study.settings.seed, 5, draw]))
        values = study.design.values.copy()
        gaps = ~np.isfinite(values[:, columns])
        for site in np.unique(sites):
            people = np.flatnonzero((sites == site) & study.labelled)
            gaps[people] = gaps[rng.permutation(people)]
        values[:, columns] = np.where(gaps, np.nan, rng.standard_normal(gaps.shape))
        yield values


def _plain(block: Block) -> Block:
    return Block(block.name, block.columns)


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)
