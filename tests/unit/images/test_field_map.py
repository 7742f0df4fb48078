from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.images.field_map import read_field_map
from commissure.images.unwrapping import unwrapped

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
SHAPE = (40, 44, 30)


def head_and_field():
    """A head, and a field that rises over it by several turns of the phase."""
    index = np.indices(SHAPE)
    middle = (np.array(SHAPE).reshape(3, 1, 1, 1) - 1) / 2
    away = np.sqrt((((index - middle) / (0.42 * middle * 2)) ** 2).sum(axis=0))
    far = (((index - np.array([20, 36, 10]).reshape(3, 1, 1, 1)) * 3.0) ** 2).sum(axis=0)
    field = 60 * (index[1] / SHAPE[1] - 0.5) + 260 * np.exp(-far / 2 / 20.0**2)
    return np.where(away < 1, 1000.0, 0), field


def stored(folder, **images):
    """Write images with their sidecars: name=(values, sidecar)."""
    files = {}
    for name, (values, sidecar) in images.items():
        files[name] = folder / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(np.asarray(values, np.float32), AFFINE), files[name])
        files[f"{name}_json"] = folder / f"{name}.json"
        files[f"{name}_json"].write_text(json.dumps(sidecar))
    return files


def turned(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def noisy(phase, magnitude, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 20, (2, *phase.shape))
    return np.angle(magnitude * np.exp(1j * phase) + noise[0] + 1j * noise[1])


def test_whole_turns_are_added_where_the_phase_jumps():
    magnitude, field = head_and_field()
    phase = 2 * np.pi * field * 0.005
    inside = magnitude > 0
    assert np.ptp(phase[inside]) > 3 * np.pi
    found = unwrapped(noisy(phase, magnitude), magnitude, inside)
    off = (found - phase)[inside]
    off -= 2 * np.pi * np.round(np.median(off) / (2 * np.pi))
    assert np.abs(off).max() < 0.5
    assert (found[~inside] == 0).all()


@pytest.mark.parametrize("kind", ["Hz", "rad/s", "wrapped", "phasediff", "siemens", "two phases"])
def test_the_field_is_the_same_from_whatever_is_stored(tmp_path, kind):
    magnitude, field = head_and_field()
    inside, gap = magnitude > 0, 0.00246
    phase = noisy(2 * np.pi * field * gap, magnitude)
    echoes = {"EchoTime1": 0.00492, "EchoTime2": 0.00492 + gap}
    images = {
        "Hz": {"fieldmap": (field, {"Units": "Hz"})},
        "rad/s": {"fieldmap": (2 * np.pi * field, {"Units": "rad/s"})},
        "wrapped": {"fieldmap": (phase / (2 * np.pi * gap), {"Units": "Hz", **echoes})},
        "phasediff": {"phasediff": (phase, {"Units": "rad", **echoes})},
        "siemens": {"phasediff": (np.round((phase + np.pi) / (2 * np.pi) * 4095), echoes)},
        "two phases": {
            "phase1": (turned(2 * np.pi * field * 0.0049), {"EchoTime": 0.0049}),
            "phase2": (turned(2 * np.pi * field * (0.0049 + gap)), {"EchoTime": 0.0049 + gap}),
        },
    }[kind]
    files = stored(tmp_path, magnitude=(magnitude, {}), **images)
    found = read_field_map(files, who="sub-01")
    assert (found.head == inside).mean() > 0.95
    off = (found.hz - field)[inside & found.head]
    assert np.abs(np.median(off)) < 1
    assert np.sqrt(np.mean(off**2)) < 7
    # Beyond the head the field goes on.
    assert np.abs(found.hz[0, 22, 15]) > 0


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ({"fieldmap": {"Units": "ppm"}}, "Units 'ppm'; Hz, rad/s or T"),
        ({"phasediff": {"EchoTime1": 0.005}}, "EchoTime2 None"),
        ({"phasediff": {"EchoTime1": 5, "EchoTime2": 7.5}}, "EchoTime1 5 and EchoTime2 7.5"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, images, words):
    magnitude, field = head_and_field()
    files = stored(
        tmp_path, magnitude=(magnitude, {}), **{k: (field, v) for k, v in images.items()}
    )
    with pytest.raises(DatasetError, match="sub-01") as caught:
        read_field_map(files, who="sub-01")
    assert words in str(caught.value)


def test_a_phase_without_its_magnitude_and_images_of_two_scans_are_refused(tmp_path):
    magnitude, field = head_and_field()
    echoes = {"EchoTime1": 0.005, "EchoTime2": 0.0075}
    files = stored(tmp_path, magnitude=(magnitude[::2], {}), phasediff=(turned(field / 50), echoes))
    with pytest.raises(DatasetError, match="does not lie on the grid"):
        read_field_map(files, who="sub-01")
    del files["magnitude"]
    with pytest.raises(DatasetError, match="no magnitude image"):
        read_field_map(files, who="sub-01")
    assert read_field_map({}, who="sub-01") is None


@pytest.mark.real
def test_a_real_map_in_hz_that_wraps_is_smooth_afterwards(shared_data):
    folder = shared_data / "bids-more/sub-gf01/fmap"
    files = {
        key: folder / f"sub-gf01_{key.replace('_', '.')}{'' if '_' in key else '.nii.gz'}"
        for key in ("fieldmap", "fieldmap_json", "magnitude")
    }
    raw = np.asanyarray(nib.load(files["fieldmap"]).dataobj)
    found = read_field_map(files, who="sub-gf01")
    steps = np.abs(np.diff(raw, axis=1))[found.head[:, 1:] & found.head[:, :-1]]
    smooth = np.abs(np.diff(found.hz, axis=1))[found.head[:, 1:] & found.head[:, :-1]]
    assert (steps > 300).sum() > 50
    assert (smooth > 100).mean() < 1e-4
    assert found.hz.max() > 300
