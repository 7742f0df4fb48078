"""Reference charts: what they say of people, sites and ages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from commissure.errors import DatasetError
from commissure.models.charts import People, ReferenceCharts


def drawn(count: int, seed: int = 0, sites: str = "AB", markers: int = 6):
    """Markers that bend over age; site B is one standard deviation higher."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(18, 70, count)
    female = rng.integers(0, 2, count).astype(float)
    site = np.array(list(sites), dtype=object)[rng.integers(0, len(sites), count)]
    spread = 10 * (0.6 + (age[:, None] - 18) / 80)
    middle = 100 + 20 * np.sin(age[:, None] / 20) + 3 * female[:, None]
    middle = middle + 10.0 * (site == "B")[:, None]
    z = rng.normal(size=(count, markers))
    return middle + spread * z, People(age, female, site), z


def test_scores_are_those_with_which_people_were_drawn() -> None:
    values, people, _ = drawn(1500)
    charts = ReferenceCharts().fit(values, people)
    new, them, z = drawn(800, seed=1)
    scores = charts.scores(new, them)
    inside = charts.within_ages(them.age)
    assert inside.mean() > 0.98
    assert np.corrcoef(scores[inside].ravel(), z[inside].ravel())[0, 1] > 0.985
    assert abs((np.abs(scores[inside]) > 1.96).mean() - 0.05) < 0.01
    young = inside & (them.age < 30)
    assert abs(scores[young].std() - 1) < 0.08
    below = [
        (new[inside] < charts.centiles(them.some(inside), [z])[0]).mean() for z in (-1.64, 0, 1.64)
    ]
    np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=0.02)


def test_centiles_are_the_inverse_of_scores() -> None:
    values, people, _ = drawn(200)
    charts = ReferenceCharts().fit(values, people)
    at = charts.centiles(people, [-2.0, 0.5])
    for level, score in zip(at, (-2.0, 0.5), strict=True):
        np.testing.assert_allclose(charts.scores(level, people), score, atol=1e-6)


def test_skewed_markers_have_even_tails() -> None:
    rng = np.random.default_rng(4)
    age, female = rng.uniform(18, 70, 3000), rng.integers(0, 2, 3000).astype(float)
    people = People(age, female, np.full(3000, "A", dtype=object))
    values = np.exp(0.5 * rng.normal(size=(3000, 2)) + age[:, None] / 100)
    scores = (
        ReferenceCharts()
        .fit(values[:2000], people.some(np.arange(2000)))
        .scores(values[2000:], people.some(np.arange(2000, 3000)))
    )
    scores = scores[np.isfinite(scores).all(axis=1)]
    assert abs((scores < -1.64).mean() - 0.05) < 0.02
    assert abs((scores > 1.64).mean() - 0.05) < 0.02


def test_an_unknown_site_widens_what_is_expected_and_its_controls_teach_it() -> None:
    values, people, _ = drawn(600, sites="ABDE")
    charts = ReferenceCharts().fit(values, people)
    new, them, _ = drawn(300, seed=2, sites="C")
    new = new + 15.0
    blind = charts.scores(new, them)
    inside = charts.within_ages(them.age)
    assert np.abs(blind[inside].mean(axis=0)).min() > 0.5
    assert blind[inside].std() < 0.95
    known = np.arange(300) < 30
    offset = charts.learn_site("C", new[known], them.some(known))
    assert offset.controls == int((known & inside).sum())
    taught = charts.scores(new[~known], them.some(~known))[inside[~known]]
    assert np.abs(taught.mean(axis=0)).mean() < 0.2
    widths = [charts.offset_sd(count).mean() for count in (0, 10, 25, 50)]
    assert widths == sorted(widths, reverse=True)
    assert widths[3] < 0.15


def test_a_site_of_the_charts_is_not_learnt_again() -> None:
    values, people, _ = drawn(200)
    charts = ReferenceCharts().fit(values, people)
    before = charts.scores(values, people)
    charts.learn_site("A", values + 50, people)
    np.testing.assert_array_equal(charts.scores(values, people), before)


def test_gaps_and_people_without_an_age_have_no_score_and_do_not_bend_the_charts() -> None:
    values, people, _ = drawn(300)
    charts = ReferenceCharts().fit(values, people)
    holed = np.vstack([values, np.full((5, 6), 1e9)])
    ageless = People(
        np.append(people.age, np.full(5, np.nan)), np.append(people.female, np.zeros(5)),
        np.append(people.site, np.full(5, "A", dtype=object)),
    )  # fmt: skip
    again = ReferenceCharts().fit(holed, ageless)
    np.testing.assert_array_equal(again.scores(values, people), charts.scores(values, people))
    assert np.isnan(again.scores(holed, ageless)[-5:]).all()
    values[0, 0] = np.nan
    scores = charts.scores(values, people)
    assert np.isnan(scores[0, 0]) and np.isfinite(scores[0, 1:]).all()
    old = People(np.array([95.0]), np.array([1.0]), np.array(["A"], dtype=object))
    assert np.isnan(charts.scores(values[1:2], old)).all()


def test_too_few_controls_are_refused_and_a_marker_of_few_or_one_value_has_no_chart() -> None:
    values, people, _ = drawn(60)
    with pytest.raises(DatasetError, match=r"19 controls with an age.*20 at least"):
        ReferenceCharts().fit(values[:19], people.some(np.arange(19)))
    values[:, 0] = 7.0
    values[15:, 1] = np.nan
    charts = ReferenceCharts().fit(values, people)
    assert list(charts.charted_) == [False, False, True, True, True, True]
    assert np.isnan(charts.scores(values, people)[:, :2]).all()


def test_volumes_are_freed_of_head_size_and_others_are_not() -> None:
    rng = np.random.default_rng(5)
    _, people, _ = drawn(500)
    head = rng.normal(1500, 150, 500)
    values = np.column_stack([2 * head, 2 * head]) + rng.normal(0, 100, (500, 2))
    people = People(people.age, people.female, people.site, head)
    charts = ReferenceCharts(np.array([True, False])).fit(values, people)
    scores = charts.scores(values, people)
    assert abs(np.corrcoef(scores[:, 0], head)[0, 1]) < 0.05
    assert np.corrcoef(scores[:, 1], head)[0, 1] > 0.9


def test_few_controls_of_one_site_are_nearly_sound() -> None:
    beyond = []
    for seed in range(12):
        values, people, _ = drawn(130, seed=seed, sites="A", markers=20)
        charts = ReferenceCharts().fit(values[:30], people.some(np.arange(30)))
        scores = charts.scores(values[30:], people.some(np.arange(30, 130)))
        beyond.append((np.abs(scores[np.isfinite(scores)]) > 1.96).mean())
    assert 0.03 < np.mean(beyond) < 0.08


def test_it_is_the_same_again_and_whoever_else_is_scored() -> None:
    values, people, _ = drawn(150)
    first, second = (ReferenceCharts().fit(values, people) for _ in range(2))
    whole = first.scores(values, people)
    np.testing.assert_array_equal(second.scores(values, people), whole)
    alone = np.vstack([first.scores(values[[i]], people.some(np.array([i]))) for i in range(20)])
    np.testing.assert_allclose(alone, whole[:20], rtol=1e-10)


def test_the_shape_of_held_out_scores_is_normal() -> None:
    values, people, _ = drawn(1000, markers=20)
    half = np.arange(1000) < 500
    charts = ReferenceCharts().fit(values[half], people.some(half))
    scores = charts.scores(values[~half], people.some(~half))
    scores = scores[np.isfinite(scores).all(axis=1)]
    rejected = [stats.kstest(column, "norm").pvalue < 0.05 for column in scores.T]
    assert np.mean(rejected) <= 0.2
