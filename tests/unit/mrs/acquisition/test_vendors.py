"""What conversion does to conjugation, order and scale of files as each vendor stores them.

The table in docs/mrs.md says the same. Files of Siemens twix and a real SDAT are among the real
data; a P-file and a twix file are too long to be written here.
"""

from pathlib import Path

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.convert import convert, raw_spectra
from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs

POINTS, DWELL_S = 512, 1 / 2000
T = np.arange(POINTS) * DWELL_S
#: NAA as a spectrum that is read has it: below water in frequency. On disk NIfTI-MRS has the
#: conjugate.
NAA = np.exp((-2j * np.pi * 2.642 * 127.75 - 20) * T)

SPAR = """scan_id : PRESS
samples : {points}
rows : {rows}
synthesizer_frequency : 127750000
offset_frequency : 0
sample_frequency : 2000
mix_number : {mix}
nucleus : 1H
echo_time : 30
repetition_time : 2000
averages : 48
volume_selection_enable : "yes"
patient_position : "head_first"
patient_orientation : "supine"
patient_name :
patient_birth_date :
equipment_sw_verions :
ap_size : 26
lr_size : 24
cc_size : 30
ap_off_center : 35
lr_off_center : -2
cc_off_center : 30
ap_angulation : 0
lr_angulation : 0
cc_angulation : 0
spectrum_inversion_time : 0
"""

RDA = {
    "MRFrequency": 123.25, "Nucleus": "1H", "TE": 30, "TR": 2000, "TI": 0, "TM": 0, "FlipAngle": 90,
    "NumberOfAverages": 64, "DwellTime": 500, "ModelName": "x", "DeviceSerialNumber": "0",
    "SoftwareVersion[0]": "x", "InstitutionName": "x", "TransmitCoil": "x", "SequenceName": "svs_se",
    "ProtocolName": "press", "PatientPosition": "HFS", "PatientName": "x", "PatientID": "x",
    "PatientWeight": 70, "PatientBirthDate": "x", "PatientSex": "O", "SeriesDescription": "press",
    "PatientAge": "x", "SeriesTime": "x", "StudyDate": "x", "SeriesDate": "x", "StudyTime": "x",
    "VectorSize": POINTS, "CSIMatrixSize[0]": 1, "CSIMatrixSize[1]": 1, "CSIMatrixSize[2]": 1,
    "VOIPositionSag": 1, "VOIPositionCor": 2, "VOIPositionTra": 3,
    "RowVector[0]": 1, "RowVector[1]": 0, "RowVector[2]": 0,
    "ColumnVector[0]": 0, "ColumnVector[1]": 1, "ColumnVector[2]": 0,
    "PixelSpacingRow": 20, "PixelSpacingCol": 20, "SliceThickness": 20,
}  # fmt: skip


def vax(values: np.ndarray) -> bytes:
    """Numbers as a VAX stores them: sign, 8 bits of exponent, 23 of mantissa, words swapped."""
    mantissa, exponent = np.frexp(values)
    fraction = np.round((np.abs(mantissa) - 0.5) * 2**24).astype(int)
    biased = np.where(values == 0, 0, exponent + 128)
    high = ((values < 0).astype(int) << 7) | (biased >> 1)
    next_high = ((biased & 1) << 7) | (fraction >> 16)
    return (
        np.stack([next_high, high, fraction & 255, (fraction >> 8) & 255], axis=1)
        .astype(np.uint8)
        .tobytes()
    )


def parts(fids: np.ndarray) -> np.ndarray:
    """Real and imaginary part in turn."""
    return np.stack([fids.real, fids.imag], axis=-1).ravel()


def converted(folder: Path) -> dict[str, Svs]:
    """Every file of one person's sourcedata, converted and read, by its suffix."""
    spectra = {}
    for raw in raw_spectra(folder):
        convert(raw, who="sub-01")
        sidecar = raw.target.with_name(raw.target.name.replace(".nii.gz", ".json"))
        suffix = raw.target.name.partition(".")[0].rpartition("_")[2]
        spectra[suffix] = read_svs(raw.target, (sidecar,), who="sub-01")
    return spectra


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "sourcedata" / "sub-01" / "mrs"
    folder.mkdir(parents=True)
    return folder


def write_philips(folder: Path, suffix: str, fids: np.ndarray, mix: int) -> None:
    """Philips stores the conjugate of what NIfTI-MRS has on disk."""
    (folder / f"sub-01_{suffix}.SDAT").write_bytes(vax(parts(fids)))
    text = SPAR.format(points=POINTS, rows=len(fids), mix=mix)
    (folder / f"sub-01_{suffix}.SPAR").write_text(text)


@pytest.mark.parametrize("rows", [1, 4])
def test_philips_sdat_is_conjugated_and_keeps_the_scale_of_both_files(source: Path, rows: int):
    spectrum = NAA * np.arange(1, rows + 1)[:, None]
    water = 5e3 * np.exp(-20 * T)[None]
    write_philips(source, "svs", spectrum, 1)
    write_philips(source, "mrsref", water, 2)
    files = converted(source.parents[2])
    np.testing.assert_allclose(files["svs"].fids[:, 0], spectrum, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(files["mrsref"].fids[:, 0], water, rtol=1e-6, atol=1e-3)
    svs = files["svs"]
    assert (svs.te_s, svs.tr_s, svs.dwell_s) == (0.03, 2.0, DWELL_S)
    assert sorted(np.linalg.norm(svs.affine[:3, :3], axis=0).round(3)) == [24, 26, 30]
    # How many shots a row averages is in the SPAR, and does not come along.
    assert "NumberOfAverages" not in svs.metadata and "NumberOfTransients" not in svs.metadata


def write_data_and_list(folder: Path, mixes: list[np.ndarray]) -> None:
    """One scan of several coils: the spectrum is its first mix, water its second."""
    rows, values, offset = [], [], 0
    for mix, fids in enumerate(mixes):
        for shot, coils in enumerate(fids):
            for coil, fid in enumerate(coils):
                size = 8 * len(fid)
                numbers = [mix, 0, 0, 0, 0, coil, 0, 0, 0, 0, 0, shot, 1, 1, 1, 0, 0, 0]
                rows.append(f"  STD {' '.join(map(str, numbers))} {size} {offset}")
                values.append(parts(fid).astype("<f4"))
                offset += size
    count = [f".    {m}    0    0  number_of_mixes : {len(mixes):4d}" for m in (0,)]
    (folder / "sub-01_svs.list").write_text("\n".join(["# comment", *count, *rows]) + "\n")
    (folder / "sub-01_svs.data").write_bytes(np.concatenate(values).tobytes())
    text = SPAR.format(points=POINTS, rows=1, mix=1)
    (folder / "sub-01_svs.SPAR").write_text(text)


def test_philips_data_and_list_keep_coils_shots_and_scale(source: Path) -> None:
    coils = np.array([1.0, 0.5j])[:, None]
    spectrum = NAA * np.arange(1, 4)[:, None, None] * coils
    water = 5e3 * np.exp(-20 * T) * np.arange(1, 3)[:, None, None] * coils
    write_data_and_list(source, [spectrum, water])
    svs = converted(source.parents[2])["svs"]
    np.testing.assert_allclose(svs.fids, spectrum, rtol=1e-5, atol=1e-6)
    made = source.parents[2] / "sub-01" / "mrs" / "sub-01_mrsref.nii.gz"
    reference = read_svs(made, (made.with_name("sub-01_mrsref.json"),), who="sub-01")
    np.testing.assert_allclose(reference.fids, water, rtol=1e-5, atol=1e-2)
    assert (svs.te_s, svs.tr_s, svs.dwell_s) == (0.03, 2.0, DWELL_S)


def test_philips_data_without_its_list_or_spar_is_refused(source: Path) -> None:
    write_data_and_list(source, [np.ones((1, 1, POINTS))])
    (source / "sub-01_svs.SPAR").unlink()
    with pytest.raises(DatasetError, match=r"sub-01_svs\.data has no SPAR beside it"):
        raw_spectra(source.parents[2])
    (source / "sub-01_svs.list").unlink()
    with pytest.raises(DatasetError, match=r"sub-01_svs\.data has no list beside it"):
        raw_spectra(source.parents[2])


def test_siemens_rda_is_taken_as_it_is(source: Path) -> None:
    """It has NIfTI-MRS' own convention."""
    header = "".join(f"{key}: {value}\r\n" for key, value in RDA.items())
    text = f">>> Begin of header <<<\r\n{header}>>> End of header <<<\r\n"
    (source / "sub-01_svs.rda").write_bytes(text.encode() + parts(3 * NAA.conj()).tobytes())
    svs = converted(source.parents[2])["svs"]
    np.testing.assert_allclose(svs.fids[0, 0], 3 * NAA, rtol=1e-6)
    assert (svs.te_s, svs.tr_s, svs.dwell_s) == (0.03, 2.0, DWELL_S)


def test_the_page_has_a_row_for_every_file_that_is_converted(repository: Path) -> None:
    page = (repository / "docs" / "mrs.md").read_text()
    table = page.partition("### What each scanner stores")[2].partition("## Quality")[0]
    for name in ("SDAT", "twix", "rda", "P-file", "data and list"):
        assert name in table
