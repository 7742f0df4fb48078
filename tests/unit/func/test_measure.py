"""A whole run, from raw BOLD without a T1w image to markers, with everything known."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import affine_transform

from commissure.errors import DatasetError
from commissure.func.builtin.preprocess import preprocess
from commissure.func.derivatives import FuncFiles, FuncMeasured
from commissure.func.measure import measure
from commissure.func.parcels import parcels_on_grid
from commissure.func.regressors import good_volumes
from commissure.func.settings import FuncSettings
from commissure.func.strategies import STRATEGIES
from commissure.func.strategy_edges import StrategyEdges
from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import NETWORKS, network_parcels
from commissure.images.rigid import rigid_matrix
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan
from commissure.rows import read_markers

SETTINGS = FuncSettings(resolution_mm=6)
VOLUMES = 150
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moving_run() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A template brain with network waves that drifts and jumps once; its affine, its movement."""
    rng = np.random.default_rng(8)
    grid = template("mask", resolution_mm=6)
    contrast = 500 * np.asanyarray(grid.dataobj)
    for name, height in (("GM", 300), ("CSF", 700)):
        contrast = contrast + height * np.asanyarray(template(name, resolution_mm=6).dataobj)
    parcels = parcels_on_grid(schaefer(100), grid.shape, grid.affine)
    smooth = np.apply_along_axis(
        np.convolve, 0, rng.normal(size=(VOLUMES, len(parcels.names) + 8)), np.hanning(7), "same"
    )
    waves = smooth[:, :-8].copy()
    for number, network in enumerate(NETWORKS):
        waves[:, network_parcels(parcels.labels, network)] += 1.2 * smooth[:, [-8 + number]]
    movement = np.cumsum(rng.normal(size=(VOLUMES, 6)) * ([0.02] * 3 + [0.0003] * 3), axis=0)
    movement[100:] += (0.0, 0.5, 1.0, 0.015, 0.0, 0.0)
    inverse = np.linalg.inv(grid.affine)
    centre = nib.affines.apply_affine(grid.affine, (np.array(grid.shape) - 1) / 2)
    series = np.empty((*grid.shape, VOLUMES), np.float32)
    for t in range(VOLUMES):
        volume = contrast.copy()
        inside = parcels.image > 0
        volume[inside] *= 1 + 0.01 * waves[t][parcels.image[inside] - 1]
        back = inverse @ np.linalg.inv(rigid_matrix(movement[t], centre)) @ grid.affine
        series[..., t] = affine_transform(volume, back[:3, :3], back[:3, 3], order=3)
    series += rng.normal(0, 6, series.shape).astype(np.float32)
    return np.abs(series), grid.affine, movement


@pytest.fixture(scope="module")
def finished(moving_run, tmp_path_factory, raw_run_in):
    folder = tmp_path_factory.mktemp("run")
    scan = raw_run_in(folder, moving_run[0], moving_run[1])
    preprocess(scan, folder / "func", anat=None, settings=SETTINGS)
    measure(scan, folder / "func", anat=None, settings=SETTINGS)
    return scan, folder / "func"


def test_the_files_of_the_contract_are_there(finished):
    folder = finished[1]
    s = "sub-01_ses-1_task-rest"
    expected = {
        f"{s}_space-{TEMPLATE}_desc-preproc_bold.nii.gz",
        f"{s}_space-{TEMPLATE}_desc-preproc_bold.json",
        f"{s}_space-{TEMPLATE}_desc-brain_mask.nii.gz",
        f"{s}_space-{TEMPLATE}_boldref.nii.gz",
        f"{s}_desc-confounds_timeseries.tsv",
        f"{s}_desc-confounds_timeseries.json",
        f"{s}_markers.tsv",
        f"{s}_qc.json",
        f"{s}_desc-strategies_relmat.npz",
        "figures",
    }
    assert expected == {path.name for path in folder.iterdir()}
    declared = FuncFiles.of(finished[0], folder), FuncMeasured.of(finished[0], folder)
    assert all(files.files() and not files.absent() for files in declared)
    on_disk = {path for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {path for files in declared for path in files.present()}
    figures = sorted((folder / "figures").iterdir())
    assert len(figures) == 3
    assert all(path.stat().st_size < 400_000 for path in figures)
    sidecar = json.loads((folder / f"{s}_space-{TEMPLATE}_desc-preproc_bold.json").read_text())
    assert sidecar["approximate"] is True
    assert sidecar["RepetitionTime"] == 2.0


def test_movement_is_found_in_the_confounds(finished, moving_run):
    table = pd.read_csv(
        finished[1] / "sub-01_ses-1_task-rest_desc-confounds_timeseries.tsv",
        sep="\t",
        na_values="n/a",
    )
    change = np.diff(moving_run[2], axis=0)
    expected = np.abs(change[:, :3]).sum(axis=1) + 50 * np.abs(change[:, 3:]).sum(axis=1)
    assert np.isnan(table["framewise_displacement"][0])
    assert table["framewise_displacement"][100] == pytest.approx(expected[99], abs=0.1)
    assert table["framewise_displacement"].mean() == pytest.approx(expected.mean(), abs=0.06)


def test_networks_stand_out_and_the_run_is_judged(finished):
    scan, folder = finished
    rows = read_markers(folder / scan.derivative("markers", ".tsv"))
    values = rows.set_index(["marker", "region"])["value"]
    within = np.mean([values["fc", network] for network in NETWORKS])
    between = np.mean([values["fc", region] for _, region in values.index if "-" in region])
    assert within > between + 0.25
    # The subgenual seed has six voxels of 6 mm, most of them beside this brain.
    assert len(rows) == (7 + 21 + 3 + 1 + 2 + 1) + (3 + 1) + 12 + 3 * (7 + 6) + 2
    grey = values["reho"].drop("Accumbens")
    assert grey.between(0.05, 0.9).all() and values["falff"].between(0.1, 1).all()
    assert set(rows["participant_id"]) == {"sub-01"}
    assert set(rows["session"]) == {"ses-1"}
    record = json.loads((folder / scan.derivative("qc", ".json")).read_text())
    assert record["missing"] == {}
    checks = {check["name"]: check for check in record["checks"]}
    assert checks["mask_dice_template"]["passed"]
    assert record["strategy"] == record["strategy_asked_for"] == "aCompCor"
    assert record["freedom"]["rank"] == pytest.approx(10)
    assert checks["degrees_of_freedom"]["value"] == pytest.approx(checks_in_band(record) - 10)


def test_auto_takes_twelve_movement_regressors_of_a_short_run(finished, tmp_path):
    """42 samples in the band: 24 movement regressors would leave 8."""
    scan, folder = finished
    again = tmp_path / "func"
    shutil.copytree(folder, again)
    measure(scan, again, anat=None, settings=SETTINGS.model_copy(update={"strategy": "auto"}))
    record = json.loads((again / scan.derivative("qc", ".json")).read_text())
    assert (record["strategy_asked_for"], record["strategy"]) == ("auto", "12P+aCompCor")
    assert record["freedom"]["rank"] == pytest.approx(22)


def test_the_ridge_takes_movement_out_in_part(finished, tmp_path):
    scan, folder = finished
    again = tmp_path / "func"
    shutil.copytree(folder, again)
    settings = SETTINGS.model_copy(update={"strategy": "ridge24P+aCompCor"})
    measure(scan, again, anat=None, settings=settings)
    record = json.loads((again / scan.derivative("qc", ".json")).read_text())
    assert 10 < record["freedom"]["rank"] < 34
    assert record["strategy"] == "ridge24P+aCompCor"


def as_runs(finished, tmp_path, *cuts):
    """The run cut into runs of the same task and visit: their scans, and their folder."""
    scan, folder = finished
    target = tmp_path / "func"
    target.mkdir()
    scans = []
    for number, cut in enumerate(cuts, start=1):
        entities = {**scan.entities, "run": str(number)}
        run = Scan(
            tmp_path / f"{scan.label}_run-{number}_bold.nii.gz", entities, "bold", scan.sidecars
        )
        scans.append(run)
        before, after = FuncFiles.of(scan, folder), FuncFiles.of(run, target)
        image = nib.load(before.series)
        nib.save(nib.Nifti1Image(image.dataobj[..., cut], image.affine), after.series)
        table = pd.read_csv(before.confounds, sep="\t", na_values="n/a")[cut]
        table.to_csv(after.confounds, sep="\t", index=False, na_rep="n/a")
        for name in ("sidecar", "mask", "boldref", "confounds_sidecar"):
            shutil.copy(getattr(before, name), getattr(after, name))
    return scans, target


def record_of(folder, scan):
    return json.loads((folder / scan.derivative("qc", ".json")).read_text())


def test_runs_of_a_visit_give_one_connectivity_and_what_stays_out_is_told(finished, tmp_path):
    cuts = slice(0, 70), slice(70, 150), slice(0, 20)
    scans, folder = as_runs(finished, tmp_path, *cuts)
    absent = Scan(tmp_path / "x_run-4_bold.nii.gz", {**scans[0].entities, "run": "4"}, "bold",
                  scans[0].sidecars)  # fmt: skip
    settings = SETTINGS.model_copy(update={"max_mean_fd_mm": 0.3})
    for scan in scans:
        measure(scan, folder, anat=None, settings=settings, runs=[*scans, absent])
    first, second, third = (record_of(folder, scan) for scan in scans)
    labels = [scan.label for scan in scans]
    assert first["runs"] == labels[:2]
    assert list(first["runs_left_out"]) == labels[2:]
    assert "20 retained volumes" in first["runs_left_out"][labels[2]]
    retained = sum(int(read_good(folder, scan).sum()) for scan in scans[:2])
    assert first["freedom"]["retained"] == retained
    assert first["freedom"]["rank"] == pytest.approx(20)
    assert any("run-4 is not fitted along" in note for note in first["notes"])
    for record in (second, third):
        assert f"stands with {labels[0]}" in " ".join(record["notes"])
        assert record["missing"] == {}
    rows = [read_markers(folder / scan.derivative("markers", ".tsv")) for scan in scans]
    whole = read_markers(finished[1] / finished[0].derivative("markers", ".tsv"))
    assert len(rows[0]) == len(whole) and set(rows[2]["marker"]) == {"mean_fd", "tsnr"}
    assert set(rows[1]["marker"]) == {"mean_fd", "tsnr", "alff", "falff", "reho"}
    both = rows[0].merge(whole, on=["marker", "region"])
    fc = both[both["marker"] == "fc"]
    assert np.corrcoef(fc["value_x"], fc["value_y"])[0, 1] > 0.95


def test_a_run_that_fails_its_checks_stays_out_of_the_others(finished, tmp_path):
    scans, folder = as_runs(finished, tmp_path, slice(0, 75), slice(75, 150))
    table = FuncFiles.of(scans[0], folder).confounds
    moved = pd.read_csv(table, sep="\t", na_values="n/a")
    moved["framewise_displacement"] += 2.0
    moved.to_csv(table, sep="\t", index=False, na_rep="n/a")
    for scan in scans:
        measure(scan, folder, anat=None, settings=SETTINGS, runs=scans)
    record = record_of(folder, scans[0])
    assert record["runs"] == [scans[1].label]
    assert "mean_fd_mm" in record["runs_left_out"][scans[0].label]
    rows = [read_markers(folder / scan.derivative("markers", ".tsv")) for scan in scans]
    quality = rows[0].set_index("marker")["quality"]
    assert quality["mean_fd"] == quality["tsnr"] == "flag"
    assert set(rows[1]["quality"]) == {"ok"}
    alone = SETTINGS.model_copy(update={"join_runs": False})
    for scan in scans:
        measure(scan, folder, anat=None, settings=alone, runs=scans)
    assert record_of(folder, scans[1])["runs"] == [scans[1].label]


def read_good(folder, scan):
    table = pd.read_csv(FuncFiles.of(scan, folder).confounds, sep="\t", na_values="n/a")
    return good_volumes(table, fd_threshold_mm=0.5)


def checks_in_band(record: dict) -> float:
    return np.floor(record["freedom"]["retained"] * 0.07 * 2 * 2.0 + 1e-9)


def test_the_same_run_gives_the_same_bytes(finished, tmp_path):
    scan, folder = finished
    names = [scan.derivative("markers", ".tsv"), scan.derivative("qc", ".json")]
    names.append(scan.derivative("relmat", ".npz", desc="strategies"))
    figures = [f"figures/{path.name}" for path in (folder / "figures").iterdir()]
    before = {name: (folder / name).read_bytes() for name in [*names, *figures]}
    measure(scan, folder, anat=None, settings=SETTINGS)
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_too_few_degrees_of_freedom_cost_the_connectivity_only(
    finished, raw_run_in, tmp_path, moving_run
):
    folder = finished[1]
    short = tmp_path / "func"
    short.mkdir()
    raw_scan = raw_run_in(tmp_path, moving_run[0][..., :20], moving_run[1])
    for path in folder.glob("*.*"):
        if path.name.endswith("preproc_bold.nii.gz"):
            image = nib.load(path)
            nib.save(nib.Nifti1Image(image.dataobj[..., :20], image.affine), short / path.name)
        elif path.name.endswith("timeseries.tsv"):
            pd.read_csv(path, sep="\t").head(20).to_csv(short / path.name, sep="\t", index=False)
        elif "markers" not in path.name and "qc" not in path.name:
            (short / path.name).write_bytes(path.read_bytes())
    measure(raw_scan, short, anat=None, settings=SETTINGS)
    rows = read_markers(short / raw_scan.derivative("markers", ".tsv"))
    assert sorted(rows["marker"]) == ["mean_fd", "tsnr"]
    record = json.loads((short / raw_scan.derivative("qc", ".json")).read_text())
    assert (
        "20 retained volumes of 2 s hold 5 independent samples" in record["missing"]["connectivity"]
    )
    assert len(list((short / "figures").iterdir())) == 2


def test_a_task_that_is_not_asked_for_gives_no_connectivity(finished, tmp_path):
    scan, folder = finished
    again = tmp_path / "func"
    shutil.copytree(folder, again)
    settings = SETTINGS.model_copy(update={"tasks": ("nback",)})
    measure(scan, again, anat=None, settings=settings)
    missing = json.loads((again / scan.derivative("qc", ".json")).read_text())["missing"]
    assert not FuncMeasured.of(scan, again).strategies.exists()
    cause = "task rest gives no connectivity: func.tasks names nback only"
    assert missing == {"connectivity": cause, "regional": cause}


def test_connectivity_by_every_strategy_is_kept(finished):
    scan, folder = finished
    edges = StrategyEdges.read(FuncMeasured.of(scan, folder).strategies)
    assert edges.strategies == tuple(STRATEGIES) and edges.in_use == "aCompCor"
    rows = read_markers(folder / scan.derivative("markers", ".tsv"))
    values = rows.set_index(["marker", "region"])["value"]
    labels = schaefer(100).labels["network"].to_numpy()
    first, second = np.triu_indices(100, 1)
    both = (labels[first] == "Default") & (labels[second] == "Default")
    used = edges.z[edges.strategies.index(edges.in_use)].astype(float)
    assert np.nanmean(used[both]) == pytest.approx(values["fc", "Default"], abs=1e-3)
    assert edges.mean_fd_mm == pytest.approx(values["mean_fd", "brain"])


def test_a_region_where_the_signal_drops_out_is_missing_and_said(finished, tmp_path):
    """The left temporal pole at a twentieth of its signal, with noise as before."""
    scan, folder = finished
    again = tmp_path / "func"
    shutil.copytree(folder, again)
    path = FuncFiles.of(scan, again).series
    image = nib.load(path)
    data = np.asanyarray(image.dataobj).astype(np.float32)
    parcels = parcels_on_grid(schaefer(100), data.shape[:3], image.affine)
    number = 1 + next(k for k, name in enumerate(parcels.names) if "LH_Limbic_TempPole_1" in name)
    lost = parcels.image == number
    data[lost] -= 0.95 * data[lost].mean(axis=1, keepdims=True)
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)
    measure(scan, again, anat=None, settings=SETTINGS)
    record = json.loads((again / scan.derivative("qc", ".json")).read_text())
    said = "Parcels with too little signal over noise in time: 7Networks_LH_Limbic_TempPole_1."
    assert said in record["notes"]
    edges = StrategyEdges.read(FuncMeasured.of(scan, again).strategies)
    first, second = np.triu_indices(100, 1)
    gone = (first == number - 1) | (second == number - 1)
    assert np.isnan(edges.z[:, gone]).all() and np.isfinite(edges.z[:, ~gone]).all()


def test_a_confounds_table_of_another_length_is_refused(finished, tmp_path):
    scan, folder = finished
    other = tmp_path / "func"
    other.mkdir()
    for path in folder.glob("*.*"):
        (other / path.name).write_bytes(path.read_bytes())
    table = other / scan.derivative("timeseries", ".tsv", desc="confounds")
    table.write_text("\n".join(table.read_text().splitlines()[:50]) + "\n")
    with pytest.raises(DatasetError, match="49 rows for 150 volumes"):
        measure(scan, other, anat=None, settings=SETTINGS)
