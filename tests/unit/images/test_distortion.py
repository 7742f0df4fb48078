from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates

from commissure.dwi.builtin.to_t1w import b0_brain_mask
from commissure.images.distortion import shift_of_series
from commissure.images.susceptibility import opposed_shift
from commissure.names import Scan

AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = [70, -85, -60]
SHAPE = (48, 58, 42)


def head():
    index = np.indices(SHAPE)
    world = np.tensordot(AFFINE[:3, :3], index, 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    away = np.sqrt(((world / np.array([60, 74, 52]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    texture = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2)
    image = np.where(away < 1, 700 + 4000 * texture, 0)
    return gaussian_filter(np.clip(image, 0, None), 0.6), away < 1


def scan_of(folder, direction, **metadata):
    """A diffusion scan beside an image of some phase encoding."""
    image, mask = head()
    paths = {name: folder / name for name in ("dwi.nii.gz", "epi.nii.gz", "epi.json", "dwi.json")}
    for name in ("dwi.nii.gz", "epi.nii.gz"):
        nib.save(nib.Nifti1Image(image.astype(np.float32), AFFINE), paths[name])
    own = {"PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05}
    paths["dwi.json"].write_text(json.dumps(own))
    paths["epi.json"].write_text(json.dumps({"PhaseEncodingDirection": direction, **metadata}))
    associated = {"epi": paths["epi.nii.gz"], "epi_json": paths["epi.json"]}
    return Scan(paths["dwi.nii.gz"], {"sub": "01"}, "dwi", [paths["dwi.json"]], associated), (
        own, image, mask, AFFINE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "metadata", "reason"),
    [
        ("j-", {}, "not opposite"),
        ("i", {}, "not opposite"),
        (None, {}, "names no PhaseEncodingDirection"),
        ("j", {"TotalReadoutTime": 0.03}, "readout takes 0.03 s"),
    ],
)
def test_an_image_that_cannot_serve_is_left_with_its_reason(tmp_path, direction, metadata, reason):
    scan, rest = scan_of(tmp_path, direction, **metadata)
    notes: list[str] = []
    assert shift_of_series(scan, *rest, notes) == (None, "")
    assert len(notes) == 1
    assert reason in notes[0]


def test_an_image_that_serves_gives_a_shift(tmp_path):
    scan, rest = scan_of(tmp_path, "j", TotalReadoutTime=0.05)
    notes: list[str] = []
    shift, source = shift_of_series(scan, *rest, notes)
    assert np.abs(shift.mm).max() < 0.2
    assert source == "epi.nii.gz"
    assert notes == []


def test_weighted_volumes_of_an_opposed_series_do_not_serve(tmp_path):
    scan, rest = scan_of(tmp_path, "j")
    image, _ = head()
    weighted = 0.3 * np.roll(image, 3, axis=1)
    series = np.stack([image, weighted, image, weighted], axis=3).astype(np.float32)
    nib.save(nib.Nifti1Image(series, AFFINE), scan.associated["epi"])
    notes: list[str] = []
    shift, _ = shift_of_series(scan, *rest, notes)
    assert np.abs(shift.mm).max() < 0.2
    assert "2 of 4 volumes of epi.nii.gz are weighted" in notes[0]


def test_an_opposed_image_of_another_resolution_serves_and_is_named(tmp_path):
    scan, rest = scan_of(tmp_path, "j")
    image, _ = head()
    coarse = nib.Nifti1Image(
        image[::2, ::2, ::2].astype(np.float32), AFFINE @ np.diag([2, 2, 2, 1])
    )
    nib.save(coarse, scan.associated["epi"])
    notes: list[str] = []
    shift, _ = shift_of_series(scan, *rest, notes)
    assert np.sqrt((shift.mm[rest[2]] ** 2).mean()) < 0.6
    assert "was brought to the grid of the series" in notes[0]


def nearly_even_field():
    """40 Hz, but for the noise without which no image is believed to be one."""
    return 40 + np.random.default_rng(2).normal(0, 0.1, SHAPE)


def with_field_map(folder, hz, **metadata):
    """A scan with a field map in Hz and no opposed images."""
    scan, (own, image, mask, affine) = scan_of(folder, "j")
    path = folder / "fieldmap.nii.gz"
    nib.save(nib.Nifti1Image(hz.astype(np.float32), AFFINE), path)
    sidecar = folder / "fieldmap.json"
    sidecar.write_text(json.dumps({"Units": "Hz", **metadata}))
    associated = {"fieldmap": path, "fieldmap_json": sidecar}
    return Scan(scan.path, {"sub": "01"}, "dwi", scan.sidecars, associated), (
        own, image, mask, affine,
    )  # fmt: skip


@pytest.mark.parametrize(("direction", "sign"), [("j", 1), ("j-", -1)])
def test_a_field_in_hz_shifts_along_the_phase_encoding(tmp_path, direction, sign):
    scan, (own, *rest) = with_field_map(tmp_path, nearly_even_field())
    own = {**own, "PhaseEncodingDirection": direction}
    shift, source = shift_of_series(scan, own, *rest, [])
    # 40 Hz over a readout of 0.05 s from first to last of 58 lines.
    assert np.allclose(shift.voxels[rest[1]], sign * 40 * 0.05 * 58 / 57, atol=0.01)
    assert source == "fieldmap.nii.gz"


@pytest.mark.parametrize(
    ("series", "field", "reason"),
    [
        ({"TotalReadoutTime": None}, {}, "TotalReadoutTime None"),
        ({"PhaseEncodingDirection": None}, {}, "names no PhaseEncodingDirection"),
        ({}, {"Units": "arbitrary"}, "has Units 'arbitrary'"),
    ],
)
def test_a_field_map_that_cannot_serve_is_left_with_its_reason(tmp_path, series, field, reason):
    scan, (own, *rest) = with_field_map(tmp_path, nearly_even_field(), **field)
    notes: list[str] = []
    assert shift_of_series(scan, {**own, **series}, *rest, notes) == (None, "")
    assert reason in notes[0]


def bump_and_its_image():
    """A shift at the front of the head in voxels, and the head as it shows with it."""
    image, _ = head()
    world = np.tensordot(AFFINE[:3, :3], np.indices(SHAPE), 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    far = ((world - np.array([0, 40, 0]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
    shift = 3 * np.exp(-far / 2 / 25.0**2)
    # What is seen at y is the tissue whose place and shift add up to y.
    index, source = np.indices(SHAPE, float), np.indices(SHAPE, float)
    for _ in range(20):
        source[1] = index[1] - map_coordinates(shift, source, order=1, mode="nearest")
    thinned = 1 + np.gradient(map_coordinates(shift, source, order=1, mode="nearest"), axis=1)
    seen = map_coordinates(image, source, order=1, mode="nearest") / np.maximum(thinned, 0.2)
    return shift, seen


@pytest.mark.parametrize("sign", [1, -1])
def test_a_field_map_of_the_wrong_sign_is_not_believed(tmp_path, sign):
    shift, seen = bump_and_its_image()
    hz = sign * shift / (0.05 * 58 / 57) + np.random.default_rng(2).normal(0, 0.1, SHAPE)
    scan, (own, image, mask, affine) = with_field_map(tmp_path, hz)
    path = tmp_path / "magnitude.nii.gz"
    nib.save(nib.Nifti1Image(image.astype(np.float32), AFFINE), path)
    scan = Scan(
        scan.path, scan.entities, "dwi", scan.sidecars, {**scan.associated, "magnitude": path}
    )
    notes: list[str] = []
    own = {**own, "PhaseEncodingDirection": "j"}
    found, _ = shift_of_series(scan, own, seen, mask, affine, notes)
    if sign == 1:
        assert np.abs(found.voxels - shift)[binary_erosion(mask, iterations=3)].mean() < 0.3
        assert notes == []
    else:
        assert found is None
        assert "less like the undistorted magnitude image" in notes[0]


def test_field_maps_that_name_no_image_are_named(tmp_path):
    (tmp_path / "dwi").mkdir()
    (tmp_path / "fmap").mkdir()
    scan, rest = scan_of(tmp_path / "dwi", "j")
    scan = Scan(scan.path, scan.entities, "dwi", scan.sidecars)
    (tmp_path / "fmap" / "sub-01_phasediff.json").write_text("{}")
    (tmp_path / "fmap" / "sub-01_dir-PA_epi.json").write_text('{"IntendedFor": "func/a.nii.gz"}')
    notes: list[str] = []
    assert shift_of_series(scan, *rest, notes) == (None, "")
    assert len(notes) == 2
    assert "sub-01_phasediff name no image" in notes[0]
    assert "sub-01_dir-PA_epi (for func/a.nii.gz) name images that are not there" in notes[1]


@pytest.mark.real
def test_field_map_and_opposed_images_of_a_real_head_agree(shared_data):
    person = shared_data / "bids-more/sub-xa01"
    images = [nib.load(person / f"dwi/sub-xa01_dir-{sense}_dwi.nii.gz") for sense in ("AP", "PA")]
    forward, backward = (np.asanyarray(image.dataobj)[..., 0] for image in images)
    affine = images[0].affine
    mask = b0_brain_mask(forward, affine, who="sub-xa01")
    opposed, _ = opposed_shift(forward, backward, affine, mask, axis=1)
    kinds = {"phasediff": "nii.gz", "magnitude1": "nii.gz"}
    files = {
        kind.rstrip("1"): person / f"fmap/sub-xa01_{kind}.{end}" for kind, end in kinds.items()
    }
    files["phasediff_json"] = person / "fmap/sub-xa01_phasediff.json"
    metadata = json.loads((person / "dwi/sub-xa01_dir-AP_dwi.json").read_text())
    scan = Scan(person / "dwi/sub-xa01_dir-AP_dwi.nii.gz", {"sub": "xa01"}, "dwi", [], files)
    measured, source = shift_of_series(scan, metadata, forward, mask, affine, [])
    assert source == "sub-xa01_phasediff.nii.gz"
    inside = binary_erosion(mask, iterations=2)
    assert np.corrcoef(opposed.voxels[inside], measured.voxels[inside])[0, 1] > 0.88
    assert np.std((opposed.voxels - measured.voxels)[inside]) < 0.35
