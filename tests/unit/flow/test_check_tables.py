"""Tables and settings that name nobody are refused or told before anything is computed."""

import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.flow.check_tables import check_tables
from commissure.flow.settings import Settings

IMAGED = {"sub-01", "sub-02"}


@pytest.fixture
def study(tmp_path):
    """Settings of a study of two people, with tables as they are given."""

    def settings(people="01\n02\n", trials=None, lab=None, header="participant_id", **options):
        (tmp_path / "sourcedata").mkdir(exist_ok=True)
        (tmp_path / "participants.tsv").write_text(f"{header}\n{people}")
        if trials is not None:
            (tmp_path / "sourcedata/treatments.tsv").write_text(trials)
        if lab is not None:
            (tmp_path / "lab.tsv").write_text(lab)
            options["tables"] = [{"file": str(tmp_path / "lab.tsv"), **options.pop("table", {})}]
        return Settings(bids_dir=str(tmp_path), **options)

    return settings


def test_a_study_in_order_is_told_nothing(study):
    settings = study(trials="participant_id\tdrug\n01\ta\n", lab="participant_id\tx\n01\t1\n")
    assert check_tables(settings, IMAGED) == []


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"people": "1\n2\n"}, "participants.tsv: nobody in it is in the study: not 'sub-1', but 'sub-01' is"),
        ({"trials": "participant_id\tdrug\nzz\ta\n"}, "treatments.tsv: nobody in it is in the study"),
        ({"trials": "participant_id\tdrug\n01\ta\t\n"}, "treatments.tsv, line 2: it has 3 cells"),
        ({"lab": "participant_id\tx\nSUB-02\t1\n"}, "lab.tsv: nobody in it is in the study.*'sub-02' is"),
        ({"lab": "participant_id\tx\n01\t<1\n02\t2\n"}, r"lab.tsv, line 2 \(sub-01\): x is '<1'"),
    ],
)  # fmt: skip
def test_a_table_of_nobody_is_refused(study, tables, words):
    with pytest.raises(DatasetError, match=words):
        check_tables(study(**tables), IMAGED)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"people": "01\n2\n"}, ["1 of 2 people are not in the study: 'sub-2' is not, but 'sub-02' is",
                                 "participants.tsv has no row for 1 of 2 people, as 'sub-02'"]),
        ({"people": "01\n"}, ["participants.tsv has no row for 1 of 2 people, as 'sub-02'"]),
        ({"people": "01\n02\n77\n"}, ["1 of 3 people are not in the study: 'sub-77' is not."]),
        ({"trials": "participant_id\tdrug\n01\ta\nSUB-02\tb\n"}, ["treatments.tsv: 1 of 2 people"]),
        ({"trials": "participant_id\tdrug\n"}, ["treatments.tsv has no trial: no label follows"]),
        ({"lab": "participant_id\tx\n01\t1\n2\t2\n", "people": "01\n02\n"}, ["lab.tsv: 1 of 2 people"]),
    ],
)  # fmt: skip
def test_people_of_one_table_only_are_told(study, tables, words):
    told = check_tables(study(**tables), IMAGED)
    assert [w for w in words if not any(w in caution for caution in told)] == []


@pytest.mark.parametrize(
    ("item", "words"),
    [("sub-99", "'sub-99' is nobody of this study"), ("01/fnc", "'01/fnc' names no modality")],
)
def test_an_exclusion_of_nothing_is_refused(study, item, words):
    with pytest.raises(ConfigError, match=f"markers.exclude: {words}"):
        check_tables(study(markers={"exclude": [item]}), IMAGED)


def test_exclusions_of_people_and_modalities_are_taken(study):
    assert check_tables(study(markers={"exclude": ["sub-01", "02/func"]}), IMAGED) == []


def test_a_lab_marker_of_the_name_of_another_is_refused(study):
    settings = study(
        lab="participant_id\tx\n01\t1\n", table={"modality": "anat", "marker": "volume"}
    )
    with pytest.raises(ConfigError, match="the marker 'volume' is defined elsewhere"):
        check_tables(settings, IMAGED)


def test_a_history_that_no_label_needs_is_not_read(study):
    settings = study(trials="", fusion={"label": {"source": "column", "column": "group"}})
    assert check_tables(settings, IMAGED) == []


@pytest.mark.parametrize(
    ("fusion", "words"),
    [
        ({"clinical": ["onset"]}, "fusion.clinical: the people have no column 'onset'"),
        ({"confounds": ["agee"]}, "fusion.confounds: .*Did you mean 'age'"),
        (
            {"label": {"source": "column", "column": "tr"}},
            "fusion.label.column: the people have no",
        ),
        ({"clinical": ["Vorname"]}, "no column 'Vorname' that is used: it looks personal"),
    ],
)
def test_a_column_that_is_not_there_is_refused(study, fusion, words):
    settings = study(people="01\tx\n02\ty\n", header="participant_id\tVorname", fusion=fusion)
    with pytest.raises(ConfigError, match=words):
        check_tables(settings, IMAGED)


def test_sessions_without_an_order_are_refused_before_anything_is_computed(study):
    lab = "participant_id\tsession\tx\n01\tA\t1\n01\tB\t2\n"
    table = {"session": "session"}
    with pytest.raises(ConfigError, match=r"sessions: the names \['A', 'B'\] do not say which"):
        check_tables(study(lab=lab, table=table), IMAGED)
    assert check_tables(study(lab=lab, table=table, sessions={"baseline": "B"}), IMAGED) == []
    with pytest.raises(ConfigError, match="nobody has the session 'C'"):
        check_tables(study(lab=lab, table=table, sessions={"baseline": "C"}), IMAGED)
    visits = {("sub-01", "ses-on"), ("sub-01", "ses-off")}
    with pytest.raises(ConfigError, match=r"\['off', 'on'\]"):
        check_tables(study(), IMAGED, visits)


def test_a_baseline_that_knows_later_visits_is_told(study):
    visits = [("sub-01", "ses-1"), ("sub-01", "ses-2"), ("sub-02", "ses-1")]
    longitudinal = {"anat": {"longitudinal": True}, "sessions": {"baseline": "1", "followup": "2"}}
    told = check_tables(study(**longitudinal), IMAGED, visits)
    assert any("told something of the future" in sentence for sentence in told)
    change = {**longitudinal, "fusion": {"visit_markers": ["change"]}}
    assert check_tables(study(**change), IMAGED, visits) == []
    once = {"anat": {"longitudinal": True}}
    assert check_tables(study(**once), IMAGED, visits[:1]) == []
