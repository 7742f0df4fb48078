"""The registry of simulators: one for each modality, in order, each with its random stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commissure.modalities import BY_DEFAULT
from commissure.phantom.dataset import HEAD_STREAM, files_of, unit_of
from commissure.phantom.scanner.simulator import random_streams
from commissure.phantom.simulators import SIMULATORS


def test_every_modality_has_a_simulator_and_a_stream_that_stays():
    assert list(SIMULATORS) == list(BY_DEFAULT)
    # Other numbers would draw other images from the same seed.
    streams = {modality: simulator.stream for modality, simulator in SIMULATORS.items()}
    assert streams == {"anat": 1, "func": 2, "dwi": 3, "mrs": 4}
    assert HEAD_STREAM == 0


def test_a_first_scan_draws_from_one_stream_and_a_later_one_from_two(person):
    first = random_streams(person, 2)
    assert first.lasting is first.scan
    expected = np.random.default_rng(np.random.SeedSequence([1, 2])).random()
    assert expected == first.scan.random()
    later = random_streams(replace(person, seed=5, lasting_seed=1), 2)
    assert later.lasting is not later.scan
    assert expected == later.lasting.random()


def test_files_follow_from_the_modalities_and_the_protocol(person, tiny):
    def names(modalities, protocol):
        scanned = replace(person, modalities=frozenset(modalities))
        return [path.name for path in files_of(scanned, protocol)]

    last = ["sub-01_acquisition.json", "sub-01_markers.tsv"]
    assert names((), tiny) == last
    assert names(("anat",), tiny) == ["sub-01_T1w.nii.gz", "sub-01_T1w.json", *last]
    bent = tiny.changed({"off_resonance_hz": 40.0, "dwi.reversed_b0s": 1})
    assert set(names(("func",), bent)) - set(names(("func",), tiny)) == {
        f"sub-01_{suffix}{extension}"
        for suffix in ("fieldmap", "magnitude")
        for extension in (".nii.gz", ".json")
    }
    assert set(names(("dwi",), bent)) - set(names(("dwi",), tiny)) == {
        "sub-01_dir-PA_epi.nii.gz",
        "sub-01_dir-PA_epi.json",
    }


def test_units():
    expected = {
        "volume": "mm3", "fc": "1", "fa": "1", "md": "mm2/s", "glu": "mmol/kg", "glu_tcr": "1",
        "mean_fd": "mm", "f_csf": "1",
    }  # fmt: skip
    assert expected == {marker: unit_of(marker) for marker in expected}
