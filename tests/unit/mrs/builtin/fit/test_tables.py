import numpy as np
import pytest

from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.builtin.fit.tables import amplitude_table, curve_table, fit_record
from commissure.mrs.metabolites import SUMS

from ...conftest import DWELL_S, FREQUENCY_MHZ, TRUTH


@pytest.fixture
def fit(basis: Basis, clean_fid: np.ndarray) -> SpectralFit:
    return fit_spectrum(clean_fid, basis, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ)


def test_sums_follow_the_columns(fit: SpectralFit) -> None:
    table = amplitude_table(fit).set_index("metabolite")
    assert tuple(table.index) == (*fit.names, *SUMS)
    total = float(table.loc["tCr", "amplitude"])
    assert total == pytest.approx(TRUTH["Cr"] + TRUTH["PCr"], rel=0.02)
    assert table.loc["tCr", "shift_ppm"] == "n/a"


def test_curves_add_up_to_the_model(fit: SpectralFit) -> None:
    curves = curve_table(fit).astype(float)
    drawn = curves.drop(columns=["ppm", "data", "model", "baseline"]).sum(axis=1)
    np.testing.assert_allclose(drawn + curves["baseline"], curves["model"], atol=1e-4)
    assert curves["data"].abs().max() == pytest.approx(1.0, abs=1e-5)


def test_the_record_says_how_the_fit_went(fit: SpectralFit) -> None:
    record = fit_record(fit, "a basis", "a doubt")
    assert (record["Basis"], record["BasisFlag"]) == ("a basis", "a doubt")
    assert record["FWHMppm"] == pytest.approx(6.58 / FREQUENCY_MHZ, rel=0.1)
    assert -1 <= record["Correlations"]["Glu-Gln"] <= 1
