"""The timing of a sequence is read from the spectrum where nothing else says it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.choice import SequenceChoice
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import simulated_basis
from commissure.mrs.builtin.fit.sequence_evidence import SequenceEvidence
from commissure.mrs.builtin.timed_fit import timed_fit
from commissure.mrs.quantification.concentrations import Estimate
from commissure.mrs.sequence_checks import sequence_checks
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.mrs.spread_checks import weak_check

from ..conftest import DWELL_S, FREQUENCY_MHZ, MACROMOLECULES, POINTS, TRUTH, T, noise, noise_sd

SETTINGS = MrsPreprocessSettings()


@pytest.fixture(scope="module")
def measured() -> Callable[..., Svs]:
    """A spectrum that went through a sequence, at a signal-to-noise ratio of 80."""

    def make(sequence: PulseSequence, seed: int = 1) -> Svs:
        basis = simulated_basis(
            SETTINGS.metabolites, sequence, frequency_mhz=FREQUENCY_MHZ, points=POINTS,
            dwell_s=DWELL_S,
        )  # fmt: skip
        amplitudes = np.array([TRUTH.get(name, 0.0) for name in basis.names])
        amplitudes[-basis.macromolecules :] = MACROMOLECULES
        line = np.exp(-np.pi * 2 * T - (np.pi * 4 * T) ** 2 / (4 * np.log(2)))
        fid = (amplitudes @ basis.fids) * line
        fid = fid + noise((POINTS,), noise_sd(fid, 80.0), seed)
        cube = np.diag([20.0, 20.0, 20.0, 1.0])
        return Svs("svs", fid[None, None], DWELL_S, FREQUENCY_MHZ, sequence.te_s, 2.0, cube)

    return make


def failed(record: dict[str, Any]) -> list[str]:
    return [check.name for check in sequence_checks(record) if check.passed is False]


@pytest.mark.parametrize(
    ("te", "first"), [(0.030, 0.011), (0.030, 0.019), (0.080, 0.016), (0.144, 0.016)]
)
def test_an_uneven_first_echo_is_found(measured, te, first):
    svs = measured(PulseSequence("press", te, first))
    timed = timed_fit(svs, SequenceChoice(PulseSequence("press", te), "metadata"), SETTINGS)
    assert timed.choice.first_echo_from == "spectrum"
    assert abs(timed.record["FirstEchoS"] - first) <= 0.001
    glutamate, creatine = timed.fit.total(("Glu",))[0], timed.fit.total(("Cr", "PCr"))[0]
    # The noise alone scatters glutamate by 3 %.
    assert glutamate / creatine == pytest.approx(10 / 8.5, rel=0.08)
    assert failed(timed.record) == []


def test_an_even_first_echo_stays_half_of_the_echo_time(measured):
    svs = measured(PulseSequence("press", 0.030))
    timed = timed_fit(svs, SequenceChoice(PulseSequence("press", 0.030), "metadata"), SETTINGS)
    assert timed.record["FirstEchoS"] == 0.015 and failed(timed.record) == []


def test_a_first_echo_that_is_given_is_not_looked_for_but_held_against_others(measured):
    svs = measured(PulseSequence("press", 0.080, 0.016))
    given = SequenceChoice(
        PulseSequence("press", 0.080, 0.040), "metadata", first_echo_from="settings"
    )
    timed = timed_fit(svs, given, SETTINGS)
    assert timed.record["FirstEchoS"] == 0.040
    assert "sequence_explains" in failed(timed.record)


def test_steam_that_is_read_as_press_is_flagged(measured):
    svs = measured(PulseSequence("steam", 0.030, mixing_s=0.010))
    press = SequenceChoice(PulseSequence("press", 0.030, 0.015), "settings", "", "settings")
    timed = timed_fit(svs, press, SETTINGS)
    assert timed.record["Alternative"].startswith("steam")
    assert "sequence_explains" in failed(timed.record)
    steam = SequenceChoice(PulseSequence("steam", 0.030, mixing_s=0.010), "metadata")
    assert failed(timed_fit(svs, steam, SETTINGS).record) == []


def test_a_name_that_is_assumed_or_contradicted_is_flagged(measured):
    svs = measured(PulseSequence("slaser", 0.030))
    choice = SequenceChoice(PulseSequence("slaser", 0.030), "metadata", "SequenceName 'slaser'")
    record = timed_fit(svs, choice, SETTINGS).record
    assert failed(record) == []
    assert failed(record | {"Contradiction": "ProtocolName 'press'"}) == ["sequence_named"]
    assert failed(record | {"NameFrom": "assumed"}) == ["sequence_named"]


@pytest.mark.parametrize("phase_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("height", [0.5, 1.0])
def test_lipids_of_any_phase_leave_glutamate_alone(measured, phase_deg, height):
    svs = measured(PulseSequence("press", 0.030))
    naa = np.abs(np.fft.fft(svs.averaged())).max()
    lipid = np.exp(2j * np.pi * (1.3 - 4.65) * FREQUENCY_MHZ * T - (np.pi * 14 * T) ** 2 / 2.77)
    lipid = lipid * height * naa / np.abs(np.fft.fft(lipid)).max()
    fid = svs.averaged() + lipid * np.exp(1j * np.radians(phase_deg))
    choice = SequenceChoice(PulseSequence("press", 0.030, 0.015), "settings", "", "settings")
    fit = timed_fit(replace(svs, fids=fid[None, None]), choice, SETTINGS).fit
    creatine = fit.total(("Cr", "PCr"))[0]
    assert any(name.startswith("Lip") for name in fit.names)
    assert fit.total(("Glu",))[0] / creatine == pytest.approx(10 / 8.5, rel=0.10)
    assert fit.total(("NAA", "NAAG"))[0] / creatine == pytest.approx(11.2 / 8.5, rel=0.10)


def test_what_is_broad_stays_while_sequences_are_tried(measured):
    """The published macromolecules have other columns than the soft ones."""
    svs = measured(PulseSequence("press", 0.030))
    known = SequenceChoice(PulseSequence("press", 0.030, 0.015), "settings", "", "settings")
    published = MrsPreprocessSettings(macromolecules="published")
    timed = timed_fit(svs, known, published)
    evidence = SequenceEvidence(
        svs.averaged(), timed.fit, timed.basis, published.metabolites, dwell_s=DWELL_S,
        frequency_mhz=FREQUENCY_MHZ,
    )  # fmt: skip
    left = float(((timed.fit.data - timed.fit.model) ** 2).sum())
    scale = float(np.abs(np.fft.fft(svs.averaged(), 2 * POINTS)).max())
    assert evidence.left_by(known.sequence) == pytest.approx(left / scale**2, rel=0.1)


def test_glycine_that_is_not_in_the_basis_is_part_of_the_spread(measured):
    svs = measured(PulseSequence("press", 0.030))
    known = SequenceChoice(PulseSequence("press", 0.030, 0.015), "settings", "", "settings")
    turn = np.exp(2j * np.pi * (3.548 - 4.65) * FREQUENCY_MHZ * T - np.pi * 4 * T)
    creatine = np.exp(-np.pi * (4 * T) ** 2 / (4 * np.log(2)))
    glycine = 2.5 * turn * creatine
    with_it = replace(svs, fids=(svs.averaged() + glycine)[None, None])
    sound, spoilt = (
        timed_fit(each, known, SETTINGS).spread["OverFit"]["glycine"]["Ins"]
        for each in (svs, with_it)
    )
    assert sound > 0.95 and spoilt < 0.85
    assert (
        "glycine"
        not in timed_fit(
            svs, known, MrsPreprocessSettings(metabolites=(*SETTINGS.metabolites, "Gly"))
        ).spread["OverFit"]
    )


def test_a_weak_metabolite_that_is_planted_as_large_as_creatine_is_flagged(measured):
    svs = measured(PulseSequence("press", 0.030))
    known = SequenceChoice(PulseSequence("press", 0.030, 0.015), "settings", "", "settings")
    basis = simulated_basis(
        ("PE", "Ala", "Cr", "NAA", "GPC"), known.sequence, frequency_mhz=FREQUENCY_MHZ,
        points=POINTS, dwell_s=DWELL_S,
    )  # fmt: skip
    line = np.exp(-np.pi * 2 * T - (np.pi * 4 * T) ** 2 / (4 * np.log(2)))
    for name in ("PE", "Ala"):
        fid = svs.averaged() + 10 * basis.fids[basis.names.index(name)] * line
        fit = timed_fit(replace(svs, fids=fid[None, None]), known, SETTINGS).fit
        estimates = {each: Estimate(*fit.total((each,))) for each in fit.names}
        check = weak_check(estimates)
        assert check.passed is False and check.note.startswith(name)
