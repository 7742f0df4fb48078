"""Structures of heads whose labels are known: painted from the template's, and changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from commissure.anat.builtin.structures import SegmentedStructures, segment_structures
from commissure.images.atlas import structures
from commissure.images.transforms import write_affine

#: Intensity by FreeSurfer's name without its side, about that of a T1w at 3 T.
BRIGHTNESS = {
    "Cerebral-White-Matter": 100.0, "Cerebral-Cortex": 62.0, "Lateral-Ventricle": 20.0,
    "Inf-Lat-Vent": 20.0, "Cerebellum-White-Matter": 100.0, "Cerebellum-Cortex": 62.0,
    "Thalamus": 82.0, "Caudate": 70.0, "Putamen": 76.0, "Pallidum": 94.0, "3rd-Ventricle": 20.0,
    "4th-Ventricle": 20.0, "Brain-Stem": 96.0, "Hippocampus": 63.0, "Amygdala": 63.0,
    "Accumbens-area": 70.0, "VentralDC": 94.0,
}  # fmt: skip

HIPPOCAMPUS_L, VENTRICLE_L, WHITE_L = 17, 4, 2


@pytest.fixture(scope="module")
def labels() -> nib.Nifti1Image:
    """The template's structures, every second voxel."""
    atlas = structures().image
    data = np.asanyarray(atlas.dataobj)[::2, ::2, ::2]
    return nib.Nifti1Image(data, atlas.affine @ np.diag([2.0, 2.0, 2.0, 1.0]))


def _painted(labels: np.ndarray) -> np.ndarray:
    """A T1w of labels: one intensity a structure, blur and noise."""
    table = structures().labels
    names = table["freesurfer"].str.removeprefix("Left-").str.removeprefix("Right-")
    value = np.full(int(table["index"].max()) + 1, 20.0)
    value[table["index"]] = [BRIGHTNESS[name] for name in names]
    blurred = gaussian_filter(value[labels], 0.5)
    noise = np.random.default_rng(3).normal(0, 2.5, labels.shape)
    return (blurred + noise).astype(np.float32)


@pytest.fixture(scope="module")
def segmented(
    labels: nib.Nifti1Image, tmp_path_factory
) -> Callable[[np.ndarray], SegmentedStructures]:
    """Segments a head of such labels; the way to the template is the identity."""
    transform = write_affine(np.eye(4), Path(tmp_path_factory.mktemp("xfm"), "identity.mat"))
    base = np.asanyarray(labels.dataobj)
    mask = binary_dilation(base > 0, iterations=2)

    def run(changed: np.ndarray) -> SegmentedStructures:
        t1w = nib.Nifti1Image(_painted(changed), labels.affine)
        data = np.asanyarray(t1w.dataobj)
        tissue = np.digitize(data, [40, 85])
        posterior = np.stack([(tissue == t) & mask for t in (1, 2, 0)]).astype(np.float32)
        return segment_structures(t1w, mask, posterior, transform)

    return run


@pytest.fixture(scope="module")
def plain(labels, segmented) -> SegmentedStructures:
    return segmented(np.asanyarray(labels.dataobj))


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_structures_of_a_painted_head_are_those_that_were_painted(labels, plain) -> None:
    true = np.asanyarray(labels.dataobj)
    table = structures().labels.set_index("name")["index"]
    for name in ("Hippocampus", "Thalamus", "Caudate", "Putamen", "Pallidum", "LateralVentricle"):
        for side in "LR":
            number = table[f"{name}_{side}"]
            assert _dice(plain.labels == number, true == number) > 0.92, name
            painted = 8.0 * (true == number).sum()
            assert plain.volumes_mm3[f"{name}_{side}"] == pytest.approx(painted, rel=0.08), name


def test_sides_of_a_symmetrical_head_are_equal(plain) -> None:
    for name in ("Hippocampus", "Amygdala", "Caudate", "Putamen"):
        left, right = (plain.volumes_mm3[f"{name}_{side}"] for side in "LR")
        assert left == pytest.approx(right, rel=0.03), name


def test_a_shorter_hippocampus_is_seen_where_the_warp_does_not_know_of_it(
    labels, segmented, plain
) -> None:
    base = np.asanyarray(labels.dataobj)
    hippocampus = base == HIPPOCAMPUS_L
    place = np.arange(base.shape[1])[None, :, None]
    gone = hippocampus & (place < np.percentile(np.nonzero(hippocampus)[1], 30))
    found = segmented(np.where(gone, 0, base))
    lost = 1 - found.volumes_mm3["Hippocampus_L"] / plain.volumes_mm3["Hippocampus_L"]
    planted = gone.sum() / hippocampus.sum()
    # The rim of fluid that has come beside white matter looks like the grey matter it was.
    assert 0.65 * planted < lost < 1.2 * planted
    for name in ("Hippocampus_R", "Putamen_L", "Thalamus_L"):
        assert found.volumes_mm3[name] == pytest.approx(plain.volumes_mm3[name], rel=0.02), name


def test_a_wide_ventricle_is_not_lost(labels, segmented, plain) -> None:
    base = np.asanyarray(labels.dataobj)
    ventricle = base == VENTRICLE_L
    wide = base.copy()
    wide[binary_dilation(ventricle, iterations=2) & (base == WHITE_L)] = VENTRICLE_L
    found = segmented(wide)
    true = (wide == VENTRICLE_L).sum() / ventricle.sum()
    assert true > 1.5
    ratio = found.volumes_mm3["LateralVentricle_L"] / plain.volumes_mm3["LateralVentricle_L"]
    assert ratio == pytest.approx(true, rel=0.1)
    for name in ("Hippocampus_L", "Thalamus_L", "Caudate_L"):
        assert found.volumes_mm3[name] == pytest.approx(plain.volumes_mm3[name], rel=0.05), name


def test_every_brain_voxel_has_a_label_and_no_other(plain, labels) -> None:
    table = structures().labels
    assert set(np.unique(plain.labels)) <= {0, 24, *table["index"]}
    assert plain.labels[np.asanyarray(labels.dataobj) > 0].all()
