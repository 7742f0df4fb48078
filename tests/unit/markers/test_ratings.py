"""Ratings of scans: read strictly, refused where they are another study's, and turned to a rule."""

from __future__ import annotations

import pytest

from commissure.errors import DatasetError
from commissure.markers.ratings import (
    RATING_COLUMNS,
    Rating,
    left_out,
    rating_files,
    read_ratings,
)
from commissure.markers.settings import MarkersSettings
from commissure.markers.table import exclusions
from commissure.outputs import MARKERS

STUDY, PEOPLE = "abc123", ["sub-01", "sub-02", "sub-03"]


def write(folder, *rows, name="ratings.tsv"):
    lines = ["\t".join(RATING_COLUMNS), *("\t".join(row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def row(who="sub-01", modality="anat", rating="drop", rater="n/a", study=STUDY, comment="n/a"):
    return study, who, "n/a", modality, rating, rater, comment


def test_ratings_are_read_with_rater_of_the_file_and_plain_comment(tmp_path):
    path = write(tmp_path, row(comment="'=1+1"), row("02", "func", "keep"), name="ratings_anna.tsv")
    ratings, cautions = read_ratings([path], study=STUDY, people=PEOPLE)
    assert [(r.participant_id, r.rater, r.comment) for r in ratings] == [
        ("sub-01", "anna", "=1+1"), ("sub-02", "anna", ""),
    ]  # fmt: skip
    assert cautions == []
    assert rating_files(tmp_path) == [path]


def test_another_study_is_refused_by_name(tmp_path):
    path = write(tmp_path, row(study="feed00"))
    with pytest.raises(DatasetError, match=r"ratings.tsv.*of the study 'feed00'.*'abc123'"):
        read_ratings([path], study=STUDY, people=PEOPLE)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(rating="bad"), "rating is 'bad'"),
        (row(modality="pet"), "modality is 'pet'"),
        (row(who="sub-99"), "nobody in it is in the study"),
    ],
)
def test_what_no_rater_can_say_is_refused(tmp_path, bad, words):
    with pytest.raises(DatasetError, match=words):
        read_ratings([write(tmp_path, bad)], study=STUDY, people=PEOPLE)


def test_two_ratings_of_one_scan_by_one_rater_are_refused(tmp_path):
    path = write(tmp_path, row(), row(rating="keep"))
    with pytest.raises(DatasetError, match="says 'drop' and 'keep' of anat"):
        read_ratings([path], study=STUDY, people=PEOPLE)


def test_a_file_without_a_column_is_refused(tmp_path):
    (tmp_path / "ratings.tsv").write_text("participant_id\trating\nsub-01\tdrop\n")
    with pytest.raises(DatasetError, match="study"):
        read_ratings([tmp_path / "ratings.tsv"], study=STUDY)


def test_raters_decide_together():
    ratings = [
        Rating("sub-01", "", "anat", said, rater)
        for rater, said in (("a", "drop"), ("b", "keep"), ("c", "unsure"))
    ]
    scan = ("sub-01", "", "anat")
    assert left_out(ratings, "any") == [(scan, 1)]
    assert left_out(ratings, "majority") == []
    assert left_out([*ratings, Rating(*scan, "drop", "d")], "majority") == [(scan, 2)]
    assert left_out(ratings, "off") == []


@pytest.mark.parametrize(("decision", "rows"), [("majority", 1), ("off", 0)])
def test_dropped_scans_stand_in_the_table_of_exclusions(tmp_path, decision, rows):
    path = write(tmp_path, row(), row("sub-02", rating="unsure"))
    table = exclusions(
        MARKERS.frame().astype({"value": float}), PEOPLE, MarkersSettings(ratings=decision),
        rating_files=[path], study=STUDY,
    )  # fmt: skip
    assert len(table) == rows
    if rows:
        assert table.loc[0, ["participant_id", "modality", "rule"]].tolist() == [
            "sub-01", "anat", "ratings",
        ]  # fmt: skip
