"""Tables of the people."""

from __future__ import annotations

from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort import tables, treatments
from commissure.phantom.cohort.request import CohortRequest


def test_tables():
    people = cohort.draw_cohort(CohortRequest(controls=4, responsive=4, resistant=4, seed=4))
    table = tables.participants_table(people)
    assert set(table) == {"participant_id", *tables.PARTICIPANTS_COLUMNS}
    controls = table[table["group"] == "control"]
    assert len(controls) == 4
    assert controls[["age_at_onset", "baseline_panss_total"]].isna().all(axis=None)
    assert set(table["group"]) == {"control", "patient"}
    trials = treatments.treatments_table(people)
    assert list(trials) == [
        "participant_id", "trial", "drug", "dose_mg", "cpz_eq_mg", "weeks_at_dose", "adherence",
        "adherence_sources", "panss_before", "panss_after",
    ]  # fmt: skip
    assert set(trials["participant_id"]) == set(table.loc[table["group"] == "patient", "participant_id"])  # fmt: skip
    first = trials[trials["trial"] == 1].set_index("participant_id")["panss_before"]
    baseline = table.set_index("participant_id")["baseline_panss_total"].dropna()
    assert (first == baseline.loc[first.index]).all()
