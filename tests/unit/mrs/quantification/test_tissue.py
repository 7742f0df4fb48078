import nibabel as nib
import numpy as np
import pytest

from commissure.errors import QualityError
from commissure.mrs.quantification.tissue import tissue_fractions, voxel_points, voxel_share


def maps(*values: np.ndarray, zoom: float = 2.0) -> list[nib.Nifti1Image]:
    affine = np.diag([zoom, zoom, zoom, 1.0])
    affine[:3, 3] = -40
    return [nib.Nifti1Image(value.astype(np.float32), affine) for value in values]


def cube(centre: tuple[float, float, float], edge: float = 20.0, turn_deg: float = 0) -> np.ndarray:
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    affine = np.eye(4)
    affine[:3, :3] = edge * np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    affine[:3, 3] = centre
    return affine


def test_half_a_voxel_in_grey_matter() -> None:
    # Grey matter where x < -1 mm (the border between two image voxels), white matter elsewhere.
    gm = np.zeros((40, 40, 40))
    gm[:20] = 1
    images = maps(gm, 1 - gm, np.zeros_like(gm))
    for turn in (0, 30):
        found, inside = tissue_fractions(cube((-1.0, 3.3, 0.0), turn_deg=turn), *images, who="x")
        assert found.gm == pytest.approx(0.5, abs=0.01)
        assert found.wm == pytest.approx(0.5, abs=0.01)
        assert inside == pytest.approx(1.0, abs=1e-6)


def test_partial_volume_of_a_fraction_of_an_image_voxel() -> None:
    gm = np.zeros((40, 40, 40))
    gm[:20] = 1
    # The voxel spans -10.4 to 9.6 mm; grey matter ends at -1.
    found, _ = tissue_fractions(cube((-0.4, 0, 0)), *maps(gm, 1 - gm, 0 * gm), who="x")
    assert found.gm == pytest.approx(9.4 / 20, abs=0.01)


def test_a_voxel_outside_the_brain_is_refused() -> None:
    gm = np.ones((40, 40, 40))
    with pytest.raises(QualityError, match=r"0 % of the spectroscopic voxel at \(200, 0, 0\)"):
        tissue_fractions(cube((200, 0, 0)), *maps(gm, 0 * gm, 0 * gm), who="sub-01")


def test_points_fill_the_voxel_evenly() -> None:
    points = voxel_points(cube((5, 6, 7), edge=10), spacing_mm=1.0)
    np.testing.assert_allclose(points.mean(axis=0), (5, 6, 7), atol=1e-9)
    assert np.ptp(points[:, 0]) == pytest.approx(9.0)


def test_share_sums_to_what_lies_inside() -> None:
    image = maps(np.ones((40, 40, 40)))[0]
    share, inside = voxel_share(cube((39.0, 0, 0)), image)
    # The image ends at 39 mm: half of the voxel sticks out.
    assert inside == pytest.approx(0.5, abs=0.01)
    assert share.sum() == pytest.approx(inside)
