"""Displacements of echo-planar images against linear fields, whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.scanner.bold import simulate_bold
from commissure.phantom.scanner.distortion import (
    before_eddies,
    displacement,
    eddy_fields,
    off_resonance,
    steepest_shift,
)
from commissure.phantom.scanner.dwi import simulate_dwi
from commissure.phantom.scanner.echo_planar import fine_head, voxel_means
from commissure.phantom.scanner.gradients import gradient_table

INSIDE = (slice(None), slice(5, -5), slice(None))


def test_a_linear_field_stretches_by_its_slope():
    # y' = y + 0.5 + 0.2 y, so y = (y' - 0.5) / 1.2, and signal is thinner by 1.2.
    y = np.arange(40, dtype=np.float32)
    shift = np.broadcast_to((0.5 + 0.2 * y)[None, :, None], (3, 40, 3))
    found = displacement(shift)
    expected = np.broadcast_to(((y - 0.5) / 1.2)[None, :, None], (3, 40, 3))
    assert (y[None, :, None] - found.back)[INSIDE] == pytest.approx(expected[INSIDE], abs=1e-3)
    assert found.intensity[INSIDE] == pytest.approx(1 / 1.2, abs=1e-4)


def test_a_displaced_blob_is_where_the_field_puts_it_and_keeps_its_signal():
    from scipy.ndimage import map_coordinates

    y = np.arange(60, dtype=np.float32)
    field = 3.0 * np.exp(-((y - 30) ** 2) / (2 * 8**2))
    shift = np.broadcast_to(field[None, :, None], (1, 60, 1))
    blob = np.exp(-((y - 30) ** 2) / (2 * 3**2))[None, :, None].astype(np.float32)
    moved = displacement(shift)
    places, factor = moved.origins(np.indices(shift.shape).reshape(3, -1))
    seen = map_coordinates(blob, places, order=1) * factor
    assert seen.sum() == pytest.approx(blob.sum(), rel=0.01)
    # The mean of y + shift(y) over the blob.
    centre = float((blob[0, :, 0] * (y + field)).sum() / blob.sum())
    assert float((seen * y).sum() / seen.sum()) == pytest.approx(centre, abs=0.05)


def test_the_field_is_strongest_over_the_sinus_and_folds_where_it_is_said_to():
    grid = np.stack(np.meshgrid(*(np.arange(-60.0, 61, 2),) * 3, indexing="ij"), axis=-1)
    field = off_resonance(grid, 50.0)
    assert tuple(grid[np.unravel_index(field.argmax(), field.shape)]) == (0.0, 42.0, -24.0)
    assert field.max() == pytest.approx(50, rel=0.02)
    slope = np.abs(np.diff(field, axis=1)).max() / 2
    # Shift in voxels per voxel: Hz per mm times readout times millimetres per voxel.
    assert steepest_shift(50.0, 0.03, 3.0) == pytest.approx(slope * 0.03 * 3.0, rel=0.15)


def test_eddy_fields_follow_gradients_and_are_undone_exactly():
    bvals, directions = gradient_table(12, 2, 1000.0, more=[(4000.0, 8)])
    fields = eddy_fields(bvals, directions, 2.0)
    assert np.all(fields[bvals == 0] == 0)
    steep = np.linalg.norm(fields[:, 1:], axis=1) * 80.0
    assert steep[bvals == 4000] == pytest.approx(2.0)
    assert steep[bvals == 1000] == pytest.approx(1.0)  # The root of b.
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [60, -70, -50]
    centre = np.array([1.0, 2.0, 3.0])
    there = np.random.default_rng(0).uniform(0, 30, (3, 50)).astype(np.float32)
    field = fields[3]
    mm = affine[:3, :3] @ there + affine[:3, 3:] - centre[:, None]
    seen = there.copy()
    seen[1] += (field[0] + field[1:] @ mm) / 3.0
    back, factor = before_eddies(seen, field, affine, centre)
    assert back == pytest.approx(there, abs=1e-4)
    assert factor == pytest.approx(1 / (1 + field[2]))


def test_reversed_phase_encoding_mirrors_the_displacement(template_head, person, tiny):
    protocol = tiny.changed(
        {
            "dwi.voxel_mm": 6.0,
            "dwi.directions": 6,
            "dwi.reversed_b0s": 1,
            "dwi.snr": 1e4,
            "off_resonance_hz": 40.0,
        }
    )
    quiet = replace(person, motion_scale_mm=0.0)
    forth = simulate_dwi(template_head, quiet, protocol, np.random.default_rng(2))
    straight = simulate_dwi(
        template_head, quiet, protocol.changed({"off_resonance_hz": 0.0}), np.random.default_rng(2)
    )
    head = fine_head(template_head, 6.0, pose=forth.since_t1w)
    y = np.arange(head.shape[1])[None, :, None]
    columns = voxel_means(off_resonance(head.template_mm, 1.0)).max(axis=1) > 0.5

    def centre(image: np.ndarray) -> np.ndarray:
        return ((y * image).sum(axis=1) / image.sum(axis=1))[columns]

    assert forth.reversed_b0s is not None
    one, other = centre(forth.data[..., 0]), centre(forth.reversed_b0s[..., 0])
    middle = centre(straight.data[..., 0])
    assert (one < middle - 0.05).mean() > 0.9  # j-, and a higher frequency: backwards.
    assert (other > middle + 0.05).mean() > 0.9
    assert (one + other) / 2 == pytest.approx(middle, abs=0.25)


def test_the_field_map_tells_where_the_bold_signal_went(template_head, person, tiny):
    from scipy.ndimage import map_coordinates

    still = replace(person, motion_scale_mm=0.0)
    protocol = tiny.changed({"func.volumes": 10, "func.tsnr": 1e4})
    straight = simulate_bold(template_head, still, protocol, np.random.default_rng(3))
    moved = simulate_bold(
        template_head, still, protocol.changed({"off_resonance_hz": 40.0}), np.random.default_rng(3)
    )
    assert straight.field_map is None and "TotalReadoutTime" not in straight.metadata
    assert moved.field_map is not None and moved.magnitude is not None
    # Undistort by the field map, as software does: sample where the tissue went, times the stretch.
    shift = -float(moved.metadata["TotalReadoutTime"]) * moved.field_map
    grid = np.indices(shift.shape, dtype=np.float32)
    grid[1] += shift
    stretch = 1 + np.gradient(shift, axis=1)
    mean, wanted = moved.data.mean(axis=-1), straight.data.mean(axis=-1)
    corrected = map_coordinates(mean, grid, order=1) * stretch
    near = (np.abs(shift) > 0.4) & (voxel_means_of_brain(template_head, moved) > 0.9)
    assert near.sum() > 30
    before = np.abs(mean - wanted)[near].mean()
    after = np.abs(corrected - wanted)[near].mean()
    assert after < 0.35 * before


def voxel_means_of_brain(template_head, bold) -> np.ndarray:
    head = fine_head(template_head, 6.0, pose=bold.since_t1w)
    return voxel_means(head.maps["gm"] + head.maps["wm"] + head.maps["csf"])
