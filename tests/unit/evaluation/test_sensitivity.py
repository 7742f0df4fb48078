from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from commissure.evaluation.held_out import held_out
from commissure.evaluation.sensitivity import (
    exclusion_sensitivity,
    missingness_patterns,
    widened_rows,
)


@pytest.mark.slow
def test_each_rule_can_be_lifted(make_study) -> None:
    study = make_study()
    rows = [(f"sub-{i:03d}", "", "func", "motion", "<= 0.5", 0.9) for i in range(1, 9)]
    rows += [("sub-020", "", "mrs", "linewidth", "<= 12", 15.0)]
    columns = ["participant_id", "session", "modality", "rule", "limit", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(
        study.folder / "exclusions.tsv", sep="\t", index=False
    )
    metrics = study.run(secondary_analyses=True, repeats=1, permutations=0)
    table = {row["analysis"]: row for row in metrics["exclusion_sensitivity"]}
    assert {"as declared", "without the rule motion", "without the rule linewidth",
            "without any rule", "without site north"} <= set(table)  # fmt: skip
    complete = table["only people with all modalities"]
    assert complete["n"] < table["as declared"]["n"]
    assert table["without site north"]["description"] == "too few people are left"


def test_rows_are_of_the_same_folds_and_of_fewer_people(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 1.0, "b": 1.0}, seed=8)
    drawn.values[:30, 4:] = np.nan  # a quarter lacks block b
    study = replace(drawn.study, rules=pd.DataFrame({"rule": []}))
    found = exclusion_sensitivity(study, drawn.spec, drawn.folds)
    rows = {row["analysis"]: row for row in widened_rows(found, 1.0)}
    assert set(rows) == {"as declared", "without site N", "without site S",
                         "only people with all modalities"}  # fmt: skip
    held = held_out(study, drawn.spec, drawn.folds)
    assert rows["as declared"]["auc_within_site"] == held.auc().record()
    wide = widened_rows(found, 1.25)[0]["auc_within_site"]
    assert wide == held.auc(1.25).record() and "widened by 1.25" in wide["interval"]
    assert rows["without site N"]["n"] == 60
    assert rows["only people with all modalities"]["n"] == 90


def test_patterns_share_out_the_people(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 1.0, "b": 1.0}, seed=8)
    drawn.values[:30, 4:] = np.nan
    held = held_out(drawn.study, drawn.spec, drawn.folds)
    rows = missingness_patterns(drawn.study, drawn.spec, [held], None)
    assert [(row["modalities"], row["n"]) for row in rows] == [("a b", 90), ("a", 30)]
    assert rows[1]["observed"] == 0.5
