"""Canonical correlation with whatever sees the symptoms inside."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from commissure.errors import DatasetError
from commissure.models.canonical import CanonicalVariates, pairwise_r, unit_ranks

pytest.importorskip("cca_zoo", reason="the extra 'subtypes' is not installed")


@pytest.fixture
def related():
    """300 people, 40 markers, 6 items, one latent severity in both."""
    rng = np.random.default_rng(3)
    severity = rng.normal(size=(300, 1))
    markers = rng.normal(size=(300, 40)) + 0.5 * severity @ rng.normal(size=(1, 40))
    return markers, rng.normal(size=(300, 6)) + severity @ rng.normal(size=(1, 6)), severity[:, 0]


def test_plain_correlation_is_that_of_the_textbook():
    """Canonical correlations are the singular values of the whitened cross-covariance."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(200, 4)), rng.normal(size=(200, 3))
    Y[:, 0] += X[:, 0]
    q_x, q_y = (np.linalg.qr(v - v.mean(axis=0))[0] for v in (X, Y))
    expected = np.linalg.svd(q_x.T @ q_y, compute_uv=False)
    model = CanonicalVariates(3, (), None, (0.0,)).fit(X, Y)
    assert model.correlations(X, Y) == pytest.approx(expected, abs=1e-8)
    assert model.transform(X).std(axis=0) == pytest.approx(1, abs=1e-8)


def test_what_is_shared_is_found_again_in_people_held_out(related):
    markers, items, severity = related
    model = CanonicalVariates(1).fit(markers[:150], items[:150])
    assert model.correlations(markers[150:], items[150:])[0] > 0.8
    assert abs(np.corrcoef(model.transform(markers[150:])[:, 0], severity[150:])[0, 1]) > 0.85
    assert model.axes_ in (5, 10, 20) and model.shrinkage_ in (0.3, 0.9)


def test_selection_takes_the_markers_that_follow_an_item_most(related):
    markers, items, _ = related
    markers = markers.copy()
    markers[:, 7] = items[:, 2] ** 3
    model = CanonicalVariates(1, (), 1, (0.0,)).fit(markers, items)
    assert model.columns_.tolist() == [7]
    assert np.flatnonzero(model.loadings_[:, 0]).tolist() == [7]
    given = clone(model).fit(markers, items, ranks=unit_ranks(markers))
    assert given.columns_.tolist() == [7]


def test_too_few_people_and_no_items_are_refused(related):
    markers, items, _ = related
    with pytest.raises(DatasetError, match="9 people with 40 markers and 6 items"):
        CanonicalVariates().fit(markers[:9], items[:9])
    with pytest.raises(DatasetError, match="0 items"):
        CanonicalVariates().fit(markers, items[:, :0])


def test_a_column_that_does_not_vary_correlates_with_nothing():
    r = pairwise_r(np.ones((5, 1)), np.arange(5.0)[:, None])
    assert r.tolist() == [0.0]
