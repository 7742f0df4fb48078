"""Who is scored, who is not, and what does not fit the model."""

import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError


def test_it_abstains_far_from_home_and_says_why(applied, edited, make_study) -> None:
    def far(table):
        scan = (table["participant_id"] == "sub-004") & (table["modality"] == "func")
        table.loc[scan, "value"] = 40.0
        return table[table["participant_id"] != "sub-007"]

    study = edited(make_study("new", seed=8), far)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t")
    assert "sub-007" in set(people["participant_id"])  # no markers, no row
    _, scores, _ = applied(study.folder)
    person = scores.set_index("participant_id").loc["sub-004"]
    assert person["status"] == "abstained" and np.isnan(person["probability"])
    assert person["reason"].startswith("func is")
    assert "sub-007" not in set(scores["participant_id"])


def test_what_does_not_fit_is_refused_in_words(applied, edited, make_study) -> None:
    study = edited(make_study("new"), lambda t: t.assign(unit=t["unit"].replace("1", "cm")))
    with pytest.raises(DatasetError, match="its unit is cm"):
        applied(study.folder)
    study = edited(make_study("other"), lambda t: t[t["marker"] == "tiv"])
    with pytest.raises(DatasetError, match="none of the markers that the model uses"):
        applied(study.folder)
