"""Raw runs that cannot be, each refused with one readable sentence."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.func.builtin.acquisition import acquisition, shift_slices
from commissure.func.builtin.preprocess import preprocess
from commissure.func.settings import FuncSettings
from commissure.images.load import load_image

SETTINGS = FuncSettings()
NOISE = np.random.default_rng(0).uniform(10, 100, (8, 8, 6, 14)).astype(np.float32)


def refusal(scan, tmp_path, settings=SETTINGS) -> str:
    with pytest.raises(DatasetError) as caught:
        preprocess(scan, tmp_path / "out", anat=None, settings=settings)
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_a_single_volume_is_no_series(raw_run, tmp_path):
    message = refusal(raw_run(NOISE[..., 0], np.eye(4)), tmp_path)
    assert message.startswith("sub-01 ses-1: ")
    assert "has 3 dimensions (8, 8, 6); 4 dimensions is expected" in message


def test_nan_is_refused(raw_run, tmp_path):
    broken = NOISE.copy()
    broken[2, 2, 2, 5] = np.nan
    assert "1 voxels that are NaN" in refusal(raw_run(broken, np.eye(4)), tmp_path)


def test_milliseconds_are_no_repetition_time(raw_run, tmp_path):
    message = refusal(raw_run(NOISE, np.eye(4), RepetitionTime=2000), tmp_path)
    assert "RepetitionTime is 2000" in message
    assert "seconds (0.1 to 20), not milliseconds" in message


def test_a_missing_repetition_time_is_named_with_its_remedy(raw_run, tmp_path):
    message = refusal(raw_run(NOISE, np.eye(4), RepetitionTime=None), tmp_path)
    assert "RepetitionTime is missing" in message
    assert "Add RepetitionTime to sub-01_ses-1_task-rest_bold.json" in message


def test_sidecar_and_header_must_agree(raw_run, tmp_path):
    message = refusal(raw_run(NOISE, np.eye(4), RepetitionTime=2.5), tmp_path)
    assert "2.5 s in the sidecar and 2 in the header" in message


def test_too_short_a_series_counts_its_dummies(raw_run, tmp_path):
    settings = FuncSettings(dummy_volumes=5)
    message = refusal(raw_run(NOISE, np.eye(4)), tmp_path, settings)
    assert "has 14 volumes, 5 of them dummies; at least 10" in message


@pytest.mark.parametrize(
    "times", [[0, 330, 660, 990, 1320, 1650], [0, 0.48, 0.96, 1.44, 1.92, 2.4]]
)
def test_slice_times_in_milliseconds_or_beyond_the_volume_are_refused(raw_run, tmp_path, times):
    message = refusal(raw_run(NOISE, np.eye(4), SliceTiming=times), tmp_path)
    assert "SliceTiming" in message
    assert "6 times in seconds below the repetition time of 2 s" in message


@pytest.mark.parametrize("times", [[], [0.0, 1.0], [[0, 1], [2]], [10**400] * 6, "0", {"a": 1}])
def test_slice_times_of_another_number_are_refused(raw_run, tmp_path, times):
    message = refusal(raw_run(NOISE, np.eye(4), SliceTiming=times), tmp_path)
    assert "SliceTiming of sub-01_ses-1_task-rest_bold.nii.gz has" in message
    assert "6 times in seconds below the repetition time of 2 s" in message


@pytest.mark.parametrize("direction", ["z", "", "k+", 2, ["k"], True])
def test_a_slice_direction_that_is_no_axis_is_refused(raw_run, tmp_path, direction):
    message = refusal(raw_run(NOISE, np.eye(4), SliceEncodingDirection=direction), tmp_path)
    assert (
        f"SliceEncodingDirection of sub-01_ses-1_task-rest_bold.nii.gz is {direction!r}" in message
    )


def test_slices_counted_from_the_end_are_turned_round(raw_run):
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    scan = raw_run(NOISE, np.eye(4), SliceTiming=times, SliceEncodingDirection="k-")
    found = acquisition(scan, load_image(scan.path, who="sub-01", ndim=4))
    assert found.slice_axis == 2
    np.testing.assert_array_equal(found.slice_times_s, times[::-1])


def test_a_header_in_milliseconds_or_without_time_is_read(raw_run):
    for header, notes in ((2000.0, 0), (0.0, 1), (1.0, 1)):
        scan = raw_run(NOISE, np.eye(4), tr_s=header, RepetitionTime=2.0)
        found = acquisition(scan, load_image(scan.path, who="sub-01", ndim=4))
        assert found.tr_s == 2.0
        assert len(found.notes) == notes


def test_slices_are_shifted_to_the_middle_of_the_volume():
    times = np.array([0.0, 0.5, 1.0, 1.5])
    frames = np.arange(60) * 2.0
    series = np.empty((2, 2, 4, 60))
    for number, time in enumerate(times):
        series[:, :, number] = np.sin(2 * np.pi * 0.03 * (frames + time))
    shifted = shift_slices(series, times, axis=2, tr_s=2.0)
    expected = np.sin(2 * np.pi * 0.03 * (frames + 0.75))
    for number in range(4):
        np.testing.assert_allclose(shifted[0, 1, number, 3:-3], expected[3:-3], atol=2e-3)
