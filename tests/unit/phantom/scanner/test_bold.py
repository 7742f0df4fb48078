"""Simulated BOLD against the connectivity and the movement that went in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.images.connectivity_sets import NETWORKS
from commissure.phantom.scanner.bold import T2STAR_S, bold_files, simulate_bold
from commissure.phantom.scanner.bold_signal import node_names
from commissure.phantom.scanner.echo_planar import fine_head, voxel_means


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


def test_later_echoes_decay_as_their_tissue_does(template_head, person, tiny):
    protocol = tiny.changed(
        {"func.volumes": 60, "func.echo_time_s": 0.014, "func.more_echoes_s": [0.062]}
    )
    still = replace(person, motion_scale_mm=0.0)
    bold = simulate_bold(template_head, still, protocol, np.random.default_rng(0))
    (later,) = bold.more_echoes
    assert later.shape == bold.data.shape
    head = fine_head(template_head, protocol.func.voxel_mm, pose=bold.since_t1w)
    ratio = later.mean(axis=-1) / bold.data.mean(axis=-1)
    high = head.template_mm[::2, ::2, ::2, 2] > 20
    pure = high & (voxel_means(head.maps["wm"]) > 0.95)
    assert pure.sum() > 30
    expected = np.exp((0.014 - 0.062) / T2STAR_S["wm"])
    assert np.median(ratio[pure]) == pytest.approx(expected, rel=0.05)


def test_the_files_of_a_run_name_its_echoes(person, tiny):
    several = tiny.changed({"func.more_echoes_s": [0.05, 0.07]})
    names = [path.name for path in bold_files(person, several) if path.suffix == ".gz"]
    assert names == [f"sub-01_task-rest_echo-{n}_bold.nii.gz" for n in (1, 2, 3)]
    for times in ([0.02], [0.05, 0.05], [0.2]):
        with pytest.raises(ConfigError, match="rising times"):
            tiny.changed({"func.more_echoes_s": times})
