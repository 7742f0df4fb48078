import json
from collections.abc import Callable
from pathlib import Path

from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.settings import MrsPreprocessSettings

SETTINGS = MrsPreprocessSettings()


def test_sidecars_name_their_source(write_press: Callable, tmp_path: Path) -> None:
    scan = write_press(shots=12, coils=2).scan
    preprocess(scan, tmp_path, anat=None, settings=SETTINGS)
    files = MrsFiles.of(scan, tmp_path, voi=SETTINGS.voi)
    for path, source in ((files.sidecar, "svs"), (files.water_sidecar, "mrsref")):
        sidecar = json.loads(path.read_text())
        assert sidecar["Sources"] == [f"sub-01_voi-ACC_{source}.nii.gz"]
        assert (sidecar["EchoTime"], sidecar["RepetitionTime"]) == (0.03, 2.0)


def test_one_averaged_spectrum_has_no_figure_of_shots(
    write_press: Callable, tmp_path: Path
) -> None:
    scan = write_press(shots=1, coils=1, water=False).scan
    preprocess(scan, tmp_path, anat=None, settings=SETTINGS)
    files = MrsFiles.of(scan, tmp_path, voi=SETTINGS.voi)
    assert files.complete()
    assert not files.shots_figure.exists()
    assert not files.water.exists()


def test_two_runs_write_the_same_bytes(write_press: Callable, tmp_path: Path) -> None:
    scan = write_press(shots=12, coils=2).scan
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        preprocess(scan, folder, anat=None, settings=SETTINGS)
        files = MrsFiles.of(scan, folder, voi=SETTINGS.voi)
        contents.append([path.read_bytes() for path in files.present()])
    assert contents[0] == contents[1]
