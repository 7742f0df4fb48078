"""Sums, means and receiver gains in the noise of a spectrum and its water reference."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.builtin.signal.average import averaged_spectrum
from commissure.mrs.builtin.signal.reference_noise import averages_note, reference_noise
from commissure.mrs.quality import _applied, _step_checks

from ...conftest import DWELL_S, FREQUENCY_MHZ, TE_S, TR_S, noise

T = np.arange(2048) * DWELL_S
LINE = np.exp((2j * np.pi * -200 - 20) * T)
WATER = 1000 * np.exp(-20 * T)


def file_of(fid: np.ndarray, *, shots: int, noise_in_each: float, seed: int, **metadata) -> Svs:
    fids = np.repeat(fid[None, None], shots, axis=0)
    fids = fids + noise(fids.shape, noise_in_each, seed)
    return Svs("x", fids, DWELL_S, FREQUENCY_MHZ, TE_S, TR_S, np.eye(4), metadata)


def passes(svs: Svs, water: Svs) -> bool:
    step = reference_noise(svs, water)
    assert step is not None
    checks = _step_checks(_applied([step]), max_drift_hz=20.0)
    return next(check for check in checks if check.name == "reference_noise").passed


@pytest.mark.parametrize(
    ("shots", "noise_in_each", "water_shots", "water_noise", "right"),
    [
        # Single shots of both at one gain; the reference at a half and at twice the gain.
        (16, 1.0, 4, 1.0, True), (16, 1.0, 4, 0.5, False), (16, 1.0, 4, 2.0, False),
        # A mean of 128, beside a shot, a mean of 8, and a sum of 8.
        (1, 128**-0.5, 1, 1.0, True), (1, 128**-0.5, 1, 8**-0.5, True),
        (1, 128**-0.5, 1, 8**0.5, False),
        # A sum of 128 beside a shot, a mean of 8 and a sum of 8.
        (1, 128**0.5, 1, 1.0, False), (1, 128**0.5, 1, 8**-0.5, False),
        (1, 128**0.5, 1, 8**0.5, False),
        # Single shots beside one FID: a shot, a mean of 8, a sum of 8.
        (16, 1.0, 1, 1.0, True), (16, 1.0, 1, 8**-0.5, True), (16, 1.0, 1, 8**0.5, False),
    ],
)  # fmt: skip
def test_what_averages_and_gains_can_be(shots, noise_in_each, water_shots, water_noise, right):
    told = {"NumberOfAverages": max(128 if shots == 1 else shots, shots)}
    svs = file_of(LINE, shots=shots, noise_in_each=noise_in_each, seed=1, **told)
    water = file_of(WATER, shots=water_shots, noise_in_each=water_noise, seed=2)
    assert passes(svs, water) is right


def test_files_without_noise_say_nothing() -> None:
    clean = file_of(LINE, shots=1, noise_in_each=0.0, seed=1)
    assert reference_noise(replace(clean, fids=0 * clean.fids), clean) is None


def test_a_header_that_promises_more_than_the_file_is_noted_and_nothing_is_scaled(
    write_press: Callable,
) -> None:
    scan = write_press(shots=1, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    promising = replace(svs, metadata={**svs.metadata, "NumberOfAverages": 128})
    assert averages_note(svs) == ""
    assert "says 128 averages and the file holds one FID" in averages_note(promising)
    plain, told = averaged_spectrum(svs, None), averaged_spectrum(promising, None)
    assert any("says 128 averages" in str(step.get("note")) for step in told.steps)
    np.testing.assert_array_equal(told.svs.fids, plain.svs.fids)
