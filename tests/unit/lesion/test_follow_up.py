"""Who is who over visits, and from masks to responses."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.lesion.alignment import covered, in_baseline_space, moved_labels
from commissure.lesion.criteria.assess import assess
from commissure.lesion.criteria.rules import RANO_2010, RANO_BM, RECIST_1_1, chosen_rule
from commissure.lesion.definitions import DEFINITIONS
from commissure.lesion.follow_up import VisitRecord, follow_up
from commissure.lesion.markers import marker_rows
from commissure.lesion.matching import match_visits
from commissure.lesion.measures import measured_mask

SHAPE = (60, 60, 30)


def balls(*places, shape=SHAPE):
    """Labels of balls, each as (x, y, z, radius)."""
    labels = np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for number, (x, y, z, radius) in enumerate(places, start=1):
        away = sum((axis - c) ** 2 for axis, c in zip(grid, (x, y, z), strict=True))
        labels[away <= radius**2] = number
    return labels


def tracks_of(*visits, **more):
    return {track.lesion: track for track in match_visits(visits, np.eye(4), **more)}


def test_lesions_are_followed_new_ones_named_and_lost_ones_remembered():
    a, b, c = (15, 15, 15, 6), (45, 15, 15, 5), (15, 45, 15, 4)
    tracks = tracks_of(balls(a, b), balls(b), balls(c, a, (46, 16, 15, 7)))
    assert tracks["1"].labels == ((1,), (), (2,))
    assert tracks["1"].events == ("first", "vanished", "reappeared")
    assert tracks["2"].labels == ((2,), (1,), (3,))
    assert tracks["3"].events == ("", "", "new")


def test_a_lesion_splits_and_its_parts_stay_one_lesion():
    tracks = tracks_of(
        balls((30, 30, 15, 12)), balls((23, 30, 15, 4), (37, 30, 15, 5)),
        balls((38, 30, 15, 3), (22, 30, 15, 2)),
    )  # fmt: skip
    assert list(tracks) == ["1"]
    assert tracks["1"].labels == ((1,), (1, 2), (1, 2))
    assert tracks["1"].events == ("first", "split", "split")


def test_lesions_merge_stay_merged_and_part_again():
    apart = balls((20, 30, 15, 8), (40, 30, 15, 6))
    whole = (balls((20, 30, 15, 10), (38, 30, 15, 9)) > 0).astype(np.int32)
    tracks = tracks_of(apart, whole, whole, apart)
    assert tracks["1"].events == ("first", "followed", "followed", "followed")
    assert tracks["2"].events == ("first", "merged", "merged", "followed")
    assert tracks["2"].merged_with == ("", "1", "1", "")
    assert tracks["2"].labels == ((2,), (1,), (1,), (2,))


def test_what_registration_left_is_bridged_and_neighbours_are_not_exchanged():
    small = balls((15, 15, 15, 2), (45, 45, 15, 2))
    moved = balls((45, 49, 15, 2), (15, 19, 15, 2))
    assert tracks_of(small, moved)["1"].labels == ((1,), (2,))
    far = balls((15, 27, 15, 2))
    assert tracks_of(small, far)["1"].events == ("first", "vanished")
    # Two in a row that both move by half their distance.
    row = balls((15, 15, 15, 4), (15, 27, 15, 4))
    shifted = balls((15, 19, 15, 4), (15, 31, 15, 4))
    assert [t.labels for t in tracks_of(row, shifted).values()] == [((1,), (1,)), ((2,), (2,))]


def test_beyond_the_image_a_lesion_was_not_looked_for():
    seen = np.ones(SHAPE, bool)
    seen[:, 30:] = False
    tracks = tracks_of(balls((15, 15, 15, 6), (15, 45, 15, 6)), balls((15, 15, 15, 6)),
                       covered=[np.ones(SHAPE, bool), seen])  # fmt: skip
    assert tracks["2"].events == ("first", "not covered")


def test_grids_that_differ_are_refused():
    with pytest.raises(DatasetError, match="one grid"):
        match_visits([balls((9, 9, 9, 3)), np.zeros((9, 9, 9), int)], np.eye(4))


def read(*visits, organ_of=lambda lesion: "liver", **more):
    masks = [measured_mask(nib.Nifti1Image(v, np.eye(4)), who="sub-01") for v in visits]
    records = [VisitRecord(f"ses-{n + 1}", 56 * n) for n in range(len(visits))]
    tracks = match_visits(visits, np.eye(4), **more)
    return follow_up("sub-01", records, masks, tracks, RECIST_1_1, organ_of=organ_of)


def judged(*visits, **more):
    return [one.response for one in assess(read(*visits, **more).patient, RECIST_1_1)]


def test_masks_become_responses():
    start = balls((15, 15, 15, 10), (45, 15, 15, 8))
    assert judged(start, balls((15, 15, 15, 5), (45, 15, 15, 5))) == ["PR"]
    assert judged(start, balls((15, 15, 15, 12), (45, 15, 15, 11))) == ["PD"]
    assert judged(start, np.zeros(SHAPE, np.int32)) == ["CR"]
    assert judged(start, balls((15, 15, 15, 10), (45, 15, 15, 8), (30, 48, 15, 4))) == ["PD"]
    # A new one of 4 mm may be none.
    equivocal = read(start, balls((15, 15, 15, 10), (45, 15, 15, 8), (30, 48, 15, 2)))
    (one,) = assess(equivocal.patient, RECIST_1_1)
    assert (one.response, one.new_lesion) == ("SD", "equivocal")


def test_parts_add_up_and_a_merger_counts_in_the_target():
    split = read(balls((30, 30, 15, 12)), balls((22, 30, 15, 4), (38, 30, 15, 5)))
    lesion = split.patient.visits[1].lesions[0]
    assert lesion.longest_mm == pytest.approx(18, abs=1.5)
    assert lesion.product == pytest.approx(8**2 + 10**2, rel=0.15)
    # Of three in one organ the smallest is no target; it grows and swallows a target.
    start = balls((12, 30, 15, 9), (48, 30, 15, 7), (48, 46, 15, 5))
    grown = balls((12, 30, 15, 9), (48, 44, 15, 11))
    grown[(balls((48, 30, 15, 6)) > 0)] = 2
    (one,) = assess(read(start, grown).patient, RECIST_1_1)
    assert one.response == "PD" and one.total > 45


def test_what_lies_outside_is_not_evaluated_or_told():
    seen = np.ones(SHAPE, bool)
    seen[:, 30:] = False
    start = balls((15, 15, 15, 8), (15, 45, 15, 8))
    now = balls((15, 15, 15, 8))
    assert judged(start, now, covered=[np.ones(SHAPE, bool), seen]) == ["NE"]
    # A label of the follow-up that the space of the baseline does not hold.
    masks = [measured_mask(nib.Nifti1Image(v, np.eye(4)), who="x") for v in (now, start)]
    tracks = match_visits([now, now], np.eye(4))
    records = [VisitRecord("ses-1", 0), VisitRecord("ses-2", 56)]
    told = follow_up("sub-01", records, masks, tracks, RECIST_1_1).patient.visits[1].flags
    assert told == ("label 2 lies outside the image of the baseline and is not followed",)


def test_nodes_are_nodes_and_growth_of_the_rest_is_for_a_reader():
    node = read(balls((15, 15, 15, 9)), balls((15, 15, 15, 4)),
                organ_of=lambda lesion: "lymph node")  # fmt: skip
    assert assess(node.patient, RECIST_1_1)[0].response == "CR"
    start = balls((12, 12, 15, 9), (48, 12, 15, 8), (12, 48, 15, 5))
    grown = balls((12, 12, 15, 9), (48, 12, 15, 8), (12, 48, 15, 7))
    (one,) = assess(read(start, grown).patient, RECIST_1_1)
    assert one.response == "SD"
    assert any("a reader decides" in flag for flag in one.flags)


def test_an_empty_baseline_and_visits_without_mask_are_refused():
    empty = np.zeros(SHAPE, np.int32)
    with pytest.raises(DatasetError, match="no lesion at the baseline"):
        read(empty, balls((15, 15, 15, 9)))
    mask = measured_mask(nib.Nifti1Image(balls((15, 15, 15, 9)), np.eye(4)), who="x")
    with pytest.raises(DatasetError, match="2 visits and 1 masks"):
        follow_up("sub-01", [VisitRecord("a", 0), VisitRecord("b", 9)], [mask],
                  match_visits([mask.labels], np.eye(4)), RECIST_1_1)  # fmt: skip


def test_markers_of_a_visit():
    rows = marker_rows(
        read(balls((15, 15, 15, 10), (45, 15, 15, 8)), balls((15, 15, 15, 12))).patient
    )
    values = {(row.session, row.marker): row for row in rows}
    meant = {(o.marker, o.unit) for o in DEFINITIONS if o.modality == "lesion"}
    sums = {("target_sum", "mm"), ("target_product_sum", "mm2"), ("target_volume_sum", "ml")}
    assert {(row.marker, row.unit) for row in rows} == (meant - sums) | {("target_sum", "mm")}
    patient = read(balls((15, 15, 15, 10)), balls((15, 15, 15, 12))).patient
    for rule, marker, due in (
        (RANO_2010, ("target_product_sum", "mm2"), 24**2),
        (chosen_rule("rano-2.0", volumes=True), ("target_volume_sum", "ml"), 7.24),
        (RANO_BM, ("target_sum", "mm"), 24),
    ):
        last = [row for row in marker_rows(patient, rule) if row.session == "ses-2"]
        assert {(row.marker, row.unit) for row in last} & sums == {marker}
        (found,) = (row.value for row in last if (row.marker, row.unit) == marker)
        assert found == pytest.approx(due, rel=0.06)
    assert values["ses-1", "lesion_count"].value == 2
    assert values["ses-2", "lesion_count"].value == 1
    assert values["ses-2", "target_sum"].value == pytest.approx(24, abs=1)
    rate = 100 * np.log(12**3 / (10**3 + 8**3)) / 56
    assert values["ses-2", "lesion_growth_rate"].value == pytest.approx(rate, abs=0.05)


def test_labels_come_into_the_space_of_the_baseline():
    baseline = nib.Nifti1Image(np.zeros(SHAPE, np.float32), np.eye(4))
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    labels = np.zeros((120, 120, 60), np.int32)
    labels[60:80, 60:80, 30:40] = 1
    labels[11, 11, 11] = 2
    matrix = np.eye(4)
    matrix[0, 3] = 5
    moved = moved_labels(baseline, fine, labels, matrix)
    assert set(np.unique(moved)) == {0, 1, 2}
    assert np.argwhere(moved == 1).mean(axis=0) == pytest.approx((29.8, 34.8, 17.3), abs=0.6)
    follow = nib.Nifti1Image(labels, fine)
    assert covered(baseline, follow, matrix)[:, 0, 0].sum() == 55


@pytest.mark.real
@pytest.mark.slow
def test_a_real_follow_up_that_was_moved_is_brought_back(shared_data):
    folder = shared_data / "oncology/ms-longitudinal/patient01"
    baseline = nib.load(folder / "study1_FLAIR.nii.gz")
    later = nib.load(folder / "study2_FLAIR.nii.gz")
    lesions = nib.load(folder / "lesion_change.nii.gz")
    brain = np.asarray(nib.load(folder / "brainmask.nii.gz").dataobj) > 0
    turned = np.eye(4)
    angle = np.deg2rad(6)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned[:3, 3] = 8, -5, 4
    elsewhere = nib.Nifti1Image(np.asarray(later.dataobj), turned @ later.affine)
    labels = measured_mask(lesions, who="x").labels
    moved, matrix = in_baseline_space(
        baseline, elsewhere, labels, compared=brain
    )  # fmt: skip
    places = nib.affines.apply_affine(baseline.affine, np.argwhere(brain)[::500])
    error = nib.affines.apply_affine(matrix, places) - nib.affines.apply_affine(turned, places)
    assert np.linalg.norm(error, axis=1).mean() < 1.5
    tracks = match_visits([labels, moved], baseline.affine)
    assert all(track.labels[0] == track.labels[1] for track in tracks)


def test_a_shift_in_common_is_taken_out():
    places = [(12, 12, 15, 3), (45, 14, 15, 3), (14, 44, 12, 3), (44, 42, 18, 3)]
    moved = [(x + 9, y + 7, z, r) for x, y, z, r in places]
    tracks = tracks_of(balls(*places), balls(*moved))
    assert [track.labels for track in tracks.values()] == [((n,), (n,)) for n in (1, 2, 3, 4)]
    # Two lesions may as well have vanished, with two new ones.
    few = tracks_of(balls(*places[:2]), balls(*moved[:2]))
    assert [track.events[1] for track in few.values()] == ["vanished", "vanished", "new", "new"]
