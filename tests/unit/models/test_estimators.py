import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone

from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.estimators import BlockModel, LateFusion, StackedFusion
from commissure.models.preparation import Preparation
from commissure.study.design import Block
from commissure.study.splits import stratified_folds

TWO = (Block("a", (0, 1, 2, 3)), Block("b", (4, 5, 6)))
FAST = {"penalties": (1.0, 10.0), "inner_folds": 3}


def drawn(n: int, d: float, seed: int = 0, columns: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, columns)) + d / np.sqrt(columns) * y[:, None], y


def cross_validated(model, X, y, strata=None) -> tuple[np.ndarray, np.ndarray]:
    fold = stratified_folds(y if strata is None else strata, 5, (7,))
    logits = np.full(len(y), np.nan)
    for number in range(5):
        fitted = clone(model).fit(X[fold != number], y[fold != number])
        logits[fold == number] = fitted.decision_function(X[fold == number])
    return logits, fold


# golden.json, auc_from_d; methods C9, T8.
@pytest.mark.parametrize(("d", "expected"), [(0.5, 0.638), (1.0, 0.760), (1.5, 0.856)])
@pytest.mark.parametrize("kind", [BlockModel, LateFusion, StackedFusion])
def test_a_planted_difference_gives_the_auc_it_must(kind, d: float, expected: float) -> None:
    assert norm.cdf(d / np.sqrt(2)) == pytest.approx(expected, abs=5e-4)
    X, y = drawn(2000, d)
    logits, fold = cross_validated(kind(TWO, **FAST), X, y)
    assert auc([pairwise_comparisons(y, logits, fold)]).value == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("kind", [BlockModel, LateFusion, StackedFusion])
def test_noise_gives_chance_and_never_less(kind) -> None:
    # methods C9, T1: mean of 30 null cohorts of 40 people; SD of one is 0.14, so 3 standard errors
    # of the mean are 0.077.
    found = []
    for seed in range(30):
        X, y = drawn(40, 0.0, seed)
        logits, fold = cross_validated(kind(TWO, **FAST), X, y)
        found.append(auc([pairwise_comparisons(y, logits, fold)]).value)
    assert pytest.approx(np.mean(found), abs=0.077) == 0.5


def test_sites_with_unlike_class_ratios_fool_the_pooled_auc_only() -> None:
    # No effect, 80 % and 20 % of positives, sites told apart without error: the pooled AUC is that
    # of the site, 0.8 x 0.8 + 0.8 x 0.2 (methods C3: 0.77 with weaker models), within site 0.5.
    pooled, within = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        site = np.arange(200) % 2
        y = (rng.random(200) < np.where(site, 0.8, 0.2)).astype(int)
        X = rng.normal(size=(200, 100)) + 0.8 * site[:, None]
        model = BlockModel((Block("a", tuple(range(100))),), penalties=(10.0,), inner_folds=2)
        logits, fold = cross_validated(model, X, y, y * 2 + site)
        pooled.append(auc([pairwise_comparisons(y, logits, np.zeros(200))]).value)
        within.append(auc([pairwise_comparisons(y, logits, site * 5 + fold)]).value)
    assert np.mean(pooled) == pytest.approx(0.80, abs=0.04)
    assert np.mean(within) == pytest.approx(0.50, abs=0.05)


@pytest.mark.parametrize("kind", [BlockModel, LateFusion, StackedFusion])
def test_a_missing_modality_is_neither_for_nor_against(kind) -> None:
    X, y = drawn(400, 2.0)
    X[::4, :4] = np.nan
    X[1::7, 4:] = np.nan
    model = kind(TWO, **FAST).fit(X, y)
    logits = model.decision_function(X)
    nothing = np.isnan(X).all(axis=1)
    assert nothing.sum() == 14  # every 28th of 400, from the ninth on
    assert (np.isnan(logits) == nothing).all()
    seen = np.isfinite(logits)
    assert auc([pairwise_comparisons(y[seen], logits[seen], np.zeros(seen.sum()))]).value > 0.85
    assert model.predict_proba(X[seen]).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [BlockModel, LateFusion, StackedFusion])
def test_who_has_a_modality_tells_nothing(kind) -> None:
    # Noise, one modality held by 70 % of one label and 40 % of the other. The mean of 40 null
    # AUCs of 120 people scatters by 0.010; a base rate among those who have the modality gives
    # late fusion 0.61.
    aucs = []
    for seed in range(40):
        X, y = drawn(120, 0.0, seed)
        X[np.random.default_rng(seed).random(120) > np.where(y == 1, 0.7, 0.4), 4:] = np.nan
        logits, fold = cross_validated(kind(TWO, **FAST), X, y)
        aucs.append(auc([pairwise_comparisons(y, logits, fold)]).value)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.035)


def test_probabilities_of_late_fusion_have_the_base_rate_of_the_training_people() -> None:
    X, y = drawn(300, 2.5, seed=5)
    kept = (y == 0) | (np.arange(300) % 4 == 1)
    X[::5, :4] = np.nan
    late = LateFusion(TWO, **FAST).fit(X[kept], y[kept])
    p = late.predict_proba(X[kept])[:, 1]
    assert p.mean() == pytest.approx(y[kept].mean(), abs=0.02)


def test_estimators_can_be_cloned_and_refitted_to_the_same() -> None:
    X, y = drawn(60, 1.0)
    for kind in (BlockModel, LateFusion, StackedFusion):
        first = kind(TWO, **FAST).fit(X, y)
        assert (first.logits(X) == clone(first).fit(X, y).logits(X)).all()


def test_test_people_do_not_change_what_was_learnt() -> None:
    # methods C9, T11: bit for bit.
    X, y = drawn(60, 1.0)
    X[::5, :4] = np.nan
    strange = np.vstack([X[40:50], 1e6 * X[50:]])
    prepared = Preparation(TWO[0]).fit(X[:40])
    assert (prepared.transform(strange)[:10] == prepared.transform(X[40:50])).all()
    # A marker that only test people have widens the matrix and changes nothing.
    wider = np.column_stack([X, np.r_[np.full(40, np.nan), X[40:, 0]]])
    blocks = (Block("a", (0, 1, 2, 3, 7)), TWO[1])
    model = BlockModel(TWO, **FAST).fit(X[:40], y[:40])
    same = BlockModel(blocks, **FAST).fit(wider[:40], y[:40])
    assert (same.coef_ == model.coef_).all()
    assert (same.logits(wider[40:]) == model.logits(X[40:])).all()


def test_preparation_has_unit_mean_square_norm_and_drops_what_does_not_vary() -> None:
    X, _ = drawn(50, 0.0)
    X[:, 2] = 4.0
    X[:, 3] = np.nan
    prepared = Preparation(TWO[0]).fit(X)
    assert prepared.kept_.tolist() == [True, True, False, False]
    assert (prepared.transform(X) ** 2).sum(axis=1).mean() == pytest.approx(1.0)


def test_head_size_is_taken_out_by_the_slope_of_the_controls() -> None:
    # Volume = 2 x head size in controls; resistant people have smaller volumes at the same head.
    rng = np.random.default_rng(5)
    head = rng.normal(1500, 100, 120)
    label = np.repeat([-1, 1, 0], 40)
    volume = 2 * head - 150.0 * (label == 1) + rng.normal(0, 1, 120)
    X = np.column_stack([volume, head])
    block = Block("anat", (0,), adjusted=(0,), head_size=1)
    prepared = Preparation(block).fit(X, label)
    assert prepared.slopes_[0] == pytest.approx(2.0, abs=0.01)
    out = prepared.transform(X)[:, 0]
    assert abs(np.corrcoef(out[label == 0], head[label == 0])[0, 1]) < 0.5
    assert out[label == 0].mean() - out[label == 1].mean() == pytest.approx(2.0, abs=0.1)


def test_reference_people_carry_no_label() -> None:
    X, y = drawn(60, 1.0)
    controls = np.full(20, -1)
    with_controls = BlockModel(TWO, **FAST).fit(
        np.vstack([X, 5 + X[:20]]), np.concatenate([y, controls])
    )
    assert (with_controls.logits(X) == BlockModel(TWO, **FAST).fit(X, y).logits(X)).all()


def test_combat_takes_the_site_out_and_leaves_unseen_sites_as_they_are() -> None:
    rng = np.random.default_rng(6)
    site = np.arange(90) % 3
    X = np.column_stack([rng.normal(size=(90, 5)) + 3.0 * (site == 1)[:, None], np.eye(3)[site]])
    known = site < 2
    plain = Block("a", (0, 1, 2, 3, 4))
    combat = Block("a", (0, 1, 2, 3, 4), sites=(5, 6, 7))

    def gap(block: Block) -> float:
        out = Preparation(block).fit(X[known]).transform(X)
        return abs(out[site == 1].mean() - out[site == 0].mean())

    assert gap(plain) > 0.5
    assert gap(combat) < 0.05
    assert np.isfinite(Preparation(combat).fit(X[known]).transform(X[~known])).all()
