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
from commissure.names import Scan

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
    assert read_water(scan, svs).svs is not None


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
    water = read_water(scan, svs).svs
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
    water = read_water(scan, svs).svs
    assert water is not None
    right = averaged_spectrum(svs, water)
    wrong = averaged_spectrum(svs, replace(water, fids=water.fids.conj()))
    assert "reference_suits" not in eddy(right.steps)
    assert eddy(wrong.steps)["reference_suits"] == "conjugate"
    np.testing.assert_allclose(wrong.svs.fids, right.svs.fids, rtol=1e-6, atol=1e-6)


def twin_reference(scan: Scan, number: int, spoil: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Another reference of the same spectrum, as a further run."""
    path = scan.associated["mrsref"]
    image = nib.load(path)
    other = path.with_name(path.name.replace("_mrsref", f"_run-{number}_mrsref"))
    nib.save(
        nib.Nifti2Image(spoil(np.asanyarray(image.dataobj)), image.affine, image.header)
        if image.header["sizeof_hdr"] == 540
        else nib.Nifti1Image(spoil(np.asanyarray(image.dataobj)), image.affine, image.header),
        other,
    )
    return other


def test_of_several_references_the_one_with_most_water_is_taken(write_press: Callable) -> None:
    """Pulses that prepare suppression or saturate outer volumes weaken the others."""
    scan = write_press(shots=1, coils=2).scan
    weaker = twin_reference(scan, 1, lambda data: data / 1.45)
    both = {
        "mrsref": weaker, "mrsref_json": scan.associated["mrsref_json"],
        "mrsref2": scan.associated["mrsref"], "mrsref2_json": scan.associated["mrsref_json"],
    }  # fmt: skip
    scan = replace(scan, associated=both)
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    reference = read_water(scan, svs)
    assert reference.svs is not None and reference.svs.name == both["mrsref2"].name
    assert "differ by a factor of 1.45" in reference.steps[0]["note"]
    checks = _step_checks(_applied(reference.steps), max_drift_hz=20.0)
    ratio = next(check.value for check in checks if check.name == "water_references_ratio")
    assert ratio == pytest.approx(1.45, abs=0.01)


def test_a_further_reference_of_another_voxel_is_left_out(write_press: Callable) -> None:
    scan = write_press(shots=1, coils=2).scan
    other = twin_reference(scan, 1, lambda data: 3 * data)
    replace_affine(other, np.diag([30.0, 30.0, 30.0, 1.0]))
    both = {**scan.associated, "mrsref2": other, "mrsref2_json": scan.associated["mrsref_json"]}
    scan = replace(scan, associated=both)
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    reference = read_water(scan, svs)
    assert reference.svs is not None and reference.svs.name == both["mrsref"].name
    assert "30 x 30 x 30 mm" in reference.steps[0]["note"]


@pytest.mark.parametrize(
    ("name", "of_spectrum", "of_water", "refused"),
    [
        ("StudyInstanceUID", "1.2.3", "1.2.4", True),
        ("AcquisitionDateTime", "2026-03-02T10:00:00", "2026-03-02T10:20:00", False),
        ("AcquisitionDateTime", "2026-03-02T10:00:00", "2026-05-11T10:20:00", True),
    ],
)
def test_a_reference_of_another_session_is_refused(
    write_press: Callable, name: str, of_spectrum: str, of_water: str, refused: bool
) -> None:
    scan = write_press(shots=1, coils=1, sidecar={name: of_spectrum}).scan
    sidecar = scan.associated["mrsref_json"]
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {name: of_water}))
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    if refused:
        with pytest.raises(
            CommissureError, match=f"is {of_water[:10]} in .* and {of_spectrum[:10]}"
        ):
            read_water(scan, svs)
    else:
        assert read_water(scan, svs).svs is not None


def test_a_reference_whose_water_lies_elsewhere_is_flagged(write_press: Callable) -> None:
    """40 Hz: another adjustment of the frequency, so another session or another place."""
    scan = write_press(shots=4, coils=1).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs).svs
    assert water is not None
    moved = replace(water, fids=water.fids * np.exp(2j * np.pi * 40 * T))
    for reference, passed in ((water, True), (moved, False)):
        checks = _step_checks(_applied(averaged_spectrum(svs, reference).steps), max_drift_hz=20.0)
        on_frequency = [c for c in checks if c.name == "reference_on_frequency_ppm"]
        assert [check.passed for check in on_frequency] == [passed]
