"""All attempts to prove the classifier wrong, in the order in which they are reported.

A new check is a function of a fitted study that gives a verdict, and one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.fusion.divided import DividedStudy
from commissure.fusion.falsification import checks, confounds, leakage_audit, measured, planted
from commissure.fusion.falsification.check import FalsificationCheck, SeparateCheck

CHECKS: tuple[FalsificationCheck, ...] = (
    FalsificationCheck(
        "permuted_labels",
        "Does the procedure find something in labels permuted within site?",
        checks.permuted_labels,
    ),
    FalsificationCheck(
        "noise_features",
        "Does it find something where every marker is noise?",
        planted.noise_features,
    ),
    SeparateCheck(
        "planted_signal",
        "Is a difference found that was planted in noise?",
        planted.planted_signal,
    ),
    FalsificationCheck(
        "site_only",
        "Can it be the site alone that tells the labels apart?",
        checks.site_only,
    ),
    FalsificationCheck(
        "confounds_only",
        "Do age, sex, motion, noise and head size alone tell the labels apart?",
        checks.confounds_only,
    ),
    FalsificationCheck(
        "missingness_only",
        "Does it tell the labels apart which modalities a person has?",
        checks.missingness_only,
    ),
    FalsificationCheck(
        "beyond_confounds",
        "Does the main model tell more than the confounds, their curves and interactions?",
        confounds.beyond_confounds,
    ),
    FalsificationCheck(
        "transports",
        "Does what was learnt hold at a site that the model has not seen?",
        checks.transports,
    ),
    FalsificationCheck(
        "overconfidence",
        "Are the probabilities surer than they may be?",
        checks.overconfidence,
    ),
    FalsificationCheck(
        "people_in_two_folds",
        "Is anybody in training and test at once?",
        checks.people_in_two_folds,
    ),
    SeparateCheck(
        "test_labels_unseen",
        "Do the labels of the test people change what is said of them?",
        leakage_audit.unseen_labels,
    ),
    SeparateCheck(
        "test_people_unseen",
        "Do the markers of one test person change what is said of another?",
        leakage_audit.unseen_people,
    ),
    SeparateCheck(
        "same_answer_twice",
        "Does a second run say something else?",
        leakage_audit.same_answer_twice,
    ),
    SeparateCheck(
        "planted_leaks",
        "Are leaks found that were planted in the procedure?",
        planted.planted_leaks,
    ),
    SeparateCheck("label_copy", "Is some marker a copy of the label?", leakage_audit.label_copy),
    SeparateCheck("people_twice", "Do two people have the same data?", leakage_audit.people_twice),
    FalsificationCheck(
        "post_outcome_columns",
        "Does a predictor follow the outcome?",
        leakage_audit.post_outcome_columns,
    ),
)

#: Those of an outcome that is no pair of labels, by its measure.
MEASURED_CHECKS: tuple[FalsificationCheck, ...] = (
    FalsificationCheck(
        "permuted_outcomes",
        "Does the procedure find something in outcomes permuted within site?",
        measured.permuted_outcomes,
    ),
    FalsificationCheck(
        "noise_features",
        "Does it find something where every marker is noise?",
        measured.noise_features,
    ),
    SeparateCheck(
        "planted_signal",
        "Is a difference found that was planted in noise?",
        measured.planted_signal,
    ),
    FalsificationCheck(
        "confounds_only",
        "Do age, sex, motion, noise and head size alone tell the outcome?",
        measured.confounds_only,
    ),
    FalsificationCheck(
        "missingness_only",
        "Does it tell the outcome which modalities a person has?",
        measured.missingness_only,
    ),
    FalsificationCheck(
        "beyond_confounds",
        "Does the main model tell more than the confounds?",
        measured.beyond_confounds,
    ),
    FalsificationCheck(
        "transports",
        "Does what was learnt hold at a site that the model has not seen?",
        measured.transports,
    ),
    FalsificationCheck(
        "people_in_two_folds",
        "Is anybody in training and test at once?",
        checks.people_in_two_folds,
    ),
    SeparateCheck(
        "test_outcomes_unseen",
        "Do the outcomes of the test people change what is said of them?",
        leakage_audit.unseen_labels,
    ),
    SeparateCheck(
        "test_people_unseen",
        "Do the markers of one test person change what is said of another?",
        leakage_audit.unseen_people,
    ),
    SeparateCheck(
        "same_answer_twice",
        "Does a second run say something else?",
        leakage_audit.same_answer_twice,
    ),
    SeparateCheck(
        "planted_leak",
        "Is a leak found that was planted in the procedure?",
        measured.planted_leak,
    ),
    SeparateCheck("outcome_copy", "Is some marker a copy of the outcome?", measured.outcome_copy),
    SeparateCheck("people_twice", "Do two people have the same data?", leakage_audit.people_twice),
    FalsificationCheck(
        "post_outcome_columns",
        "Does a predictor follow the outcome?",
        leakage_audit.post_outcome_columns,
    ),
)


def checks_of(divided: DividedStudy) -> tuple[FalsificationCheck, ...]:
    """The attempts on a study of its kind of outcome."""
    return CHECKS if divided.study.settings.outcome.kind == "binary" else MEASURED_CHECKS


def separate_attempts(divided: DividedStudy) -> Mapping[str, dict[str, Any]]:
    """Entries of the attempts that look at no predictions and no permutations, by name."""
    return {
        check.name: check.record(divided)
        for check in checks_of(divided)
        if isinstance(check, SeparateCheck)
    }
