import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import CommissureError
from commissure.mrs.acquisition.nifti_mrs import read_svs
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.builtin.signal.average import averaged_spectrum
from commissure.mrs.builtin.signal.water_reference import read_water
from commissure.mrs.quality import _applied, _step_checks
from commissure.mrs.settings import MrsSettings

from ...conftest import T


def replace_affine(path: Path, affine: np.ndarray) -> None:
    image = nib.load(path)
    moved = nib.Nifti1Image(np.asanyarray(image.dataobj), affine, image.header)
    moved.set_sform(affine)
    moved.set_qform(affine)
    nib.save(moved, path)


def turned(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.diag([20.0, 20.0, 20.0, 1.0])
    affine[:2, :2] = 20 * np.array([[c, -s], [s, c]])
    return affine


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (
            np.array([[20, 0, 0, 0], [0, 20, 0, 30], [0, 0, 20, 0], [0, 0, 0, 1.0]]),
            r"lies 30\.0 mm",
        ),
        (np.diag([30.0, 30.0, 30.0, 1.0]), "has 30 x 30 x 30 mm and that of .* 20 x 20 x 20 mm"),
        (turned(20.0), "turned by 20 degrees"),
    ],
)
def test_water_of_another_voxel(
    write_press: Callable, tmp_path: Path, affine: np.ndarray, words: str
) -> None:
    scan = write_press(shots=1, coils=1).scan
    replace_affine(scan.associated["mrsref"], affine)
    with pytest.raises(CommissureError, match=words):
        preprocess(scan, tmp_path, anat=None, settings=MrsSettings())


def test_edges_that_are_stored_in_another_order_are_the_same_voxel(
    write_press: Callable, tmp_path: Path
) -> None:
    scan = write_press(shots=1, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    other = np.array([[0, 20, 0, 0], [-20, 0, 0, 0], [0, 0, 20, 0], [0, 0, 0, 1.0]])
    replace_affine(scan.associated["mrsref"], other)
    assert read_water(scan, svs) is not None


def test_water_of_another_receiver_gain(write_press: Callable) -> None:
    scan = write_press(shots=1, coils=1, sidecar={"ReceiverGain": 30.0}).scan
    sidecar = scan.associated["mrsref_json"]
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"ReceiverGain": 20.0}))
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    with pytest.raises(CommissureError, match="ReceiverGain is 20 in .* and 30 in"):
        read_water(scan, svs)


@pytest.mark.parametrize("spoilt", ["conjugate", "uncorrected"])
def test_a_reference_that_does_not_suit_is_found_by_the_sharpness_of_the_spectrum(
    write_press: Callable, spoilt: str
) -> None:
    """Eddy currents of 8.5 rad; the fixture's own 0.5 rad hardly blur a line of 7 Hz."""
    decay = np.exp(-T / 0.05)
    scan = write_press(shots=1, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs)
    assert water is not None
    reference = replace(water, fids=water.fids * np.exp(8j * decay))
    right = averaged_spectrum(replace(svs, fids=svs.fids * np.exp(8j * decay)), reference)
    assert "reference_suits" not in eddy(right.steps)
    radians = {"conjugate": -9.0, "uncorrected": -0.5}[spoilt]
    spectrum = replace(svs, fids=svs.fids * np.exp(1j * radians * decay))
    wrong = averaged_spectrum(spectrum, reference)
    assert eddy(wrong.steps)["reference_suits"] == spoilt
    failed = [check.name for check in _step_checks(_applied(wrong.steps), max_drift_hz=20.0)
              if check.passed is False]  # fmt: skip
    assert failed == ["water_reference_suits"]


def eddy(steps: list) -> dict:
    return next(step for step in steps if step["step"] == "eddy currents")


@pytest.mark.parametrize("seed", [5, 7])
def test_a_conjugated_reference_is_found_by_how_coils_add_up(
    write_press: Callable, seed: int
) -> None:
    scan = write_press(shots=4, coils=4, seed=seed).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs)
    assert water is not None
    right = averaged_spectrum(svs, water)
    wrong = averaged_spectrum(svs, replace(water, fids=water.fids.conj()))
    assert "reference_suits" not in eddy(right.steps)
    assert eddy(wrong.steps)["reference_suits"] == "conjugate"
    np.testing.assert_allclose(wrong.svs.fids, right.svs.fids, rtol=1e-6, atol=1e-6)
