"""The groups side by side."""

from __future__ import annotations

import pandas as pd

from commissure.report.characteristics import characteristics
from commissure.report.cohort import cohort


def test_characteristics_count_the_unknown():
    participants = pd.DataFrame(
        {
            "participant_id": [f"sub-{number}" for number in range(4)],
            "group": ["control", "control", "control", "patient"],
            "age": [30.0, None, 40.0, 50.0],
            "sex": ["female", "male", "male", "male"],
        }
    )
    labels = pd.DataFrame({"participant_id": [], "label": [], "reason": []})
    shown = characteristics(cohort(participants, labels, question={}))
    rows = {row[0]: row[1:] for row in shown["rows"]}
    assert rows["sex male"] == ["2 (67\u2009%)", "1 (100\u2009%)"]
    # The standard deviation of 30 and 40 is 7.07.
    assert rows["age, mean (SD)"] == ["35 (7.07), 1 unknown", "50"]
