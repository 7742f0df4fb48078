"""Diameters and volumes of bodies that are known, and masks that are refused or flagged."""

from __future__ import annotations

import math

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from commissure.errors import DatasetError
from commissure.lesion.diameters import axial_axis, largest_diameter, plane_diameters
from commissure.lesion.masks import check_ct_units, checked_labels
from commissure.lesion.measures import doubling_time, growth_rate, measured_mask
from commissure.phantom.lesions.ellipsoids import Ellipsoid, axial_diameters, painted


def sampled_section(form, centre, affine, axis, shape):
    """Axes of the largest section of an ellipsoid among the slices of a grid."""
    normal = np.linalg.inv(affine[:3, :3])[axis]
    normal = normal / np.linalg.norm(normal)
    plane = np.linalg.svd(normal[None])[2][1:]
    shadow = plane @ form @ plane.T
    mixed = plane @ form @ normal
    left = normal @ form @ normal - mixed @ np.linalg.solve(shadow, mixed)
    places = np.zeros((shape[axis], 3))
    places[:, axis] = np.arange(shape[axis])
    away = (nib.affines.apply_affine(affine, places) - centre) @ normal
    scale = np.sqrt(max(0.0, 1 - float(np.min(left * away**2))))
    return 2 * scale / np.sqrt(np.linalg.eigvalsh(shadow))


@pytest.mark.parametrize(
    "voxel_mm",
    [(1, 1, 1), (0.7, 0.7, 5), (0.9, 0.9, 3), (2, 2, 2), (4, 1, 1)],
    ids=lambda size: "x".join(map(str, size)),
)
def test_ellipsoids_at_twenty_orientations_within_one_voxel(voxel_mm):
    rng = np.random.default_rng(1)
    for seed in range(20):
        semi = np.array([9.0, 12.0, 18.0]) * rng.uniform(0.6, 1.2)
        rotation = Rotation.random(random_state=seed).as_matrix()
        affine = np.eye(4)
        tilt = Rotation.from_euler("xyz", rng.uniform(-20, 20, 3), degrees=True).as_matrix()
        affine[:3, :3] = tilt @ np.diag(voxel_mm)
        shape = tuple(int(np.ceil(52 / size)) for size in voxel_mm)
        centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2 + rng.uniform(-0.5, 0.5, 3))
        body = Ellipsoid(centre, semi, rotation)
        mask = np.zeros(shape, bool)
        box, inside = painted(body, shape, affine)
        mask[box] = inside
        axis = axial_axis(affine)
        longest, short = sorted(
            sampled_section(body.form, centre, affine, axis, shape), reverse=True
        )
        in_plane = max(np.delete(voxel_mm, axis))
        plane = plane_diameters(mask, affine)
        assert abs(plane.longest_mm - longest) < in_plane
        assert abs(plane.short_mm - short) < in_plane
        assert abs(largest_diameter(mask, affine) - 2 * semi.max()) < max(voxel_mm)
        volume = mask.sum() * np.prod(voxel_mm) / 1000
        assert volume == pytest.approx(body.volume_ml, rel=0.08)
        ends = plane.ends_mm
        assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(plane.longest_mm)


def test_the_truth_of_the_phantom_is_that_of_an_ellipse():
    body = Ellipsoid(np.zeros(3), np.array([5.0, 8.0, 30.0]), np.eye(3))
    assert axial_diameters([body]) == pytest.approx((16, 10), rel=1e-3)
    turned = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    assert axial_diameters([Ellipsoid(np.zeros(3), body.semi_axes, turned)]) == pytest.approx(
        (16, 10), rel=1e-2
    )
    # Two that touch are measured as a whole, two that do not by themselves.
    beside = [Ellipsoid(np.array([x, 0, 0]), np.full(3, 5.0), np.eye(3)) for x in (0.0, 9.0)]
    assert axial_diameters(beside)[0] == pytest.approx(19, rel=1e-3)
    apart = [Ellipsoid(np.array([x, 0, 0]), np.full(3, 5.0), np.eye(3)) for x in (0.0, 12.0)]
    assert axial_diameters(apart)[0] == pytest.approx(10, rel=1e-3)
    assert axial_diameters(apart, gap_mm=2.1)[0] == pytest.approx(22, rel=1e-3)


def test_small_thin_and_bent_bodies_keep_their_size():
    def measured(mask):
        return plane_diameters(mask, np.eye(4))

    one = np.zeros((9, 9, 3), bool)
    one[4, 4, 1] = True
    assert measured(one).longest_mm == pytest.approx(1)
    line = np.zeros((40, 20, 3), bool)
    line[5:35, 10, 1] = True
    assert measured(line).longest_mm == pytest.approx(30, abs=1)
    assert measured(line).short_mm == pytest.approx(1, abs=0.3)
    x, y = np.indices((80, 80))
    radius = np.hypot(x - 40, y - 40)
    bent = ((radius < 30) & (radius > 22) & (y > 40))[..., None]
    assert measured(bent).longest_mm == pytest.approx(60, abs=1)
    # Two parts of one slice are not measured across what lies between them.
    horseshoe = np.zeros((40, 40, 3), bool)
    horseshoe[5:10, 5:20, 0] = horseshoe[30:35, 5:20, 0] = True
    horseshoe[5:35, 18:20, 1] = True
    assert measured(horseshoe).longest_mm < 31


def test_sagittal_and_sheared_grids_are_measured_as_they_lie():
    block = np.zeros((20, 30, 40), bool)
    block[5:15, 5:25, 5:35] = True
    # Slices along x; the plane of measurement is the axial one all the same.
    assert axial_axis(np.diag([5.0, 1, 1, 1])) == 2
    turned = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    assert axial_axis(turned) == 1
    assert plane_diameters(block, turned).longest_mm == pytest.approx(np.hypot(10, 30), abs=1.2)
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    corners = np.array([[10, 0], [-10, 20]])[1] @ np.array([[1, 0], [0.5, 1]])
    assert plane_diameters(block, sheared).longest_mm >= np.linalg.norm(corners) - 1.2


def mask_of(data, size=(1, 1, 1)):
    data = np.asarray(data)
    kind = data.dtype if data.dtype.kind == "f" else np.int16
    return nib.Nifti1Image(data.astype(kind), np.diag([*size, 1.0]))


def blocks(*corners, edge=10, shape=(40, 40, 40)):
    data = np.zeros(shape, np.uint8)
    for number, corner in enumerate(corners, start=1):
        data[tuple(slice(c, c + edge) for c in corner)] = number
    return data


def test_one_label_is_divided_and_several_are_kept():
    parts = measured_mask(mask_of(blocks((2, 2, 2), (25, 25, 25)) > 0), who="sub-01")
    assert [one.label for one in parts.lesions] == [1, 2]
    kept = measured_mask(mask_of(blocks((2, 2, 2), (12, 2, 2))), who="sub-01")
    assert [one.volume_ml for one in kept.lesions] == [1.0, 1.0]
    assert kept.lesions[1].centroid_mm == pytest.approx((16.5, 6.5, 6.5))
    assert kept.flags == ()


def test_doubtful_masks_are_flagged():
    gap = blocks((2, 2, 2), (25, 25, 25))
    gap[gap == 2] = 4
    gap[25:28, 2:5, 2:5] = 1
    assert checked_labels(mask_of(gap), who="x")[1] == [
        "the labels 2, 3 are missing between others", "label 1 lies in 2 separate parts",
    ]  # fmt: skip
    hollow = blocks((2, 2, 2))
    hollow[5:7, 5:7, 5:7] = 0
    assert "a hole inside" in checked_labels(mask_of(hollow), who="x")[1][0]
    empty = measured_mask(mask_of(np.zeros((9, 9, 9), np.uint8)), who="x")
    assert empty.lesions == () and "empty" in empty.flags[0]
    (cut,) = measured_mask(mask_of(blocks((0, 5, 5))), who="x").lesions
    assert cut.cut and cut.flags == ("the edge of the image cuts it",)
    (thick,) = measured_mask(mask_of(blocks((5, 5, 1), edge=3, shape=(20, 20, 9)), (3, 3, 8)),
                             who="x").lesions  # fmt: skip
    assert "slices 8.0 mm apart are too thick" in thick.flags[0]
    (small,) = measured_mask(mask_of(blocks((5, 5, 5), edge=3)), who="x").lesions
    assert "too small" in small.flags[0]
    steep = np.eye(4)
    steep[:3, :3] = Rotation.from_euler("x", 40, degrees=True).as_matrix()
    tilted = measured_mask(nib.Nifti1Image(blocks((5, 5, 5)), steep), who="x")
    assert "tilted by 40 degrees" in tilted.flags[0]


def test_masks_that_are_none_are_refused():
    image = mask_of(np.zeros((40, 40, 40), np.float32), (1, 1, 2))
    with pytest.raises(DatasetError, match="at another place"):
        measured_mask(mask_of(blocks((2, 2, 2))), who="sub-01 ses-2", reference=image)
    for data, words in (
        (np.full((9, 9, 9), 0.4, np.float32), "not whole"),
        (np.full((9, 9, 9), -1, np.int16), "values from -1"),
        (np.arange(11**3).reshape(11, 11, 11), "values from 0 to 1330"),
        (np.full((9, 9, 9), np.nan, np.float32), "no numbers"),
        (np.zeros((9, 9), np.uint8), "2 dimensions"),
    ):
        with pytest.raises(DatasetError, match=words):
            measured_mask(mask_of(data), who="sub-01 ses-2")


@pytest.mark.real
def test_three_images_of_a_sarcoma_agree_within_their_voxels(shared_data):
    folder = shared_data / "oncology/sts-ibsi-validation"
    for who, voxel in (("STS_008", 4.7), ("STS_019", 4.7)):
        lesions = {}
        for kind in ("CT", "MR_T1", "PET"):
            mask = nib.load(folder / who / f"{kind}_mask.nii.gz")
            image = nib.load(folder / who / f"{kind}_image.nii.gz")
            (lesions[kind],) = measured_mask(mask, who=who, reference=image).lesions
        for name in ("longest_mm", "short_mm"):
            values = {kind: getattr(one, name) for kind, one in lesions.items()}
            assert abs(values["CT"] - values["MR_T1"]) < 1.2
            assert abs(values["CT"] - values["PET"]) < voxel
        assert lesions["PET"].volume_ml == pytest.approx(lesions["CT"].volume_ml, rel=0.03)


@pytest.mark.real
def test_real_ct_is_in_hounsfield_units_and_its_raw_numbers_are_not(shared_data):
    for name in ("sts-ibsi-validation/STS_008/CT_image", "sts-ibsi-validation/STS_019/CT_image",
                 "ibsi1/ct_radiomics_phantom/image/phantom"):  # fmt: skip
        data = np.asarray(nib.load(shared_data / f"oncology/{name}.nii.gz").dataobj, float)
        check_ct_units(data, who="x")
        # A field of view within the body.
        check_ct_units(data[(data > -300) & (data < 1500)], who="x")
        for wrong in (data + 1024, (data + 1000) / 3000, np.clip((data + 160) / 400, 0, 1) * 255,
                      data * 10):  # fmt: skip
            with pytest.raises(DatasetError, match="Hounsfield"):
                check_ct_units(wrong, who="x")
    with pytest.raises(DatasetError, match="Subtract 1024"):
        check_ct_units(data + 1024, who="x")


def test_growth():
    assert doubling_time(1, 2, 30) == pytest.approx(30)
    assert doubling_time(1, 8, 90) == pytest.approx(30)
    assert doubling_time(2, 1, 30) == pytest.approx(-30)
    assert doubling_time(2, 2, 30) == math.inf
    assert growth_rate(1, math.e, 10) == pytest.approx(10)
    for nothing in ((0, 1, 30), (1, 0, 30), (1, 2, 0), (math.nan, 1, 30)):
        assert math.isnan(growth_rate(*nothing)) and math.isnan(doubling_time(*nothing))
