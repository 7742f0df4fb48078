"""Simulated spectra against analytic answers and published numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.scanner.mrs import simulate_mrs, tissue_fractions
from commissure.phantom.scanner.mrs_signal import molal_fractions, water_fid
from commissure.phantom.scanner.spin_systems import WATER_PPM


def test_mega_press_has_two_conditions_that_differ_in_naa(template_head, person, tiny):
    protocol = tiny.changed(
        {
            "mrs.sequence": "MEGA-PRESS",
            "mrs.echo_time_s": 0.068,
            "mrs.edit_ppm": 1.9,
            "mrs.transients": 16,
            "mrs.snr": 1e4,
        }
    )
    mrs = simulate_mrs(template_head, person, protocol, np.random.default_rng(1))
    assert mrs.fid.shape == (1, 1, 1, tiny.mrs.points, tiny.mrs.coils, 8, 2)
    good = [i for i in range(8) if not {2 * i, 2 * i + 1} & set(mrs.shots.bad)]
    heights = []
    for condition in range(2):
        fid = mrs.fid[0, 0, 0, :, 0, good[0], condition]
        spectrum = np.abs(np.fft.fft(fid * np.exp(-np.arange(len(fid)) / 2000 * 10)))
        ppm = WATER_PPM - np.fft.fftfreq(len(fid), 1 / 2000) / protocol.proton_mhz
        heights.append(spectrum[(ppm > 1.9) & (ppm < 2.1)].max())
    assert heights[0] < 0.6 * heights[1]
    assert mrs.metadata["PulseSequenceType"] == "MEGA-PRESS"


def test_more_creatine_raises_the_signal_as_the_molal_equation_says(template_head, person, tiny):
    def measured(tcr: float):
        markers = {("tcr", "ACC"): tcr}
        return simulate_mrs(
            template_head, replace(person, markers=markers), tiny, np.random.default_rng(5)
        )

    # One seed: noise, shim, coils and offsets are the same, and leave with the difference.
    less, more = measured(8.0), measured(9.0)
    shot = next(i for i in range(tiny.mrs.transients) if i not in less.shots.bad)
    difference = np.abs((more.fid - less.fid)[0, 0, 0, 0, :, shot])
    loud = tiny.changed({"mrs.snr": 1e7})
    water = simulate_mrs(template_head, person, loud, np.random.default_rng(5)).water_fid
    ratio = (difference / np.abs(water[0, 0, 0, 0, :])).mean()
    water_weight = water_fid(less.fractions, tiny, np.zeros(1))[0].real / 55510
    tissue = 1 - molal_fractions(less.fractions)["csf"]
    metabolite_weight = (1 - math.exp(-2.0 / 1.29)) * math.exp(-0.03 / 0.194)
    # CH3 and CH2 of creatine: five protons.
    found = ratio * (2 / 5) * 55510 * water_weight / (tissue * metabolite_weight)
    assert found == pytest.approx(1.0, rel=2e-3)


def test_truth_is_what_was_asked_for_and_its_ratios(template_head, person, tiny):
    wanted = {
        "glu": 11.0,
        "gln": 2.5,
        "gsh": 1.7,
        "tnaa": 10.0,
        "tcr": 8.0,
        "tcho": 1.6,
        "ins": 6.0,
    }
    asked = replace(person, markers={(name, "ACC"): value for name, value in wanted.items()})
    mrs = simulate_mrs(template_head, asked, tiny, np.random.default_rng(0))
    for name, value in wanted.items():
        assert mrs.truth[name, "ACC"] == pytest.approx(value)
    assert mrs.truth["glx", "ACC"] == pytest.approx(13.5)
    assert mrs.truth["glu_tcr", "ACC"] == pytest.approx(11 / 8)
    assert mrs.truth["f_csf", "ACC"] == pytest.approx(mrs.fractions["csf"])
    assert sum(mrs.fractions.values()) == pytest.approx(1)


def test_fractions_of_a_voxel_astride_two_tissues():
    x = np.arange(40)
    grey = np.broadcast_to((x < 20)[:, None, None], (40, 40, 40)).astype(np.float32)
    head = Anatomy(
        affine=np.eye(4),
        gm=grey,
        wm=1 - grey,
        csf=np.zeros_like(grey),
        outside=np.zeros_like(grey),
        regions=np.zeros(grey.shape, np.int16),
        template_mm=np.zeros((*grey.shape, 3), np.float32),
    )
    affine = np.diag([20.0, 20.0, 20.0, 1.0])
    affine[:3, 3] = [
        14.5,
        20.0,
        20.0,
    ]  # From 4.5 to 24.5: three quarters before the border at 19.5.
    fractions = tissue_fractions(head, affine, who="sub-01")
    assert fractions == pytest.approx({"gm": 0.75, "wm": 0.25, "csf": 0.0}, abs=0.01)


def test_noise_of_the_combined_average_is_that_of_the_protocol(template_head, person, tiny):
    protocol = tiny.changed({"mrs.transients": 16, "mrs.coils": 4, "mrs.snr": 80.0})
    found = []
    for seed in range(6):
        mrs = simulate_mrs(template_head, person, protocol, np.random.default_rng(seed))
        fid = mrs.fid[0, 0, 0]
        # Sensitivities have a mean square of 1, and the tNAA peak is 100 high at sensitivity 1.
        weights = mrs.water_fid[0, 0, 0, :5].mean(axis=0)
        weights = weights / np.sqrt(np.mean(np.abs(weights) ** 2))
        tail = fid[-300:].transpose(1, 0, 2).reshape(4, -1)
        best = np.linalg.solve(np.cov(tail), weights)
        best = best / (best.conj() @ weights)
        spectrum = np.fft.fft(np.einsum("c,pcs->p", best.conj(), fid) / protocol.mrs.transients)
        ppm = WATER_PPM - np.fft.fftfreq(len(fid), 1 / 2000) / protocol.proton_mhz
        noise = spectrum[(ppm > 9) & (ppm < 12)]
        noise = np.diff(noise, n=2) / np.sqrt(6)  # Leaves noise alone, takes slopes away.
        found.append(100 / noise.real.std())
    assert np.mean(found) == pytest.approx(80, rel=0.06)
