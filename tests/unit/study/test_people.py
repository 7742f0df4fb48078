"""The table of people: identifiers as text, columns by name, and readable refusals."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.study.people import read_people
from commissure.study.settings import ParticipantsSettings


def table(tmp_path, text):
    path = tmp_path / "participants.tsv"
    path.write_text(text.replace(" ", "\t"))
    return path


def test_columns_get_their_standard_names(tmp_path):
    path = table(tmp_path, "ID years scanner dx iq\n007 31 A HC 100\nsub-010 n/a B SZ 90\n")
    settings = ParticipantsSettings(id="ID", age="years", site="scanner", group="dx")
    people = read_people(path, settings=settings, present=["sub-007"])
    assert people["participant_id"].tolist() == ["sub-007", "sub-010"]
    assert people["group"].tolist() == ["control", "SZ"]
    assert people["age"].isna().tolist() == [False, True]
    assert people["sex"].isna().all()
    assert people["iq"].tolist() == [100, 90]


def test_people_with_images_but_no_row_are_kept(tmp_path):
    path = table(tmp_path, "participant_id age\nsub-01 31\n")
    people = read_people(path, settings=ParticipantsSettings(), present=["sub-01", "sub-02"])
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert people["listed"].tolist() == [True, False]


def test_without_a_table_the_people_are_those_with_images():
    people = read_people(
        None, settings=ParticipantsSettings(), present=["sub-02", "sub-01", "sub-01"]
    )
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]


def test_a_named_column_that_is_not_there_gets_a_suggestion(tmp_path):
    path = table(tmp_path, "participant_id centre\nsub-01 A\n")
    with pytest.raises(
        ConfigError,
        match=r"participants.site: participants.tsv has no column 'center'.*Did you mean 'centre'",
    ):
        read_people(path, settings=ParticipantsSettings(site="center"))


def test_a_table_without_identifiers_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="participants.id"):
        read_people(table(tmp_path, "name\nx\n"), settings=ParticipantsSettings())


def test_duplicate_people_are_refused(tmp_path):
    path = table(tmp_path, "participant_id\nsub-01\n01\n")
    with pytest.raises(DatasetError, match=r"sub-01 has more than one row.*Remove the rows"):
        read_people(path, settings=ParticipantsSettings())
