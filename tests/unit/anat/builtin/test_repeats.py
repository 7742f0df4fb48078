"""Which visits show one head, and what is said of those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commissure.anat.builtin.repeats import Comparison, Repeats, same_heads
from commissure.anat.quality import flagged, same_head_check
from commissure.names import Scan


def scan(session: str) -> Scan:
    return Scan(Path(f"sub-01_ses-{session}_T1w.nii.gz"), {"sub": "01", "ses": session}, "T1w")


SCANS = [scan("1"), scan("2"), scan("3")]
NAMES = [s.path.name for s in SCANS]
SOURCES = {name: f"bids:raw:{name}" for name in NAMES}


def test_the_largest_group_of_like_images_is_one_head():
    like = np.array([[1, 0.9, 0.2], [0.9, 1, 0.3], [0.2, 0.3, 1]])
    assert same_heads(like) == [0, 1]
    assert same_heads(like[::-1, ::-1]) == [1, 2]
    # One image like two others, which are less like each other, is between them.
    assert same_heads(np.array([[1, 0.9, 0.5], [0.9, 1, 0.9], [0.5, 0.9, 1]])) == [0, 1, 2]


def test_of_two_images_that_differ_neither_is_right():
    assert same_heads(np.array([[1, 0.3], [0.3, 1]])) == []
    pairs = np.kron(np.eye(2), np.full((2, 2), 0.9)) + 0.1 * np.eye(4)
    assert same_heads(pairs) == []


def repeats(correlation: float, mirrored: float) -> Repeats:
    pair = {
        NAMES[0]: (Comparison(NAMES[1], correlation, mirrored),),
        NAMES[1]: (Comparison(NAMES[0], correlation, mirrored),),
    }
    return Repeats(pair, (), None)


def test_another_head_is_said_in_words_and_flags_the_visit():
    found = repeats(0.31, 0.28)
    notes = " ".join(found.notes(SCANS[0], SCANS[:2]))
    assert "ses-2 do not show the same head: their local correlation is 0.31" in notes
    assert "mirror" not in notes
    record = found.record(SCANS[0], SOURCES)["SameHead"]
    assert record["LocalCorrelation"] == {SOURCES[NAMES[1]]: 0.31}
    checks = same_head_check(record)
    assert checks[0].passed is False
    assert flagged(checks, "GM")
    assert same_head_check(None) == []


def test_a_mirror_is_said_in_words():
    notes = " ".join(repeats(0.52, 0.93).notes(SCANS[0], SCANS[:2]))
    assert "ses-2 are mirror images of each other" in notes
    assert "left and right are exchanged in one of them" in notes


def test_a_visit_that_nothing_can_be_laid_onto_is_segmented_by_itself():
    notes = Repeats({}, (), None).notes(SCANS[0], SCANS)
    assert notes == [
        "No other visit can be laid onto this one (one fails, or one is without its skull and the "
        "other is not); it is segmented by itself."
    ]
