import numpy as np
import pytest

from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.fit.edited import EDITED, difference_of, edited_bases
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.metabolites import METABOLITES

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, TRUTH, T, line_broadened, noise

TE_S = 0.12
ON = PulseSequence("mega-press", TE_S, edit_ppm=4.56)
OFF = PulseSequence("mega-press", TE_S, edit_ppm=7.5)
SAMPLING = {"points": POINTS, "dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def test_sub_spectra_are_brought_together_before_subtraction() -> None:
    bases = edited_bases(METABOLITES, EDITED[0], ON, OFF, **SAMPLING)
    sampling = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}
    off = line_broadened(OFF, TRUTH)
    sd = np.abs(np.fft.fft(off)).max() / 300 / np.sqrt(POINTS)
    on = line_broadened(ON, TRUTH) * np.exp(2j * np.pi * 1.5 * T + 0.3j) + noise((POINTS,), sd, 1)
    off = off + noise((POINTS,), sd, 2)
    fits = (fit_spectrum(fid, b, **sampling) for fid, b in ((on, bases.on), (off, bases.off)))
    found = difference_of(on, off, *fits, dwell_s=DWELL_S)
    assert found.shift_hz == pytest.approx(-1.5, abs=0.1)
    assert found.phase_deg == pytest.approx(-np.degrees(0.3), abs=1.5)


def test_the_difference_holds_what_is_edited() -> None:
    basis = edited_bases(METABOLITES, EDITED[0], ON, OFF, **SAMPLING).difference
    assert {"GSH", "NAA"} <= set(basis.names)
    assert not {"Cr", "PCr", "Glu", "Gln", "Tau", "Lac"} & set(basis.names)


def test_a_unit_of_macromolecules_has_the_area_of_a_unit_of_edited_gaba() -> None:
    on, off = (PulseSequence("mega-press", 0.068, edit_ppm=ppm) for ppm in (1.9, 7.5))
    basis = edited_bases(METABOLITES, EDITED[1], on, off, **SAMPLING).difference
    assert basis.names == ("GABA", "MM30")
    points, dwell_s, mhz = SAMPLING["points"], SAMPLING["dwell_s"], SAMPLING["frequency_mhz"]
    line = np.exp(-20 * np.arange(points) * dwell_s)
    ppm = ppm_axis(points, dwell_s, mhz)
    spectra = np.fft.fftshift(np.fft.fft(basis.fids * line), axes=-1).real
    gaba, broad = spectra[:, np.abs(ppm - 2.99) < 0.2].sum(axis=1)
    assert gaba > 0 and broad == pytest.approx(gaba, rel=1e-6)
