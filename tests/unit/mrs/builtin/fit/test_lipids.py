import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.lipids import shows_lipids
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsSettings

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, T, noise, noise_sd

SAMPLING = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def test_lipids_are_added_where_they_show(
    write_press: Callable, basis: Basis, clean_fid: np.ndarray, tmp_path: Path
) -> None:
    sd = noise_sd(clean_fid, 100.0)
    assert not shows_lipids(fit_spectrum(clean_fid + noise((POINTS,), sd, 1), basis, **SAMPLING))
    gauss = np.exp(-((np.pi * 0.15 * FREQUENCY_MHZ * T) ** 2) / (4 * np.log(2)))
    fat = 60 * np.exp(2j * np.pi * (1.28 - 4.65) * FREQUENCY_MHZ * T) * gauss
    scan = write_press(shots=1, coils=1, snr=100, spoil=lambda data: data + fat, water=False).scan
    for name, wanted in (("auto", True), ("no", False)):
        settings = MrsSettings(lipids=name)
        preprocess(scan, tmp_path / name, anat=None, settings=settings)
        measure(scan, tmp_path / name, anat=None, settings=settings)
        table = (tmp_path / name / "sub-01_voi-ACC_fit.tsv").read_text()
        assert ("Lip13a" in table) is wanted
        record = json.loads((tmp_path / name / scan.derivative("qc", ".json")).read_text())
        structure = next(c for c in record["checks"] if c["name"] == "residual_over_noise")
        assert (structure["value"] < 1.3) is wanted
