import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.measure import measure
from commissure.mrs.quality import (
    MAX_ECHO,
    _applied,
    _step_checks,
    echo_ratio,
    session_check,
)
from commissure.mrs.settings import MrsSettings

from .conftest import DWELL_S, FREQUENCY_MHZ, POINTS, T, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def echo(clean_fid: np.ndarray, *, at_s: float = 0.12, share: float = 0.1) -> np.ndarray:
    """Signal from elsewhere, refocused at ``at_s`` for some 15 ms, at 3.5 ppm."""
    turn = 2j * np.pi * (3.5 - 4.65) * FREQUENCY_MHZ * T
    return share * np.abs(clean_fid[0]) * np.exp(turn - ((T - at_s) / 0.006) ** 2)


def ratio(fid: np.ndarray, basis: Basis) -> float:
    fit = fit_spectrum(fid, basis, **SAMPLING)
    return echo_ratio(fit.data - fit.model, fit.ppm, frequency_mhz=FREQUENCY_MHZ)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_echo(basis: Basis, clean_fid: np.ndarray, seed: int) -> None:
    sd = noise_sd(clean_fid, 100.0)
    assert ratio(clean_fid + noise((POINTS,), sd, seed), basis) < MAX_ECHO


def test_a_line_that_the_basis_lacks_is_no_echo(basis: Basis, clean_fid: np.ndarray) -> None:
    line = 0.1 * clean_fid[0] * np.exp((2j * np.pi * (1.05 - 4.65) * FREQUENCY_MHZ - 25) * T)
    sd = noise_sd(clean_fid, 100.0)
    assert ratio(clean_fid + line + noise((POINTS,), sd, 1), basis) < MAX_ECHO


@pytest.mark.parametrize("at_s", [0.09, 0.15, 0.25])
def test_an_echo_is_seen(basis: Basis, clean_fid: np.ndarray, at_s: float) -> None:
    sd = noise_sd(clean_fid, 100.0)
    spoilt = clean_fid + echo(clean_fid, at_s=at_s) + noise((POINTS,), sd, 1)
    assert ratio(spoilt, basis) > MAX_ECHO


def test_drift_wider_than_a_line_is_flagged(write_press: Callable, tmp_path: Path) -> None:
    def spoil(data: np.ndarray) -> np.ndarray:
        shots = len(data)
        drift = np.linspace(-9, 9, shots)
        return data * np.exp(2j * np.pi * drift * T[:, None]).T[:, None, :]

    scan = write_press(shots=24, coils=1, water=False, spoil=spoil).scan
    preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
    measure(scan, tmp_path, anat=None, settings=MrsSettings())
    record = json.loads((tmp_path / scan.derivative("qc", ".json")).read_text())
    drift = next(c for c in record["checks"] if c["name"] == "drift_hz")
    assert drift["passed"] is False
    assert drift["value"] == pytest.approx(21, abs=2)


def test_a_t1w_of_another_session_is_flagged() -> None:
    assert session_check("1", "sub-01_ses-1_desc-preproc_T1w.nii.gz").passed is True
    assert session_check("", "sub-01_desc-preproc_T1w.nii.gz").passed is True
    other = session_check("2", "sub-01_ses-1_desc-preproc_T1w.nii.gz")
    assert other.passed is False
    assert "of ses-1" in other.note


def test_the_edited_half_does_not_hide_the_shots_that_the_other_lost() -> None:
    def rejection(kept: int) -> dict:
        return {"step": "shot rejection", "applied": True, "kept": kept, "of": 8}

    for steps in ([rejection(4), rejection(8)], [rejection(8), rejection(4)]):
        (check,) = _step_checks(_applied(steps), max_drift_hz=10.0)
        assert (check.value, check.passed) == (0.5, False)
