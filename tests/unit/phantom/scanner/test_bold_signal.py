"""Network signals: the connectivity that is called true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import (
    NETWORK_PAIRS,
    NETWORKS,
    STRIATUM,
    THALAMUS,
    dlpfc_parcels,
    dmn_core_parcels,
    frontal_parcels,
    network_parcels,
)
from commissure.phantom.scanner.bold_signal import (
    connectivity_truth,
    haemodynamic_signals,
    latent_correlation,
    node_names,
)


def test_parcel_sets_cover_what_they_say():
    labels = schaefer(100).labels
    names = labels["name"].to_numpy()
    assert sum(len(network_parcels(labels, network)) for network in NETWORKS) == 100
    assert len(NETWORK_PAIRS) == 21
    posterior, anterior = dmn_core_parcels(labels)
    assert all("Default_pCunPCC" in name for name in names[posterior])
    assert [n.split("_", 1)[1] for n in names[anterior]] == [
        "LH_Default_PFC_3", "LH_Default_PFC_5", "RH_Default_PFCdPFCm_1", "RH_Default_PFCdPFCm_2",
    ]  # fmt: skip
    left, right = dlpfc_parcels(labels, "L"), dlpfc_parcels(labels, "R")
    assert (len(left), len(right)) == (4, 4)
    assert sorted([*left, *right]) == list(dlpfc_parcels(labels))
    assert "7Networks_LH_SalVentAttn_Med_1" in names[frontal_parcels(labels)]
    assert not any("OFC" in name or "pCun" in name for name in names[frontal_parcels(labels)])
    many = schaefer(400).labels
    assert (len(dlpfc_parcels(many, "L")), len(dlpfc_parcels(many, "R"))) == (12, 10)


def test_latent_correlations_have_the_block_means_asked_for(person):
    wanted = {
        ("fc", "Default"): 0.52,
        ("fc", "Vis"): 0.40,
        ("fc", "SalVentAttn-Default"): -0.12,
        ("fc", "Cont-Default"): 0.09,
        ("fc_thal_cortex", "Cont"): 0.28,
        ("fc_striatum_cortex", "frontal"): 0.18,
        ("fc_dlpfc_strength", "DLPFC_bilateral"): 0.12,
    }
    matrix = latent_correlation(replace(person, markers=wanted), np.random.default_rng(3))
    assert np.allclose(matrix, matrix.T) and np.allclose(np.diag(matrix), 1)
    assert np.linalg.eigvalsh(matrix).min() > 0
    labels = schaefer(100).labels
    off = matrix.copy()
    np.fill_diagonal(off, np.nan)
    default, vis = network_parcels(labels, "Default"), network_parcels(labels, "Vis")
    salience, control = network_parcels(labels, "SalVentAttn"), network_parcels(labels, "Cont")
    thalamus = [node_names().index(name) for name in THALAMUS]
    striatum = [node_names().index(name) for name in STRIATUM]

    def mean(rows, columns) -> float:
        return float(np.nanmean(off[np.ix_(rows, columns)]))

    assert mean(default, default) == pytest.approx(0.52, abs=0.01)
    assert mean(vis, vis) == pytest.approx(0.40, abs=0.01)
    assert mean(salience, default) == pytest.approx(-0.12, abs=0.01)
    assert mean(control, default) == pytest.approx(0.09, abs=0.01)
    assert mean(thalamus, control) == pytest.approx(0.28, abs=0.01)
    assert mean(striatum, frontal_parcels(labels)) == pytest.approx(0.18, abs=0.01)
    assert mean(dlpfc_parcels(labels), range(100)) == pytest.approx(0.12, abs=0.01)


def test_long_series_have_the_correlation_that_is_called_true(person):
    latent = latent_correlation(person, np.random.default_rng(1))
    signals = haemodynamic_signals(latent, volumes=6000, tr_s=2.0, rng=np.random.default_rng(2))
    found = np.corrcoef(signals.series.T)
    pairs = np.triu_indices(len(latent), 1)
    error = found[pairs] - signals.correlation[pairs]
    # Bartlett: neighbouring volumes are alike, 6000 of them count for about 2500.
    assert error.std() < 1 / np.sqrt(2000)
    assert abs(error.mean()) < 0.01
    assert signals.series.std(axis=0) == pytest.approx(np.ones(len(latent)), abs=0.06)
    # Latencies differ by up to a second: they cost a little correlation, never add any.
    ratio = signals.correlation[pairs] / latent[pairs]
    assert ratio.max() <= 1 + 1e-9 and ratio.min() > 0.9


def test_truth_of_equal_correlations_is_their_fisher_z():
    n = len(node_names())
    truth = connectivity_truth(np.full((n, n), 0.3) + 0.7 * np.eye(n))
    assert len(truth) == 7 + 21 + 3 + 1 + 2 + 1
    assert list(truth.values()) == pytest.approx([np.arctanh(0.3)] * len(truth))
