"""Simulated BOLD against the connectivity and the movement that went in."""

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
from commissure.images.rigid import framewise_displacement
from commissure.phantom.scanner.bold import simulate_bold
from commissure.phantom.scanner.bold_signal import (
    connectivity_truth,
    haemodynamic_signals,
    latent_correlation,
    node_names,
)
from commissure.phantom.scanner.echo_planar import (
    box_places,
    drawn_motion,
    fine_head,
    voxel_boxes,
    voxel_means,
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
    assert (len(dlpfc_parcels(many, "L")), len(dlpfc_parcels(many, "R"))) == (10, 11)


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


def test_motion_has_the_mean_displacement_asked_for():
    motion = drawn_motion(150, 0.23, np.random.default_rng(4))
    assert framewise_displacement(motion)[1:].mean() == pytest.approx(0.23)
    assert np.all(motion[0] == 0)
    assert np.abs(drawn_motion(20, 0.0, np.random.default_rng(4))).max() == 0


def test_a_moved_head_is_seen_where_it_went(template_head):
    head = fine_head(template_head, 6.0, pose=np.zeros(6))
    assert np.linalg.det(head.affine[:3, :3]) < 0  # Stored as scanners' converters do.
    fine = np.zeros(head.template_mm.shape[:3], np.float32)
    fine[30:34, 20:24, 24:28] = 1
    boxes = voxel_boxes(fine)
    rest = np.indices(head.shape).reshape(3, -1).astype(np.float32)
    assert box_places(head, rest, np.zeros(6)) == pytest.approx(2 * rest, abs=1e-3)
    assert boxes[::2, ::2, ::2] == pytest.approx(voxel_means(fine)[: boxes.shape[0]])
    # 6 mm to the right is one voxel back along the first axis, which runs to the left.
    right = box_places(head, rest, np.array([6.0, 0, 0, 0, 0, 0]))
    assert right == pytest.approx(2 * (rest + np.array([[1], [0], [0]])), abs=1e-3)


def test_series_shows_what_went_in(template_head, person, tiny):
    protocol = tiny.changed({"func.volumes": 60})
    still = replace(person, motion_scale_mm=0.0)
    bold = simulate_bold(template_head, still, protocol, np.random.default_rng(0))
    assert bold.data.shape[3] == 60 == len(bold.motion)
    assert bold.data.dtype == np.float32 and np.isfinite(bold.data).all()
    head = fine_head(template_head, protocol.func.voxel_mm, pose=bold.since_t1w)
    assert head.shape == bold.data.shape[:3]
    mean = bold.data.mean(axis=-1)
    pure = {name: voxel_means(head.maps[name]) > 0.9 for name in ("gm", "wm")}
    assert mean[pure["wm"]].mean() < mean[pure["gm"]].mean()
    # Air: Rayleigh noise of the thermal SD, mean sqrt(pi/2) of it.
    air = voxel_means(head.substance) == 0
    sd = 1000 / protocol.func.tsnr
    assert bold.data[air].mean() == pytest.approx(np.sqrt(np.pi / 2) * sd, rel=0.02)
    # The back of the head follows the visual signals rather than those of any other network.
    template_mm = head.template_mm[::2, ::2, ::2]
    back = (template_mm[..., 1] < -80) & (np.abs(template_mm[..., 2] - 5) < 15)
    course = bold.data[back & (voxel_means(head.maps["gm"]) > 0.6)].mean(axis=0)
    t = np.arange(60)
    course = course - np.polyval(np.polyfit(t, course, 3), t)
    slow = np.fft.rfft(course)
    slow[np.fft.rfftfreq(60, protocol.func.repetition_time_s) > 0.1] = 0  # Breath and heart beat.
    course = np.fft.irfft(slow, 60)
    names = np.array(node_names())
    signals = {
        network: bold.signals.series[:, np.char.find(names, f"_{network}_") > 0].mean(axis=1)
        for network in NETWORKS
    }
    alike = {network: np.corrcoef(course, signal)[0, 1] for network, signal in signals.items()}
    assert max(alike, key=alike.__getitem__) == "Vis"
    assert alike["Vis"] > 0.6


def test_a_still_run_differs_from_a_moving_one_by_motion_alone(template_head, person, tiny):
    protocol = tiny.changed({"func.volumes": 10})
    moving, still = (
        simulate_bold(
            template_head, replace(person, motion_scale_mm=fd), protocol, np.random.default_rng(9)
        )
        for fd in (0.5, 0.0)
    )
    assert np.abs(still.motion).max() == 0 < np.abs(moving.motion).max()
    assert np.array_equal(still.data[..., 0], moving.data[..., 0])  # Before anything has moved.
    assert np.array_equal(still.signals.series, moving.signals.series)
    air = still.data.max(axis=-1) < 60
    assert np.array_equal(still.data[air][:, 0], moving.data[air][:, 0])


def test_same_seed_same_run(template_head, person, tiny):
    protocol = tiny.changed({"func.volumes": 10})
    one, two = (
        simulate_bold(template_head, person, protocol, np.random.default_rng(9)) for _ in range(2)
    )
    assert np.array_equal(one.data, two.data)
    assert one.truth == two.truth
    assert one.metadata["RepetitionTime"] == protocol.func.repetition_time_s
    assert one.metadata["TaskName"] == "rest"
    assert one.truth["mean_fd", "brain"] == pytest.approx(person.motion_scale_mm)
