"""The values that the section compares are those that the models take."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commissure.files import write_table
from commissure.markers.effect_sizes import covariate_matrix
from commissure.markers.selection import kept_rows, read_exclusions
from commissure.markers.visits import baseline_rows, visit_table
from commissure.outputs import EXCLUSIONS
from commissure.report.cohort import cohort
from commissure.report.results import read_results
from commissure.report.section import ReportInput
from commissure.report.sections.markers import Comparison, compare, person_values
from commissure.report.sections.people import content
from commissure.report.settings import ReportSettings
from commissure.rows import Marker, read_markers, write_markers
from commissure.study.design import build_design
from commissure.study.settings import StudySettings


def test_report_and_classifier_take_the_same_visit(tmp_path):
    rows = [Marker("sub-1", "ses-1", "func", "r", "fc", 1.0, "1"),
            Marker("sub-1", "ses-2", "func", "r", "fc", 3.0, "1"),
            Marker("sub-2", "ses-1", "func", "r", "fc", 5.0, "1"),
            Marker("sub-2", "ses-2", "func", "r", "fc", 7.0, "1"),
            Marker("sub-3", "ses-1", "func", "r", "fc", 9.0, "1")]  # fmt: skip
    write_markers(rows, tmp_path / "markers.tsv")
    rules = [("sub-2", "ses-1", "func", "max_mean_fd_mm", 0.55, 0.7),
             ("sub-3", "ses-1", "func", "max_mean_fd_mm", 0.55, 0.8)]  # fmt: skip
    write_table(EXCLUSIONS.frame(rules), tmp_path / "exclusions.tsv")
    visits, _ = visit_table(read_markers(tmp_path / "markers.tsv"))
    write_table(visits, tmp_path / "visits.tsv")
    results = read_results(tmp_path, [])

    shown = person_values(results)["func", "fc", "r"]

    people = pd.DataFrame({"participant_id": ["sub-1", "sub-2", "sub-3"], "site": "all"})
    kept = kept_rows(
        read_markers(tmp_path / "markers.tsv"), read_exclusions(tmp_path / "exclusions.tsv")
    )
    kept = baseline_rows(kept, visits)
    design = build_design(kept, {}, people, settings=StudySettings())
    fitted = design.values[:, [column.marker for column in design.columns].index("fc")]
    np.testing.assert_array_equal(shown.reindex(people["participant_id"]).to_numpy(), fitted)
    assert shown.to_dict() == {"sub-1": 1.0}
    # One of two excluded people has another visit, and is used.
    members = cohort(people, results.tables["fusion/labels.tsv"], question={})
    shown = content(ReportInput(results, members, ReportSettings()), {})
    counts = {name: shown["modalities"][0][name] for name in ("measured", "excluded", "used")}
    assert counts == {"measured": 3, "excluded": 1, "used": 2}


def test_people_of_whom_nothing_is_known_to_adjust_for_are_compared():
    people = [f"sub-{n}" for n in range(8)]
    values = pd.Series(np.arange(8.0), index=people)
    pair = Comparison("a", people[:4], people[4:], 0)
    assert compare(values, pair, covariate_matrix([])) == compare(values, pair, None)
