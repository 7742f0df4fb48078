"""The time to progression in the table of people."""

from __future__ import annotations

import pandas as pd

from commissure.files import write_table
from commissure.outputs import BEST_RESPONSE
from commissure.study.people import with_progression


def test_people_have_the_time_to_progression_or_to_the_last_visit(tmp_path):
    path = tmp_path / "best_response.tsv"
    columns = BEST_RESPONSE.names
    rows = [
        ("sub-01", "PR", "PR", "why", "ses-3", 112.0, "ses-4", 168.0),
        ("sub-02", "SD", "SD", "why", None, None, "ses-3", 112.0),
        ("sub-03", "PD", "PD", "why", "ses-2", None, "ses-2", None),
        ("sub-04", "NE", "NE", "why", None, None, "ses-1", 0.0),
    ]
    write_table(BEST_RESPONSE.frame(dict(zip(columns, row, strict=True)) for row in rows), path)
    people = pd.DataFrame({"participant_id": [f"sub-0{n}" for n in range(1, 6)]})
    made = with_progression(people, [path])
    assert made["days_to_progression"].tolist()[:2] == [112.0, 112.0]
    assert made["progressed"].tolist()[:2] == [1.0, 0.0]
    assert made.loc[2:, ["days_to_progression", "progressed"]].isna().all(axis=None)
    assert with_progression(people, []) is people
    own = people.assign(progressed="no")
    assert with_progression(own, [path])["progressed"].tolist() == ["no"] * 5
