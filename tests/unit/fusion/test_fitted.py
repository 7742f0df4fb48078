from dataclasses import replace

import numpy as np
import pytest

from commissure.evaluation.null_distribution import NullDistribution
from commissure.fusion.fitted import fold_cautions


def test_the_first_repeat_covers_everybody_once(fitted) -> None:
    tested = np.concatenate([fold.test for fold in fitted.first_repeat])
    assert sorted(tested) == list(range(len(fitted.study.y)))
    assert len(fitted.main_repeats) == 2
    assert fold_cautions(fitted) == []


def test_the_spread_of_the_null_is_that_of_mann_whitney_or_of_the_permutations(fitted) -> None:
    n1, n0 = (fitted.study.y == 1).sum(), (fitted.study.y == 0).sum()
    folds = fitted.study.settings.outer_folds
    assert fitted.null_spread == pytest.approx(np.sqrt(folds * (n1 + n0 + 1) / (12 * n1 * n0)))
    aucs = 0.5 + 0.1 * np.tile([-1.0, 1.0], 50)[None, :]
    null = NullDistribution(aucs, np.full(aucs.shape, 0.01))
    with_null = replace(fitted, nulls={fitted.main.name: null})
    assert with_null.null_spread == pytest.approx(0.1, rel=0.02)
