"""Attempts to prove the classifier wrong, each with its verdict in words.

``passed`` is true where the attempt left the result standing, false where it did not, and None
where the data cannot decide.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from commissure.evaluation.auc import Area, calibration, pair_shares
from commissure.evaluation.permutation import Null
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.falsification.leakage_audit import Check, Procedure, check
from commissure.fusion.settings import FusionSettings
from commissure.markers.intervals import Z_95
from commissure.models.logistic import sigmoid
from commissure.models.preparation import has_block
from commissure.models.registry import ModelSpec, fit_models
from commissure.study.design import CLINICAL, CONFOUNDS, MISSINGNESS, SITE, Block, Design
from commissure.study.splits import Fold

#: Above this AUC a model that sees no brain is suspicious (methods: C2, C9).
SUSPICIOUS = 0.60
#: Draws of noise in the two checks on drawn features.
DRAWS = 10
#: Planted difference between the labels, in standard deviations along its own direction.
PLANTED_D = 3.0
#: AUC within site at which the planted difference counts as found.
FOUND = 0.70
#: Standard errors above 0.5 from which a baseline's AUC is no chance event in any of many studies.
SURE = 3.3
#: Changed labellings and markers in the audit of each study.
AUDIT_TRIALS = 4
#: Markers that the planted leak selects.
SELECTED = 10


def permuted_check(null: Null | None) -> Check:
    """Labels that mean nothing must give chance."""
    question = "Does the procedure find something in labels permuted within site?"
    if null is None or not len(null.permuted):
        return check("permuted_labels", question, None, "0.50", None,
                      "no permutation was asked for (fusion.permutations)")  # fmt: skip
    mean, spread = float(null.permuted.mean()), float(null.permuted.std())
    band = 0.01 + 3 * spread / math.sqrt(len(null.permuted))
    passed = abs(mean - 0.5) <= band
    return check(
        "permuted_labels", question, mean, f"0.50 +- {band:.3f}", passed,
        f"{len(null.permuted)} permutations give a mean AUC of {mean:.3f} (SD {spread:.3f}), "
        + ("that of chance" if passed else "which chance does not: there is a leak"),
    )  # fmt: skip


def baseline_checks(areas: Mapping[str, Mapping[str, Area]], primary: str) -> list[Check]:
    """Site, confounds and gaps in the data must not tell the labels apart.

    Parameters
    ----------
    areas
        ``within`` and ``pooled`` of each model.
    primary
        The model whose result is the study's.
    """
    main = areas[primary]["within"].value
    checks = []
    question = "Does the site alone tell the labels apart (pooled over sites)?"
    if SITE in areas:
        value = areas[SITE]["pooled"].value
        even = value <= SUSPICIOUS
        told = f"the site alone reaches a pooled AUC of {value:.2f}"
        told += (
            ": the labels are spread evenly enough"
            if even
            else ": the labels are spread unevenly over sites, so pooled AUCs mean little; read "
            "those within site"
        )
        checks.append(check("site_only", question, value, f"<= {SUSPICIOUS:.2f}", even, told))
    else:
        checks.append(check("site_only", question, None, f"<= {SUSPICIOUS:.2f}", None,
                             "there is one site, or the model was not asked for"))  # fmt: skip
    for name, question, subject in (
        (CONFOUNDS, "Do age, sex, motion, noise and head size alone tell the labels apart?",
         "age, sex and the quality of the measurement alone reach"),
        (MISSINGNESS, "Does it tell the labels apart which modalities a person has?",
         "which modalities a person has, alone reaches"),
    ):  # fmt: skip
        key = f"{name}_only"
        if name not in areas:
            why = (
                "nobody lacks a modality that others have"
                if name == MISSINGNESS
                else "there is no such model"
            )
            checks.append(check(key, question, None, f"<= {SUSPICIOUS:.2f}", None, why))
            continue
        area = areas[name]["within"]
        passed: bool | None = area.value <= SUSPICIOUS
        told = f"{subject} {area.value:.2f} within site, the {primary} model {main:.2f}"
        if not passed and not area.value - 0.5 > SURE * area.standard_error:
            passed, told = None, f"{told}; among so few people that may be chance"
        elif not passed:
            told += ": part of the result may be theirs"
        checks.append(check(key, question, area.value, f"<= {SUSPICIOUS:.2f}", passed, told))
    return checks


def drawn_checks(
    design: Design,
    labels: np.ndarray,
    specs: Sequence[ModelSpec],
    primary: str,
    folds: Sequence[Fold],
    settings: FusionSettings,
    spread: float,
) -> list[Check]:
    """Noise in place of every marker must give chance; a difference planted in it must be found.

    Who has which gaps is dealt anew within each site for every draw. Gaps that stay with their
    people are no noise: what they tell of the labels by chance is in every draw, and more draws do
    not take it away (a clean study stood at 0.45 +- 0.01 over sixty draws, at 0.50 with its gaps
    dealt anew).

    Parameters
    ----------
    design, labels
        The study.
    specs, primary
        The models.
    folds
        Those of one repeat.
    settings
        The settings.
    spread
        Standard deviation of the null AUC of one repeat, for the tolerance.
    """
    main = next(spec for spec in specs if spec.name == primary)
    largest = max(main.blocks, key=lambda block: int(has_block(design.values, block).sum()))
    plant = ModelSpec("planted", "modality", "", (largest.name,), (_plain(largest),))
    noise_spec = dataclasses.replace(main, blocks=tuple(_plain(block) for block in main.blocks))
    noise, planted = [], []
    for draw in range(DRAWS):
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 5, draw]))
        drawn = rng.standard_normal(design.values.shape)
        drawn[_shuffled_gaps(design, labels, rng)] = np.nan
        noise.append(_area(drawn, design, labels, noise_spec, folds, settings))
        columns = list(largest.columns)
        drawn[:, columns] += PLANTED_D / math.sqrt(len(columns)) * (labels == 1)[:, None]
        planted.append(_area(drawn, design, labels, plant, folds, settings))
    mean, found = float(np.mean(noise)), float(np.mean(planted))
    band = 0.01 + 3.5 * spread / math.sqrt(DRAWS)
    passed = abs(mean - 0.5) <= band
    if not (math.isfinite(mean) and math.isfinite(found)):
        nothing = "no two people of different labels were at one site in one fold"
        return [
            check("noise_features", "Does it find something where every marker is noise?", None,
                  f"0.50 +- {band:.2f}", None, nothing),
            check("planted_signal", "Is a difference found that was planted in noise?", None,
                  f">= {FOUND:.2f}", None, nothing),
        ]  # fmt: skip
    return [
        check(
            "noise_features", "Does it find something where every marker is noise?", mean,
            f"0.50 +- {band:.2f}", passed,
            f"with noise in place of all markers the {primary} model reaches {mean:.2f} (mean of "
            f"{DRAWS} draws)" + ("" if passed else ", which chance does not: there is a leak"),
        ),
        check(
            "planted_signal", "Is a difference found that was planted in noise?", found,
            f">= {FOUND:.2f}", found >= FOUND,
            f"a difference of {PLANTED_D:g} SD, spread over {len(largest.columns)} noise markers "
            f"of {largest.name}, gives {found:.2f} (mean of {DRAWS} draws)"
            + ("" if found >= FOUND else ": so few people would miss even that"),
        ),
    ]  # fmt: skip


def beyond_confounds_check(
    areas: Mapping[str, Mapping[str, Area]], primary: str, gap: Area | None
) -> Check:
    """Whether the main model tells more than age, sex and the quality of the measurement.

    Parameters
    ----------
    areas, primary
        As for :func:`baseline_checks`.
    gap
        Paired difference of the main model and the confounds model within site; None where there is
        no such model.
    """
    question = "Does the main model tell more than the confounds alone?"
    if gap is None or not math.isfinite(gap.value):
        return check("beyond_confounds", question, None, "> 0", None, "there is no such model")
    confounds = areas[CONFOUNDS]["within"]
    told = (
        f"the {primary} model exceeds the confounds by {gap.value:.2f} ({gap.ci_low:.2f} to "
        f"{gap.ci_high:.2f}) on the same people"
    )
    suspicious = (
        confounds.value > SUSPICIOUS and confounds.value - 0.5 > SURE * confounds.standard_error
    )
    passed: bool | None = True if gap.ci_low > 0 else False if suspicious else None
    if passed is False:
        told += ": what it tells may be age, sex, motion or noise and nothing else"
    elif passed is None:
        told += ": among so few people that may be chance"
    return check("beyond_confounds", question, gap.value, "> 0", passed, told)


def calibration_check(
    rounds: Sequence[tuple[np.ndarray, np.ndarray]], y: np.ndarray, primary: str
) -> Check:
    """Whether the main model's probabilities are surer than they may be.

    Parameters
    ----------
    rounds
        Out-of-fold logit and fold of each person, per repeat.
    y, primary
        Labels (1, 0, others are left out) and the model's name.
    """
    slopes, errors = [], []
    for logit, _ in rounds:
        own = np.isfinite(logit) & (y >= 0)
        slope, _ = calibration(y[own], sigmoid(logit[own]))
        centred = logit[own] - logit[own].mean()
        p = sigmoid(slope * centred) if math.isfinite(slope) else np.full(own.sum(), 0.5)
        slopes.append(slope)
        errors.append(1 / math.sqrt(max(float((p * (1 - p) * centred**2).sum()), 1e-12)))
    slope, error = float(np.mean(slopes)), float(np.mean(errors))
    question = "Are the probabilities surer than they may be?"
    if not math.isfinite(slope):
        return check("overconfidence", question, None, "1", None, "no slope could be fitted")
    low, high = slope - Z_95 * error, slope + Z_95 * error
    told = f"the calibration slope of the {primary} model is {slope:.2f} ({low:.2f} to {high:.2f})"
    if high < 1:
        told += ": its probabilities are too extreme and must not be read as such"
    elif low > 1:
        told += ": its probabilities are too modest"
    # As for the baselines: what one study in forty shows by chance is not decided.
    passed: bool | None = True if high >= 1 else False if slope + SURE * error < 1 else None
    if passed is None:
        told += ", though among so few people that may be chance"
    return check("overconfidence", question, slope, "not below 1", passed, told)


def overlap_check(folds: Sequence[Fold], participants: np.ndarray) -> Check:
    """Nobody may be in training and test at once."""
    shared = {
        str(name)
        for fold in folds
        for name in np.intersect1d(participants[fold.train], participants[fold.test])
    }
    return check(
        "people_in_two_folds", "Is anybody in training and test at once?", len(shared), "0",
        not shared,
        f"{len(folds)} divisions were compared; "
        + (f"{len(shared)} people are on both sides" if shared else "nobody is on both sides"),
    )  # fmt: skip


def _shuffled_gaps(design: Design, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaps of the labelled people, whole rows of them, dealt anew within each site."""
    gaps = ~np.isfinite(design.values)
    for site in np.unique(design.sites):
        own = np.flatnonzero((design.sites == site) & (labels >= 0))
        gaps[own] = gaps[rng.permutation(own)]
    return gaps


def _plain(block: Block) -> Block:
    """The block without corrections: drawn noise has neither head size nor site in it."""
    return Block(block.name, block.columns)


def _area(
    values: np.ndarray,
    design: Design,
    labels: np.ndarray,
    spec: ModelSpec,
    folds: Sequence[Fold],
    settings: FusionSettings,
) -> float:
    logits = np.full((len(labels), 1), np.nan)
    cells = np.empty(len(labels), dtype=object)
    for fold in folds:
        model = fit_models(
            [spec], values[fold.train], labels[fold.train], settings=settings, solver="one_step"
        )[spec.name]
        logits[fold.test] = model.logits(values[fold.test])
        cells[fold.test] = [f"{fold.name}\t{site}" for site in design.sites[fold.test]]
    own = labels >= 0
    areas, _ = pair_shares(labels[own, None].astype(float), logits[own], cells[own].astype(str))
    return float(areas[0])


def own_procedure(spec: ModelSpec, settings: FusionSettings) -> Procedure:
    """The study's own way to a prediction, as the audit takes it."""

    def procedure(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        model = fit_models([spec], values[fold.train], labels[fold.train], settings=settings)
        return model[spec.name].logits(values[fold.test])[:, 0]

    return procedure


def audit_checks(
    design: Design,
    labels: np.ndarray,
    spec: ModelSpec,
    folds: Sequence[Fold],
    settings: FusionSettings,
) -> list[Check]:
    """Audit the procedure and the tables of a study, and the audit by leaks that are planted.

    Parameters
    ----------
    design, labels
        The study.
    spec
        The model whose result is the study's.
    folds
        Divisions; the first one is audited.
    settings
        The settings.
    """
    own = own_procedure(spec, settings)
    used = [design.columns[at].marker for name in (CLINICAL, CONFOUNDS) if name in design.blocks
            for at in design.blocks[name].columns]  # fmt: skip
    return [
        *audit.procedure_checks(
            own, design.values, labels, folds[0], seed=settings.seed, trials=AUDIT_TRIALS
        ),
        _planted_leaks(design, labels, own, spec, folds[0], settings.seed),
        audit.label_copy_check(design, labels),
        audit.repeated_people_check(design),
        audit.post_outcome_check(settings.allow_post_outcome, [n.split("=")[0] for n in used]),
    ]


def _planted_leaks(
    design: Design, labels: np.ndarray, own: Procedure, spec: ModelSpec, fold: Fold, seed: int
) -> Check:
    """Make the study's own procedure leak in two ways; the audit must find both.

    The markers are drawn, with a difference planted in each block: a model that finds nothing in a
    study listens to nothing, and then no leak can change what it says.
    """
    columns = [at for block in spec.blocks for at in block.columns]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 16]))
    drawn = design.values.copy()
    drawn[:, columns] = rng.standard_normal((len(drawn), len(columns)))
    for block in spec.blocks:
        shift = PLANTED_D / math.sqrt(len(block.columns)) * (labels == 1)
        drawn[:, list(block.columns)] += shift[:, None]
    drawn[~np.isfinite(design.values)] = np.nan

    def selecting(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        gap = np.nanmean(values[labels == 1], axis=0) - np.nanmean(values[labels == 0], axis=0)
        size = np.abs(gap / np.maximum(np.nanstd(values, axis=0), 1e-300))[columns]
        best = np.argsort(-np.nan_to_num(size))[: min(SELECTED, (len(columns) + 1) // 2)]
        values = values.copy()
        values[:, np.setdiff1d(columns, np.array(columns)[best])] = np.nan
        return own(values, labels, fold)

    def ranking(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        values = values.copy()
        values[:, columns] = rankdata(values[:, columns], axis=0, nan_policy="omit")
        return own(values, labels, fold)

    import warnings

    from scipy.stats import rankdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns that nobody has
        options = {"seed": seed, "trials": AUDIT_TRIALS}
        by_label = audit.sees_test_labels(selecting, drawn, labels, fold, **options)
        by_people = audit.sees_other_people(ranking, drawn, labels, fold, **options)
    found = int(by_label > 0) + int(by_people > 0)
    return check(
        "planted_leaks", "Are leaks found that were planted in the procedure?", found, "2",
        found == 2,
        "markers were selected by the labels of everybody, and ranked among everybody, before the "
        f"folds; the audit found {found} of the 2 leaks",
    )  # fmt: skip
