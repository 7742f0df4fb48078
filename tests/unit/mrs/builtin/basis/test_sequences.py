import numpy as np
import pytest

from commissure.mrs.builtin.basis.sequences import PulseSequence, editing_angle, lines_of
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS, CoupledProtons

FIELD = 123.25

#: Two spins coupled by 7 Hz, so far apart that coupling is weak.
PAIR = (CoupledProtons((1.3, 4.1), ((0, 1, 7.0),)),)


def of_first(sequence: PulseSequence) -> complex:
    """What the spin at 1.3 ppm gives, at a field where the pair is weakly coupled."""
    frequency, amplitude = lines_of(PAIR, sequence, frequency_mhz=2000.0)
    return complex(amplitude[frequency < -4000].sum())


@pytest.mark.parametrize(
    "sequence",
    [
        PulseSequence("slaser", 1e-9),
        PulseSequence("steam", 1e-9, mixing_s=0.01),
        PulseSequence("mega-press", 1e-9, edit_ppm=20.0),
        PulseSequence("press", 1e-9, first_echo_s=4e-10),
    ],
    ids=lambda sequence: sequence.name,
)
@pytest.mark.parametrize(("name", "protons"), [("Glu", 5), ("GSH", 10), ("Cr", 5), ("PCh", 13)])
def test_every_proton_counts_half_without_echo(
    sequence: PulseSequence, name: str, protons: int
) -> None:
    _, amplitudes = lines_of(SPIN_SYSTEMS[name], sequence, frequency_mhz=FIELD)
    assert amplitudes.sum() == pytest.approx(protons / 2, abs=1e-6)


@pytest.mark.parametrize(
    "sequence", [PulseSequence("slaser", 0.03), PulseSequence("press", 0.03, 0.011)]
)
def test_an_uncoupled_line_is_refocused(sequence: PulseSequence) -> None:
    _, amplitudes = lines_of((CoupledProtons((2.0,), protons=3),), sequence, frequency_mhz=FIELD)
    assert amplitudes.sum() == pytest.approx(1.5, abs=1e-9)


def test_steam_refocuses_lines_whatever_the_mixing_time() -> None:
    sequence = PulseSequence("steam", 0.02, mixing_s=0.0137)
    _, amplitudes = lines_of((CoupledProtons((2.0,), protons=3),), sequence, frequency_mhz=FIELD)
    assert amplitudes.sum() == pytest.approx(1.5, abs=1e-9)


def test_a_weak_doublet_evolves_over_the_whole_echo_of_press_and_slaser() -> None:
    # cos(pi J TE) per unit of a half.
    for te_s in (0.03, 0.068, 1 / 7):
        expected = 0.5 * np.cos(np.pi * 7 * te_s)
        for sequence in (PulseSequence("press", te_s, 0.012), PulseSequence("slaser", te_s)):
            assert of_first(sequence).real == pytest.approx(expected, abs=2e-3)


def test_many_refocusings_hold_a_strongly_coupled_pair_together() -> None:
    # As refocusing pulses come faster than the shift difference, coupling stops to evolve.
    group = (CoupledProtons((2.30, 2.34), ((0, 1, 15.0),)),)

    def left(name: str) -> float:
        _, amplitudes = lines_of(group, PulseSequence(name, 0.03), frequency_mhz=FIELD)  # type: ignore[arg-type]
        return float(abs(amplitudes.sum()))

    assert left("slaser") > left("press")


def test_editing_holds_the_partner_of_the_inverted_spin() -> None:
    for te_s in (0.068, 1 / 7):
        on = of_first(PulseSequence("mega-press", te_s, edit_ppm=4.1))
        off = of_first(PulseSequence("mega-press", te_s, edit_ppm=8.0))
        assert on.real == pytest.approx(0.5, abs=2e-3)
        assert off.real == pytest.approx(0.5 * np.cos(np.pi * 7 * te_s), abs=2e-3)


def test_far_editing_pulses_leave_press() -> None:
    edited = PulseSequence("mega-press", 0.12, 0.02, edit_ppm=20.0)
    for name in ("GSH", "NAA", "Glu"):
        ours, press = (
            lines_of(SPIN_SYSTEMS[name], sequence, frequency_mhz=FIELD)[1].sum()
            for sequence in (edited, PulseSequence("press", 0.12, 0.02))
        )
        assert ours == pytest.approx(press, abs=1e-6)


def test_a_pulse_inverts_half_at_half_its_bandwidth() -> None:
    angle = np.degrees(editing_angle(np.array([0.0, 30.0, -30.0, 200.0]), bandwidth_hz=60.0))
    np.testing.assert_allclose(angle, [180, 90, 90, 0], atol=0.5)


def test_glutathione_is_edited_and_creatine_not() -> None:
    t = np.arange(2048) / 2000

    def spectrum(name: str, edit_ppm: float) -> np.ndarray:
        sequence = PulseSequence("mega-press", 0.12, edit_ppm=edit_ppm)
        frequency, amplitude = lines_of(SPIN_SYSTEMS[name], sequence, frequency_mhz=FIELD)
        turn = np.exp((2j * np.pi * frequency - 12) * t[:, None])
        return np.fft.fft(turn @ amplitude)

    def edited(name: str) -> tuple[float, float]:
        difference = spectrum(name, 4.56) - spectrum(name, 7.5)
        at = np.fft.fftfreq(2048, 1 / 2000)[np.abs(difference).argmax()] / FIELD + 4.65
        return np.abs(difference).max() / np.abs(spectrum(name, 7.5)).max(), at

    share, place = edited("GSH")
    assert share > 0.5
    assert place == pytest.approx(2.95, abs=0.03)
    assert edited("Cr")[0] < 0.01
    assert edited("Glu")[0] < 0.001
