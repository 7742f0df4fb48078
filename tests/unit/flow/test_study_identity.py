"""Which study an output folder is of."""

from __future__ import annotations

import json

from commissure.flow.study_identity import study_identity


def test_it_stays_when_people_join_and_differs_between_studies(tmp_path):
    (tmp_path / "bids").mkdir()
    (tmp_path / "bids/dataset_description.json").write_text(json.dumps({"Name": "One"}))
    first = study_identity(tmp_path / "work", tmp_path / "bids", ["sub-02", "sub-01"])
    assert len(first) == 12
    assert study_identity(tmp_path / "work", tmp_path / "bids", ["sub-03"]) == first
    again = study_identity(tmp_path / "w2", tmp_path / "bids", ["sub-01", "sub-02"])
    assert again == first
    assert study_identity(tmp_path / "w3", tmp_path / "bids", ["sub-01"]) != first
    assert study_identity(tmp_path / "w4", None, ["sub-01", "sub-02"]) != first
