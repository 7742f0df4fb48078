import numpy as np
import pytest

from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.estimators import BlockModel
from commissure.models.multiple_kernel import MultipleKernelFusion, aligned_weights
from commissure.study.design import Block

FEW = {"penalties": (0.01, 1.0), "inner_folds": 3}


def test_kernel_weights_are_those_of_the_modality_that_tells() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 9))
    X[:, 3:6] += 1.2 * y[:, None]
    blocks = tuple(Block(name, tuple(range(3 * at, 3 * at + 3))) for at, name in enumerate("abc"))
    model = MultipleKernelFusion(blocks, **FEW).fit(X[:80], y[:80])
    assert model.block_weights()[:, 0].sum() == pytest.approx(1.0)
    assert model.block_weights()[1, 0] > 0.6
    logit = model.decision_function(X[80:])
    assert auc([pairwise_comparisons(y[80:], logit, np.zeros(40))]).value > 0.85


def test_kernels_see_what_no_line_separates() -> None:
    # Inside a circle against outside: a linear model has 0.5, a Gaussian kernel nearly 1.
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 2))
    y = ((X**2).sum(axis=1) > 1.4).astype(int)
    found = {}
    for kind in (MultipleKernelFusion, BlockModel):
        logit = kind(**FEW).fit(X[:200], y[:200]).decision_function(X[200:])
        found[kind] = auc([pairwise_comparisons(y[200:], logit, np.zeros(100))]).value
    assert found[MultipleKernelFusion] > 0.95
    assert found[BlockModel] < 0.7


def test_a_person_without_any_kernel_has_no_number_and_gaps_are_neutral() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 4)) + y[:, None]
    X[::5, :2] = np.nan
    X[::7, 2:] = np.nan
    model = MultipleKernelFusion((Block("a", (0, 1)), Block("b", (2, 3))), **FEW).fit(X, y)
    logit = model.decision_function(X)
    assert (np.isnan(logit) == np.isnan(X).all(axis=1)).all()


def test_alignment_is_the_least_squares_fit_of_the_labels_kernel() -> None:
    rng = np.random.default_rng(4)
    y = (np.arange(30) % 2).astype(float)
    signs = y - y.mean()
    noise = rng.normal(size=(30, 30))
    stack = np.stack([np.outer(signs, signs), noise @ noise.T / 30])
    assert aligned_weights(stack[:1], y) == pytest.approx([1.0])
    assert aligned_weights(stack, y)[0] > 0.9
    assert aligned_weights(np.zeros((2, 30, 30)), y) == pytest.approx([0.5, 0.5])
