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
from typing import Any

import numpy as np

from commissure.models.nested import column_auc
from commissure.study.design import Design
from commissure.study.splits import Fold

#: Takes values (people, columns), labels (people,) and a division; gives one number per test
#: person: a logit, a probability or a decision, NaN for who cannot be scored.
Procedure = Callable[[np.ndarray, np.ndarray, Fold], np.ndarray]

Check = dict[str, Any]

#: Relative change that is rounding and not knowledge.
ROUNDING = 1e-9
#: Changed labellings and changed markers that are tried.
TRIALS = 12
#: A marker that tells the labels apart as well as this is held to be made of them.
COPY = 0.99
#: Correlation over all markers from which two people are held to be one.
SAME_PERSON = 0.999
#: Columns that two people must share for a correlation to mean anything.
SHARED_COLUMNS = 10


def check(
    name: str,
    question: str,
    value: float | None,
    expected: str,
    passed: bool | None,
    description: str,
) -> Check:
    """An entry of falsification.json."""
    return {
        "name": name, "question": question, "value": value, "expected": expected,
        "passed": passed, "description": description,
    }  # fmt: skip


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
    own = fold.test[labels[fold.test] >= 0]
    changed = 0
    for trial in range(trials):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 8, trial]))
        other = labels.copy()
        # The first trial turns all labels round: the largest change there is.
        other[own] = 1 - labels[own] if trial == 0 else rng.integers(0, 2, len(own))
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


def procedure_checks(
    procedure: Procedure,
    values: np.ndarray,
    labels: np.ndarray,
    fold: Fold,
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> list[Check]:
    """The three checks of a procedure, on one division of a study."""
    by_label = sees_test_labels(procedure, values, labels, fold, seed=seed, trials=trials)
    by_people = sees_other_people(procedure, values, labels, fold, seed=seed, trials=trials)
    moved = second_run_differs(procedure, values, labels, fold)
    return [
        check(
            "test_labels_unseen", "Do the labels of the test people change what is said of them?",
            by_label, "0", by_label == 0,
            f"{trials} other labellings of the test people were tried; "
            + ("none changed their predictions" if not by_label else
               f"{by_label} changed their predictions: something was selected, tuned or "
               "calibrated on the test people"),
        ),
        check(
            "test_people_unseen", "Do the markers of one test person change what is said of "
            "another?", by_people, "0", by_people == 0,
            f"the markers of half the test people were changed {trials} times; "
            + ("nothing that was said of the others changed" if not by_people else
               f"{by_people} times what was said of the others changed: scaling, gaps, sites or "
               "residuals were learnt outside the training people"),
        ),
        check(
            "same_answer_twice", "Does a second run say something else?", int(moved), "0",
            not moved, "a second run gave "
            + ("the same predictions" if not moved else "other predictions: a seed is missing"),
        ),
    ]  # fmt: skip


def label_copy_check(design: Design, labels: np.ndarray) -> Check:
    """Look for a marker that is made of the label."""
    question = "Is some marker a copy of the label?"
    known = labels >= 0
    y = labels[known].astype(float)
    best, name = 0.5, ""
    used = sorted({at for block in design.blocks.values() for at in block.columns})
    for at in used:
        column = design.values[known, at]
        there = np.isfinite(column)
        ones, zeros = int(y[there].sum()), int((1 - y[there]).sum())
        # Perfect order must not be a chance event among so many columns.
        if min(ones, zeros) < 2 or len(used) / math.comb(ones + zeros, ones) > 1e-4:
            continue
        area = float(column_auc(y[there, None], column[there, None])[0])
        if max(area, 1 - area) > best:
            best, source = max(area, 1 - area), design.columns[at]
            name = " ".join(x for x in (source.modality, source.marker, source.region) if x)
    if not name:
        return check("label_copy", question, None, f"< {COPY:.2f}", None,
                     "no column has enough people to tell")  # fmt: skip
    passed = best < COPY
    return check(
        "label_copy", question, best, f"< {COPY:.2f}", passed,
        f"the column that follows the labels best, {name}, has an AUC of {best:.2f}"
        + ("" if passed else ": no measurement of a brain does that; it was made of the label"),
    )  # fmt: skip


def repeated_people_check(design: Design) -> Check:
    """Look for two identifiers with one person's data."""
    question = "Do two people have the same data?"
    blocks = [design.blocks[name].columns for name in design.modalities]
    values = design.values[:, [at for block in blocks for at in block]]
    pairs = same_people(values)
    told = [f"{design.participants[a]} and {design.participants[b]}" for a, b in pairs[:3]]
    return check(
        "people_twice", question, len(pairs), "0", not pairs,
        f"{len(values)} people were compared with each other; "
        + ("no two have the same markers" if not pairs else
           f"{len(pairs)} pairs have the same markers ({'; '.join(told)}): one person under two "
           "names can be in training and test at once"),
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
    there = np.isfinite(z).astype(float)
    z = np.nan_to_num(z)
    shared = there @ there.T
    square = (z**2) @ there.T
    product = z @ z.T
    apart = square + square.T - 2 * product
    with np.errstate(invalid="ignore", divide="ignore"):
        close = np.where(
            shared >= SHARED_COLUMNS,
            apart < (1 - SAME_PERSON) * (square + square.T),
            (apart <= 1e-12 * (square + square.T)) & (shared >= 2),
        )
    first, second = np.nonzero(np.triu(close & (square > 0), 1))
    return [(int(a), int(b)) for a, b in zip(first, second, strict=True)]


def post_outcome_check(allowed: Sequence[str], used: Sequence[str]) -> Check:
    """Tell which predictors follow the outcome and were let through by name."""
    passed = sorted(set(allowed) & set(used))
    return check(
        "post_outcome_columns", "Does a predictor follow the outcome?", len(passed), "0",
        not passed,
        f"{len(used)} columns of the people are used; "
        + ("none tells by its name that it follows the outcome" if not passed else
           f"{', '.join(passed)} follow or define the outcome and were let through by name: the "
           "clinical and confounds models are not predictions"),
    )  # fmt: skip


def _differ(first: np.ndarray, second: np.ndarray) -> bool:
    if (np.isfinite(first) != np.isfinite(second)).any():
        return True
    own = np.isfinite(first)
    size = 1.0 + np.abs(first[own])
    return bool((np.abs(first[own] - second[own]) > ROUNDING * size).any())
