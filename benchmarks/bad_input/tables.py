"""Tables: people, treatments and a lab's own, as spreadsheets and hands leave them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.files import read_table, write_table
from commissure.flow.check_tables import check_tables
from commissure.flow.settings import read_settings
from commissure.markers.table import marker_table
from commissure.rows import COLUMNS, Marker, write_markers
from commissure.study.labels.history import (
    read_trials,
    treated_control_cautions,
    trial_cautions,
)
from commissure.study.labels.trrip import treatment_labels
from commissure.study.people import read_people
from commissure.study.tables import unknown_participants

from .harness import TOLD, Case, Outcome, Verdict

#: People with images, in every case.
IMAGED = ("sub-01", "sub-02")
PEOPLE = (
    "participant_id\tage\tsex\tsite\tgroup\nsub-01\t30\tF\tA\tpatient\nsub-02\t31\tM\tA\tcontrol\n"
)

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Planted:
    """A study of two people in whose tables something is planted.

    Attributes
    ----------
    people, treatments, lab
        Content of the tables; one that is None is not there.
    lab_name
        Name of the lab's table.
    config
        What ``config.yaml`` says beside the dataset.
    table
        Settings of the lab's table.
    measured
        What the images gave.
    truth
        What the tables mean, by the name that :func:`run` gives it.
    secret
        Texts that must stand nowhere in what the run writes or tells.
    """

    people: str | bytes | None = PEOPLE
    treatments: str | bytes | None = None
    lab: str | bytes | None = None
    lab_name: str = "lab.tsv"
    config: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] = field(default_factory=dict)
    measured: Sequence[Marker] = ()
    truth: Cells = field(default_factory=dict)
    secret: Sequence[str] = ()


def run(case: Planted, folder: Path) -> Outcome:
    """Plan the study, join its tables and label its people."""
    _write(case, folder)
    config: dict[str, Any] = {"bids_dir": str(folder), **case.config}
    if case.lab is not None:
        config["tables"] = [{"file": str(folder / case.lab_name), **case.table}]
    settings = read_settings(config)
    told = check_tables(settings, set(IMAGED))
    write_markers(case.measured, folder / "own.tsv")
    markers, cautions = marker_table([folder / "own.tsv"], settings.tables)
    people, messages = read_people(
        settings.participants_file(),
        settings=settings.participants,
        present=[*IMAGED, *markers["participant_id"]],
    )
    told += [*cautions, *messages]
    found = _cells(people) | _values(markers)
    if file := settings.treatments_file():
        trials = read_trials(file, settings.treatments.columns)
        told += unknown_participants(trials, people, file.name)
        labels = treatment_labels(trials, people)
        told += trial_cautions(trials, file.name)
        told += treated_control_cautions(labels)
        found |= dict(zip("label " + labels["participant_id"], labels["label"], strict=True))
    written = folder / "out.tsv"
    write_table(people, written)
    content = written.read_text() + " ".join(told)
    leaked = [text for text in case.secret if text in content]
    if leaked:
        return Outcome("silent", f"{leaked} stand in what is written or told")
    apart = [
        f"{name}: {found.get(name)} in place of {wanted}"
        for name, wanted in case.truth.items()
        if found.get(name) != wanted
    ]
    words = "; ".join([*dict.fromkeys(told), *apart])
    if apart:
        return Outcome("flagged" if told else "silent", words)
    return Outcome("flagged" if told else "right", words)


def _write(case: Planted, folder: Path) -> None:
    (folder / "sourcedata").mkdir()
    for name, content in (
        ("participants.tsv", case.people),
        ("sourcedata/treatments.tsv", case.treatments),
        (case.lab_name, case.lab),
    ):
        if content is not None:
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)


def _cells(people: pd.DataFrame) -> dict[str, Any]:
    """The standard columns by person and column, as ``sub-01 age``."""
    table = people.set_index("participant_id")[["age", "sex", "site", "group"]]
    return {
        f"{who} {name}": None if pd.isna(cell) else cell
        for who, row in table.iterrows()
        for name, cell in row.items()
    }


def _values(markers: pd.DataFrame) -> dict[str, Any]:
    """Values by person and region, as ``sub-01 x``."""
    names = markers["participant_id"] + " " + markers["region"]
    return dict(zip(names, markers["value"], strict=True))


CLEAN = {
    "sub-01 age": 30, "sub-01 sex": "F", "sub-01 site": "A", "sub-01 group": "patient",
    "sub-02 age": 31, "sub-02 sex": "M", "sub-02 site": "A", "sub-02 group": "control",
}  # fmt: skip


def people_table(*rows: str, header: str = "participant_id\tage\tsex\tsite\tgroup") -> str:
    """A table of people; cells are separated by ``|`` in ``rows``."""
    return "\n".join([header, *(row.replace("|", "\t") for row in rows)]) + "\n"


def people_cases() -> list[tuple[str, str, Planted, Sequence[Verdict]]]:
    """The table of people."""
    good = ("sub-01|30|F|A|patient", "sub-02|31|M|A|control")

    def rows(*given: str, **more: Any) -> Planted:
        return Planted(people=people_table(*given), **{"truth": CLEAN, **more})

    def second(row: str, **more: Any) -> Planted:
        return rows(good[0], row, **more)

    def extra(name: str, *cells: str, **more: Any) -> Planted:
        given = [f"{row}|{cell}" for row, cell in zip(good, cells, strict=True)]
        header = f"participant_id\tage\tsex\tsite\tgroup\t{name}"
        return Planted(people=people_table(*given, header=header), truth=CLEAN, **more)

    right: Sequence[Verdict] = ("right",)
    told_right: Sequence[Verdict] = ("flagged", "right", "refused")
    return [
        ("p01", "byte-order mark", Planted(people="\ufeff" + PEOPLE, truth=CLEAN), right),
        ("p02", "CRLF", Planted(people=PEOPLE.replace("\n", "\r\n"), truth=CLEAN), right),
        ("p03", "commas in .tsv", Planted(people=PEOPLE.replace("\t", ",")), TOLD),
        ("p04", "spaces in place of tabs", Planted(people=PEOPLE.replace("\t", " ")), TOLD),
        ("p05", "an identifier twice", rows(*good, good[0]), TOLD),
        ("p06", "identifiers without sub-", Planted(people=PEOPLE.replace("sub-", ""), truth=CLEAN), right),
        ("p07", "1, 2 while folders are 01, 02", Planted(people=PEOPLE.replace("sub-0", "")), TOLD),
        ("p07b", "one of them 2 for 02", second("2|31|M|A|control"), TOLD),
        ("p08", "empty file", Planted(people=b""), TOLD),
        ("p09", "header only", rows(), TOLD),
        ("p10", "a row with a cell too many", second("sub-02|x|31|M|A|control"), TOLD),
        ("p10b", "a row with a cell too few", second("sub-02|31|M|control"), TOLD),
        ("p11", "UTF-16", Planted(people=PEOPLE.encode("utf-16")), TOLD),
        ("p12", "Latin-1", Planted(people=PEOPLE.replace("A", "Zürich").encode("latin-1")), TOLD),
        ("p13", "binary junk", Planted(people=PEOPLE.encode() + os.urandom(64) + b"\x80"), TOLD),
        ("p13b", "zeros behind the table, as after a power cut", Planted(people=PEOPLE + "\0" * 64), TOLD),
        ("p14", "identifier with HTML", rows(*good, "<b>x</b>|9|F|A|patient"), told_right),
        ("p15", "identifier with ../", rows(*good, "../../x|9|F|A|patient"), told_right),
        ("p16", "identifier n/a", rows(*good, "n/a|9|F|A|patient"), TOLD),
        ("p17", "age thirty", second("sub-02|thirty|M|A|control"), TOLD),
        ("p18", "age 3910", second("sub-02|3910|M|A|control"), TOLD),
        ("p18b", "age -5", second("sub-02|-5|M|A|control"), TOLD),
        ("p18c", "age 89+", second("sub-02|89+|M|A|control", truth={"sub-02 age": 89}), ("flagged",)),
        ("p18d", "age 120+ years", second("sub-02|120+ y|M|A|control"), TOLD),
        ("p35", "two rows of one person with two groups", rows(*good, "sub-02|31|M|A|patient"), TOLD),
        ("p36", "groups 0.0 and 1.0 as a spreadsheet writes codes", Planted(people=people_table("sub-01|30|F|A|1.0", "sub-02|31|M|A|0.0"), config={"participants": {"control": ["0"]}}, truth={"sub-02 group": "control"}), right),
        ("p37", "a family_id that nobody declared", extra("family_id", "9", "9"), TOLD),
        ("p38", "a column family with yes and no", extra("family", "yes", "no"), TOLD),
        ("p19", "age 30,5", second("sub-02|30,5|M|A|control"), TOLD),
        ("p20", "two columns of one name", Planted(people=PEOPLE.replace("sex", "age")), TOLD),
        ("p21", "participant_id misspelt", Planted(people=PEOPLE.replace("participant_id", "participant")), TOLD),
        ("p22", "a quotation mark not closed", second('sub-02|31|M|"A|control'), TOLD),
        ("p23", "other identifiers than the images", Planted(people=PEOPLE.replace("sub-0", "sub-7")), TOLD),
        ("p24", "identifier with a blank behind", second("sub-02 |31|M|A|control"), right),
        ("p25", "SUB-02", second("SUB-02|31|M|A|control"), TOLD),
        ("p27", "columns called listed and label", extra("listed", "yes", "no"), TOLD),
        ("p28", "one row per visit", rows(*good, good[1]), TOLD),
        ("p29", "a tab behind every row", Planted(people=PEOPLE.replace("patient", "patient\t").replace("control\n", "control\t\n")), TOLD),
        ("p30", "a tab behind every line", Planted(people=PEOPLE.replace("\n", "\t\n"), truth=CLEAN), right),
        ("p31", "a comment in one row more than the header", second("sub-02|31|M|A|control|ok"), TOLD),
        ("p32", "sex F and female", second("sub-02|31|f|A|control", truth={"sub-02 sex": "F"}), TOLD),
        ("p33", "sex F and 2", second("sub-02|31|2|A|control"), TOLD),
        ("p34", "sex weiblich, männlich", second("sub-02|31|männlich|A|control", truth={}), right),
        ("p35", "group contorl", second("sub-02|31|M|A|contorl"), TOLD),
        ("p36", "site ' A'", second("sub-02|31|M| A|control"), TOLD),
        ("p37", "sites A and a", second("sub-02|31|M|a|control"), TOLD),
        ("p38", "sites 1 and 1.0", rows("sub-01|30|F|1|patient", "sub-02|31|M|1.0|control", truth={"sub-02 site": "1"}), TOLD),
        ("p39", "identifier with a tab inside", second('"sub-02\tx"|31|M|A|control'), TOLD),
        ("p40", "identifier with a line break inside", second('"sub-02\nx"|31|M|A|control'), TOLD),
        ("p41", "somebody with images has no row", rows(good[0]), TOLD),
        ("p42", "-9999 in a column of numbers", extra("iq", "-9999", "101"), TOLD),
        ("p43", "an Excel workbook", Planted(people=b"PK\x03\x04" + PEOPLE.encode()), TOLD),
        ("c-name", "a column PatientName", extra("PatientName", "PLANTED", "PLANTED", secret=["PLANTED"]), TOLD),
        ("c-birth", "a column birth_date", extra("birth_date", "1980-01-02", "1981-02-03", secret=["1980"]), TOLD),
        ("c-day", "a column of days", extra("seen", "1980-01-02", "1981-02-03", secret=["1980"]), TOLD),
        ("c-vorname", "a column Vorname", extra("Vorname", "PLANTED", "X", secret=["PLANTED"]), TOLD),
        ("c-mail", "e-mail in a column note", extra("note", "a@planted.org", "n/a", secret=["planted"]), TOLD),
        ("c-mrn", "a column numéro de dossier", extra("numéro de dossier", "998877", "1", secret=["998877"]), TOLD),
        ("c-phone", "telephone numbers", extra("reach", "+49 170 1234567", "n/a", secret=["1234567"]), TOLD),
    ]  # fmt: skip


TRIAL_COLUMNS = (
    "participant_id", "trial", "drug", "dose_mg", "cpz_eq_mg", "weeks_at_dose", "adherence",
    "adherence_sources", "panss_before", "panss_after",
)  # fmt: skip
FAILED = {
    "participant_id": "sub-01", "trial": "1", "drug": "haloperidol", "dose_mg": "10",
    "cpz_eq_mg": "600", "weeks_at_dose": "8", "adherence": "0.9", "adherence_sources": "2",
    "panss_before": "90", "panss_after": "88",
}  # fmt: skip
RESISTANT = {"label sub-01": "resistant", "label sub-02": "control"}
UNCLEAR = {"label sub-01": "indeterminate", "label sub-02": "control"}


def trials_table(*changes: Cells, end: str = "") -> str:
    """A treatment history of failed trials."""
    rows = ["\t".join(TRIAL_COLUMNS)]
    rows += ["\t".join({**FAILED, **change}.values()) + end for change in changes]
    return "\n".join(rows) + "\n"


def treatment_cases() -> list[tuple[str, str, Planted, Sequence[Verdict]]]:
    """The treatment history."""

    def both(
        first: Cells | None = None, truth: Cells = RESISTANT, people: str = PEOPLE, **more: str
    ) -> Planted:
        history = trials_table(first or {}, {"trial": "2", "drug": "risperidone", **more})
        return Planted(people=people, treatments=history, truth=truth)

    def whole(text: str | bytes, truth: Cells = RESISTANT) -> Planted:
        return Planted(treatments=text, truth=truth)

    good = trials_table({}, {"trial": "2", "drug": "risperidone"})
    twice = trials_table({}, {"trial": "2"})
    right: Sequence[Verdict] = ("right",)
    sofas = PEOPLE.replace("group", "group\tsofas").replace("control", "control\tn/a")
    days = {"weeks_at_dose": "56"}
    order = trials_table(
        {"trial": "1", "drug": "a", "panss_after": "88"},
        {"trial": "10", "drug": "c", "panss_after": "88"},
        {"trial": "2", "drug": "b", "panss_after": "88"},
    )
    return [
        ("t01", "a history in order", whole(good), right),
        ("t02", "negative dose_mg", both(dose_mg="-6"), TOLD),
        ("t03", "negative equivalent", both(cpz_eq_mg="-700"), TOLD),
        ("t04", "adherence 90", both(adherence="90"), TOLD),
        ("t05", "weeks in days", both(days, **days), TOLD),
        ("t06", "weeks as a date", both(weeks_at_dose="2020-01-01"), TOLD),
        ("t07", "PANSS 7", both(panss_after="7"), TOLD),
        ("t07b", "PANSS 29, below its floor", both(panss_after="29"), TOLD),
        ("t31", "a control with a treatment history", both(participant_id="sub-02"), ("flagged",)),
        ("t32", "two unknown drugs that are nearly one", both({"drug": "compoundix"}, drug="compondix"), TOLD),
        ("t33", "one reduction of 21.7 %", whole(trials_table({"panss_after": "77"}), UNCLEAR), right),
        ("t08", "the same trial twice", whole(twice, UNCLEAR), ("flagged",)),
        ("t09", "Haldol and haloperidol decanoate", both({"drug": "Haldol"}, UNCLEAR, drug="haloperidol decanoate"), ("flagged",)),
        ("t10", "risperidone and risperidon", both({"drug": "risperidon"}, UNCLEAR), ("flagged",)),
        ("t10b", "risperidone and risperidonne", both({"drug": "risperidonne"}, UNCLEAR), ("flagged",)),
        ("t11", "identifiers without sub-", whole(good.replace("sub-", "")), right),
        ("t12", "one identifier of another case", both(participant_id="SUB-01"), TOLD),
        ("t13", "one identifier with a blank behind", both(participant_id="sub-01 "), right),
        ("t14", "separated by commas", whole(good.replace("\t", ",")), TOLD),
        ("t15", "a column missing", whole(good.replace("cpz_eq_mg", "mg")), TOLD),
        ("t16", "decimal comma", both(adherence="0,9"), TOLD),
        ("t17", "a tab behind every row", whole(trials_table({}, {"drug": "b"}, end="\t")), TOLD),
        ("t18", "empty", whole(b""), TOLD),
        ("t19", "header only", whole(trials_table()), TOLD),
        ("t20", "2.5 sources", both(adherence_sources="2.5"), TOLD),
        ("t21", "-3 sources", both(adherence_sources="-3"), TOLD),
        ("t22", "order 1, 10, 2", whole(order), right),
        ("t22b", "order in words", both(trial="second"), TOLD),
        ("t23", "equivalent 0.7 (g)", both(cpz_eq_mg="0.7", truth=UNCLEAR), right),
        ("t24", "infinite equivalent", both(cpz_eq_mg="inf"), TOLD),
        ("t25", "identifier n/a", both(participant_id="n/a"), TOLD),
        ("t26", "SOFAS 600", both(people=sofas.replace("patient", "patient\t600")), TOLD),
        ("t27", "SOFAS -4", both(people=sofas.replace("patient", "patient\t-4")), TOLD),
        ("t28", "SOFAS good", both(people=sofas.replace("patient", "patient\tgood")), TOLD),
        ("t29", "SOFAS 50,5", both(people=sofas.replace("patient", "patient\t50,5")), TOLD),
        ("t30", "two trials of one number", both(trial="1"), ("flagged",)),
    ]  # fmt: skip


def lab_cases() -> list[tuple[str, str, Planted, Sequence[Verdict]]]:
    """A lab's own tables."""

    def wide(text: str | bytes, name: str = "lab.tsv", **more: Any) -> Planted:
        return Planted(lab=text, lab_name=name, **more)

    def column(*cells: str, **more: Any) -> Planted:
        rows = "".join(f"{i + 1:02d}\t{cell}\t{i}\n" for i, cell in enumerate(cells))
        return wide(f"participant_id\tx\ty\n{rows}", people=None, **more)

    def tidy(*changes: Cells, drop: str = "", **more: Any) -> Planted:
        row = dict(zip(COLUMNS, ("01", "n/a", "anat", "x", "fs", "3", "mm3", "ok"), strict=True))
        rows = [{**row, **change} for change in changes or ({},)]
        lines = [[cell for name, cell in each.items() if name != drop] for each in rows]
        text = "\n".join("\t".join(line) for line in [[n for n in COLUMNS if n != drop], *lines])
        return wide(text + "\n", table={"layout": "tidy"}, **more)

    hippocampus = Marker("sub-01", "", "anat", "Hippocampus_L", "volume", 2936.5, "mm3")
    own = {"measured": (hippocampus,), "truth": {"sub-01 Hippocampus_L": 2936.5}}
    clash = {"region": "Hippocampus_L", "marker": "volume"}
    right: Sequence[Verdict] = ("right",)
    return [
        ("l01", "a table in order", column("1", "2", truth={"sub-01 x": 1, "sub-02 x": 2}), right),
        ("l02", "one cell <0.5", column("1", "<0.5", "3"), TOLD),
        ("l03", "one cell n.d.", column("1", "n.d.", "3"), TOLD),
        ("l04", "decimal commas in a column", column("1,5", "2,5"), TOLD),
        ("l05", "CSV with semicolons", wide("participant_id;x;y\n01;1,5;2\n", "lab.csv"), TOLD),
        ("l06", "a person twice", wide("participant_id\tx\n01\t1\n01\t2\n"), TOLD),
        ("l07", "01 and sub-01", wide("participant_id\tx\n01\t1\nsub-01\t2\n"), TOLD),
        ("l08", "-9999 for missing", column("-9999", "3"), TOLD),
        ("l09", "999 for missing", column("3", "999"), TOLD),
        ("l10", "inf", column("inf", "3"), TOLD),
        ("l11", "1e400", column("1e400", "3"), TOLD),
        ("l12", "tidy without unit", tidy(drop="unit"), TOLD),
        ("l13", "tidy with value three", tidy({"value": "three"}), TOLD),
        ("l14", "tidy with a volume of our own in cm3", tidy({**clash, "value": "3.1", "unit": "cm3"}, **own), TOLD),
        ("l14b", "the same in mm3", tidy({**clash, "value": "3100"}, **own), TOLD),
        ("l15", "wide under a name of our own", wide("participant_id\tHippocampus_L\n01\t3500\n", table={"modality": "anat", "marker": "volume", "unit": "mm3"}, **own), TOLD),
        ("l16", "quality good", tidy({"quality": "good"}), TOLD),
        ("l17", "a tab behind every row", wide("participant_id\tx\n01\t1\t\n02\t2\t\n"), TOLD),
        ("l18", "modality ../../x", wide("participant_id\tx\n01\t1\n", table={"modality": "../../x"}), TOLD),
        ("l19", "one column name twice", wide("participant_id\tx\tx\n01\t1\t2\n"), TOLD),
        ("l20", "truth values", wide("participant_id\tx\ty\n01\tTrue\t1\n"), TOLD),
        ("l21", "a workbook called .tsv", wide(b"PK\x03\x04rest"), TOLD),
        ("l22", "nobody of it is in the study", wide("participant_id\tx\n77\t1\n"), TOLD),
        ("l23", "2 for 02", wide("participant_id\tx\n01\t1\n2\t2\n"), TOLD),
        ("l24", "two units of one marker", tidy({}, {"participant_id": "02", "unit": "cm3"}), TOLD),
        ("l25", "a column of words", wide("participant_id\tx\tnote\n01\t1\tlow\n02\t2\thigh\n"), TOLD),
        ("l26", "a column MRN", wide("participant_id\tx\tMRN\n01\t1\t778899\n", secret=["778899"]), TOLD),
        ("l27", "a row of nobody", wide("participant_id\tx\nn/a\t1\n01\t2\n"), TOLD),
        ("l28", "header only", wide("participant_id\tx\n"), TOLD),
        ("l29", "numbers of the rows in a first column without name", wide("\tparticipant_id\tx\n1\t01\t5\n", truth={"sub-01 x": 5}), right),
        ("l31", "a pattern of no column", wide("participant_id\tx\n01\t1\n", table={"columns": ["x", "X2"]}), TOLD),
        ("l32", "n.d. that is declared", column("1", "n.d.", table={"missing": ["n.d."]}, truth={"sub-01 x": 1}), right),
        ("l33", "decimal commas that are declared", column("1,5", "2,5", table={"decimal": ","}, truth={"sub-01 x": 1.5}), right),
        ("l34", "a point among decimal commas", column("1,5", "1.234", table={"decimal": ","}), TOLD),
        ("l35", "sessions of no order", wide("participant_id\tses\tx\n01\tA\t1\n01\tB\t2\n", table={"session": "ses"}), TOLD),
        ("l36", "volumes without head size", wide("participant_id\tlh_vol\n01\t1\n02\t2\n"), TOLD),
        ("l30", "a prefix that makes two columns one", wide("participant_id\tx\ta_x\n01\t1\t2\n", table={"prefix": "a_"}), TOLD),
    ]  # fmt: skip


def config_cases() -> list[tuple[str, str, Planted, Sequence[Verdict]]]:
    """Settings that concern the tables and the models."""

    def config(**given: Any) -> Planted:
        return Planted(config=given, truth=CLEAN)

    models = {"models": ["late"], "primary": "stacked"}
    return [
        ("c26", "true for a number", config(func={"fd_threshold_mm": True}), TOLD),
        ("c26b", "no for a whole number", config(fusion={"seed": False}), TOLD),
        ("c27", "primary model not in models", config(fusion=models), TOLD),
        ("c29", "a table that is not there", config(tables=[{"file": "nope.tsv"}]), TOLD),
        ("c31", "participants.site names no column", config(participants={"site": "scanner"}), TOLD),
        ("c41", "exclude names nobody", config(markers={"exclude": ["sub-99"]}), TOLD),
        ("c41b", "exclude names no modality", config(markers={"exclude": ["01/fnc"]}), TOLD),
    ]  # fmt: skip


def undetectable() -> list[Case]:
    """What no table could tell."""
    zero_based = trials_table({"panss_before": "60", "panss_after": "58"},
                              {"drug": "risperidone", "trial": "2", "panss_before": "60", "panss_after": "48"})  # fmt: skip
    exchanged = trials_table({}, {"drug": "risperidone", "trial": "2", "panss_before": "50", "panss_after": "90"})  # fmt: skip
    truth = {"label sub-01": "responsive"}
    return [
        Case("treatments", "t40", "PANSS counted from 0", _attempt(Planted(treatments=zero_based, truth=RESISTANT)), detectable=False),
        Case("treatments", "t41", "before and after exchanged", _attempt(Planted(treatments=exchanged, truth=truth)), detectable=False),
    ]  # fmt: skip


def formula_case(text: str) -> Callable[[Path], Outcome]:
    """A cell that a spreadsheet would run, written and read back."""

    def attempt(folder: Path) -> Outcome:
        write_table(pd.DataFrame({"participant_id": [text], "n": [-1.5]}), folder / "t.tsv")
        line = (folder / "t.tsv").read_text().splitlines()[1].strip('"')
        back = read_table(folder / "t.tsv")["participant_id"][0]
        safe = line[0] not in "=+-@" and back == text and line.endswith("\t-1.5")
        return Outcome("right" if safe else "silent", line)

    return attempt


def _attempt(planted: Planted) -> Callable[[Path], Outcome]:
    return lambda folder: run(planted, folder)


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """Cases of the areas participants, treatments, tables and config; none is drawn at random."""
    areas = {
        "participants": people_cases(),
        "treatments": treatment_cases(),
        "tables": lab_cases(),
        "config": config_cases(),
    }
    made = [
        Case(area, name, words, _attempt(planted), expected)
        for area, of_area in areas.items()
        for name, words, planted, expected in of_area
    ]
    formulas = ("=1+1", "=cmd|' /C calc'!A0", "+49 1", "-x", "@SUM(A1)", "\t=1", " =1")
    made += [
        Case("tables", f"f{number}", f"a cell {text!r} in a spreadsheet", formula_case(text), ("right",))
        for number, text in enumerate(formulas, 1)
    ]  # fmt: skip
    return [*made, *undetectable()]
