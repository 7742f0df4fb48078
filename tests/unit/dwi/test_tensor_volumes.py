from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.derivatives import PreprocessedSeries
from commissure.dwi.gradients import Gradients
from commissure.dwi.tensor_volumes import carries_tensor, tensor_volumes, usable_values


def shells_of(dti, *shells):
    """A table of b0 and shells (b-value, directions)."""
    b, directions = [np.zeros(2)], [np.zeros((2, 3))]
    for value, count in shells:
        b.append(np.full(count, float(value)))
        directions.append(dti.even_directions(count))
    return Gradients(np.concatenate(b), np.vstack(directions))


@pytest.mark.parametrize(
    ("shells", "highest"),
    [
        ([(1000, 30)], 1000),
        ([(700, 16), (1200, 30), (2800, 50)], 1200),
        ([(2000, 30)], 2000),
        ([(2000, 30), (3000, 60)], 2000),
        ([(500, 3), (2500, 20)], 2500),
        ([(1510, 30), (3000, 60)], 1510),
    ],
)
def test_the_lowest_shells_that_carry_a_tensor_are_taken(dti, shells, highest):
    table = shells_of(dti, *shells)
    chosen = tensor_volumes(table, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    assert table.b[chosen].max() == highest
    assert chosen[:2].all()
    assert carries_tensor(table.subset(chosen), b0_max_b_s_mm2=50)


def test_where_nothing_carries_a_tensor_no_weighted_volume_is_taken(dti):
    table = shells_of(dti, (1000, 3), (2000, 2))
    chosen = tensor_volumes(table, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    assert table.b[chosen].max() == 0
    assert not carries_tensor(table, b0_max_b_s_mm2=50)


def preprocessed(dti, dropouts, pose=(0, 0, 0, 0, 0, 0), **sidecar):
    import pandas as pd

    table = shells_of(dti, (1000, 8))
    columns = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    confounds = pd.DataFrame(np.tile(np.array(pose, float), (10, 1)), columns=columns)
    affine = np.diag([2.0, 2, 2, 1])
    known = {
        "AcquiredAffine": np.diag([2.0, 2, 4, 1]).tolist(),
        "RotationCentreMm": [8, 8, 16],
        "Slices": 10,
        "OutlierSlices": dropouts,
    }
    return PreprocessedSeries(
        np.ones((8, 8, 20, 10), np.float32), affine, np.ones((8, 8, 20), bool), table, "",
        confounds, {**known, **sidecar},
    )  # fmt: skip


def test_the_voxels_of_a_lost_slice_do_not_count(dti):
    usable = usable_values(preprocessed(dti, [[4, 3]]))
    lost = np.flatnonzero(~usable[0, 0, :, 4])
    # Slice 3 lies at 12 mm: voxels of 2 mm at 10, 12 and 14 mm take their values from it.
    assert lost.tolist() == [5, 6, 7]
    assert usable[..., :4].all() and usable[..., 5:].all()


def test_a_head_that_moved_takes_the_lost_slice_elsewhere(dti):
    usable = usable_values(preprocessed(dti, [[4, 3]], pose=(0, 0, 4, 0, 0, 0)))
    assert np.flatnonzero(~usable[0, 0, :, 4]).tolist() == [3, 4, 5]


def test_a_volume_that_lost_most_slices_does_not_count_at_all(dti):
    usable = usable_values(preprocessed(dti, [[4, k] for k in range(6)]))
    assert not usable[..., 4].any()


def test_without_lost_slices_or_their_places_all_counts(dti):
    assert usable_values(preprocessed(dti, [])) is None
    assert usable_values(preprocessed(dti, [[4, 3]], AcquiredAffine=None)) is None
