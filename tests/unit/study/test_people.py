"""The table of people: identifiers as text, columns by name, and readable refusals."""

from __future__ import annotations

import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commissure.errors import ConfigError, DatasetError
from commissure.files import write_table
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.tables import participants_table
from commissure.phantom.request import chosen_request
from commissure.study.labels.column import column_labels
from commissure.study.people import read_people
from commissure.study.people_check import check_people
from commissure.study.settings import LabelSettings, ParticipantsSettings


def table(tmp_path, text):
    path = tmp_path / "participants.tsv"
    path.write_text(text.replace(" ", "\t"))
    return path


def test_columns_get_their_standard_names(tmp_path):
    path = table(tmp_path, "ID years scanner dx iq\n007 31 A HC 100\nsub-010 n/a B SZ 90\n")
    columns = ParticipantsSettings(id="ID", age="years", site="scanner", group="dx")
    people, _ = read_people(path, settings=columns, present=["sub-007"])
    assert people["participant_id"].tolist() == ["sub-007", "sub-010"]
    assert people["group"].tolist() == ["control", "SZ"]
    assert people["age"].isna().tolist() == [False, True]
    assert people["sex"].isna().all()
    assert people["iq"].tolist() == [100, 90]


def test_people_with_images_but_no_row_are_kept(tmp_path):
    path = table(tmp_path, "participant_id age\nsub-01 31\n")
    people, _ = read_people(path, settings=ParticipantsSettings(), present=["sub-01", "sub-02"])
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert people["listed"].tolist() == [True, False]


def test_without_a_table_the_people_are_those_with_images():
    people, _ = read_people(
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


def read(tmp_path, text, present=("sub-01", "sub-02"), **columns):
    path = tmp_path / "participants.tsv"
    path.write_text(text)
    people, cautions = read_people(path, settings=ParticipantsSettings(**columns), present=present)
    return people.set_index("participant_id"), " ".join(cautions)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("02\tthirty\tF", r"participants.tsv, line 3 \(sub-02\): age is 'thirty'; years from 0 to"),
        ("02\t30,5\tF", r"line 3 \(sub-02\): age is '30,5'"),
        ("02\t-5\tF", r"line 3 \(sub-02\): age is '-5'"),
        ("02\t3910\tF", r"line 3 \(sub-02\): age is '3910'"),
        ("02\tinf\tF", r"line 3 \(sub-02\): age is 'inf'"),
        ("02\t31\t2", r"line 3 \(sub-02\): sex is '2', and 'F' in others; either words or codes"),
        ("n/a\t31\tF", r"line 3: participant_id is empty"),
        ('"sub-02 x"\t31\tF', r"line 3: participant_id is 'sub-02 x'.*without blanks"),
        ('"sub-02\tx"\t31\tF', r"line 3: participant_id is 'sub-02\\tx'"),
        ('"sub-02\nx"\t31\tF', r"line 4: participant_id is 'sub-02\\nx'"),
        ("02\t31\tF\t", r"line 3: it has 4 cells, the header 3"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_is_refused_with_its_place(tmp_path, row, words):
    with pytest.raises(DatasetError, match=words):
        read(tmp_path, f"participant_id\tage\tsex\n01\t30\tF\n{row}\n")


def test_ages_at_the_limits_are_taken(tmp_path):
    people, cautions = read(tmp_path, "participant_id\tage\n01\t0\n02\t120\n")
    assert people["age"].tolist() == [0, 120]
    assert cautions == ""


def test_a_header_alone_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="it has a header and no row; a row for each person"):
        read(tmp_path, "participant_id\tage\n")


@pytest.mark.parametrize(("who", "near"), [("1", "01"), ("SUB-01", "01"), ("sub-1", "01")])
def test_rows_that_match_nobody_are_refused(tmp_path, who, near):
    with pytest.raises(DatasetError, match=f"nobody in it is in the study.*'sub-{near}' is"):
        read(tmp_path, f"participant_id\n{who}\n")


def test_people_without_a_row_are_told_without_their_name(tmp_path):
    _, cautions = read(tmp_path, "participant_id\n01\nzzz\n")
    assert "participants.tsv does not name 1 of 2 people with measurements" in cautions
    assert "sub-" not in cautions


@pytest.mark.parametrize(
    ("cells", "expected", "told"),
    [
        (["F", "M"], ["F", "M"], ""),
        (["female", "male"], ["female", "male"], ""),
        (["1", "2"], ["1", "2"], ""),
        (["1", "1.0"], ["1", "1"], ""),
        (["F", " f "], ["F", "F"], "sex is spelt in several ways; written are F, f as F"),
        (["Weiblich", "female"], ["F", "F"], "written are Weiblich, female as F"),
        (["homme", "m"], ["M", "M"], "written are homme, m as M"),
    ],
)
def test_spellings_of_a_sex_become_one(tmp_path, cells, expected, told):
    people, cautions = read(tmp_path, f"participant_id\tsex\n01\t{cells[0]}\n02\t{cells[1]}\n")
    assert people["sex"].tolist() == expected
    assert told in cautions
    assert bool(told) == bool(cautions)


def test_sites_that_are_nearly_one_are_told(tmp_path):
    text = "participant_id\tsite\n01\t A\n02\ta\n03\t1\n04\t1.0\n05\tn/a\n"
    people, cautions = read(tmp_path, text)
    assert people["site"].dropna().tolist() == ["A", "a", "1", "1"]
    assert "1 cells of site have blanks around them" in cautions
    assert "site 1 and 1.0 are one: 1." in cautions
    assert "site 'A', 'a' are spelt alike and count as 2 sites." in cautions


def test_a_misspelt_control_is_told(tmp_path):
    people, cautions = read(tmp_path, "participant_id\tgroup\n01\tcontorl\n02\tpatient\n")
    assert people["group"].tolist() == ["contorl", "patient"]
    assert "group is 'contorl' in 1 people, which is nearly 'control'" in cautions
    assert "patient" not in cautions


def test_a_column_of_the_runs_own_name_is_kept_under_another(tmp_path):
    people, cautions = read(tmp_path, "participant_id\tlisted\tlabel\n01\tyes\tx\n02\tno\ty\n")
    assert people["listed"].all()
    assert people["listed_in_file"].tolist() == ["yes", "no"]
    assert people["label"].tolist() == ["x", "y"]
    assert "its column listed is called listed_in_file" in cautions


def test_a_code_for_nothing_is_told(tmp_path):
    _, cautions = read(tmp_path, "participant_id\tiq\n01\t-9999\n02\t101\n03\t99\n")
    assert "-9999 stands in 1 of 3 cells of the column iq" in cautions
    assert "99 stands" not in cautions.replace("-9999 stands", "")


PLANTED = "PLANTED"
PERSONAL = {
    "PatientName": PLANTED, "birth_date": "1980-01-02", "scan_date": "2019-05-06", "Nachname": PLANTED,
    "adresse": PLANTED, "mrn": "778899", "contact": "a.b@example.org", "reached": "+49 170 1234567",
    "fecha de nacimiento": "x", "numéro de sécurité sociale": "1", "Telefon": "0170",
}  # fmt: skip


def test_columns_that_look_personal_are_named_and_left_out(tmp_path):
    head, cells = "\t".join(PERSONAL), "\t".join(PERSONAL.values())
    text = f"participant_id\tage\t{head}\tiq\n01\t30\t{cells}\t100\n02\t31\t{cells}\t90\n"
    people, cautions = read(tmp_path, text)
    assert [name for name in PERSONAL if name in people] == []
    assert "iq" in people
    assert [name for name in PERSONAL if name not in cautions] == []
    assert [value for value in PERSONAL.values() if len(value) > 3 and value in cautions] == []


@pytest.mark.parametrize("preset", ["tiny", "demo"])
def test_nothing_is_told_of_a_simulated_cohort(tmp_path, preset):
    cohort = draw_cohort(chosen_request(preset, {}).cohort)
    write_table(participants_table(cohort), tmp_path / "participants.tsv")
    checked = check_people(tmp_path / "participants.tsv", settings=ParticipantsSettings())
    assert list(checked.cautions) == []
    assert all(spelling == cell for cell, spelling in checked.written["sex"].items())


@given(
    st.lists(
        st.tuples(
            st.text("01ab -\t\"'=,", min_size=1, max_size=5), st.text("0123 .,-<n/a", max_size=4)
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_planning_and_the_job_agree_on_any_table(tmp_path, rows):
    path = tmp_path / "participants.tsv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("participant_id", "age"), *rows])
    said = []
    for reader in (check_people, read_people):
        try:
            reader(path, settings=ParticipantsSettings())
            said.append("")
        except DatasetError as error:
            said.append(str(error))
    assert said[0] == said[1]


def test_ages_that_are_cut_off_at_the_top_are_read(tmp_path):
    path = table(tmp_path, "participant_id age\n1 89+\n2 31.5\n3 n/a\n")
    people, told = read_people(path, settings=ParticipantsSettings())
    assert people["age"].tolist()[:2] == [89.0, 31.5]
    assert told == ["participants.tsv: age is 89+ in 1 people, who count as 89 years old."]
    with pytest.raises(DatasetError, match=r"age is '9\+'"):
        read_people(table(tmp_path, "participant_id age\n1 9+\n"), settings=ParticipantsSettings())


@pytest.mark.parametrize("cells", ["0 1 n/a", "0.0 1.0 n/a"])
def test_groups_in_codes_are_read_as_codes(tmp_path, cells):
    rows = "".join(f"{i} {cell}\n" for i, cell in enumerate(cells.split()))
    path = table(tmp_path, f"participant_id group\n{rows}")
    people, _ = read_people(path, settings=ParticipantsSettings(control=["0"]))
    assert people["group"].tolist() == ["control", "1", None]
    assert people["group_in_file"].tolist() == ["0", "1", None]


def test_the_words_of_the_group_may_be_the_labels(tmp_path):
    path = table(tmp_path, "participant_id group\n1 Control\n2 Patient\n3 n/a\n")
    people, _ = read_people(path, settings=ParticipantsSettings())
    asked = LabelSettings(source="column", column="group", positive="Patient", negative="Control")
    labels = column_labels(people, asked)
    assert labels["label"].tolist() == ["Control", "Patient", "indeterminate"]


def test_families_are_declared_and_what_looks_like_them_is_told(tmp_path):
    path = table(tmp_path, "participant_id family_id family\n1 9 yes\n2 9 no\n3 n/a no\n")
    people, told = read_people(path, settings=ParticipantsSettings())
    assert people["family"].isna().all()
    assert people["family_in_file"].tolist() == ["yes", "no", "no"]
    assert "family_id has the same in several people" in " ".join(told)
    people, told = read_people(path, settings=ParticipantsSettings(family="family_id"))
    assert people["family"].tolist() == ["9", "9", None]
    assert "family_id" not in " ".join(told)
    people, _ = read_people(path, settings=ParticipantsSettings(family="family"))
    assert people["family"].tolist() == ["yes", "no", "no"]
