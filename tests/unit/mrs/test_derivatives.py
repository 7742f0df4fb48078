from collections.abc import Callable
from pathlib import Path

import pytest

from commissure.errors import DatasetError
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.derivatives import MrsFiles, MrsMeasured, read_preprocessed
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan

SETTINGS = MrsSettings()


def written(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_names_follow_the_contract(tmp_path: Path) -> None:
    scan = Scan(tmp_path / "sub-01_ses-2_svs.nii.gz", {"sub": "01", "ses": "2"}, "svs")
    files = MrsFiles.of(scan, tmp_path, voi="ACC")
    assert files.region == "ACC"
    assert files.spectrum.name == "sub-01_ses-2_voi-ACC_desc-preproc_svs.nii.gz"
    assert files.water.name == "sub-01_ses-2_voi-ACC_desc-preproc_mrsref.nii.gz"
    assert files.fit.name == "sub-01_ses-2_voi-ACC_fit.tsv"
    assert MrsMeasured.of(scan, tmp_path, voi="ACC").tissue.name == (
        "sub-01_ses-2_voi-ACC_tissue.json"
    )


def test_the_entity_of_the_file_names_the_voxel(tmp_path: Path) -> None:
    scan = Scan(tmp_path / "sub-01_voi-PCC_svs.nii.gz", {"sub": "01", "voi": "PCC"}, "svs")
    assert MrsFiles.of(scan, tmp_path, voi="ACC").region == "PCC"


def test_what_is_written_is_what_is_declared(write_press: Callable, tmp_path: Path) -> None:
    scan, folder = write_press(shots=12, coils=2).scan, tmp_path / "out"
    preprocess(scan, folder, anat=None, settings=SETTINGS)
    files = MrsFiles.of(scan, folder, voi=SETTINGS.voi)
    assert files.complete()
    assert written(folder) == set(files.present())
    measure(scan, folder, anat=None, settings=SETTINGS)
    measured = MrsMeasured.of(scan, folder, voi=SETTINGS.voi)
    assert measured.complete()
    assert written(folder) == {*files.present(), *measured.present()}


def test_an_engine_that_writes_the_required_files_alone_is_read(
    write_press: Callable, tmp_path: Path
) -> None:
    scan = write_press(shots=12, coils=2).scan
    preprocess(scan, tmp_path, anat=None, settings=SETTINGS)
    files = MrsFiles.of(scan, tmp_path, voi=SETTINGS.voi)
    for field in MrsFiles.optional:
        for path in files.files()[field]:
            path.unlink(missing_ok=True)
    measure(scan, tmp_path, anat=None, settings=SETTINGS)
    assert MrsMeasured.of(scan, tmp_path, voi=SETTINGS.voi).complete()


def test_a_required_file_that_is_lost_is_named(write_press: Callable, tmp_path: Path) -> None:
    scan = write_press(shots=12, coils=2).scan
    preprocess(scan, tmp_path, anat=None, settings=SETTINGS)
    files = MrsFiles.of(scan, tmp_path, voi=SETTINGS.voi)
    files.fit.unlink()
    with pytest.raises(DatasetError, match=r"_fit\.tsv is not there"):
        read_preprocessed(files, who=scan.who)
