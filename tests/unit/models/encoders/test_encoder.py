"""The encoder without torch: gaps, deviation, and maps that name the marker that is off."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.models.encoders.encoder import MarkerEncoder, scale_of


def encoder(values, ages, seed=0, hidden=24, dimensions=10):
    rng = np.random.default_rng(seed)
    markers = values.shape[1]
    weights = (
        rng.normal(size=(hidden, markers)) / markers**0.5, rng.normal(size=hidden),
        rng.normal(size=(dimensions, hidden)) / hidden**0.5, rng.normal(size=dimensions),
    )  # fmt: skip
    return MarkerEncoder(*scale_of(values), weights).with_healthy(values, ages)


@pytest.fixture
def people():
    rng = np.random.default_rng(1)
    ages = rng.uniform(20, 70, 300)
    return 5 + rng.normal(size=(300, 8)) - 0.03 * ages[:, None], ages


def test_a_gap_is_the_mean_and_nobody_without_markers_is_embedded(people):
    values, ages = people
    learnt = encoder(values, ages)
    some = values[:3].copy()
    some[0, 2], some[1] = np.nan, np.nan
    embedded = learnt.embed(some)
    filled = some[0].copy()
    filled[2] = values[:, 2].mean()
    np.testing.assert_allclose(embedded[0], learnt.embed(filled[None])[0])
    assert np.isnan(embedded[1]).all()
    assert np.isnan(learnt.deviation(some, ages[:3])[1])


def test_healthy_people_deviate_by_one_and_who_is_off_by_more(people):
    values, ages = people
    learnt = encoder(values, ages)
    healthy = learnt.deviation(values, ages)
    assert healthy.mean() == pytest.approx(1.0, abs=0.15)
    off = values.copy()
    off[:, 3] += 4.0
    assert np.median(learnt.deviation(off, ages)) > 2 * np.median(healthy)
    # What is healthy at 70 is not at 20.
    assert learnt.deviation(values, 90 - ages).mean() > 1.2 * healthy.mean()


def test_the_map_names_the_marker_that_is_off_and_is_what_putting_it_right_takes_away(people):
    values, ages = people
    learnt = encoder(values, ages)
    off = values.copy()
    off[np.arange(300), np.arange(300) % 8] += 4.0
    added = learnt.deviation_map(off, ages)
    assert (added.argmax(axis=1) == np.arange(300) % 8).mean() > 0.8
    line = learnt.healthy.marker_line
    right = learnt.standardised(off)
    right[:, 5] = line[0, 5] + line[1, 5] * ages
    left = learnt.healthy.distance(learnt.embed_standardised(right), ages)
    np.testing.assert_allclose(added[:, 5], learnt.deviation(off, ages) - left, atol=1e-9)
    gap = off.copy()
    gap[:, 0] = np.nan
    assert np.isnan(learnt.deviation_map(gap, ages)[:, 0]).all()


def test_arrays_bring_it_back_and_other_shapes_are_seen(people):
    values, ages = people
    learnt = encoder(values, ages)
    again = MarkerEncoder.of_arrays(learnt.arrays())
    np.testing.assert_array_equal(again.embed(values), learnt.embed(values))
    np.testing.assert_array_equal(
        again.deviation_map(values, ages), learnt.deviation_map(values, ages)
    )
    with pytest.raises(ValueError, match="do not fit"):
        MarkerEncoder.of_arrays({**learnt.arrays(), "2.weight": np.zeros((10, 7))})
