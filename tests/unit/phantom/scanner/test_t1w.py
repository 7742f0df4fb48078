"""The T1w image: noise moments, shading, contrast."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.person import Person, Scanner
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.t1w import (
    WHITE_MATTER,
    noise_free,
    receive_field,
    rician,
    simulate_t1w,
)


def a_box(n: int = 40) -> Anatomy:
    """A cube of white matter, grey matter and fluid, in layers, with air around it."""
    maps = np.zeros((3, n, n, n), np.float32)
    for tissue in range(3):
        maps[tissue, 10 + 7 * tissue : 17 + 7 * tissue, 10:30, 10:30] = 1
    nothing = np.zeros((n, n, n), np.float32)
    labels = nothing.astype(np.int16)
    places = np.zeros((n, n, n, 3), np.float32)
    wm, gm, csf = maps
    return Anatomy(np.eye(4), gm, wm, csf, nothing, labels, labels, places)


def a_person(**scanner: float) -> Person:
    machine = Scanner("A", **scanner)
    return Person("sub-01", "control", "A", 30.0, "F", frozenset(), {}, 0.1, 1, machine)


def test_noise_in_air_is_rayleigh_and_in_signal_rician():
    sigma, signal = 0.3, 1.2
    rng = np.random.default_rng(1)
    air = rician(np.zeros(400_000, np.float32), sigma, rng).astype(float)
    assert sigma * np.sqrt(np.pi / 2) == pytest.approx(air.mean(), rel=0.005)
    assert sigma**2 * (2 - np.pi / 2) == pytest.approx(air.var(), rel=0.01)
    tissue = rician(np.full(400_000, signal, np.float32), sigma, rng).astype(float)
    assert signal**2 + 2 * sigma**2 == pytest.approx((tissue**2).mean(), rel=0.005)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_the_image_has_the_signal_to_noise_asked_for(factor):
    protocol = chosen_protocol("demo")
    image = simulate_t1w(a_box(), a_person(snr_factor=factor), protocol, np.random.default_rng(2))
    air = image.data[:8].astype(float)
    assert image.data.dtype == np.int16
    noise = np.sqrt((air**2).mean() / 2)
    assert WHITE_MATTER / (protocol.anat.snr * factor) == pytest.approx(noise, rel=0.02)


def test_tissues_have_their_contrast_and_a_site_changes_it():
    box = a_box()
    plain, steep = noise_free(box), noise_free(box, gamma=1.2)
    tissues = [box.wm > 0, box.gm > 0, box.csf > 0]
    assert pytest.approx([plain[tissue].mean() for tissue in tissues]) == [1.0, 0.62, 0.25]
    assert pytest.approx([steep[t].mean() for t in tissues]) == [1.0, 0.62**1.2, 0.25**1.2]


def test_shading_is_a_cubic_of_twenty_percent():
    field = receive_field((30, 36, 32), np.random.default_rng(3))
    assert field.min() == pytest.approx(0.8, abs=1e-6)
    assert field.max() == pytest.approx(1.2, abs=1e-6)
    for axis in range(3):
        assert np.abs(np.diff(field.astype(float), n=4, axis=axis)).max() < 1e-5
        assert np.abs(np.diff(field.astype(float), n=2, axis=axis)).max() > 1e-5


def test_sites_name_their_machine_and_the_seed_decides():
    first, again, other = (
        simulate_t1w(a_box(20), a_person(), chosen_protocol("tiny"), np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert np.array_equal(first.data, again.data)
    assert not np.array_equal(first.data, other.data)
    assert first.metadata["MagneticFieldStrength"] == pytest.approx(2.89, abs=0.01)
    assert first.metadata["EchoTime"] < first.metadata["InversionTime"] < 3
