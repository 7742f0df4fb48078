"""The flow of participants, counted in people."""

from __future__ import annotations

import pandas as pd

from commissure.outputs import COMPLETENESS
from commissure.report.sections.people import content, totals


def test_everybody_of_a_modality_is_in_one_state(run):
    shown = content(run.input(), {})
    for modality in shown["modalities"]:
        states = (modality["complete"], modality["partly"], modality["failed"])
        assert sum(states) == modality["scanned"]
        assert modality["scanned"] + modality["unscanned"] == shown["entered"] == 48
        assert modality["used"] <= modality["measured"]


def test_equal_causes_are_one_row(run):
    causes = content(run.input(), {})["causes"]
    assert [row["n"] for row in causes] == sorted((row["n"] for row in causes), reverse=True)
    assert len({(row["modality"], row["state"], row["cause"]) for row in causes}) == len(causes)


def test_an_image_that_the_dataset_lacks_is_no_lost_product():
    rows = [
        ("sub-1", "", "anat", "x", "preproc", "present", "", ""),
        ("sub-1", "", "mrs", "", "image", "missing", "none", ""),
        ("sub-1", "", "func", "x", "preproc", "failed", "short", ""),
    ]
    table: pd.DataFrame = COMPLETENESS.frame(rows)
    assert totals(table) == {"present": 1, "missing": 0, "failed": 1}
