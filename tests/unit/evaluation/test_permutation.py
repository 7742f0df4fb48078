import numpy as np
import pytest

from commissure.evaluation.measures.registry import permuted_measure
from commissure.evaluation.null_distribution import NullDistribution, auc_within_site
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.evaluation.permutation import permutation_test, permuted_labels
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.models.responses import response_of
from commissure.study.design import SITE, Block, Design, DesignColumn
from commissure.study.settings import OutcomeSettings
from commissure.study.study import Study

FEW = FusionSettings(permutations=99, permutation_repeats=1, inner_folds=3, penalties=[1.0, 10.0])


def spec(design, name: str = "x") -> ModelSpec:
    return ModelSpec(name, "modality", "", (name,), (design.blocks[name],))


def given(areas, variance: float = 0.01) -> NullDistribution:
    table = np.atleast_2d(np.array(areas, float))
    return NullDistribution(table, np.full(table.shape, variance))


def drawn(n: int, d: float, seed: int):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    return rng.normal(size=(n, 12)) + d / np.sqrt(12) * y[:, None], y, sites


def test_labels_move_within_their_site_only() -> None:
    labels = np.array([1, 1, 1, 0, 0, -1, -1, 0, 0, 1])
    sites = np.array(list("aaaabbbbbb"))
    table = permuted_labels(labels, sites, 200, seed=0)
    assert (table[:, 0] == labels).all()
    assert (table[labels == -1] == -1).all()
    for site in "ab":
        own = (sites == site) & (labels >= 0)
        assert (table[own].sum(axis=0) == labels[own].sum()).all()
    assert len(np.unique(table, axis=1).T) == 4 * 4  # one of four is 0 in site a and 1 in b


def test_parts_of_the_permutations_are_what_one_job_makes() -> None:
    labels, sites = np.arange(20) % 2, np.array(["N", "S"])[np.arange(20) // 10]
    whole = permuted_labels(labels, sites, 10, seed=2)
    parts = [permuted_labels(labels, sites, 5, seed=2, first=at)[:, 1:] for at in (0, 5)]
    assert (whole[:, 1:] == np.hstack(parts)).all()


def test_p_is_small_for_a_planted_difference_and_counts_the_observed_labelling(
    plain_design,
) -> None:
    X, y, sites = drawn(80, 2.0, 0)
    design = plain_design(X, sites)
    null = permutation_test(Study(FEW, design, y), [spec(design)])["x"]
    assert null.p == pytest.approx(1 / 100)
    assert null.observed > 0.8
    assert given([0.7, 0.6, 0.7, 0.8]).p == pytest.approx(3 / 4)


def test_p_is_uniform_on_noise(plain_design) -> None:
    # Mean of 40 uniform numbers: 0.5 +- 3 x 0.289 / sqrt(40).
    found = []
    for seed in range(40):
        X, y, sites = drawn(40, 0.0, seed)
        design = plain_design(X, sites)
        settings = FEW.model_copy(update={"permutations": 39, "inner_folds": 2})
        found.append(permutation_test(Study(settings, design, y), [spec(design)])["x"].p)
    assert pytest.approx(np.mean(found), abs=0.137) == 0.5


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_labellings_in_parts_are_what_all_at_once_give(
    plain_design, monkeypatch, kind: str
) -> None:
    # With so few numbers at once, 3 labellings are fitted together, and 25 parts make the test.
    X, y, sites = drawn(90, 0.5, 3)
    X[::7] = np.nan
    y[::11] = -1
    settings = FEW.model_copy(update={
        "permutations": 70, "permutation_repeats": 2, "outcome": OutcomeSettings(kind=kind),
    })  # fmt: skip
    design = plain_design(X, sites)
    outcome = y if kind == "binary" else np.where(y < 0, np.nan, y + X.sum(axis=1))
    outcome = outcome if kind == "binary" else np.where(np.isfinite(outcome), outcome, 0.0)
    study = Study(settings, design, outcome)
    one = ModelSpec(
        "x", "modality", "", ("x",), (design.blocks["x"],), response_of(design, settings)
    )
    measure = permuted_measure(kind)
    whole = permutation_test(study, [one], measure=measure)["x"]
    monkeypatch.setattr("commissure.evaluation.permutation.TOGETHER", 230)
    parts = permutation_test(study, [one], measure=measure)["x"]
    np.testing.assert_allclose(whole.aucs, parts.aucs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.variances, parts.variances, rtol=0, atol=1e-12)
    assert whole.left_out is not None
    assert parts.left_out is not None
    np.testing.assert_allclose(whole.left_out.aucs, parts.left_out.aucs, rtol=0, atol=1e-12)
    if whole.of_mean is not None:
        np.testing.assert_allclose(whole.of_mean, parts.of_mean, rtol=0, atol=1e-12)


def test_variance_is_that_of_as_many_repeats_as_are_asked_for() -> None:
    # People scatter with a variance of 0.01, folds with 0.03: R repeats with 0.01 + 0.03 / R. The
    # relative error of a variance of 20 000 is 1 %.
    rng = np.random.default_rng(7)
    areas = 0.5 + 0.1 * rng.normal(size=20000) + np.sqrt(0.03) * rng.normal(size=(3, 20000))
    null = given(areas)
    for repeats in (1, 3, 10):
        assert null.variance(repeats) == pytest.approx(0.01 + 0.03 / repeats, rel=0.04)
    assert null.widening(3) == pytest.approx(np.sqrt(0.02 / 0.01), rel=0.02)
    # Of one repeat nothing is known of the folds: their part stays whole.
    assert given(areas[:1]).variance(10) == pytest.approx(0.04, rel=0.04)


def test_errors_of_all_repeats_together_are_widened_to_what_permutations_show() -> None:
    # DeLong's variance of R repeats together is 0.004 + 0.006 / R: 0.010 of one, 0.006 of three.
    # People scatter with a variance of 0.01, folds with 0.03.
    rng = np.random.default_rng(7)
    areas = 0.5 + 0.1 * rng.normal(size=20000) + np.sqrt(0.03) * rng.normal(size=(3, 20000))
    of_mean = np.full(20000, np.nan)
    of_mean[:101] = 0.006
    null = NullDistribution(areas, np.full(areas.shape, 0.01), None, of_mean)
    for repeats in (3, 10):
        wanted = np.sqrt((0.01 + 0.03 / repeats) / (0.004 + 0.006 / repeats))
        assert null.widening_of_mean(repeats) == pytest.approx(wanted, rel=0.02)
    assert given(areas[:1]).widening_of_mean(10) is None
    assert NullDistribution(areas[:, :40], np.full((3, 40), 0.01), None,
                            of_mean[:40]).widening_of_mean(3) is None  # fmt: skip


def test_with_many_small_sites_repeats_make_the_interval_narrower(plain_design) -> None:
    # 12 sites of 8: a repeat compares 1 pair of 16 at a site, ten repeats most of them. The mean
    # of DeLong's errors of single repeats is 1.4 times as wide as AUCs scatter.
    rng = np.random.default_rng(4)
    sites = np.repeat([f"s{i:02d}" for i in range(12)], 8)
    y = np.arange(96) % 2
    study = Study(FEW.model_copy(update={"permutation_repeats": 3}),
                  plain_design(rng.normal(size=(96, 5)), sites), y)  # fmt: skip
    null = permutation_test(study, [spec(study.design)])["x"]
    repeats = []
    for _ in range(10):
        cells = np.char.add(sites, rng.permutation(np.arange(96) // 2 % 4).astype(str))
        repeats.append(pairwise_comparisons(y, rng.normal(size=96), cells))
    assert (auc_within_site(repeats, null).standard_error
            < 0.85 * auc_within_site(repeats, None).standard_error)  # fmt: skip
    assert "of all repeats" in auc_within_site(repeats, null).interval


def test_an_interval_is_never_made_narrower_nor_widened_by_a_handful_of_permutations() -> None:
    areas = 0.5 + 0.1 * np.tile([-1.0, 1.0], 50)
    assert given(areas, variance=0.04).widening(1) == 1.0
    assert given(areas, variance=0.0).widening(1) == 1.0
    assert given(areas[:40], variance=0.001).widening(1) == 1.0
    assert given(areas, variance=0.0025).widening(1) == pytest.approx(2.0, rel=0.02)


def test_permutations_that_compare_nobody_do_not_count() -> None:
    null = given([[0.7, 0.6, np.nan, 0.8], [0.7, np.nan, np.nan, 0.8]])
    assert null.permuted == pytest.approx([0.6, np.nan, 0.8], nan_ok=True)
    assert null.known.tolist() == pytest.approx([0.6, 0.8])
    assert null.p == pytest.approx(2 / 3)
    assert np.isnan(given([0.7, np.nan, np.nan]).p)


def test_pairs_at_many_sites_are_compared_under_every_labelling(plain_design) -> None:
    X, y, _ = drawn(46, 0.0, 3)
    design = plain_design(X, np.repeat([f"s{i:02d}" for i in range(23)], 2))
    null = permutation_test(Study(FEW, design, y), [spec(design)])["x"]
    assert np.isfinite(null.aucs).all() and np.isfinite(null.p)


def test_the_site_alone_is_exactly_at_chance_within_site(plain_design) -> None:
    X, y, sites = drawn(40, 0.0, 1)
    design = plain_design(X, sites)
    null = permutation_test(Study(FEW, design, y), [spec(design, SITE)])[SITE]
    assert null.observed == 0.5
    assert (null.permuted == 0.5).all()
    assert null.p == 1.0


def test_families_exchange_their_labels_as_a_whole() -> None:
    families = np.array([0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
    labels = np.array([1, 1, 0, 0, 1, 0, 1, 0, 1, -1])
    sites = np.full(10, "x")
    table = permuted_labels(labels, sites, 300, seed=1, families=families)
    pairs = np.sort(table[:6].reshape(3, 2, -1).sum(axis=1), axis=0)
    # One family of two ones, one of none, one of both, in every permutation.
    assert (pairs == np.array([[0], [1], [2]])).all()
    assert (table[9] == -1).all()
    # Which of three families, and in what order the labels of the mixed one: 3! x 2.
    assert len({tuple(column) for column in table[:6].T}) == 12
    np.testing.assert_array_equal(
        permuted_labels(labels, sites, 20, seed=1),
        permuted_labels(labels, sites, 20, seed=1, families=np.arange(10)),
    )


def test_a_family_at_two_sites_keeps_the_numbers_of_both() -> None:
    families = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    sites = np.array(["a", "b", "b", "a", "a", "a", "b", "a", "b"])
    labels = np.array([1, 0, 1, 0, 1, 0, 1, 0, 0])
    table = permuted_labels(labels, sites, 200, seed=3, families=families)
    for site in "ab":
        assert set(table[sites == site].sum(axis=0)) == {labels[sites == site].sum()}
    assert (table[7] == 0).all()  # the only family of its kind, alone at its site


def test_siblings_on_noise_are_found_out_only_where_the_families_are_not_declared() -> None:
    found = {declared: [] for declared in (False, True)}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        family = np.repeat(np.arange(20), 2)
        values = rng.normal(size=(20, 8))[family] + 0.3 * rng.normal(size=(40, 8))
        labels = rng.permutation(np.arange(20) % 2)[family]
        columns = tuple(DesignColumn("x", str(i), "m") for i in range(9))
        for declared in found:
            block = Block("x", tuple(range(8)), family=8 if declared else None)
            ids = np.array([f"sub-{i:02d}" for i in range(40)])
            design = Design(ids, np.full(40, "all"), np.column_stack([values, family]), columns,
                            {"x": block}, ("x",))  # fmt: skip
            spec = ModelSpec("x", "modality", "", ("x",), (block,))
            null = permutation_test(Study(FEW, design, labels), [spec])["x"]
            found[declared].append((null.observed, null.p))
    apart, together = np.array(found[False]), np.array(found[True])
    assert apart[:, 0].mean() > 0.65
    assert abs(together[:, 0].mean() - 0.5) < 0.1
    assert (apart[:, 1] < 0.05).sum() >= 5
    assert (together[:, 1] < 0.05).sum() <= 2
