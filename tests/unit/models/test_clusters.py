"""k-means of many samples, and who belongs to no cluster."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from commissure.errors import DatasetError
from commissure.models.clusters import NearestCentroid, k_means, mixtures, ward


@pytest.fixture
def corners():
    """200 people at the corners of a square, 6 standard deviations apart, and their corners."""
    rng = np.random.default_rng(4)
    labels = np.arange(200) % 4
    places = np.array([[0, 0], [6, 0], [0, 6], [6, 6.0]])
    return rng.normal(size=(200, 2)) + places[labels], labels


def same(one, other):
    """Whether two labellings are the same but for the numbers."""
    return len(set(zip(one.tolist(), other.tolist(), strict=True))) == len(set(one.tolist()))


def test_the_sum_of_squares_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(12, 80, 5)) + 4 * (np.arange(80) % 3)[:, None]
    for k in (2, 3):
        theirs = [KMeans(k, n_init=20, random_state=0).fit(one).inertia_ for one in samples]
        ours = k_means(samples, k, np.random.default_rng(1), starts=20).within
        assert ours == pytest.approx(theirs, rel=1e-9)
    # A cloud has many ways to be halved that are nearly as good.
    cloud = rng.normal(size=(12, 80, 5))
    theirs = [KMeans(2, n_init=20, random_state=0).fit(one).inertia_ for one in cloud]
    ours = k_means(cloud, 2, rng, starts=20).within
    assert ours.mean() == pytest.approx(np.mean(theirs), rel=5e-3)


def test_centres_and_squares_are_those_of_the_labels(corners):
    values, truth = corners
    part = k_means(values, 4, np.random.default_rng(0), starts=10)
    labels = part.labels[0]
    means = np.stack([values[labels == k].mean(axis=0) for k in range(4)])
    assert part.centres[0] == pytest.approx(means)
    assert part.within[0] == pytest.approx(((values - means[labels]) ** 2).sum())
    assert (labels[:, None] == labels).mean() == pytest.approx(0.25, abs=0.01)
    assert (
        np.mean([np.bincount(truth[labels == k]).max() / (labels == k).sum() for k in range(4)])
        > 0.98
    )


def test_weights_are_people_who_stand_several_times(corners):
    values, _ = corners
    weights = np.random.default_rng(2).integers(0, 3, size=(5, 200)).astype(float)
    values = values + 9 * (np.arange(200)[:, None] % 4 > 1)
    weighted = k_means(values, 2, np.random.default_rng(0), weights=weights, starts=10)
    for row, within in zip(weights, weighted.within, strict=True):
        repeated = np.repeat(values, row.astype(int), axis=0)
        best = KMeans(2, n_init=20, random_state=0).fit(repeated).inertia_
        assert within == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("clusters", [k_means, ward])
def test_more_clusters_than_different_people_are_refused(clusters):
    twins = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    rest = (np.random.default_rng(0),) if clusters is k_means else ()
    with pytest.raises(DatasetError, match="3 clusters of 20 people, of whom 2 are different"):
        clusters(twins, 3, *rest)
    with pytest.raises(DatasetError, match="21 clusters of 20 people"):
        clusters(twins, 21, *rest)


def test_mixtures_choose_one_cluster_for_one_cloud(corners):
    cloud = np.random.default_rng(1).normal(size=(200, 3))
    bic = [model.bic(cloud) for model in mixtures(cloud, 4, 0)]
    assert np.argmin(bic) == 0
    bic = [model.bic(corners[0]) for model in mixtures(corners[0], 5, 0)]
    assert np.argmin(bic) == 3


def test_who_lies_between_or_far_off_belongs_to_none(corners):
    values, truth = corners
    model = NearestCentroid().fit(values, truth)
    assert model.centres_ == pytest.approx(np.array([[0, 0], [6, 0], [0, 6], [6, 6]]), abs=0.5)
    assert model.variance_ == pytest.approx(1, abs=0.15)
    new = np.array([[0, 0], [6.2, 5.8], [3, 0.1], [0, 30]])
    assert model.predict(new).tolist() == [0, 3, -1, -1]
    assert model.outside(new).tolist() == [False, False, False, True]
    # Midway between two of equal share the posterior is a half each.
    middle = (model.centres_[0] + model.centres_[1]) / 2
    assert model.predict_proba(middle[None])[0, :2] == pytest.approx([0.5, 0.5], abs=0.02)
    assert (model.predict(values) == truth).mean() > 0.95
