"""The engine that damages files at random."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from benchmarks.bad_input.harness import Case, Outcome, Result, compared, outcome_of
from benchmarks.bad_input.mutations import mutations, planted

from commissure.errors import DatasetError


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = tmp_path / "scan"
    folder.mkdir()
    data = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), folder / "a.nii.gz")
    nib.save(nib.Nifti2Image(data, np.eye(4)), folder / "b.nii")
    (folder / "a.json").write_text(json.dumps({"EchoTime": 0.03, "RepetitionTime": 2.0}))
    (folder / "a.bval").write_text("0 1000 1000\n")
    return folder


def test_the_same_seed_gives_the_same_damage(scan: Path, tmp_path: Path) -> None:
    first, again, other = (mutations(scan, count=64, seed=seed) for seed in (1, 1, 2))
    assert [m.what for m in first] == [m.what for m in again] != [m.what for m in other]
    for number, mutation in enumerate(first):
        planted(mutation, scan, tmp_path / str(number))
        planted(again[number], scan, tmp_path / "again")
        changed = [
            path.name
            for path in scan.iterdir()
            if (tmp_path / str(number) / path.name).read_bytes() != path.read_bytes()
        ]
        assert set(changed) <= {mutation.file.name}
        assert (tmp_path / str(number) / mutation.file).read_bytes() == (
            tmp_path / "again" / mutation.file
        ).read_bytes()


def test_a_bit_of_the_data_is_one_bit_before_packing(scan: Path, tmp_path: Path) -> None:
    flipped = [m for m in mutations(scan, count=64, seed=3) if m.what.endswith("in the data")]
    packed = [m for m in flipped if m.file.suffix == ".gz"]
    assert packed
    for mutation in packed:
        planted(mutation, scan, tmp_path / "copy")
        before, after = (
            np.frombuffer(gzip.decompress((folder / mutation.file).read_bytes()), np.uint8)
            for folder in (scan, tmp_path / "copy")
        )
        assert np.unpackbits(before ^ after).sum() == 1
        assert np.flatnonzero(before ^ after)[0] >= 352


def _refused(folder: Path) -> Outcome:
    raise DatasetError("sub-01", found="it is bad")


def _broken(folder: Path) -> Outcome:
    raise KeyError("x")


def _endless(folder: Path) -> Outcome:
    while True:
        pass


@pytest.mark.parametrize(
    ("attempt", "verdict"), [(_refused, "refused"), (_broken, "traceback"), (_endless, "hang")]
)
def test_an_outcome_is_found_out(tmp_path: Path, attempt, verdict: str) -> None:
    outcome = outcome_of(Case("x", "x", "x", attempt), tmp_path / "case", limit_s=1.0)
    assert outcome.verdict == verdict


def test_other_numbers_without_a_word_are_silent() -> None:
    truth, noise = {"glu": 10.0, "gln": 3.0}, {"glu": 0.5, "gln": 0.5}
    assert compared({"glu": 10.4, "gln": 3.0}, truth, noise).verdict == "right"
    assert compared({"glu": 5.0, "gln": 3.0}, truth, noise).verdict == "silent"
    assert compared({"glu": 5.0, "gln": 3.0}, truth, noise, told=["flag x"]).verdict == "flagged"
    assert compared({"glu": 10.0}, truth, noise).verdict == "silent"
    assert compared({"glu": float("nan"), "gln": 3.0}, truth, noise).verdict == "silent"


def test_what_cannot_be_detected_may_be_silent() -> None:
    for detectable in (True, False):
        case = Case("x", "x", "x", _refused, detectable=detectable)
        assert Result(case, Outcome("silent")).good is not detectable
        assert not Result(case, Outcome("hang")).good
