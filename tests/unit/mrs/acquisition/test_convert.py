import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.mrs.acquisition.convert import convert, raw_spectra
from commissure.mrs.acquisition.nifti_mrs import read_svs

#: Stands for spec2nii: writes what it was asked for, and a P-file's reference.
PROGRAM = """#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in -f) name=$2;; -o) out=$2;; broken.dat) echo "no MRS here" >&2; exit 1;; esac
  [ "${1##*/}" = broken.dat ] && { echo "no MRS here" >&2; exit 1; }
  [ "$1" = ge ] && ge=1
  shift
done
for e in json nii.gz; do
  echo made > "$out/$name.$e"
  case "$name" in *slaser*) more="_ecc _quant";; *) more="_ref";; esac
  if [ -n "$ge" ]; then for each in $more; do echo "$each" > "$out/$name$each.$e"; done; fi
done
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "bin" / "spec2nii"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return str(path)


def put(bids: Path, *names: str, ses: str = "") -> None:
    folder = bids / "sourcedata" / "sub-01" / ses / "mrs"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("raw")


def test_names_and_commands(tmp_path: Path) -> None:
    put(tmp_path, "scan_PRESS_raw-act.SDAT", "scan_PRESS_raw-act.SPAR", "scan_PRESS_raw-ref.SDAT",
        "scan_PRESS_raw-ref.SPAR", "notes.txt")  # fmt: skip
    put(tmp_path, "sub-01_ses-1_acq-slaser_svs.dat", ses="ses-1")
    found = {str(raw.target.relative_to(tmp_path)): raw for raw in raw_spectra(tmp_path)}
    assert sorted(found) == [
        "sub-01/mrs/sub-01_mrsref.nii.gz",
        "sub-01/mrs/sub-01_svs.nii.gz",
        "sub-01/ses-1/mrs/sub-01_ses-1_acq-slaser_svs.nii.gz",
    ]
    command = found["sub-01/ses-1/mrs/sub-01_ses-1_acq-slaser_svs.nii.gz"].command(Path("out"))
    assert command[:3] == ["twix", "-e", "image"]
    assert "--anon" in command
    assert found["sub-01/mrs/sub-01_svs.nii.gz"].command(Path("out"))[0] == "philips"


def test_files_that_cannot_be_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "one.dat", "two.dat")
    with pytest.raises(DatasetError, match=r"one\.dat and two\.dat would both become"):
        raw_spectra(tmp_path)


def test_sdat_without_spar(tmp_path: Path) -> None:
    put(tmp_path, "a.SDAT")
    with pytest.raises(DatasetError, match="has no SPAR"):
        raw_spectra(tmp_path)


def test_without_the_program_there_is_a_clear_error(tmp_path: Path) -> None:
    put(tmp_path, "a.dat")
    with pytest.raises(ConfigError, match="is not installed"):
        convert(raw_spectra(tmp_path)[0], who="sub-01", program="spec2nii-that-is-not-there")


def test_conversion_writes_image_and_sidecar_once(tmp_path: Path, program: str) -> None:
    put(tmp_path, "P12345.7")
    raw = raw_spectra(tmp_path)[0]
    convert(raw, who="sub-01", program=program)
    names = sorted(path.name for path in raw.target.parent.iterdir())
    assert names == [f"sub-01_{s}.{e}" for s in ("mrsref", "svs") for e in ("json", "nii.gz")]
    raw.target.write_text("mine")
    convert(raw, who="sub-01", program=program)
    assert raw.target.read_text() == "mine"


def test_what_the_program_refuses_is_said(tmp_path: Path, program: str) -> None:
    put(tmp_path, "broken.dat")
    raw = raw_spectra(tmp_path)[0]
    with pytest.raises(DatasetError, match=r"could not convert broken\.dat \(no MRS here\)"):
        convert(raw, who="sub-01", program=program)
    assert not raw.target.parent.exists()


def test_the_command_says_what_it_refuses_and_lists_what_it_wrote(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["convert"]).exit_code == 2
    assert CliRunner().invoke(app, ["convert", str(tmp_path)]).output == ""
    put(tmp_path, "a.SDAT")
    done = CliRunner().invoke(app, ["convert", str(tmp_path)])
    assert done.exit_code == 1
    assert "commissure: sub-01: a.SDAT has no SPAR beside it" in done.output


@pytest.mark.real
def test_real_sdat_and_spar(shared_data: Path, tmp_path: Path) -> None:
    shutil.copytree(
        shared_data / "bids" / "sourcedata", tmp_path / "sourcedata",
        copy_function=shutil.copyfile,
    )  # fmt: skip
    assert CliRunner().invoke(app, ["convert", str(tmp_path)]).exit_code == 0
    for suffix in ("svs", "mrsref"):
        path = tmp_path / "sub-op01" / "mrs" / f"sub-op01_{suffix}.nii.gz"
        ours = read_svs(path, (path.with_name(f"sub-op01_{suffix}.json"),), who="x")
        stored = shared_data / "bids" / "sub-op01" / "mrs"
        theirs = read_svs(stored / f"sub-op01_acq-press_{suffix}.nii.gz", (), who="x")
        np.testing.assert_allclose(ours.fids, theirs.fids, rtol=1e-5)
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
        assert ours.te_s == 0.03


def test_the_references_of_one_p_file_become_runs(tmp_path: Path, program: str) -> None:
    put(tmp_path, "sub-01_acq-slaser_svs.7")
    convert(raw_spectra(tmp_path)[0], who="sub-01", program=program)
    folder = tmp_path / "sub-01" / "mrs"
    stem = "sub-01_acq-slaser"
    # The one for quantification comes first.
    assert (folder / f"{stem}_run-1_mrsref.nii.gz").read_text().strip() == "_quant"
    assert (folder / f"{stem}_run-2_mrsref.nii.gz").read_text().strip() == "_ecc"
    assert (folder / f"{stem}_run-2_mrsref.json").exists()
