"""The distortion of a BOLD run: what is said where it is not corrected, and what is undone."""

from __future__ import annotations

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from commissure.func.builtin.distortion import Susceptibility, checked_at_border, susceptibility
from commissure.func.builtin.normalisation import resampled_series
from commissure.func.builtin.realign import Motion
from commissure.images.anat_files import AnatFiles
from commissure.images.rigid import rigid_matrix
from commissure.images.susceptibility import Shift
from commissure.images.template import template
from commissure.names import Scan
from commissure.phantom.scanner.distortion import displacement

from ..conftest import grid_affine

SHAPE, SIZE = (36, 44, 26), (4.5, 4.0, 5.0)
AFFINE = grid_affine(SHAPE, SIZE)
READOUT_S = 0.03
ENCODED = {"PhaseEncodingDirection": "j-", "TotalReadoutTime": READOUT_S}


def field_hz(peak: float) -> np.ndarray:
    """A smooth field on the grid, strongest in front."""
    x, y, z = np.tensordot(AFFINE[:3, :3], np.indices(SHAPE), 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    return (peak * np.exp(-(x**2 + (y - 40) ** 2 + (z + 15) ** 2) / (2 * 18**2))).astype(np.float32)


def displaced(image: np.ndarray, hz: np.ndarray, sense: float) -> np.ndarray:
    """The image as echo-planar imaging of that sense sees it."""
    seen = displacement((sense * READOUT_S * hz).astype(np.float32))
    places, factor = seen.origins(np.indices(SHAPE).reshape(3, -1))
    values = map_coordinates(image, places, order=3, mode="nearest") * factor
    return values.reshape(SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def head_beside_t1w(tmp_path_factory):
    """The template as a distorted image of 3 mm, its field, and its tissues beside it."""
    folder = tmp_path_factory.mktemp("anat")
    maps = {name: template(name, resolution_mm=3) for name in ("GM", "WM", "CSF")}
    affine, shape = maps["GM"].affine, maps["GM"].shape
    bright = {"GM": 1000, "WM": 800, "CSF": 1300}
    image = sum(bright[name] * np.asarray(each.dataobj, np.float32) for name, each in maps.items())
    index = np.indices(shape)
    _, y, z = np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3].reshape(3, 1, 1, 1)
    hz = (90 * np.exp(-((y - 40) ** 2 + (z + 5) ** 2) / (2 * 25**2))).astype(np.float32)
    seen = displacement(-READOUT_S * hz)
    places, factor = seen.origins(index.reshape(3, -1))
    distorted = (map_coordinates(image, places, order=3) * factor).reshape(shape)
    anat = AnatFiles.of(Scan(folder / "sub-01_T1w.nii.gz", {"sub": "01"}, "T1w"), folder)
    for path, name in ((anat.gm, "GM"), (anat.wm, "WM")):
        nib.save(nib.Nifti1Image(np.asarray(maps[name].dataobj, np.float32), affine), path)
    reference = nib.Nifti1Image(distorted.astype(np.float32), affine)
    return reference, Shift(-READOUT_S * hz, affine, 1), anat


@pytest.fixture(scope="module")
def head(moving_head):
    return moving_head.volume(SHAPE, AFFINE, np.eye(4))


def a_run(folder, head, hz, *, fmap=None, own=ENCODED, session="1", associated=()):
    """A distorted run whose fmap/ holds images of a kind with their sidecars."""
    visit = folder / "bids/sub-01" / f"ses-{session}"
    for name in ("func", "fmap"):
        (visit / name).mkdir(parents=True, exist_ok=True)
    image = displaced(head, hz, -1)
    series = np.repeat(image[..., None], 4, axis=3)
    path = visit / f"func/sub-01_ses-{session}_task-rest_bold.nii.gz"
    nib.save(nib.Nifti1Image(series, AFFINE), path)
    sidecar = path.with_name(f"{path.name.partition('.')[0]}.json")
    sidecar.write_text(json.dumps({"RepetitionTime": 2.0, **own}))
    files = {}
    for key, (data, fields) in (fmap or {}).items():
        other = visit / f"fmap/sub-01_ses-{session}_{key}.nii.gz"
        nib.save(nib.Nifti1Image(data, AFFINE), other)
        beside = other.with_name(f"{other.name.partition('.')[0]}.json")
        beside.write_text(json.dumps(fields))
        files[key] = other
        files[f"{key}_json"] = beside
    scan = Scan(
        path,
        {"sub": "01", "ses": session, "task": "rest"},
        "bold",
        [sidecar],
        {key: files[file] for key, file in dict(associated).items()},
    )
    motion = Motion(np.zeros((4, 6)), np.zeros(3))
    return scan, series, motion, nib.Nifti1Image(image, AFFINE)


FIELD = {"fieldmap": "fieldmap", "fieldmap_json": "fieldmap_json", "magnitude": "magnitude"}
OPPOSED = {"epi": "dir-PA_epi", "epi_json": "dir-PA_epi_json"}
SAME = {"epi_same": "dir-AP_epi", "epi_same_json": "dir-AP_epi_json"}


def errors_mm(found: Shift, hz: np.ndarray, head: np.ndarray) -> np.ndarray:
    inside = head > 0.25 * head.max()
    return np.abs(found.voxels + READOUT_S * hz)[inside] * SIZE[1]


@pytest.mark.parametrize("peak", [60.0, 150.0])
@pytest.mark.parametrize("known", ["field", "opposed", "pair"])
def test_the_distortion_is_known_from_every_kind_of_field_map(tmp_path, head, peak, known):
    hz = field_hz(peak)
    fmap = {
        "fieldmap": (hz, {"Units": "Hz"}),
        "magnitude": (head, {}),
        "dir-PA_epi": (displaced(head, hz, 1), {**ENCODED, "PhaseEncodingDirection": "j"}),
        "dir-AP_epi": (displaced(head, hz, -1), ENCODED),
    }
    keys = {"field": FIELD, "opposed": OPPOSED, "pair": {**OPPOSED, **SAME}}[known]
    scan, *run = a_run(tmp_path, head, hz, fmap=fmap, associated=keys)
    result = susceptibility(scan, *run)
    assert result.method == ("MAPPED" if known == "field" else "PEPOLAR")
    assert result.source in ("sub-01_ses-1_fieldmap.nii.gz", "sub-01_ses-1_dir-PA_epi.nii.gz")
    assert result.sidecar()["SusceptibilityDistortionCorrection"] == result.method
    far = errors_mm(result.shift, hz, head)
    assert np.median(far) < 0.5
    assert np.percentile(far, 95) < 1.5
    # The image is the undistorted one again.
    before, after = (
        np.abs(np.asarray(i.dataobj) - head).mean() for i in (run[2], result.undone(run[2]))
    )
    assert after < 0.4 * before


def test_a_run_whose_phase_encoding_is_unknown_is_not_corrected_and_says_so(tmp_path, head):
    fmap = {"fieldmap": (field_hz(60), {"Units": "Hz"}), "magnitude": (head, {})}
    scan, *run = a_run(tmp_path, head, field_hz(60), fmap=fmap, own={}, associated=FIELD)
    result = susceptibility(scan, *run)
    assert result.shift is None
    assert result.undone(run[2]) is run[2]
    assert "names no PhaseEncodingDirection" in result.notes[0]
    assert result.sidecar() == {
        "SusceptibilityDistortionCorrection": "none",
        "FieldMapsRefused": ["sub-01_ses-1_fieldmap.nii.gz"],
    }


def test_a_lone_spin_echo_image_does_not_serve(tmp_path, head):
    encoded = {**ENCODED, "PhaseEncodingDirection": "j", "EchoTime": 0.066}
    fmap = {"dir-PA_epi": (displaced(head, field_hz(60), 1), encoded)}
    own = {**ENCODED, "EchoTime": 0.03}
    scan, *run = a_run(tmp_path, head, field_hz(60), fmap=fmap, own=own, associated=OPPOSED)
    result = susceptibility(scan, *run)
    assert result.refused == ("sub-01_ses-1_dir-PA_epi.nii.gz",)
    assert "its echo time is 0.066 s, that of the series 0.03 s" in result.notes[0]


def test_a_field_map_that_makes_the_run_less_like_its_magnitude_is_refused(tmp_path, head):
    fmap = {"fieldmap": (-field_hz(150), {"Units": "Hz"}), "magnitude": (head, {})}
    scan, *run = a_run(tmp_path, head, field_hz(150), fmap=fmap, associated=FIELD)
    result = susceptibility(scan, *run)
    assert result.shift is None
    assert "Its sign, unit or echo times may be wrong" in result.notes[0]


@pytest.mark.parametrize(
    ("factor", "unit", "served"),
    [(1, "Hz", True), (2 * np.pi, "rad/s", True), (2 * np.pi, "Hz", False), (1, "rad/s", False)],
)
def test_a_field_that_no_head_has_is_refused(tmp_path, head, factor, unit, served):
    hz = field_hz(60)
    fmap = {"fieldmap": (factor * hz, {"Units": unit}), "magnitude": (head, {})}
    own = {**ENCODED, "MagneticFieldStrength": 3}
    scan, *run = a_run(tmp_path, head, hz, fmap=fmap, own=own, associated=FIELD)
    result = susceptibility(scan, *run)
    assert (result.shift is not None) == served
    if not served:
        assert "9 to 180 Hz are usual at 3 T" in result.notes[0]
        assert result.refused == ("sub-01_ses-1_fieldmap.nii.gz",)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "sub-01_ses-1_fieldmap name no image"),
        (
            {"IntendedFor": "bids::sub-01/ses-1/func/sub-01_ses-1_task-x_bold.nii.gz"},
            "name images that are not there (IntendedFor)",
        ),
        (
            {"IntendedFor": ["ses-1/dwi/sub-01_ses-1_dwi.nii.gz"]},
            "sub-01_ses-1_fieldmap are for other images",
        ),
        ({"B0FieldIdentifier": "other"}, "sub-01_ses-1_fieldmap are for other images"),
    ],
)
def test_a_field_map_that_is_not_used_is_never_passed_over(tmp_path, head, fields, said):
    fmap = {"fieldmap": (field_hz(60), {"Units": "Hz", **fields})}
    scan, *run = a_run(tmp_path, head, field_hz(60), fmap=fmap)
    (tmp_path / "bids/sub-01/ses-1/dwi").mkdir()
    (tmp_path / "bids/sub-01/ses-1/dwi/sub-01_ses-1_dwi.nii.gz").write_text("image")
    result = susceptibility(scan, *run)
    assert result.method == "none"
    assert said in result.notes[0]


def test_a_field_map_of_another_session_does_not_serve(tmp_path, head):
    meant = {
        "Units": "Hz",
        "IntendedFor": "bids::sub-01/ses-2/func/sub-01_ses-2_task-rest_bold.nii.gz",
    }
    a_run(tmp_path, head, field_hz(60), fmap={"fieldmap": (field_hz(60), meant)})
    scan, *run = a_run(tmp_path, head, field_hz(60), session="2")
    result = susceptibility(scan, *run)
    assert result.shift is None
    assert "sub-01_ses-1_fieldmap name the series, but are of another session" in result.notes[0]


def test_a_visit_without_field_maps_says_so(tmp_path, head):
    scan, *run = a_run(tmp_path, head, field_hz(60))
    assert susceptibility(scan, *run).notes == (
        "Susceptibility is not corrected: the visit has no field map (fmap/).",
    )
    assert "func.susceptibility is off" in susceptibility(scan, *run, wanted=False).notes[0]


def test_distortion_and_movement_are_undone_in_one_interpolation(moving_head):
    """A head that moves in a field that moves with it, seen where it is, as bright as it is."""
    hz = field_hz(100)
    centre = np.zeros(3)
    poses = np.array([[0, 0, 0, 0, 0, 0], [1.5, -1.0, 2.0, 0.03, 0.0, 0.02]])
    grid = np.tensordot(AFFINE[:3, :3], np.indices(SHAPE), 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    volumes = []
    for pose in poses:
        matrix = rigid_matrix(pose, centre)
        back = np.linalg.inv(matrix)
        at = np.tensordot(back[:3, :3], grid, 1) + back[:3, 3].reshape(3, 1, 1, 1)
        x, y, z = at
        moved_hz = 100 * np.exp(-(x**2 + (y - 40) ** 2 + (z + 15) ** 2) / (2 * 18**2))
        volumes.append(displaced(moving_head.volume(SHAPE, AFFINE, matrix), moved_hz, -1))
    series = np.stack(volumes, axis=3)
    inside = np.zeros(SHAPE, bool)
    inside[8:-8, 8:-8, 8:-8] = True
    shift = Shift(-READOUT_S * hz, AFFINE, 1)
    coordinates, motion = np.moveaxis(grid, 0, -1), Motion(poses, centre)
    true = moving_head.volume(SHAPE, AFFINE, np.eye(4))[inside]
    values, seen = resampled_series(series, AFFINE, motion, coordinates, inside, shift)
    plain, _ = resampled_series(series, AFFINE, motion, coordinates, inside)
    assert (seen == 1).all()
    for t in range(2):
        error, without = (np.abs(v[:, t] - true).max() / true.max() for v in (values, plain))
        assert error < 0.03
        assert without > 0.15


def test_the_border_tells_which_sign_is_right(head_beside_t1w):
    reference, shift, anat = head_beside_t1w
    right = Susceptibility(shift, "MAPPED", "a_fieldmap.nii.gz")
    kept = checked_at_border(right, reference, anat)
    assert kept.shift is shift
    assert kept.contrast_percent["corrected"] > kept.contrast_percent["uncorrected"] + 1
    wrong = checked_at_border(replace(right, shift=shift.times(-1)), reference, anat)
    assert wrong.shift is None
    assert wrong.refused == ("a_fieldmap.nii.gz",)
    assert "PhaseEncodingDirection or the sign of the field is wrong" in wrong.notes[0]
    assert wrong.contrast_percent["opposite"] == kept.contrast_percent["corrected"]
    double = checked_at_border(replace(right, shift=shift.times(2)), reference, anat)
    assert double.shift is None and "the field is too strong" in double.notes[0]
    weak = checked_at_border(replace(right, shift=shift.times(0.5)), reference, anat)
    assert weak.shift is None and "the field is too weak" in weak.notes[0]
    assert weak.refused == ("a_fieldmap.nii.gz",)


def test_without_a_t1w_image_or_a_field_nothing_is_checked(head_beside_t1w):
    reference, shift, anat = head_beside_t1w
    found = Susceptibility(shift, "MAPPED", "a_fieldmap.nii.gz")
    assert checked_at_border(found, reference, None) is found
    weak = replace(found, shift=shift.times(0.01))
    assert checked_at_border(weak, reference, anat) is weak
