import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_mrs.create_nmrs import gen_nifti_mrs

from commissure.errors import ConfigError, DatasetError
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.basis.stored import (
    StoredBasis,
    check_basis,
    read_basis,
    stored_basis_on,
    with_measured_macromolecules,
)
from commissure.mrs.builtin.fit.spectrum import fit_spectrum
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.settings import MrsSettings

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, TE_S, TRUTH, noise, noise_sd

NAMES = ("Cr", "PCr", "NAA", "NAAG", "GPC", "PCh", "Glu", "Gln", "GSH", "Ins", "GABA", "Asp", "Tau",
         "Ala", "Asc", "Lac", "PE", "sIns")  # fmt: skip
SAMPLING = {"points": POINTS, "dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}


def fine_basis(te_s: float = TE_S, *, points: int = 4096, dwell_s: float = 1 / 4000) -> Basis:
    return simulated_basis(
        NAMES,
        PulseSequence("press", te_s),
        frequency_mhz=FREQUENCY_MHZ,
        points=points,
        dwell_s=dwell_s,
    )


def write_lcmodel(
    path: Path,
    *,
    te_ms: float = 1e3 * TE_S,
    frequency: float = FREQUENCY_MHZ,
    conc: dict[str, float] | None = None,
    cut: int = 0,
) -> Path:
    """Our basis at twice the sampling rate as LCModel keeps it: conjugated spectra, any scale."""
    basis = fine_basis(te_ms / 1000 if te_ms > 0 else TE_S)
    lines = [f" $SEQPAR\n FWHMBA = 0.01,\n HZPPPM = {frequency},\n ECHOT = {te_ms},"]
    lines += [" SEQ = 'PRESS'\n $END\n $BASIS1\n IDBASI = 'a, b', FMTBAS = '(2E15.6)',"]
    lines += [" BADELT = 0.00025,\n NDATAB = 8192\n $END"]
    for name, fid in zip(basis.names[: len(NAMES)], basis.fids, strict=False):
        label = {"PCh": "PCho"}.get(name, name)
        concentration = (conc or {}).get(name, 1.0)
        lines += [f" $NMUSED\n XTRASH = 0.\n $END\n $BASIS\n ID = '{label}', METABO = '{label}',"]
        lines += [f" CONC = {concentration}, TRAMP = 1., VOLUME = 1., ISHIFT = 0\n $END"]
        spectrum = np.fft.fft(np.concatenate([0.037 * fid.conj(), np.zeros(4096)]))
        pairs = [f"{v.real:.6e} {v.imag:.6e}" for v in spectrum]
        lines += pairs[: len(pairs) - cut]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_json_folder(folder: Path) -> Path:
    folder.mkdir()
    basis = fine_basis()
    for name, fid in zip(basis.names[: len(NAMES)], basis.fids, strict=False):
        content = {
            "basis": {
                "basis_re": list(fid.real), "basis_im": list(fid.imag), "basis_dwell": 1 / 4000,
                "basis_centre": FREQUENCY_MHZ, "basis_name": name,
            },
            "seq": {"sequenceName": "PRESS", "TE": TE_S},
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_nifti_folder(folder: Path) -> Path:
    folder.mkdir()
    basis = fine_basis()
    for name, fid in zip(basis.names[: len(NAMES)], basis.fids, strict=False):
        image = gen_nifti_mrs(fid[None, None, None], 1 / 4000, FREQUENCY_MHZ, nifti_version=1)
        image.add_hdr_field("EchoTime", TE_S)
        nib.save(image.image.nibImage, folder / f"{name}.nii.gz")
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "press.BASIS": write_lcmodel, "json": write_json_folder, "nifti": write_nifti_folder,
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITERS)
def test_a_stored_basis_is_the_one_that_was_written(kind: str, tmp_path: Path) -> None:
    stored = read_basis(WRITERS[kind](tmp_path / kind))
    assert stored.te_s == pytest.approx(TE_S)
    assert set(stored.names) == set(NAMES)
    ours = fine_basis(points=POINTS, dwell_s=DWELL_S)
    found = stored_basis_on(stored, **SAMPLING)
    for name in NAMES:
        wanted = ours.fids[ours.names.index(name)]
        fid = found.fids[found.names.index(name)]
        assert np.abs(fid - wanted).max() < 2e-3 * np.abs(wanted).max(), name
    assert found.macromolecules == ours.macromolecules


def test_amplitudes_come_out_in_our_unit(clean_fid: np.ndarray, tmp_path: Path) -> None:
    basis = stored_basis_on(read_basis(write_lcmodel(tmp_path / "a.BASIS")), **SAMPLING)
    sd = noise_sd(clean_fid, 1e4)
    fit = fit_spectrum(
        clean_fid + noise((POINTS,), sd, 1), basis, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ
    )
    for name in ("Glu", "GSH", "NAA", "Ins"):
        assert fit.total((name,))[0] == pytest.approx(TRUTH[name], rel=0.02), name


def test_another_sampling_is_interpolated(tmp_path: Path) -> None:
    stored = read_basis(write_json_folder(tmp_path / "json"))
    dwell_s = 1 / 2713.0
    ours = fine_basis(points=1500, dwell_s=dwell_s)
    found = stored_basis_on(stored, points=1500, dwell_s=dwell_s, frequency_mhz=FREQUENCY_MHZ)
    for name in ("Glu", "Ins", "NAA"):
        wanted = ours.fids[ours.names.index(name)]
        fid = found.fids[found.names.index(name)]
        assert np.abs(fid - wanted).max() < 5e-3 * np.abs(wanted).max(), name


def _stored(**change: object) -> StoredBasis:
    fields: dict = {
        "names": ("Cr", "NAA"), "fids": np.ones((2, 512), complex), "dwell_s": 1 / 2000,
        "frequency_mhz": FREQUENCY_MHZ, "te_s": TE_S, "sequence": "press", "source": "a.BASIS",
    }  # fmt: skip
    return StoredBasis(**(fields | change))


def check(stored: StoredBasis, *, allow: bool = False) -> str:
    return check_basis(
        stored, te_s=TE_S, frequency_mhz=FREQUENCY_MHZ, allow_other_echo_time=allow, who="sub-01"
    )


def test_another_field_is_refused_even_with_leave() -> None:
    for frequency in (127.7, 297.2):
        with pytest.raises(ConfigError, match="the same field strength"):
            check(_stored(frequency_mhz=frequency), allow=True)


@pytest.mark.parametrize(("te_s", "words"), [(0.035, "TE 35 ms"), (None, "names no echo time")])
def test_another_echo_time_needs_leave_and_is_flagged(te_s: float | None, words: str) -> None:
    with pytest.raises(ConfigError, match="basis_of_another_echo_time"):
        check(_stored(te_s=te_s))
    assert words in check(_stored(te_s=te_s), allow=True)
    assert check(_stored()) == ""


def test_a_basis_without_creatine_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no Cr"):
        stored_basis_on(_stored(names=("Glu", "NAA")), **SAMPLING)


def test_what_is_no_basis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_basis(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="no folder with"):
        read_basis(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conc": {"Glu": 50.0}}, "CONC, TRAMP or VOLUME differ"),
        ({"cut": 3}, "has 8189 points under the name 'Cr'"),
    ],
)
def test_a_spoilt_lcmodel_basis_is_refused(change: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=words):
        read_basis(write_lcmodel(tmp_path / "a.BASIS", **change))


def test_files_of_a_folder_must_agree(tmp_path: Path) -> None:
    folder = write_json_folder(tmp_path / "json")
    content = json.loads((folder / "Glu.json").read_text())
    content["seq"]["TE"] = 0.1
    (folder / "Glu.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="one acquisition for all files"):
        read_basis(folder)


def test_nan_in_a_basis_is_refused(tmp_path: Path) -> None:
    folder = write_json_folder(tmp_path / "json")
    content = json.loads((folder / "Glu.json").read_text())
    content["basis"]["basis_re"][3] = float("nan")
    (folder / "Glu.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="holds NaN"):
        read_basis(folder)


def test_the_setting_is_read_and_the_flag_reaches_the_record(
    write_press: Callable, tmp_path: Path
) -> None:
    path = write_lcmodel(tmp_path / "a.BASIS", te_ms=-1.0)
    scan = write_press(shots=1, coils=1).scan
    with pytest.raises(ConfigError, match="names no echo time"):
        preprocess(scan, tmp_path / "out", anat=None, settings=MrsSettings(basis=str(path)))
    settings = MrsSettings(basis=str(path), basis_of_another_echo_time=True)
    preprocess(scan, tmp_path / "out", anat=None, settings=settings)
    record = json.loads((tmp_path / "out" / "sub-01_voi-ACC_fit.json").read_text())
    assert "names no echo time" in record["BasisFlag"]
    assert record["Basis"].startswith("a.BASIS: press")


def test_measured_macromolecules_take_the_place_of_the_models():
    fine = fine_basis()
    measured = fine.fids[fine.names.index("MM20")] + 2 * fine.fids[fine.names.index("MM09")]
    stored = StoredBasis(
        (*NAMES, "Mac"), np.vstack([fine.fids[: len(NAMES)], measured]), 1 / 4000, FREQUENCY_MHZ,
        TE_S, "press", "measured.BASIS",
    )  # fmt: skip
    own = simulated_basis(NAMES, PulseSequence("press", TE_S), **SAMPLING)
    sampling = {"dwell_s": DWELL_S, "frequency_mhz": FREQUENCY_MHZ}
    basis = with_measured_macromolecules(own, stored, **sampling)
    assert basis.names == (*NAMES, "-CrCH2", "Mac") and basis.macromolecules == 1
    assert np.array_equal(basis.fids[:-1], own.fids[: len(NAMES) + 1])
    expected = own.fids[own.names.index("MM20")] + 2 * own.fids[own.names.index("MM09")]
    assert np.abs(basis.fids[-1] - expected).max() < 0.02 * np.abs(expected).max()
    assert not any(tie.name.startswith("MM") for tie in basis.ties)
    assert "macromolecules of measured.BASIS" in basis.description
    without = StoredBasis(
        NAMES, fine.fids[: len(NAMES)], 1 / 4000, FREQUENCY_MHZ, TE_S, "press", "bare"
    )
    with pytest.raises(ConfigError, match="bare has Cr.*at least one macromolecule"):
        with_measured_macromolecules(own, without, **sampling)


def test_measured_macromolecules_reach_the_fit(write_press: Callable, tmp_path: Path) -> None:
    folder = write_json_folder(tmp_path / "basis")
    broad = fine_basis()
    content = json.loads((folder / "Cr.json").read_text())
    fid = broad.fids[broad.names.index("MM20")] + 2 * broad.fids[broad.names.index("MM09")]
    content["basis"] |= {"basis_re": list(fid.real), "basis_im": list(fid.imag)}
    (folder / "MMmeas.json").write_text(json.dumps(content))
    settings = MrsSettings(measured_macromolecules=str(folder))
    preprocess(write_press(shots=1, coils=1).scan, tmp_path / "out", anat=None, settings=settings)
    rows = (tmp_path / "out" / "sub-01_voi-ACC_fit.tsv").read_text().splitlines()
    names = [row.split("\t")[0] for row in rows[1:]]
    assert "MMmeas" in names and "MM09" not in names and "Glu" in names
    record = json.loads((tmp_path / "out" / "sub-01_voi-ACC_fit.json").read_text())
    assert "macromolecules of basis" in record["Basis"]
    # That a model differs from what was measured says nothing of the spectrum.
    assert not [name for name in record["Spread"]["OverFit"] if name.startswith("macromol")]
