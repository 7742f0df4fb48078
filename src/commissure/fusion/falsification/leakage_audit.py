"""Whether a procedure looks at what it must not see: behaviour, not a reading of its code.

A procedure takes all people and a division and says something about the test people. What it says
of them must not change when *their labels* change, nor what it says of one of them when the
*markers of the others* change. Whatever is selected, scaled, imputed, harmonised, tuned or
calibrated outside the training people breaks one of the two. Both are equalities: they cannot
raise a false alarm. The tables are searched for people who stand twice and for copies of the label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from commissure.evaluation.held_out import said_by
from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification.alike import SHARED_COLUMNS, near_copies
from commissure.fusion.falsification.check import Verdict
from commissure.fusion.fitted import FittedStudy
from commissure.models.fitting import fit_models
from commissure.models.nested import column_auc
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import CLINICAL, CONFOUNDS, Design
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.splits import Fold

#: Takes values (people, columns), labels (people,) and a division; gives one number per test
#: person: a logit, a probability or a decision, NaN for who cannot be scored.
Procedure = Callable[[np.ndarray, np.ndarray, Fold], np.ndarray]

#: Relative change that is rounding and not knowledge.
ROUNDING = 1e-9
#: Changed labellings and changed markers that are tried, and how many of them in every study.
TRIALS, AUDIT_TRIALS = 12, 4
#: A marker that tells the labels apart as well as this is held to be made of them.
COPY = 0.99
#: Correlation over all markers from which two people are held to be one.
SAME_PERSON = 0.999
#: People who are compared with all others at once.
_ROWS = 500


def study_procedure(spec: ModelSpec, settings: ModelSettings) -> Procedure:
    """The study's own way to a prediction; several numbers of a person come one after another."""

    def procedure(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        model = fit_models([spec], values[fold.train], labels[fold.train], settings=settings)
        return said_by(model[spec.name], values[fold.test], spec)

    return procedure


def unseen_labels(divided: DividedStudy) -> Verdict:
    """The outcomes of the test people must not change what is said of them."""
    procedure, values, labels, fold = _audited(divided)
    seed = divided.study.settings.seed
    return labels_verdict(procedure, values, labels, fold, seed=seed, trials=AUDIT_TRIALS)


def unseen_people(divided: DividedStudy) -> Verdict:
    """The markers of a test person must not change what is said of another."""
    procedure, values, labels, fold = _audited(divided)
    seed = divided.study.settings.seed
    return people_verdict(procedure, values, labels, fold, seed=seed, trials=AUDIT_TRIALS)


def same_answer_twice(divided: DividedStudy) -> Verdict:
    """A second run must say the same."""
    return repetition_verdict(*_audited(divided))


def label_copy(divided: DividedStudy) -> Verdict:
    """No marker may be made of the label."""
    return label_copy_verdict(divided.study.design, divided.study.y)


def people_twice(divided: DividedStudy) -> Verdict:
    """No person may stand under two identifiers."""
    return people_twice_verdict(divided.study.design)


def post_outcome_columns(fitted: FittedStudy) -> Verdict:
    """No predictor should follow the outcome."""
    design = fitted.study.design
    used = [
        design.columns[column].marker
        for name in (CLINICAL, CONFOUNDS)
        if name in design.blocks
        for column in design.blocks[name].columns
    ]
    names = [name.split("=")[0] for name in used]
    return post_outcome_verdict(fitted.study.settings.allow_post_outcome, names)


def _audited(divided: DividedStudy) -> tuple[Procedure, np.ndarray, np.ndarray, Fold]:
    study = divided.study
    procedure = study_procedure(divided.main, study.settings)
    return procedure, study.design.values, study.y, divided.first_repeat[0]


def sees_test_labels(
    procedure: Procedure,
    values: np.ndarray,
    labels: np.ndarray,
    fold: Fold,
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> int:
    """Of ``trials`` other labels of the test people, how many change what is said of them."""
    first = procedure(values, labels, fold)
    tested = fold.test[carries_outcome(labels[fold.test])]
    known = labels[carries_outcome(labels)]
    changed = 0
    for trial in range(trials):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 8, trial]))
        other = labels.copy()
        # The first trial turns all labels round: the largest change there is.
        turned = known.max() + known.min() - labels[tested]
        other[tested] = turned if trial == 0 else rng.choice(known, len(tested))
        changed += _differ(first, procedure(values, other, fold))
    return changed


def sees_other_people(
    procedure: Procedure,
    values: np.ndarray,
    labels: np.ndarray,
    fold: Fold,
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> int:
    """How often changed markers of some test people change what is said of the others."""
    first = procedure(values, labels, fold)
    changed = 0
    spread = np.nanstd(values, axis=0)
    for trial in range(trials):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 9, trial]))
        strange = rng.permutation(len(fold.test))[: max(1, len(fold.test) // 2)]
        kept = np.setdiff1d(np.arange(len(fold.test)), strange)
        rows = fold.test[strange]
        other = values.copy()
        # Moved and spread out; gaps stay, so that who has what is the same.
        other[rows] += spread * (3.0 + 4.0 * rng.standard_normal((len(rows), values.shape[1])))
        changed += _differ(first[kept], procedure(other, labels, fold)[kept])
    return changed


def second_run_differs(
    procedure: Procedure, values: np.ndarray, labels: np.ndarray, fold: Fold
) -> bool:
    """Whether a second run says something else."""
    return _differ(procedure(values, labels, fold), procedure(values, labels, fold))


def labels_verdict(
    procedure: Procedure,
    values: np.ndarray,
    labels: np.ndarray,
    fold: Fold,
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> Verdict:
    """Whether a procedure does not see the labels of the test people."""
    changed = sees_test_labels(procedure, values, labels, fold, seed=seed, trials=trials)
    return Verdict(
        changed, "0", changed == 0,
        f"{trials} other labellings or outcomes of the test people were tried; "
        + ("none changed their predictions" if not changed else
           f"{changed} changed their predictions: something was selected, tuned or "
           "calibrated on the test people"),
    )  # fmt: skip


def people_verdict(
    procedure: Procedure,
    values: np.ndarray,
    labels: np.ndarray,
    fold: Fold,
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> Verdict:
    """Whether a procedure judges each test person without the others."""
    changed = sees_other_people(procedure, values, labels, fold, seed=seed, trials=trials)
    return Verdict(
        changed, "0", changed == 0,
        f"the markers of half the test people were changed {trials} times; "
        + ("nothing that was said of the others changed" if not changed else
           f"{changed} times what was said of the others changed: scaling, gaps, sites or "
           "residuals were learnt outside the training people"),
    )  # fmt: skip


def repetition_verdict(
    procedure: Procedure, values: np.ndarray, labels: np.ndarray, fold: Fold
) -> Verdict:
    """Whether a procedure says the same in a second run."""
    moved = second_run_differs(procedure, values, labels, fold)
    return Verdict(
        int(moved), "0", not moved, "a second run gave "
        + ("the same predictions" if not moved else "other predictions: a seed is missing"),
    )  # fmt: skip


def label_copy_verdict(design: Design, labels: np.ndarray) -> Verdict:
    """Whether no marker follows the labels as only a copy of them can."""
    known = labels >= 0
    y = labels[known].astype(float)
    best, name = 0.5, ""
    used = sorted({column for block in design.blocks.values() for column in block.columns})
    for column in used:
        values = design.values[known, column]
        measured = np.isfinite(values)
        ones, zeros = int(y[measured].sum()), int((1 - y[measured]).sum())
        # Perfect order must not be a chance event among so many columns.
        if min(ones, zeros) < 2 or len(used) / math.comb(ones + zeros, ones) > 1e-4:
            continue
        auc = float(column_auc(y[measured, None], values[measured, None])[0])
        if max(auc, 1 - auc) > best:
            best, source = max(auc, 1 - auc), design.columns[column]
            name = " ".join(x for x in (source.modality, source.marker, source.region) if x)
    expected = f"< {COPY:.2f}"
    if not name:
        return Verdict(None, expected, None, "no column has enough people to tell")
    passed = best < COPY
    return Verdict(
        best, expected, passed,
        f"the column that follows the labels best, {name}, has an AUC of {best:.2f}"
        + ("" if passed else ": no measurement of a brain does that; it was made of the label"),
    )  # fmt: skip


def people_twice_verdict(design: Design) -> Verdict:
    """Whether no two identifiers have one person's data, and nobody is far more alike than others.

    Relatives who are declared, and so stay in one fold, may be alike.
    """
    blocks = [design.blocks[name].columns for name in design.modalities]
    values = design.values[:, [column for block in blocks for column in block]]
    same = same_people(values)
    alike = sorted({pair for block in blocks for pair in near_copies(design.values[:, block])})
    if design.families is not None:
        alike = [(a, b) for a, b in alike if design.families[a] != design.families[b]]
    alike = [pair for pair in alike if pair not in same]
    said = ["no two have the same markers"]
    if same:
        said = [f"{len(same)} pairs have the same markers ({_named(design, same)}): one person "
                "under two names can be in training and test at once"]  # fmt: skip
    if alike:
        said.append(
            f"{len(alike)} pairs are far more alike than any others ({_named(design, alike)}): one "
            "person measured twice, or relatives; participants.family keeps them in one fold"
        )
    return Verdict(
        len(same) + len(alike), "0", not same and not alike,
        f"{len(values)} people were compared with each other; " + "; ".join(said),
    )  # fmt: skip


def _named(design: Design, pairs: Sequence[tuple[int, int]]) -> str:
    names = [f"{design.participants[a]} and {design.participants[b]}" for a, b in pairs[:3]]
    return "; ".join(names)


def post_outcome_verdict(allowed: Sequence[str], used: Sequence[str]) -> Verdict:
    """Which predictors follow the outcome and were let through by name."""
    passed = sorted(set(allowed) & set(used))
    return Verdict(
        len(passed), "0", not passed,
        f"{len(used)} columns of the people are used; "
        + ("none tells by its name that it follows the outcome" if not passed else
           f"{', '.join(passed)} follow or define the outcome and were let through by name: the "
           "clinical and confounds models are not predictions"),
    )  # fmt: skip


def same_people(values: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows that agree in all that both have.

    With :data:`SHARED_COLUMNS` or more columns they agree where their standardised values
    correlate by more than :data:`SAME_PERSON` and have like size; with fewer, where all are equal.
    """
    if values.shape[1] < 2 or len(values) < 3:
        return []
    spread = np.nanstd(values, axis=0)
    kept = np.isfinite(spread) & (spread > 0)
    if not kept.any():
        return []
    z = (values[:, kept] - np.nanmean(values[:, kept], axis=0)) / spread[kept]
    measured = np.isfinite(z).astype(float)
    z = np.nan_to_num(z)
    square = z**2
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(z), _ROWS):
        rows, later = slice(start, start + _ROWS), slice(start, None)
        shared = measured[rows] @ measured[later].T
        size = square[rows] @ measured[later].T
        both = size + measured[rows] @ square[later].T
        apart = both - 2 * (z[rows] @ z[later].T)
        close = np.where(
            shared >= SHARED_COLUMNS,
            apart < (1 - SAME_PERSON) * both,
            (apart <= 1e-12 * both) & (shared >= 2),
        )
        first, second = np.nonzero(np.triu(close & (size > 0), 1))
        pairs += [(int(start + a), int(start + b)) for a, b in zip(first, second, strict=True)]
    return pairs


def _differ(first: np.ndarray, second: np.ndarray) -> bool:
    if (np.isfinite(first) != np.isfinite(second)).any():
        return True
    known = np.isfinite(first)
    size = 1.0 + np.abs(first[known])
    return bool((np.abs(first[known] - second[known]) > ROUNDING * size).any())
