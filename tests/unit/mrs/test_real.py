"""The ISMRM 2016 fitting challenge: what its own constants make of creatine, and its spectra."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commissure.mrs.builtin.basis.lcmodel import read_raw
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import Basis, fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.builtin.basis.stored import read_basis, stored_basis_on
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.builtin.signal.correction import creatine_referenced, water_removed
from commissure.mrs.quantification.water import water_signal

SAMPLING: dict[str, Any] = {"dwell_s": 1 / 4000, "frequency_mhz": 123.2}
pytestmark = pytest.mark.real


def test_creatine_of_the_water_scaling_test(shared_data: Path) -> None:
    stem = shared_data / "mrs-ismrm2016" / "Cr_10mM_test_water_scaling"
    fid, water = (read_raw(stem.with_suffix(s), who="x") for s in (".RAW", ".H2O"))
    assert abs(fid[0]) / abs(fid[1]) == pytest.approx(0.52, abs=0.01)
    lines = lines_of(SPIN_SYSTEMS["Cr"], PulseSequence("press", 0.03), frequency_mhz=123.2)
    column = fid_of_lines(*lines, points=len(fid), dwell_s=SAMPLING["dwell_s"])
    fit = fit_spectrum(
        creatine_referenced(fid, **SAMPLING)[0],
        Basis(("Cr",), column[None], 0, "two singlets"),
        **SAMPLING,
    )
    ratio = fit.total(("Cr",))[0] / water_signal(water, **SAMPLING).amplitude
    assert ratio * 29697 / np.exp(-30 / 160) == pytest.approx(10.82, rel=0.01)


@pytest.mark.parametrize("number", [1, 4, 7])
def test_challenge_spectra_leave_no_structure(shared_data: Path, number: int) -> None:
    stored = read_basis(shared_data / "mrs-basis" / "ismrm2016_press3T_30ms.BASIS")
    assert stored.te_s is None
    basis = stored_basis_on(stored, points=2048, **SAMPLING)
    fid = read_raw(shared_data / "mrs-ismrm2016" / f"dataset{number:02d}.RAW", who="x")
    fit = fit_spectrum(
        creatine_referenced(water_removed(fid, **SAMPLING)[0], **SAMPLING)[0], basis, **SAMPLING
    )
    assert fit.residual_sd / fit.noise_sd < 1.1
    assert fit.residual_p > 0.01
