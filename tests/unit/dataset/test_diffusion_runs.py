from __future__ import annotations

import json

import pytest

from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of

SHELL = "0 1000 1000 1000 1000 1000 1000"


@pytest.fixture
def dataset(tmp_path):
    """Lay out one person's images: name=(sidecar, b-values) in dwi/, sidecars alone in fmap/."""

    def lay(dwi, fmap=()):
        for folder in ("dwi", "fmap"):
            (tmp_path / "sub-01" / folder).mkdir(parents=True, exist_ok=True)
        for name, (sidecar, b) in dwi.items():
            stem = tmp_path / "sub-01/dwi" / f"sub-01_{name}dwi"
            stem.with_suffix(".nii.gz").write_bytes(b"x" * 400)
            stem.with_suffix(".json").write_text(json.dumps(sidecar))
            if b:
                stem.with_suffix(".bval").write_text(b)
                stem.with_suffix(".bvec").write_text(b)
        for name, sidecar in dict(fmap).items():
            stem = tmp_path / "sub-01/fmap" / f"sub-01_{name}"
            stem.with_suffix(".nii.gz").write_bytes(b"x" * 400)
            if sidecar is not None:
                stem.with_suffix(".json").write_text(json.dumps(sidecar))
        return {
            entry.scan.removeprefix("sub-01/dwi/sub-01_").removesuffix("dwi.nii.gz"): entry
            for entry in build_index(tmp_path, tree_of(tmp_path))
        }

    return lay


def encoded(direction, echo=0.08):
    return {"PhaseEncodingDirection": direction, "EchoTime": echo}


def test_two_phase_encodings_are_one_acquisition(dataset):
    index = dataset({"dir-AP_": (encoded("j-"), SHELL), "dir-PA_": (encoded("j"), SHELL)})
    lead, other = index["dir-AP_"], index["dir-PA_"]
    assert lead.used
    assert lead.associated["run2"] == other.scan
    assert {"run2_bval", "run2_bvec", "run2_json0"} <= set(lead.associated)
    assert not other.used
    assert other.note == "joined to sub-01_dir-AP_dwi.nii.gz"


def test_the_run_with_most_weighted_volumes_gives_its_name(dataset):
    few = "0 1000 1000"
    index = dataset({"dir-AP_": (encoded("j-"), few), "dir-PA_": (encoded("j"), SHELL)})
    assert index["dir-PA_"].used and not index["dir-AP_"].used


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("acq-a_", "acq-b_"),
        ("acq-a_run-1_", "acq-b_run-2_"),
    ],
)
def test_variants_of_an_acquisition_are_not_joined(dataset, first, second):
    index = dataset({first: (encoded("j"), SHELL), second: (encoded("j"), SHELL)})
    assert index[first].used and index[second].used
    assert "run2" not in index[first].associated


@pytest.mark.parametrize(
    ("ours", "theirs", "joined"),
    [
        (encoded("j"), encoded("j"), True),
        (encoded("j"), encoded("j-"), True),
        (encoded("j"), encoded("i"), False),
        (encoded("j"), encoded("j", echo=0.1), False),
        ({}, {}, True),
    ],
)
def test_runs_are_joined_where_their_sidecars_allow_it(dataset, ours, theirs, joined):
    index = dataset({"run-1_": (ours, SHELL), "run-2_": (theirs, SHELL)})
    assert index["run-2_"].used is not joined
    assert ("run2" in index["run-1_"].associated) is joined


def test_directions_without_a_known_encoding_are_not_joined(dataset):
    index = dataset({"dir-AP_": ({}, SHELL), "dir-PA_": ({}, SHELL)})
    assert index["dir-AP_"].used and index["dir-PA_"].used


@pytest.mark.parametrize("b", ["0 0 0", "5 5", ""])
def test_unweighted_images_of_the_opposite_encoding_are_a_field_map(dataset, b):
    index = dataset({"dir-AP_": (encoded("j-"), SHELL), "acq-b0_dir-PA_": (encoded("j"), b)})
    lead, opposed = index["dir-AP_"], index["acq-b0_dir-PA_"]
    assert lead.associated["epi"] == opposed.scan
    assert lead.associated["epi_json"].endswith("dir-PA_dwi.json")
    assert not opposed.used
    assert "b0 images of the opposite phase encoding" in opposed.note


def test_unweighted_images_that_serve_nothing_are_left_aside_and_named(dataset):
    index = dataset({"run-1_": (encoded("j"), SHELL), "acq-b0_": (encoded("j"), "0 0")})
    assert not index["acq-b0_"].used
    assert "of no use to sub-01_run-1_dwi.nii.gz" in index["acq-b0_"].note


def test_a_series_without_b_values_is_not_passed_over(dataset):
    index = dataset({"acq-a_": (encoded("j"), SHELL), "acq-b_": (encoded("j"), "")})
    assert index["acq-b_"].used


MEANT = {"IntendedFor": "bids::sub-01/dwi/sub-01_dwi.nii.gz"}


@pytest.mark.parametrize(
    ("fmap", "keys"),
    [
        ({"phasediff": MEANT, "magnitude1": None}, {"phasediff", "phasediff_json", "magnitude"}),
        ({"fieldmap": MEANT, "magnitude": None}, {"fieldmap", "fieldmap_json", "magnitude"}),
        (
            {"phase1": MEANT, "phase2": MEANT, "magnitude1": None},
            {"phase1", "phase1_json", "phase2", "phase2_json", "magnitude"},
        ),
        ({"phasediff": {"IntendedFor": "bids::sub-01/func/x.nii.gz"}, "magnitude1": None}, set()),
        ({"phasediff": {}, "magnitude1": None}, set()),
        ({"phase1": MEANT, "magnitude1": None}, set()),
    ],
)
def test_field_maps_of_gradient_echoes_belong_to_what_they_name(dataset, fmap, keys):
    index = dataset({"": (encoded("j"), SHELL)}, fmap)
    assert set(index[""].associated) - {"bval", "bvec"} == keys
