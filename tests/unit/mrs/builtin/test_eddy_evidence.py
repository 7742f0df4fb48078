"""A reference whose phase a spectrum does not have, told by what a fit leaves."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.basis.simulated import simulated_basis
from commissure.mrs.builtin.eddy_evidence import with_suiting_phase
from commissure.mrs.builtin.fit.lipids import fit_with_lipids
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.settings import MrsSettings

from ..conftest import T

#: As in the files of the fixture.
EDDY = np.exp(0.5j * np.exp(-T / 0.05))


def suited(svs: Svs, water: Svs) -> tuple[AveragedSpectrum, AveragedSpectrum]:
    """The spectrum before and after the reference's phase has been tried."""
    settings = MrsSettings()
    spectrum = averaged_spectrum(svs, water)
    basis = simulated_basis(
        settings.metabolites, sequence_of(svs, settings, who="x").sequence,
        frequency_mhz=svs.frequency_mhz, points=svs.points, dwell_s=svs.dwell_s,
    )  # fmt: skip
    fit, basis = fit_with_lipids(spectrum.svs, basis, settings)
    return spectrum, with_suiting_phase(spectrum, fit, basis, settings)


@pytest.mark.parametrize(
    ("spoil", "suits"), [(1.0, None), (1 / EDDY, "uncorrected"), (EDDY**-2, "conjugate")]
)
def test_half_a_radian_is_told(write_press: Callable, spoil: np.ndarray, suits: str | None):
    """The sharpness of the lines cannot tell it: 2 radians are needed for that."""
    scan = write_press(shots=1, coils=1, snr=120).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs).svs
    assert water is not None
    before, after = suited(replace(svs, fids=svs.fids * spoil), water)
    assert before.eddy_rad is not None
    step = next(step for step in after.steps if step["step"] == "eddy currents")
    assert step.get("reference_suits") == suits
    assert (after is before) == (suits is None)


def test_a_phase_too_small_to_matter_costs_no_fit(write_press: Callable) -> None:
    scan = write_press(shots=1, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs).svs
    assert water is not None
    before, after = suited(
        replace(svs, fids=svs.fids / EDDY), replace(water, fids=water.fids / EDDY)
    )
    assert after is before


def test_a_header_that_says_corrected_is_believed(write_press: Callable) -> None:
    scan = write_press(shots=1, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs).svs
    assert water is not None
    said = {**svs.metadata, "ProcessingApplied": [{"Method": "Eddy current correction"}]}
    before = replace(svs, fids=svs.fids / EDDY, metadata=said)
    spectrum = averaged_spectrum(before, water)
    step = next(step for step in spectrum.steps if step["step"] == "eddy currents")
    assert "reference_suits" not in step and "left alone" in step["note"]
    right = averaged_spectrum(svs, water).svs.averaged()
    assert np.linalg.norm(spectrum.svs.averaged() - right) < 0.02 * np.linalg.norm(right)
