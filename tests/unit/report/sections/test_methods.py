"""What every marker means."""

from __future__ import annotations

from commissure.report.sections.methods import content


def test_markers_come_by_modality_and_before_measurements(small):
    rows = content(small.input(), {})["definitions"]
    places = [row["place"] for row in rows]
    assert places == sorted(places)
    roles = [row["role"] for row in rows if row["place"] == places[0]]
    assert roles == sorted(roles)
    assert all(row["unit"] for row in rows)
