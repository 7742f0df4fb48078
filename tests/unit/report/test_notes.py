"""Notes of many scans as one sentence."""

from __future__ import annotations

from commissure.report.notes import summed_notes


def test_notes_that_differ_in_tract_and_number_are_one():
    notes = [
        (
            f"sub-0{k % 3 + 1}",
            f"fa and md of {tract} are missing: {k} voxels of white matter, 5 are needed.",
        )
        for k, tract in enumerate(("CST_L", "UNC_R", "FX", "CST_L"))
    ]
    (note, other) = summed_notes([*notes, ("sub-09", "Slice timing is not corrected.")])
    assert note.sentence == (
        "fa and md of CST_L, FX and UNC_R are missing: 0 to 3 voxels of white matter, 5 are needed."
    )
    assert (note.people, note.notes) == (["sub-01", "sub-02", "sub-03"], 4)
    assert other.sentence == "Slice timing is not corrected." and other.notes == 1


def test_sentences_that_say_something_else_stay_apart():
    notes = [("a", "The mask holds 3 holes."), ("b", "The mask lost 3 holes.")]
    assert len(summed_notes(notes)) == 2
