"""Images in a page: brain only, two millimetres, eight bits, and no word beside the grid."""

from __future__ import annotations

import base64
import gzip

import nibabel as nib
import numpy as np
import pytest

from commissure.report.subjects.viewer_images import ViewerSource, viewer_image, viewer_images


@pytest.fixture
def source(tmp_path):
    """A ramp of 1 mm from left to right, in a head of which a box is the brain."""
    affine = np.array([[1, 0, 0, -20], [0, 1, 0, -30], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    data = np.broadcast_to(np.arange(60, dtype=np.float32)[:, None, None], (60, 50, 40)).copy()
    mask = np.zeros(data.shape, np.uint8)
    mask[20:50, 10:40, 12:30] = 1
    labels = mask * np.where(np.arange(60) < 35, 17, 53)[:, None, None].astype(np.uint8)
    image = nib.Nifti1Image(data, affine)
    image.header["descrip"] = b"PLANTED NAME"
    nib.save(image, tmp_path / "t1.nii.gz")
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / "labels.nii.gz")
    return ViewerSource(
        "t1", "T1w", tmp_path / "t1.nii.gz", tmp_path / "mask.nii.gz", tmp_path / "labels.nii.gz"
    )


def unpacked(text):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def test_voxels_lie_where_they_were_with_the_value_they_had(source):
    image = unpacked(viewer_image(source).image)
    assert image.header.get_zooms() == (2, 2, 2)
    values = image.get_fdata()
    inside = np.argwhere(values > 0)
    world = nib.affines.apply_affine(image.affine, inside)
    # The ramp is x + 20 in the world; smoothed at the brain's edges.
    middle = (world[:, 0] > 2) & (world[:, 0] < 26) & (abs(world[:, 1] + 5) < 8)
    middle &= abs(world[:, 2] - 25) < 5
    assert middle.sum() > 100
    assert np.allclose(values[tuple(inside[middle].T)], world[middle, 0] + 20, atol=1.2)


def test_nothing_outside_the_brain_and_no_word_of_the_header_travels(source):
    packed = viewer_image(source)
    content = gzip.decompress(base64.b64decode(packed.image))
    assert b"PLANTED" not in content
    image = unpacked(packed.image)
    world = nib.affines.apply_affine(image.affine, np.argwhere(image.get_fdata() > 0))
    assert world[:, 0].min() >= -1 and world[:, 0].max() <= 31
    assert set(np.unique(unpacked(packed.labels).get_fdata())) == {0, 17, 53}


def test_a_scale_that_is_given_is_kept(source):
    given = ViewerSource("fa", "FA", source.image, source.mask, largest=100.0)
    assert unpacked(viewer_image(given).image).dataobj.slope == pytest.approx(100 / 255)


def test_images_are_kept_until_a_file_or_the_code_changes(source, tmp_path):
    store = tmp_path / "kept.json"
    first = viewer_images([source], store=store, code="a")
    written = store.stat().st_mtime_ns
    assert viewer_images([source], store=store, code="a") == first
    assert store.stat().st_mtime_ns == written
    viewer_images([source], store=store, code="b")
    assert store.stat().st_mtime_ns != written
    source.mask.unlink()
    assert viewer_images([source], store=store, code="b") == []
    store.write_text("{")
    assert viewer_images([], store=store) == []
