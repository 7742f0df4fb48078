from dataclasses import replace

import numpy as np
import pytest

from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.out_of_fold import (
    mean_probabilities,
    model_aucs,
    model_record,
    out_of_fold,
    repeats_of,
)
from commissure.study.splits import LEAVE_SITE_OUT, Fold


def scored(drawn, *, repeats: int = 1, without_site: bool = False):
    """Out-of-fold predictions of late fusion."""
    folds = [replace(fold, repeat=repeat) for repeat in range(repeats) for fold in drawn.folds]
    sites = drawn.study.design.sites
    if without_site:
        folds += [
            Fold(LEAVE_SITE_OUT, 0, name, np.flatnonzero(sites != name),
                 np.flatnonzero(sites == name))
            for name in np.unique(sites)
        ]  # fmt: skip
    scores, _ = out_of_fold(drawn.study, [drawn.spec], folds, lambda line: None)
    return scores["late"]


def test_every_labelled_person_is_scored_once_a_repeat(drawn_study) -> None:
    drawn = drawn_study(60, {"a": 1.0, "b": 1.0}, seed=1)
    parts = scored(drawn, repeats=2, without_site=True)
    first, second = repeats_of(drawn.study, parts)
    assert np.isfinite(first.logits).all()
    assert np.array_equal(first.logits, second.logits)  # the same folds
    y, p = mean_probabilities(drawn.study, parts)
    assert np.array_equal(y, drawn.study.y)
    assert p == pytest.approx(1 / (1 + np.exp(-first.logits)))


def test_a_null_widens_the_intervals_within_and_without_site_and_not_the_pooled_one(
    drawn_study,
) -> None:
    drawn = drawn_study(120, {"a": 1.0, "b": 1.0}, seed=2)
    parts = scored(drawn, without_site=True)
    # The AUCs scatter by 0.1, DeLong's formula says 0.05: twice as wide.
    aucs = 0.5 + 0.1 * np.tile([-1.0, 1.0], 50)[None, :]
    null = NullDistribution(aucs, np.full(aucs.shape, 0.0025))
    plain = model_aucs(drawn.study, parts)
    wide = model_aucs(drawn.study, parts, replace(null, left_out=null))
    for name, factor in (("within", 2.0), ("left_out", 2.0), ("pooled", 1.0)):
        assert wide[name].value == plain[name].value
        ratio = wide[name].standard_error / plain[name].standard_error
        assert ratio == pytest.approx(factor, rel=0.02)


def test_without_a_site_that_was_left_out_there_is_no_such_auc(drawn_study) -> None:
    drawn = drawn_study(60, {"a": 1.0, "b": 1.0}, seed=3)
    parts = scored(drawn)
    aucs = model_aucs(drawn.study, parts)
    assert np.isnan(aucs["left_out"].value)
    record = model_record(drawn.study, drawn.spec, parts, aucs, None)
    assert record["p_permutation"] is None
    assert (record["n"], record["n_positive"]) == (60, 30)
