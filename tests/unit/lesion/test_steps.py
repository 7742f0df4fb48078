"""The steps of the modality on simulated visits: what they write, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.load import save_image
from commissure.lesion.builtin.preprocess import preprocess
from commissure.lesion.derivatives import LesionFiles, LesionMeasured
from commissure.lesion.measure import criteria, measure
from commissure.lesion.settings import LesionMeasureSettings, LesionPreprocessSettings
from commissure.lesion.visits import visits_in_order
from commissure.phantom.lesions.dataset import write_follow_ups
from commissure.rows import read_markers

#: The images of simulated visits lie on each other.
STILL = LesionPreprocessSettings(registration="none")
USUAL = LesionMeasureSettings()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A liver at three visits; read, never written."""
    folder = tmp_path_factory.mktemp("lesions") / "bids"
    write_follow_ups(folder, patients=1, visits=3, lesions=3, seed=5, voxel_mm=(2.5, 2.5, 2.5))
    return folder


@pytest.fixture
def bids(simulated, tmp_path) -> Path:
    return Path(shutil.copytree(simulated, tmp_path / "bids"))


def masks(bids):
    """The masks of the only person."""
    return [entry.scan_in(bids) for entry in survey(bids, tree_of(bids))[0]]


def folder_of(bids, scan):
    folder = bids.parent / "out" / scan.participant_id / scan.session / "lesion"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def processed(bids, *, settings=STILL, but=()):
    scans = masks(bids)
    for scan in scans:
        if scan.session not in but:
            preprocess(scan, folder_of(bids, scan), settings=settings, visits=scans)
    return scans


def measured(bids, scans, number, settings=USUAL):
    scan = scans[number]
    measure(scan, folder_of(bids, scan), settings=settings, visits=scans)
    return LesionMeasured.of(scan, folder_of(bids, scan))


def test_every_visit_has_its_lesions_and_the_last_one_the_course(bids):
    scans = processed(bids)
    files = [measured(bids, scans, number) for number in range(3)]
    assert [file.response.exists() for file in files] == [False, True, True]
    assert [file.timeline.exists() for file in files] == [False, False, True]
    assert [file.best_response.exists() for file in files] == [False, False, True]
    truth = read_table(bids / "sourcedata/truth/lesions.tsv", text=("session", "lesions"))
    for scan, file in zip(scans, files, strict=True):
        rows = read_markers(file.markers).set_index("marker")
        due = truth[truth["session"] == scan.session]
        assert rows.loc["lesion_volume", "value"] == pytest.approx(due["volume_ml"].sum(), rel=0.1)
        assert set(rows["session"]) == {scan.session}
    responses = [read_table(file.response, text=("response",)) for file in files[1:]]
    due = read_table(bids / "sourcedata/truth/responses.tsv", text=("response",))
    assert [table["response"][0] for table in responses] == list(due["response"])
    lesions = read_table(files[0].lesions, text=("lesion", "role", "organ", "reason"))
    assert set(lesions["organ"]) == {"liver"} and lesions["reason"].notna().all()


def test_registration_finds_a_shift(bids):
    scans = masks(bids)
    moved = np.diag([1.0, 1, 1, 1])
    moved[:3, 3] = 6, -4, 3
    for path in (scans[1].path, scans[1].associated["image"]):
        image = nib.load(path)
        save_image(np.asanyarray(image.dataobj), moved @ image.affine, path)
    processed(bids, settings=LesionPreprocessSettings())
    record = json.loads(LesionFiles.of(scans[1], folder_of(bids, scans[1])).sidecar.read_text())
    assert record["Registration"] == "affine" and record["Baseline"] == "ses-1"
    shift = np.array(record["Matrix"]) @ (0, 0, 0, 1)
    assert shift[:3] == pytest.approx((6, -4, 3), abs=0.5)
    quality = json.loads(measured(bids, scans, 1).quality.read_text())
    (check,) = (c for c in quality["checks"] if c["name"] == "moved_mm")
    assert check["value"] == pytest.approx(np.linalg.norm((6, -4, 3)), abs=0.5)
    events = read_table(measured(bids, scans, 1).lesions, text=("event",))["event"]
    assert set(events) <= {"followed", "split", "merged", "vanished", "new"}
    assert "followed" in set(events)


def test_a_registration_that_failed_is_flagged(bids):
    scans = masks(bids)
    # An image of something else, as where files were exchanged.
    rng = np.random.default_rng(0)
    rewritten(
        scans[1].associated["image"],
        lambda data: np.where(rng.random(data.shape) < 0.5, -1000, 40).astype(np.float32),
    )
    processed(bids)
    files = measured(bids, scans, 1)
    flags = read_table(files.response, text=("flags",))["flags"][0]
    assert "registration failed" in flags and "correlate by" in flags
    assert set(read_markers(files.markers)["quality"]) == {"flag"}
    assert "mask_doubts" in json.loads(files.quality.read_text())["flags"]
    files = measured(bids, scans, 2)
    assert "correlate" not in str(read_table(files.response, text=("flags",))["flags"][0])
    record = LesionFiles.of(scans[2], folder_of(bids, scans[2])).sidecar.read_text()
    assert json.loads(record)["Correlation"] > 0.9


def test_a_visit_that_failed_is_left_out_and_the_baseline_is_needed(bids):
    scans = processed(bids, but=["ses-2"])
    notes = json.loads(measured(bids, scans, 2).quality.read_text())["notes"]
    assert "ses-2 was not preprocessed, and is left out" in notes
    with pytest.raises(DatasetError, match="ses-2.*not there"):
        measured(bids, scans, 1)
    LesionFiles.of(scans[0], folder_of(bids, scans[0])).labels.unlink()
    with pytest.raises(DatasetError, match="ses-1.*at the baseline"):
        measured(bids, scans, 2)


def rewritten(path, change):
    image = nib.load(path)
    save_image(change(np.asanyarray(image.dataobj)), image.affine, path)


@pytest.mark.parametrize(
    ("what", "change", "said"),
    [
        ("image", lambda data: data + 1024, "Hounsfield"),
        ("image", lambda data: data[:, :, 2:], "at another place than its image"),
        ("mask", lambda data: data * 0.5, "not whole"),
        ("mask", lambda data: data[..., None].repeat(2, -1), "of 4 dimensions"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(bids, what, change, said):
    scans = masks(bids)
    rewritten(scans[1].path if what == "mask" else scans[1].associated["image"], change)
    with pytest.raises(DatasetError, match=f"sub-01 ses-2.*{said}"):
        preprocess(scans[1], folder_of(bids, scans[1]), settings=STILL, visits=scans)


def test_an_empty_mask_is_no_lesion_and_refused_at_the_baseline(bids):
    scans = masks(bids)
    rewritten(scans[2].path, np.zeros_like)
    scans = processed(bids)
    quality = json.loads(measured(bids, scans, 2).quality.read_text())
    assert "mask_doubts" in quality["flags"]
    assert list(read_table(measured(bids, scans, 2).response, text=("response",))["response"]) == [
        "CR"
    ]
    rewritten(scans[0].path, np.zeros_like)
    processed(bids)
    with pytest.raises(DatasetError, match="no lesion at the baseline"):
        measured(bids, scans, 2)


def test_contrast_at_one_visit_only_is_refused(bids):
    folder = bids / "sub-01/ses-2/ct"
    for path in sorted(folder.iterdir()):
        path.rename(folder / path.name.replace("_ce-iodine", ""))
    scans = processed(bids)
    with pytest.raises(DatasetError, match="contrast was given at ses-1, ses-3 and not at ses-2"):
        measured(bids, scans, 1)


def test_days_come_from_the_table_of_visits_or_the_times(bids):
    visits = visits_in_order(masks(bids))
    assert [record.day for record in visits.records] == [0, 56, 112]
    assert visits.notes == () and visits.records[0].contrast == "iodine"
    (bids / "phenotype").mkdir()
    table = bids / "phenotype/lesion.tsv"
    head = "participant_id\tsession\tday\tsteroids_mg\tclinical\tradiotherapy_end_day\n"
    table.write_text(
        head + "sub-01\tses-1\t3\t4\tn/a\t-10\n01\t2\t40\t2\tworse\tn/a\nsub-01\tses-3\t20\t\t\t\n"
    )
    visits = visits_in_order(masks(bids))
    assert [(r.session, r.day) for r in visits.records] == [
        ("ses-1", 0), ("ses-3", 17), ("ses-2", 37),
    ]  # fmt: skip
    assert visits.records[2].clinical == "worse" and visits.records[0].steroids_mg == 4
    assert visits.radiotherapy_end_day == -13
    assert "not as their names say" in visits.notes[0]
    table.write_text(head.replace("steroids_mg", "steroid_mg"))
    with pytest.raises(DatasetError, match="an unknown column 'steroid_mg'"):
        visits_in_order(masks(bids))
    table.unlink()
    (bids / "sub-01/sub-01_sessions.tsv").unlink()
    visits = visits_in_order(masks(bids)[::-1])
    assert [(r.session, r.day) for r in visits.records] == [
        ("ses-1", None), ("ses-2", None), ("ses-3", None),
    ]  # fmt: skip
    assert "their names give the order" in visits.notes[0]


def test_images_of_two_kinds_are_refused(bids):
    folder = bids / "sub-01/ses-2"
    (folder / "ct").rename(folder / "anat")
    for path in sorted((folder / "anat").iterdir()):
        path.rename(path.with_name(path.name.replace("_ct.", "_T1w.")))
    scans = [scan for scan in masks(bids) if "image" in scan.associated]
    with pytest.raises(DatasetError, match="several kinds: .*T1w at ses-2"):
        visits_in_order(scans)


def test_every_name_of_criteria_is_known():
    for name in LesionMeasureSettings.model_fields["criteria"].annotation.__args__:
        assert criteria(name).name in name
    assert criteria("rano-2.0-volumes").quantity == "volume"
    assert criteria("rano-2.0-non-enhancing").minor_decrease == 0.25


def test_radiomics_have_their_change(bids):
    pytest.importorskip("zrad", reason="the extra lesion is not installed")
    scans = processed(bids)
    settings = LesionMeasureSettings(radiomics="ct")
    table = read_table(measured(bids, scans, 1, settings).radiomics, text=("lesion", "feature"))
    assert table["feature"].nunique() == 169 and table["change"].notna().any()
    first = read_table(measured(bids, scans, 0, settings).radiomics, text=("lesion", "feature"))
    assert first["change"].isna().all()
    rows = read_markers(measured(bids, scans, 1, settings).markers)
    rows = rows[rows["modality"] == "radiomics"].set_index("region")
    assert len(rows) == 169 and set(rows["marker"]) == {"radiomic_feature"}
    there = table[table["lesion"].isin(first["lesion"])].pivot(
        index="lesion", columns="feature", values="value"
    )
    due = np.average(there["stat_mean"].astype(float), weights=there["morph_volume"].astype(float))
    assert rows.loc["stat_mean", "value"] == pytest.approx(due)


def test_a_mask_without_sessions_is_a_baseline(tmp_path):
    folder = tmp_path / "bids/sub-01/anat"
    data = np.random.default_rng(1).uniform(50, 100, (24, 24, 24)).astype(np.float32)
    mask = np.zeros(data.shape, np.uint8)
    mask[6:18, 8:16, 8:14] = 1
    save_image(data, np.eye(4), folder / "sub-01_T1w.nii.gz")
    save_image(mask, np.eye(4), folder / "sub-01_label-lesion_mask.nii.gz")
    bids = tmp_path / "bids"
    (scan,) = (s for s in masks(bids) if s.suffix == "mask")
    preprocess(scan, folder_of(bids, scan), settings=LesionPreprocessSettings())
    measure(scan, folder_of(bids, scan), settings=LesionMeasureSettings())
    rows = read_markers(LesionMeasured.of(scan, folder_of(bids, scan)).markers)
    assert set(rows["session"]) == {""}
    assert rows.set_index("marker").loc["lesion_volume", "value"] == pytest.approx(0.576)


def test_real_images_of_three_kinds_go_through(shared_data, tmp_path):
    """Two sarcomas on CT and T1w, and two FLAIR images of one head, 203 days apart."""
    data, bids = shared_data / "oncology", tmp_path / "bids"

    def copied(source, name):
        target = bids / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / source, target)

    for person, folder in (("01", "STS_008"), ("02", "STS_019")):
        for label, kind, place in (("", "CT", "ct/{}_ct"), ("x", "MR_T1", "anat/{}_T1w")):
            who = f"sub-{person}{label}"
            files = f"sts-ibsi-validation/{folder}/{kind}"
            copied(f"{files}_image.nii.gz", f"{who}/{place.format(who)}.nii.gz")
            mask = f"{place.partition('/')[0]}/{who}_label-lesion_mask.nii.gz"
            copied(f"{files}_mask.nii.gz", f"{who}/{mask}")
    for number in (1, 2):
        name = f"sub-03/ses-{number}/anat/sub-03_ses-{number}"
        copied(f"ms-longitudinal/patient01/study{number}_FLAIR.nii.gz", f"{name}_FLAIR.nii.gz")
        change = "ms-longitudinal/patient01/lesion_change.nii.gz"
        copied(change, f"{name}_label-lesion_mask.nii.gz")
    by_person = {}
    for scan in masks(bids):
        if scan.suffix == "mask":
            by_person.setdefault(scan.participant_id, []).append(scan)
    sums = {}
    for person, scans in by_person.items():
        for step, settings in (
            (preprocess, LesionPreprocessSettings()),
            (measure, LesionMeasureSettings()),
        ):
            for scan in scans:
                step(scan, folder_of(bids, scan), settings=settings, visits=scans)
        file = LesionMeasured.of(scans[-1], folder_of(bids, scans[-1]))
        sums[person] = read_markers(file.markers).set_index("marker")["value"]["target_sum"]
        assert file.timeline.exists()
    # CT and T1w show the same tumour: they agree within a voxel.
    for person in ("sub-01", "sub-02"):
        assert sums[person] == pytest.approx(sums[f"{person}x"], abs=1.0)
    # The two FLAIR images lie in one space already: registration hardly moves them.
    quality = json.loads(file.quality.read_text())
    moved = {check["name"]: check["value"] for check in quality["checks"]}
    assert moved["moved_mm"] < 0.5 and moved["covered_share"] > 0.95
    events = read_table(file.lesions, text=("event", "state"))
    assert set(events["event"]) == {"followed"}
