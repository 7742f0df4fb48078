"""Connectivity of series with a known covariance."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.func.connectivity import (
    connectivity_values,
    fisher_z,
    mean_between,
    seed_connectivity_values,
)
from commissure.func.seeds import SEEDS
from commissure.images.connectivity_sets import (
    NETWORKS,
    dlpfc_parcels,
    frontal_parcels,
    network_parcels,
)


def series_with(correlation: np.ndarray, volumes: int, seed: int) -> np.ndarray:
    """Series whose sample correlation is exactly the one given."""
    noise = np.random.default_rng(seed).normal(size=(volumes, len(correlation)))
    noise -= noise.mean(axis=0)
    white = np.linalg.qr(noise)[0]
    return white @ np.linalg.cholesky(correlation).T


def test_known_covariance_gives_known_fisher_z():
    correlation = np.array([[1, 0.6, -0.3], [0.6, 1, 0.1], [-0.3, 0.1, 1]])
    z = fisher_z(series_with(correlation, 50, seed=1))
    expected = np.arctanh(correlation - np.eye(3))
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(z, expected, atol=1e-10)


def test_identical_series_stay_finite_and_flat_ones_are_missing():
    wave = np.sin(np.arange(30.0))
    z = fisher_z(np.column_stack([wave, wave, np.ones(30), np.full(30, np.nan)]))
    assert z[0, 1] == pytest.approx(np.arctanh(0.9999))
    assert np.isnan(z[2:]).all()


def test_censored_volumes_do_not_count():
    series = series_with(np.array([[1, 0.5], [0.5, 1]]), 40, seed=2)
    longer = np.vstack([series, np.full((5, 2), np.nan)])
    assert fisher_z(longer)[0, 1] == pytest.approx(np.arctanh(0.5))


def test_network_markers_of_a_block_correlation(parcels):
    network = [*parcels.labels["network"], *["Subcortex"] * 10]
    within = {name: 0.3 + 0.05 * k for k, name in enumerate(NETWORKS)}
    correlation = np.full((len(parcels.names),) * 2, 0.08)
    for name in NETWORKS:
        rows = np.flatnonzero(np.array(network) == name)
        correlation[np.ix_(rows, rows)] = within[name]
    np.fill_diagonal(correlation, 1)
    z = fisher_z(series_with(correlation, 400, seed=3))
    found = {(marker, region): value for marker, region, value in connectivity_values(z, parcels)}
    for name in NETWORKS:
        assert found["fc", name] == pytest.approx(np.arctanh(within[name]), abs=1e-9)
    assert found["fc", "Vis-Default"] == pytest.approx(np.arctanh(0.08), abs=1e-9)
    assert found["fc_dmn_core", "Default"] == pytest.approx(np.arctanh(within["Default"]), abs=1e-9)
    for marker, region in (("fc_thal_cortex", "Cont"), ("fc_thal_cortex", "SomMot"),
                           ("fc_striatum_cortex", "frontal")):  # fmt: skip
        assert found[marker, region] == pytest.approx(np.arctanh(0.08), abs=1e-9)
    assert len(found) == 7 + 21 + 3 + 1 + 2 + 1 + 4


def test_sets_of_the_prefrontal_cortex_and_seeds(parcels):
    """Every pair has a value of its own, so that a mean tells which pairs it is of."""
    count = len(parcels.names) + len(SEEDS)
    z = np.add.outer(np.arange(count), np.arange(count)) / 100.0
    np.fill_diagonal(z, np.nan)
    values = {(m, r): v for m, r, v in connectivity_values(z, parcels)}
    dlpfc = set(dlpfc_parcels(parcels.labels))
    default = set(network_parcels(parcels.labels, "Default")) - dlpfc
    assert default and dlpfc & set(network_parcels(parcels.labels, "Default"))
    expected = np.mean([z[a, b] for a in dlpfc for b in default])
    assert values["fc_dlpfc_dmn", "DLPFC_bilateral"] == pytest.approx(expected)
    thalami = [parcels.names.index(f"Thalamus_{side}") for side in "LR"]
    expected = np.mean([z[a, b] for a in dlpfc for b in thalami])
    assert values["fc_dlpfc_thal", "DLPFC_bilateral"] == pytest.approx(expected)
    seeds = {r: v for _, r, v in seed_connectivity_values(z, parcels)}
    names = [seed.name for seed in SEEDS]
    at = len(parcels.names) + names.index("DCP_R")
    frontal = frontal_parcels(parcels.labels)
    assert seeds["DCP_R"] == pytest.approx(np.mean([z[at, b] for b in frontal]))
    pair = [len(parcels.names) + names.index(name) for name in ("sgACC", "DLPFC_L")]
    assert seeds["sgACC"] == pytest.approx(z[pair[0], pair[1]])
    assert len(seeds) == 13


def test_a_missing_parcel_is_left_out_of_the_mean(parcels):
    z = np.full((len(parcels.names),) * 2, 0.2)
    rows = network_parcels(parcels.labels, "Limbic")
    z[rows[0]] = z[:, rows[0]] = np.nan
    assert mean_between(z, rows, rows) == pytest.approx(0.2)
    z[rows] = np.nan
    assert np.isnan(mean_between(z, rows, rows))
