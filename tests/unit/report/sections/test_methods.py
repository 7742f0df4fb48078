"""What every marker means."""

from __future__ import annotations

from commissure.report.results import QualityRecord
from commissure.report.sections.methods import bold_sentences, content


def test_markers_come_by_modality_and_before_measurements(small):
    rows = content(small.input(), {})["definitions"]
    places = [row["place"] for row in rows]
    assert places == sorted(places)
    roles = [row["role"] for row in rows if row["place"] == places[0]]
    assert roles == sorted(roles)
    assert all(row["unit"] for row in rows)


def record(susceptibility, *, flags=(), echoes=(), right_sign=None, strategy="", rejected=None):
    checks = [] if right_sign is None else [{"name": "boundary_right_sign", "value": right_sign}]
    return QualityRecord(
        "sub-01", "", "func", "sub-01_task-rest_bold", checks, flags, (), {},
        susceptibility=susceptibility, echo_times_s=echoes, strategy=strategy,
        strategy_source="Behzadi 2007" if strategy else "",
        echo_components={"Program": "tedana 26.0.3", "Rejected": rejected} if rejected else {},
    )  # fmt: skip


def test_the_correction_of_bold_is_told_where_there_is_one_and_where_there_is_none():
    runs = [
        record("PEPOLAR"),
        record("none"),
        record("none", flags=("field_maps_refused",)),
        record("PHASEDIFF", echoes=(0.01, 0.03, 0.05), rejected=12),
        record(""),
    ]
    told = " ".join(bold_sentences(runs))
    assert "by images of the opposite phase encoding in 1 of 5 runs" in told
    assert "by the phases of two gradient echoes in 1 of 5 runs" in told
    assert "In 2 of 5 runs susceptibility distortion of BOLD was not corrected, 1 of them" in told
    assert "Of 1 of 5 BOLD runs it is not recorded" in told
    assert "1 of 5 BOLD runs had 3 echoes" in told
    assert "Of 1 of them tedana 26.0.3 found independent components" in told
    assert "(median 12 a run)" in told
    assert bold_sentences([]) == []


def test_where_bold_lies_is_told_of_the_runs_that_were_judged():
    runs = [
        record("none", right_sign=0.86),
        record("none", right_sign=0.6, flags=("boundary_right_sign", "boundary_offset_mm")),
        record("none"),
    ]
    told = " ".join(bold_sentences(runs))
    assert "2 of 3 BOLD runs were laid beside the person's T1w image" in told
    assert "at 60% to 86% of its points; 1 of the runs failed" in told
    assert "T1w" not in " ".join(bold_sentences(runs[2:]))


def test_what_connectivity_was_denoised_by_is_told_with_its_source():
    runs = [record("none", strategy="aCompCor"), record("none", strategy="36P"), record("none")]
    told = " ".join(bold_sentences([*runs, runs[0]]))
    assert "of 2 of 4 BOLD runs were measured after the confounds of aCompCor had been" in told
    assert "(Behzadi 2007)" in told and "1 of 4 BOLD runs were measured after" in told
