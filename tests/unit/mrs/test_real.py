"""Spectra of the ISMRM 2016 fitting challenge, and a raw acquisition that FSL-MRS combined too."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.fids import load_fids
from commissure.mrs.acquisition.nifti_mrs import read_svs
from commissure.mrs.builtin.basis.lcmodel import read_raw
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.simulated import Basis, fid_of_lines
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.builtin.basis.stored import read_basis, stored_basis_on
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.builtin.signal.correction import creatine_referenced, water_removed
from commissure.mrs.builtin.signal.reference_noise import reference_noise
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.measure import measure
from commissure.mrs.quantification.water import water_signal
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan
from commissure.rows import read_markers

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


@pytest.mark.parametrize("run", [1, 2, 3])
def test_coils_and_shots_of_a_7t_steam_against_fsl_mrs(
    shared_data: Path, tmp_path: Path, run: int
) -> None:
    folder = shared_data / "bids-more" / "sub-ox01" / "mrs"
    stem = "sub-ox01_acq-steam"
    water = folder / f"{stem}_run-{run}_mrsref.nii.gz"
    scan = Scan(
        folder / f"{stem}_svs.nii.gz",
        {"sub": "ox01", "acq": "steam"},
        "svs",
        (folder / f"{stem}_svs.json",),
        {"mrsref": water, "mrsref_json": water.with_name(f"{stem}_run-{run}_mrsref.json")},
    )
    with pytest.raises(DatasetError, match="STEAM and its metadata give no MixingTime"):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
    settings = MrsSettings(mixing_time_s=0.01)
    preprocess(scan, tmp_path, anat=None, settings=settings)
    measure(scan, tmp_path, anat=None, settings=settings)
    ours = read_svs(MrsFiles.of(scan, tmp_path, voi=settings.voi).spectrum, (), who="ours")
    theirs = load_fids(
        shared_data / "derivatives" / "fslmrs-preproc" / f"{stem}_desc-preproc_svs.nii.gz",
        who="theirs",
    ).data.reshape(-1)
    # FSL-MRS left out the first point.
    assert len(theirs) == ours.points - 1
    ppm = ppm_axis(len(theirs), ours.dwell_s, ours.frequency_mhz)
    fitted = (ppm > 0.2) & (ppm < 4.2)
    spectra = [np.fft.fftshift(np.fft.fft(f))[fitted] for f in (ours.averaged()[1:], theirs)]
    turned = spectra[1] * np.exp(1j * np.angle(np.vdot(spectra[1], spectra[0])))
    assert np.corrcoef(spectra[0].real, turned.real)[0, 1] > 0.979
    table = read_markers(tmp_path / scan.derivative("markers", ".tsv"))
    values = dict(zip(table["marker"], table["value"].astype(float), strict=True))
    assert values["fwhm"] < 0.05
    assert 1.2 < values["tnaa_tcr"] < 1.7
    assert 0.8 < values["glu_tcr"] < 1.4


def test_of_three_real_references_the_one_for_quantification_is_taken(shared_data: Path) -> None:
    """Two of them were taken with preparing pulses, at the same gain: their noise is the same."""
    folder = shared_data / "bids-more" / "sub-ox01" / "mrs"
    stem = "sub-ox01_acq-steam"
    associated = {}
    for run, key in ((1, "mrsref"), (2, "mrsref2"), (3, "mrsref3")):
        water = folder / f"{stem}_run-{run}_mrsref.nii.gz"
        associated |= {key: water, f"{key}_json": water.with_name(f"{stem}_run-{run}_mrsref.json")}
    scan = Scan(
        folder / f"{stem}_svs.nii.gz", {"sub": "ox01"}, "svs", (folder / f"{stem}_svs.json",),
        associated,
    )  # fmt: skip
    svs = read_svs(scan.path, tuple(scan.sidecars), who="ox01")
    reference = read_water(scan, svs)
    assert reference.svs is not None and "run-2" in reference.svs.name
    (step,) = reference.steps
    weakest = min(step["over_the_strongest"].values())
    assert 1 / weakest == pytest.approx(1.45, abs=0.03)
    for name in ("mrsref", "mrsref2", "mrsref3"):
        alone = replace(scan, associated={key: path for key, path in associated.items()
                                          if key.removesuffix("_json") == name})  # fmt: skip
        water = read_water(alone, svs).svs
        assert water is not None
        noise = reference_noise(svs, water)
        assert noise is not None and noise["noise_ratio"] == pytest.approx(1.0, abs=0.06)


def test_the_first_echo_of_a_real_mega_press_is_read_from_its_unedited_spectrum(
    shared_data: Path, tmp_path: Path
) -> None:
    """With half of the echo time the fit leaves 2.8 times the noise, and inositol is .39."""
    folder, stem = shared_data / "bids-more" / "sub-mp01" / "mrs", "sub-mp01_acq-megapress"
    scan = Scan(
        folder / f"{stem}_svs.nii.gz", {"sub": "mp01", "acq": "megapress"}, "svs",
        (folder / f"{stem}_svs.json",),
    )  # fmt: skip
    settings = MrsSettings(edit_on_ppm=1.9)
    preprocess(scan, tmp_path, anat=None, settings=settings)
    measure(scan, tmp_path, anat=None, settings=settings)
    record = json.loads((tmp_path / scan.derivative("qc", ".json")).read_text())["fit"]
    assert record["Sequence"]["FirstEchoFrom"] == "spectrum"
    assert 0.007 < record["Sequence"]["FirstEchoS"] < 0.018
    assert record["ResidualOverNoise"] < 2.2
    table = read_markers(tmp_path / scan.derivative("markers", ".tsv"))
    values = dict(zip(table["marker"], table["value"].astype(float), strict=True))
    assert 0.6 < values["ins_tcr"] < 1.0
    assert 0.8 < values["glu_tcr"] < 1.3
