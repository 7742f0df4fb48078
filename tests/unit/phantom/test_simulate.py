"""The simulated dataset: refusals, resuming, equal bytes, the files of every modality."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nifti_mrs.nifti_mrs import NIFTI_MRS

from commissure.errors import ConfigError
from commissure.files import read_table
from commissure.images.load import load_image
from commissure.phantom import simulate as module
from commissure.phantom.layout import STUDY_FILES, TRUTH
from commissure.phantom.request import Request, chosen_request
from commissure.phantom.simulate import RECORD, simulate
from commissure.rows import read_markers

#: One control and one resistant patient at one site.
PAIR = {
    "cohort.controls": 1, "cohort.responsive": 0, "cohort.resistant": 1, "cohort.sites": 1,
    "cohort.seed": 3, "cohort.missing": 0.0,
}  # fmt: skip


def pair(changes: dict | None = None, *, preset: str = "tiny") -> Request:
    return chosen_request(preset, {**PAIR, **(changes or {})})


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def anat_only(monkeypatch):
    """Everybody has a T1w and nothing else: seconds instead of minutes."""
    drawn = module.draw_cohort
    monkeypatch.setattr(
        module,
        "draw_cohort",
        lambda request: [replace(p, modalities=frozenset({"anat"})) for p in drawn(request)],
    )


class Interrupted(Exception):
    pass


def test_an_interrupted_simulation_goes_on_to_the_same_bytes(anat_only, tmp_path):
    calls = []

    def stop_after_the_first(scans):
        assert scans == 2
        calls.append("first call")
        raise Interrupted

    out = tmp_path / "interrupted"
    with pytest.raises(Interrupted):
        simulate(out, pair(), progress=stop_after_the_first)
    assert not (out / TRUTH / "markers.tsv").exists()
    kept = out / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    before = kept.stat().st_mtime_ns
    half = kept.with_name(".1-partial.sub-01_T1w.nii.gz")
    half.write_bytes(b"half")
    simulate(out, pair(), progress=lambda scans: calls.append("second call"))
    assert calls == ["first call", *["second call"] * 2]
    assert before == kept.stat().st_mtime_ns
    assert not half.exists()

    whole = tmp_path / "whole"
    simulate(whole, pair())
    assert digests(whole) == digests(out)
    assert {str(path) for path in (RECORD, *STUDY_FILES)} < set(digests(out))

    times = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    simulate(whole, pair())
    assert times == {path: path.stat().st_mtime_ns for path in times}

    with pytest.raises(ConfigError, match=r"seed 3 there and 4 here"):
        simulate(whole, pair({"cohort.seed": 4}))
    with pytest.raises(ConfigError, match=r"effects 1\.0 there and 0\.0 here"):
        simulate(whole, pair({"cohort.effects": 0.0}))
    with pytest.raises(ConfigError, match=r"anat\.voxel_mm 3\.5 there and 3\.0 here"):
        simulate(whole, pair(preset="demo"))


def test_true_volumes_are_written_for_those_who_have_a_t1w(anat_only, tmp_path):
    simulate(tmp_path / "bids", pair({"cohort.resistant": 0}))
    truth = read_markers(tmp_path / "bids" / TRUTH / "markers.tsv")
    assert set(truth["participant_id"]) == {"sub-01"}
    volume = truth[truth["marker"] == "volume"].set_index("region")["value"]
    assert volume["GM"] + volume["WM"] + volume["CSF"] == pytest.approx(volume["TIV"], rel=1e-8)
    targets = read_table(tmp_path / "bids" / TRUTH / "targets.tsv").set_index(["marker", "region"])
    head = targets.loc[("volume_factor", "head"), "value"]
    assert 1.8865e6 * head == pytest.approx(volume["TIV"], rel=2e-3)


def test_the_null_preset_plants_nothing(anat_only, tmp_path):
    simulate(tmp_path / "bids", pair(preset="null"))
    record = json.loads((tmp_path / "bids" / RECORD).read_text())
    assert record["cohort"]["effects"] == 0.0
    assert record["anat"]["voxel_mm"] == 3.0
    assert "without any difference between groups" in (tmp_path / "bids" / "README.md").read_text()


def test_jobs_are_at_least_one(tmp_path):
    with pytest.raises(ConfigError, match="--jobs"):
        simulate(tmp_path / "bids", pair(), jobs=0)
    assert not (tmp_path / "bids").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no simulation has left there"):
        simulate(tmp_path, pair())
    with pytest.raises(ConfigError, match="this is a file"):
        simulate(tmp_path / "thesis.txt", pair())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def refused_by_the_validator(out: Path) -> list[dict]:
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert validator, "bids-validator-deno is a dependency"
    report = subprocess.run([validator, str(out), "--json"], capture_output=True, text=True)
    issues = json.loads(report.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]


#: Every option that adds files or columns, at once.
EVERYTHING = {
    "func.volumes": 12,
    "off_resonance_hz": 40.0,
    "dwi.directions": 6,
    "dwi.more_shells": [[2000.0, 6]],
    "dwi.crossing": True,
    "dwi.eddy_mm": 2.0,
    "dwi.reversed_b0s": 2,
    "mrs.sequence": "MEGA-PRESS",
    "mrs.echo_time_s": 0.068,
    "cohort.site_people": [[1, 0, 0], [0, 0, 1]],
    "cohort.missing": 0.0,
    "cohort.travelling": 1,
    "cohort.visits": 2,
    "cohort.seed": 3,
}


@pytest.mark.slow
def test_a_dataset_with_every_option_is_valid_and_repeats_itself(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    request = chosen_request("tiny", EVERYTHING)
    simulate(one, request)
    simulate(two, request, jobs=2)
    assert digests(one) == digests(two)
    assert refused_by_the_validator(one) == []
    control, patient = (
        next(p.name for p in one.glob("sub-*") if len(list(p.glob("ses-*"))) == n) for n in (4, 2)
    )
    assert {p.name for p in (one / control).glob("ses-*")} == {
        "ses-1A",
        "ses-2B",
        "ses-3A",
        "ses-4B",
    }
    table = read_table(one / control / f"{control}_sessions.tsv").set_index("session_id")
    assert table["site"].to_dict() == {"ses-1A": "A", "ses-2B": "B", "ses-3A": "A", "ses-4B": "B"}
    # The same head at both sites and, a year on, hardly another one.
    truth = read_markers(one / TRUTH / "markers.tsv")
    tiv = truth[(truth["marker"] == "tiv") & (truth["participant_id"] == control)]
    tiv = tiv.set_index("session")["value"]
    assert tiv["ses-1A"] == pytest.approx(tiv["ses-2B"], rel=1e-9)
    fmap = one / patient / "ses-1B" / "fmap"
    stem = f"{patient}_ses-1B"
    field = load_image(fmap / f"{stem}_fieldmap.nii.gz", who=patient, ndim=3)
    assert np.asanyarray(field.dataobj).max() == pytest.approx(40, rel=0.1)
    reversed_b0 = load_image(fmap / f"{stem}_dir-PA_epi.nii.gz", who=patient, ndim=4)
    assert reversed_b0.shape[3] == 2
    bvals = np.loadtxt(one / patient / "ses-1B" / "dwi" / f"{stem}_dwi.bval")
    assert sorted(set(bvals)) == [0, 1000, 2000]

    svs = NIFTI_MRS(one / patient / "ses-1B" / "mrs" / f"{stem}_voi-ACC_svs.nii.gz")
    assert svs.dim_tags == ["DIM_COIL", "DIM_DYN", "DIM_EDIT"]
    assert svs.shape[4:] == (2, 4, 2)


@pytest.mark.slow
def test_another_noise_seed_keeps_the_truth_and_changes_every_image(tmp_path):
    request = {"cohort.resistant": 0, "func.volumes": 12, "dwi.directions": 6}
    one, two = tmp_path / "one", tmp_path / "two"
    simulate(one, pair(request))
    simulate(two, pair({**request, "cohort.noise_seed": 9}))
    first, second = (read_markers(out / TRUTH / "markers.tsv") for out in (one, two))
    both = first.merge(second, on=["participant_id", "modality", "region", "marker"])
    assert len(both) == len(first) == len(second)
    # What depends on the scan: motion, place of the voxel, the grid that FA is averaged over.
    scan = both["marker"].isin(["mean_fd", "f_csf"])
    loose = both["modality"] == "dwi"
    rest = both[~scan & ~loose]
    assert rest["value_x"].to_numpy() == pytest.approx(rest["value_y"].to_numpy(), rel=1e-9)
    assert both[loose]["value_x"].to_numpy() == pytest.approx(
        both[loose]["value_y"].to_numpy(), rel=0.03
    )
    images = [name for name in digests(one) if name.endswith(".nii.gz")]
    assert len(images) == 5
    assert all(digests(one)[name] != digests(two)[name] for name in images)


@pytest.mark.slow
def test_the_whole_dataset_is_valid_bids_with_its_truth(tmp_path):
    out = tmp_path / "bids"
    simulate(out, pair())
    record = json.loads((out / RECORD).read_text())
    assert record["preset"] == "tiny"
    func, dwi_protocol, mrs = record["func"], record["dwi"], record["mrs"]
    for sub in ("sub-01", "sub-02"):
        t1w = load_image(out / sub / "anat" / f"{sub}_T1w.nii.gz", who=sub, ndim=3)
        assert t1w.header.get_zooms() == pytest.approx((3.5, 3.5, 3.5))
        bold = load_image(out / sub / "func" / f"{sub}_task-rest_bold.nii.gz", who=sub, ndim=4)
        assert bold.shape[3] == func["volumes"]
        assert bold.header.get_zooms()[3] == pytest.approx(func["repetition_time_s"])
        motion = read_table(out / TRUTH / sub / f"{sub}_task-rest_motion.tsv", text=())
        assert motion.shape == (func["volumes"], 6)
        dwi = load_image(out / sub / "dwi" / f"{sub}_dwi.nii.gz", who=sub, ndim=4)
        bvals = np.loadtxt(out / sub / "dwi" / f"{sub}_dwi.bval")
        bvecs = np.loadtxt(out / sub / "dwi" / f"{sub}_dwi.bvec")
        assert dwi.shape[3] == len(bvals) == bvecs.shape[1]
        assert sorted(set(bvals)) == [0, dwi_protocol["b_value_s_mm2"]]
        norm = np.linalg.norm(bvecs, axis=0)
        assert norm[bvals > 0] == pytest.approx(1, abs=1e-4)
    truth = read_markers(out / TRUTH / "markers.tsv")
    assert set(truth["modality"]) == {"anat", "func", "dwi", "mrs"}
    assert not truth.duplicated(["participant_id", "modality", "region", "marker"]).any()
    assert truth["value"].notna().all()

    svs = NIFTI_MRS(out / "sub-01" / "mrs" / "sub-01_voi-ACC_svs.nii.gz")
    assert svs.dim_tags[:2] == ["DIM_COIL", "DIM_DYN"]
    shape = (1, 1, 1, mrs["points"], mrs["coils"], mrs["transients"])
    assert svs.shape == shape
    # The package's spectra count upwards in ppm: NAA at 2.01 is the tallest line below 2.7.
    fid = np.asarray(svs[:])[0, 0, 0]
    power = (np.abs(np.fft.fftshift(np.fft.fft(fid, axis=0), axes=0)) ** 2).sum(axis=(1, 2))
    hz = np.fft.fftshift(np.fft.fftfreq(len(fid), svs.dwelltime))
    ppm = 4.65 + hz / record["proton_mhz"]
    window = (ppm > 1.6) & (ppm < 2.7)
    assert ppm[window][power[window].argmax()] == pytest.approx(2.01, abs=0.06)

    assert refused_by_the_validator(out) == []
