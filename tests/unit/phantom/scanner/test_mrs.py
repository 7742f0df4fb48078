"""Simulated spectra against analytic answers and published numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.scanner.mrs import simulate_mrs, tissue_fractions
from commissure.phantom.scanner.mrs_signal import molal_fractions, timings_of, water_fid
from commissure.phantom.scanner.spin_systems import METABOLITES, WATER_PPM, SpinGroup
from commissure.phantom.scanner.spins import (
    EchoTrain,
    Press,
    fid_at_zero,
    group_lines,
    mega_press,
    metabolite_fid,
    slaser,
)

IDEAL_TE30 = Press(field_mhz=123.25, te1_s=0.015, te2_s=0.015)


def test_echo_heights_agree_with_the_golden_numbers():
    golden = {
        0.030: {"Glu": 1.9748, "GSH": 3.9913, "NAA": 2.4117},
        0.068: {"Glu": 0.2384, "GSH": 1.1324, "NAA": 1.3433},
    }
    for te, values in golden.items():
        press = Press(123.25, te / 2, te / 2)
        for name, value in values.items():
            assert abs(fid_at_zero(name, press)) == pytest.approx(value, abs=1e-4), (name, te)


@pytest.mark.parametrize(
    ("name", "protons"),
    [
        *(("Ala", 4), ("Cr", 5), ("GABA", 6), ("Gln", 5), ("Glu", 5), ("GSH", 10), ("Ins", 6)),
        *(("Lac", 4), ("NAA", 6), ("PCh", 13), ("GPC", 18), ("sIns", 6), ("Tau", 4), ("PE", 4)),
    ],
)
def test_without_an_echo_time_every_proton_counts_a_half(name, protons):
    assert fid_at_zero(name, Press(123.25, 0.0, 0.0)) == pytest.approx(protons / 2, abs=1e-5)
    assert sum(group.protons for group in METABOLITES[name]) == protons


def test_uncoupled_protons_are_singlets_at_their_shift():
    group = SpinGroup((3.0, 2.0, 4.1))
    frequencies, amplitudes = group_lines(group, IDEAL_TE30)
    heights = dict(zip(np.round(frequencies, 1), amplitudes, strict=True))
    expected = [round((ppm - WATER_PPM) * 123.25 / 0.02) * 0.02 for ppm in group.ppm]
    assert sorted(np.round(expected, 1)) == sorted(heights)
    assert list(heights.values()) == pytest.approx([0.5] * 3, abs=1e-9)


def test_weak_coupling_splits_a_doublet_by_j_and_turns_it_by_pi_j_te():
    # Two spins far apart: in-phase after an echo time of 2/J, inverted after 1/J.
    group = SpinGroup((1.0, 9.0), (((1, 2), 10.0),))
    lines, amplitudes = group_lines(group, Press(4000.0, 0.1, 0.1))
    low = lines < np.median(lines)
    assert np.ptp(lines[low]) == pytest.approx(10.0, abs=0.03)
    assert amplitudes[low].sum() == pytest.approx(0.5, abs=1e-3)
    _, inverted = group_lines(group, Press(4000.0, 0.05, 0.05))
    assert inverted[low].sum() == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize("sequence", ["sLASER", "MEGA-PRESS off"])
def test_other_trains_refocus_singlets_and_turn_doublets_by_pi_j_te(sequence):
    def train(te: float) -> EchoTrain:
        if sequence == "sLASER":
            return slaser(4000.0, te)
        return mega_press(4000.0, te)

    assert sum(train(0.1).delays_s) == pytest.approx(0.1)
    _, single = group_lines(SpinGroup((3.0,)), train(0.1))
    assert single == pytest.approx([0.5], abs=1e-9)
    group = SpinGroup((1.0, 9.0), (((1, 2), 10.0),))
    for te, expected in ((0.2, 0.5), (0.1, -0.5), (0.05, 0.0)):
        lines, amplitudes = group_lines(group, train(te))
        low = lines < np.median(lines)
        assert amplitudes[low].sum().real == pytest.approx(expected, abs=5e-3)


def test_editing_refocuses_what_is_coupled_to_the_inverted_proton():
    # Two spins far apart, one at the editing pulse, an echo time of 1/J: upside down without
    # editing, upright with it, so that the difference is the whole signal.
    group = SpinGroup((1.9, 9.9), (((1, 2), 10.0),))
    off, on = (group_lines(group, mega_press(4000.0, 0.1, edit_ppm=ppm)) for ppm in (7.5, 1.9))
    for (lines, amplitudes), expected in ((off, -0.5), (on, 0.5)):
        high = lines > np.median(lines)
        assert amplitudes[high].sum().real == pytest.approx(expected, abs=5e-3)
    # Crushed where the editing pulse itself turns: the singlet of NAA is nearly gone.
    naa = abs(fid_at_zero("NAA", mega_press(123.25, 0.068, edit_ppm=1.9)))
    assert naa < 0.4 * abs(fid_at_zero("NAA", mega_press(123.25, 0.068)))
    # GABA at 3.01 ppm is in the difference; creatine beside it is not.
    times = np.arange(1024) / 2000
    decay = np.exp(-times * 15)

    def difference_at_3(name: str, edited: float = 1.9) -> float:
        both = [
            metabolite_fid(name, mega_press(123.25, 0.068, edit_ppm=ppm), times)
            for ppm in (edited, 7.5)
        ]
        spectrum = np.fft.fft((both[0] - both[1]) * decay).real
        ppm = WATER_PPM - np.fft.fftfreq(1024, 1 / 2000) / 123.25
        window = (ppm > 2.85) & (ppm < 3.15)
        return float(spectrum[window].max())

    assert difference_at_3("GABA") > 20
    assert abs(difference_at_3("Cr")) < 0.02 * difference_at_3("GABA")
    # Glutathione's cysteine at 2.95 ppm is coupled to the proton at 4.56 ppm.
    assert difference_at_3("GSH", 4.56) > 10 * abs(difference_at_3("GSH", 1.9))


def test_slaser_keeps_more_of_coupled_spins_than_press():
    # Rapid refocusing spins down the evolution of strongly coupled protons.
    for name in ("Glu", "GSH", "Ins"):
        press = abs(fid_at_zero(name, Press(123.25, 0.034, 0.034)))
        assert abs(fid_at_zero(name, slaser(123.25, 0.068))) > press


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


def test_phosphorus_splits_lines_and_is_refocused():
    alone = SpinGroup((4.0,))
    beside = SpinGroup((4.0,), phosphorus_hz=(7.0,))
    frequencies, amplitudes = group_lines(beside, IDEAL_TE30)
    centre = group_lines(alone, IDEAL_TE30)[0][0]
    assert sorted(frequencies - centre) == pytest.approx([-3.5, 3.5], abs=0.03)
    assert amplitudes == pytest.approx([0.25, 0.25])


def test_imperfect_refocusing_spares_singlets():
    weak = replace(IDEAL_TE30, refocusing_deg=150.0)
    assert fid_at_zero("Cr", weak) == pytest.approx(2.5)
    assert abs(fid_at_zero("Glu", weak) - fid_at_zero("Glu", IDEAL_TE30)) > 0.001


def test_real_sequence_is_near_but_not_equal_to_ideal_pulses(tiny):
    times = np.arange(1024) / 2000
    decay = np.exp(-times / 0.07)
    for name in ("Glu", "Gln", "GSH"):
        ideal = metabolite_fid(name, IDEAL_TE30, times) * decay
        real = metabolite_fid(name, timings_of(tiny)[0], times) * decay
        scale = np.vdot(ideal, real).real / np.vdot(ideal, ideal).real
        misfit = np.linalg.norm(real - scale * ideal) / np.linalg.norm(real)
        assert scale == pytest.approx(1, abs=0.04)
        assert 0.01 < misfit < 0.08


def test_water_signal_is_the_sum_over_tissues(tiny):
    fractions = {"gm": 0.60, "wm": 0.25, "csf": 0.15}
    assert molal_fractions(fractions)["csf"] == pytest.approx(0.1875, abs=5e-5)
    times_s = {"gm": (1.50, 0.088), "wm": (0.97, 0.073), "csf": (4.47, 2.03)}
    by_hand = 55510 * sum(
        share * (1 - math.exp(-2.0 / times_s[name][0])) * math.exp(-0.03 / times_s[name][1])
        for name, share in molal_fractions(fractions).items()
    )
    assert water_fid(fractions, tiny, np.zeros(1))[0].real == pytest.approx(by_hand, rel=1e-12)
    # The factor that turns an amplitude ratio into mmol/kg, published for this very voxel.
    weight = (1 - math.exp(-2.0 / 1.29)) * math.exp(-0.03 / 0.194)
    share = 1 - molal_fractions(fractions)["csf"]
    assert by_hand / share / weight == pytest.approx(50979.6, rel=1e-5)


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
        jhu=np.zeros(grey.shape, np.int16),
        schaefer=np.zeros(grey.shape, np.int16),
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


def test_file_follows_nifti_mrs_and_shows_naa_at_2_ppm(template_head, person, tiny, tmp_path):
    from nifti_mrs.create_nmrs import gen_nifti_mrs
    from nifti_mrs.nifti_mrs import NIFTI_MRS

    mrs = simulate_mrs(template_head, person, tiny, np.random.default_rng(1))
    image = gen_nifti_mrs(
        mrs.fid, 1 / tiny.mrs.spectral_width_hz, tiny.proton_mhz,
        affine=mrs.affine, dim_tags=["DIM_COIL", "DIM_DYN", None], no_conj=True,
    )  # fmt: skip
    for key, value in mrs.header_extension.items():
        image.add_hdr_field(key, value)
    image.save(tmp_path / "svs.nii.gz")
    read = NIFTI_MRS(str(tmp_path / "svs.nii.gz"))
    assert read.dim_tags[:2] == ["DIM_COIL", "DIM_DYN"]
    assert json.loads(read.hdr_ext.to_json())["EchoTime"] == tiny.mrs.echo_time_s
    raw = np.asarray(read.image.nibImage.dataobj)[0, 0, 0, :, 0, :]
    assert _peak_ppm(raw.mean(axis=1), tiny.proton_mhz) == pytest.approx(2.01, abs=0.03)


@pytest.mark.real
def test_a_measured_spectrum_shows_naa_at_2_ppm_by_the_same_reading(shared_data):
    import nibabel as nib

    path = shared_data / "bids" / "sub-op01" / "mrs" / "sub-op01_acq-press_svs.nii.gz"
    fid = np.asarray(nib.load(path).dataobj)[0, 0, 0]
    assert _peak_ppm(fid, 127.755) == pytest.approx(2.0, abs=0.03)


def _peak_ppm(fid: np.ndarray, field_mhz: float) -> float:
    spectrum = np.abs(np.fft.fft(fid))
    ppm = WATER_PPM - np.fft.fftfreq(len(fid), 1 / 2000) / field_mhz
    region = (ppm > 1.7) & (ppm < 2.3)
    assert spectrum[region].max() > 5 * np.median(spectrum)
    return float(ppm[region][spectrum[region].argmax()])
