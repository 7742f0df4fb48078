"""Which rows count: one meaning in the classifier and in the report."""

import numpy as np
import pandas as pd

from commissure.markers.selection import kept_rows, people_excluded
from commissure.rows import COLUMNS


def markers(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(
        [(who, session, modality, region, marker, value, "1", "ok")
         for who, session, modality, region, marker, value in rows],
        columns=list(COLUMNS),
    )  # fmt: skip


def test_exclusions_take_out_person_session_and_modality() -> None:
    table = markers(("a", "ses-1", "func", "r", "fc", 1.0), ("a", "ses-2", "func", "r", "fc", 2.0),
                    ("b", "ses-1", "func", "r", "fc", 3.0), ("b", "ses-1", "anat", "r", "v", 4.0))  # fmt: skip
    rules = pd.DataFrame(
        [("a", "ses-1", "func"), ("b", np.nan, "all")],
        columns=["participant_id", "session", "modality"],
    )
    assert kept_rows(table, rules)["value"].tolist() == [2.0]
    rules["modality"] = "anat"
    assert kept_rows(table, rules)["value"].tolist() == [1.0, 2.0, 3.0]


def test_an_exclusion_without_modality_is_of_the_whole_person() -> None:
    table = markers(("a", "", "func", "r", "fc", 1.0), ("b", "", "anat", "r", "volume", 2.0))
    rules = pd.DataFrame({"participant_id": ["a"], "session": [None], "modality": [None]})
    for empty in (None, "", "all"):
        rules["modality"] = empty
        assert kept_rows(table, rules)["value"].tolist() == [2.0]
        assert people_excluded(rules, "dwi") == {"a"}
    rules["modality"] = "anat"
    assert people_excluded(rules, "dwi") == set()


def test_what_is_measured_with_a_modality_is_excluded_with_it() -> None:
    table = markers(("a", "", "lesion", "all", "lesion_count", 1.0),
                    ("a", "", "radiomics", "stat_mean", "radiomic_feature", 2.0),
                    ("a", "", "anat", "r", "volume", 3.0))  # fmt: skip
    rules = pd.DataFrame({"participant_id": ["a"], "session": [None], "modality": ["lesion"]})
    assert kept_rows(table, rules)["value"].tolist() == [3.0]
    rules["modality"] = "radiomics"
    assert kept_rows(table, rules)["value"].tolist() == [1.0, 3.0]
