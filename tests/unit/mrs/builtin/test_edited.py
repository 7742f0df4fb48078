"""Glutathione-edited MEGA-PRESS with known concentrations."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_mrs.create_nmrs import gen_nifti_mrs

from commissure.checks import Check
from commissure.errors import ConfigError, DatasetError
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.measure import measure
from commissure.mrs.quality import is_flagged
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan
from commissure.rows import read_markers

from ..conftest import DWELL_S, FREQUENCY_MHZ, POINTS, TRUTH, T, line_broadened, noise

TE_S = 0.12
ON = PulseSequence("mega-press", TE_S, edit_ppm=4.56)
OFF = PulseSequence("mega-press", TE_S, edit_ppm=7.5)


@pytest.fixture
def write_mega(tmp_path: Path) -> Callable[..., Scan]:
    """Shots of both conditions, drifting; labels in the order of the file."""

    def write(
        *, labels: tuple[str, ...] | None = ("OFF", "ON"), shots: int = 16, snr: float = 20.0,
        gsh: float = TRUTH["GSH"], on: PulseSequence = ON,
    ) -> Scan:  # fmt: skip
        truth, off = TRUTH | {"GSH": gsh}, PulseSequence("mega-press", on.te_s, edit_ppm=7.5)
        generator = np.random.default_rng(3)
        naa = np.abs(np.fft.fft(line_broadened(off, {"NAA": truth["NAA"]}))).max()
        parts = []
        for seed, label in enumerate(labels or ("OFF", "ON")):
            clean = line_broadened(on if label == "ON" else off, truth)
            shift = np.linspace(0, 2, shots) + generator.normal(0, 0.3, shots) + 0.5 * seed
            phase = np.radians(generator.normal(0, 8, shots) + 6 * seed)
            turn = np.exp(2j * np.pi * shift[:, None] * T + 1j * phase[:, None])
            sd = naa / snr / np.sqrt(POINTS)
            parts.append(clean * turn + noise((shots, POINTS), sd, 50 + seed))
        data = np.array(parts).transpose(2, 1, 0)[None, None, None]
        image = gen_nifti_mrs(
            data.astype(np.complex64), DWELL_S, FREQUENCY_MHZ, nifti_version=1,
            affine=np.diag([20.0, 20.0, 20.0, 1.0]), dim_tags=["DIM_DYN", "DIM_EDIT", None],
        )  # fmt: skip
        if labels is not None:
            image.set_dim_tag("DIM_EDIT", "DIM_EDIT", header={"EditCondition": list(labels)})
        folder = tmp_path / "sub-01" / "mrs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "sub-01_voi-ACC_svs.nii.gz"
        nib.save(image.image.nibImage, path)
        fields = {
            "EchoTime": on.te_s, "RepetitionTime": 2.0, "ResonantNucleus": "1H",
            "SpectrometerFrequency": FREQUENCY_MHZ, "ProtocolName": "MEGA-PRESS GSH",
        }  # fmt: skip
        sidecar = path.with_name("sub-01_voi-ACC_svs.json")
        sidecar.write_text(json.dumps(fields))
        return Scan(path, {"sub": "01", "voi": "ACC"}, "svs", (sidecar,), {})

    return write


@pytest.mark.parametrize("labels", [("OFF", "ON"), ("ON", "OFF")])
def test_glutathione_comes_from_the_difference(
    write_mega: Callable, labels: tuple[str, ...], tmp_path: Path
) -> None:
    scan, settings = write_mega(labels=labels), MrsSettings()
    preprocess(scan, tmp_path, anat=None, settings=settings)
    measure(scan, tmp_path, anat=None, settings=settings)
    table = read_markers(tmp_path / scan.derivative("markers", ".tsv"))
    found = dict(zip(table["marker"], table["value"], strict=True))
    creatine = TRUTH["Cr"] + TRUTH["PCr"]
    assert found["gsh_tcr"] == pytest.approx(TRUTH["GSH"] / creatine, rel=0.10)
    assert found["tnaa_tcr"] == pytest.approx(11.2 / creatine, rel=0.06)
    assert (tmp_path / "figures" / "sub-01_voi-ACC_desc-difference_svs.svg").exists()
    record = json.loads((tmp_path / "sub-01_voi-ACC_fit.json").read_text())
    assert record["Edited"]["Metabolite"] == "GSH"
    assert "editing at 4.56 ppm" in record["Edited"]["Basis"]
    steps = json.loads((tmp_path / "sub-01_voi-ACC_desc-preproc_svs.json").read_text())["Steps"]
    assert {step.get("spectrum") for step in steps} == {"edited", "unedited", None}
    assert steps[-1]["step"] == "difference"


def test_no_glutathione_gives_none(write_mega: Callable, tmp_path: Path) -> None:
    scan, settings = write_mega(gsh=0.0), MrsSettings()
    preprocess(scan, tmp_path, anat=None, settings=settings)
    fit = json.loads((tmp_path / "sub-01_voi-ACC_fit.json").read_text())
    assert fit["Edited"]["Metabolite"] == "GSH"
    rows = (tmp_path / "sub-01_voi-ACC_fit.tsv").read_text().splitlines()
    amplitude = next(float(row.split("\t")[1]) for row in rows if row.startswith("GSH\t"))
    assert amplitude < 0.25


def test_sub_spectra_without_names_are_refused(write_mega: Callable, tmp_path: Path) -> None:
    for labels in (None, ("A", "B")):
        with pytest.raises(DatasetError, match="EditCondition"):
            preprocess(write_mega(labels=labels), tmp_path, anat=None, settings=MrsSettings())


def test_edited_spectra_need_the_sequence(write_mega: Callable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a difference needs both conditions"):
        preprocess(write_mega(), tmp_path, anat=None, settings=MrsSettings(sequence="press"))


def test_the_pulse_must_have_done_to_naa_what_the_settings_say(
    write_mega: Callable, tmp_path: Path
) -> None:
    scan = write_mega(on=PulseSequence("mega-press", TE_S, edit_ppm=1.9))
    with pytest.raises(DatasetError, match="as where GABA is edited"):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
    with pytest.raises(ConfigError, match=r"4\.56 ppm, which edits GSH, or 1\.9"):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings(edit_on_ppm=8.5))
    with pytest.raises(DatasetError, match="as where GSH is edited"):
        preprocess(write_mega(), tmp_path, anat=None, settings=MrsSettings(edit_on_ppm=1.9))


def test_gaba_comes_from_the_difference(write_mega: Callable, tmp_path: Path) -> None:
    scan = write_mega(on=PulseSequence("mega-press", 0.068, edit_ppm=1.9))
    preprocess(scan, tmp_path, anat=None, settings=MrsSettings(edit_on_ppm=1.9))
    record = json.loads((tmp_path / "sub-01_voi-ACC_fit.json").read_text())
    assert record["Edited"]["Metabolite"] == "GABA"
    # No macromolecules are edited along with it here.
    rows = (tmp_path / "sub-01_voi-ACC_fit.tsv").read_text().splitlines()
    amplitude = {row.split("\t")[0]: float(row.split("\t")[1]) for row in rows[1:]}
    found = amplitude["GABA"] / amplitude["tCr"]
    assert found == pytest.approx(TRUTH["GABA"] / (TRUTH["Cr"] + TRUTH["PCr"]), rel=0.25)
    measure(scan, tmp_path, anat=None, settings=MrsSettings(edit_on_ppm=1.9))
    markers = read_markers(next(tmp_path.glob("*_markers.tsv"))).set_index("marker")["value"]
    macromolecules = record["Edited"]["Amplitudes"]["MM30"]
    with_them = (amplitude["GABA"] + macromolecules) / amplitude["tCr"]
    assert markers["gaba_tcr"] == pytest.approx(with_them, rel=1e-4)
    assert with_them == pytest.approx(TRUTH["GABA"] / (TRUTH["Cr"] + TRUTH["PCr"]), rel=0.25)


def test_edited_frames_of_ge_say_that_conversion_divides_them(
    write_mega: Callable, tmp_path: Path
) -> None:
    """Conversion halves them and not their water, as Gannet does: concentrations are flagged."""
    scan = write_mega()
    sidecar = scan.sidecars[0]
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"Manufacturer": "GE"}))
    water = scan.path.with_name("sub-01_voi-ACC_mrsref.nii.gz")
    fids = 4e4 * np.exp(-20 * T)[None] + noise((1, POINTS), 2.0, 9)
    image = gen_nifti_mrs(
        fids[:, None].transpose(2, 1, 0)[None, None, None].astype(np.complex64), DWELL_S,
        FREQUENCY_MHZ, affine=np.diag([20.0, 20.0, 20.0, 1.0]), nifti_version=1,
        dim_tags=["DIM_COIL", "DIM_DYN", None],
    )  # fmt: skip
    nib.save(image.image.nibImage, water)
    fields = {key: json.loads(sidecar.read_text())[key] for key in ("EchoTime", "RepetitionTime")}
    beside = water.with_name("sub-01_voi-ACC_mrsref.json")
    beside.write_text(json.dumps({**fields, "ResonantNucleus": "1H"}))
    scan = replace(scan, associated={"mrsref": water, "mrsref_json": beside})
    preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
    measure(scan, tmp_path, anat=None, settings=MrsSettings())
    quality = json.loads((tmp_path / scan.derivative("qc", ".json")).read_text())
    (check,) = [each for each in quality["checks"] if each["name"] == "edited_scale"]
    assert check["passed"] is False and check["value"] > 0
    assert "divides edited frames of GE by two" in check["note"]
    assert is_flagged("gsh", [Check("edited_scale", 2.0, "", False)])
    assert not is_flagged("fwhm", [Check("edited_scale", 2.0, "", False)])


@pytest.mark.real
def test_real_mega_press_of_gaba(shared_data: Path, tmp_path: Path) -> None:
    """Forty transients of a Philips scanner; the water drifts by 12.5 Hz, nothing gives the TR."""
    stem = shared_data / "bids-more" / "sub-mp01" / "mrs" / "sub-mp01_acq-megapress_svs"
    scan = Scan(
        stem.with_suffix(".nii.gz"), {"sub": "mp01", "acq": "megapress"}, "svs",
        (stem.with_suffix(".json"),), {},
    )  # fmt: skip
    settings = MrsSettings(edit_on_ppm=1.9, edit_off_ppm=7.46)
    preprocess(scan, tmp_path, anat=None, settings=settings)
    measure(scan, tmp_path, anat=None, settings=settings)
    name, plain = "sub-mp01_acq-megapress_voi-ACC", "sub-mp01_acq-megapress"
    record = json.loads((tmp_path / f"{name}_fit.json").read_text())
    assert record["Edited"]["Metabolite"] == "GABA"
    steps = json.loads((tmp_path / f"{name}_desc-preproc_svs.json").read_text())["Steps"]
    drifts = [abs(step["drift_hz"]) for step in steps if step["step"] == "alignment"]
    assert all(10 < drift < 15 for drift in drifts)
    rows = (tmp_path / f"{name}_fit.tsv").read_text().splitlines()
    amplitude = {row.split("\t")[0]: float(row.split("\t")[1]) for row in rows[1:]}
    # Molecules of GABA and of what is edited along over those of creatine, as a simulated spectrum
    # with known ones has them to a seventh (benchmarks/mrs_edited.py).
    broad = record["Edited"]["Amplitudes"]["MM30"]
    with_macromolecules = amplitude["GABA"] + broad
    assert with_macromolecules / amplitude["tCr"] == pytest.approx(0.54, abs=0.06)
    # In the units of Gannet; one Gaussian on a straight line, which is its model, gives .15 to .2.
    assert record["Edited"]["HalfAreaOverCreatine"] == pytest.approx(0.17, abs=0.025)
    assert record["Edited"]["Spread"]["Range"]["GABA+"] < 0.2
    quality = json.loads((tmp_path / f"{plain}_qc.json").read_text())
    assert "concentrations" in quality["missing"]
    markers = read_markers(tmp_path / f"{plain}_markers.tsv").set_index("marker")["value"]
    checks = {check["name"]: check["passed"] for check in quality["checks"]}
    assert checks["spread_gaba"] and checks["half_area_gaba"]
    assert "gaba" not in markers
    assert markers["gaba_tcr"] == pytest.approx(with_macromolecules / amplitude["tCr"], rel=1e-4)


@pytest.mark.real
def test_real_mega_press_whose_shots_are_not_named_is_refused(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "bids-more" / "sourcedata" / "sub-mp01" / "mrs"
    stem = folder / "sub-mp01_acq-megapress_interleaved"
    scan = Scan(
        stem.with_suffix(".nii.gz"), {"sub": "mp01"}, "svs", (stem.with_suffix(".json"),), {}
    )
    with pytest.raises(DatasetError, match="40 shots .* are of two kinds, every other one"):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
