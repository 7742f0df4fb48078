"""Which session is the baseline: declared, named, or dated; never the first of the alphabet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.markers.settings import SessionsSettings
from commissure.markers.visit_choice import choose_visits, refuse_unknown_sessions, session_files
from commissure.markers.visits import baseline_rows, rows_of_visit, visit_table
from commissure.rows import COLUMNS

REFUSED = None
#: Sessions in the order in which they were, and the one that is the baseline.
NAMINGS = [
    (("01", "02", "10"), "01"),
    (("1", "2"), "1"),
    (("v1", "v2", "v10"), "v1"),
    (("T0", "T1", "T2"), "T0"),
    (("pre", "post"), "pre"),
    (("before", "after"), "before"),
    (("intake", "followup"), "intake"),
    (("screening", "month3"), "screening"),
    (("screening", "baseline", "month3"), "baseline"),
    (("baseline", "3months"), "baseline"),
    (("baseline", "12m"), "baseline"),
    (("baselineYear1Arm1", "2YearFollowUpYArm1"), "baselineYear1Arm1"),
    (("pretreatment", "posttreatment"), "pretreatment"),
    (("M00", "M06", "M12"), "M00"),
    (("bl", "fu1", "fu2"), "bl"),
    (("week0", "week6"), "week0"),
    (("wave1", "wave2", "wave3"), "wave1"),
    (("admission", "discharge"), "admission"),
    (("test", "retest"), "test"),
    (("first", "second"), "first"),
    (("preECT", "postECT"), "preECT"),
    (("visit1", "followup"), "visit1"),
    (("1A", "2B", "3C", "4D"), "1A"),
    (("0m", "6m", "1y"), "0m"),
    (("placebo", "drug"), REFUSED),
    (("A", "B"), REFUSED),
    (("month3", "month6"), REFUSED),
    (("post", "followup"), REFUSED),
    (("01", "v2"), REFUSED),
    (("resting", "01"), REFUSED),
]


def held(*names: str, people: int = 4) -> list[tuple[str, str]]:
    return [(f"sub-{who}", f"ses-{name}") for who in range(people) for name in names]


@pytest.mark.parametrize(
    ("names", "baseline"), NAMINGS, ids=lambda value: "-".join(value or ["no"])
)
def test_usual_namings_are_right_or_refused(names: tuple[str, ...], baseline: str | None) -> None:
    for given in (names, names[::-1]):
        if baseline is REFUSED:
            with pytest.raises(ConfigError, match="do not say which visit was the first"):
                choose_visits(held(*given), SessionsSettings())
        else:
            assert tuple(choose_visits(held(*given), SessionsSettings()).baseline) == (
                f"ses-{baseline}",
            )


def test_a_declared_baseline_counts_whatever_the_names_say() -> None:
    declared = SessionsSettings(baseline="post", followup=["ses-pre"])
    choice = choose_visits(held("pre", "post"), declared)
    assert (choice.baseline, choice.followup) == (("ses-post",), ("ses-pre",))
    assert choose_visits(held("A", "B"), SessionsSettings(baseline="B")).baseline == ("ses-B",)
    # What is declared as followup leaves one name for the baseline.
    assert choose_visits(held("A", "B"), SessionsSettings(followup="A")).baseline == ("ses-B",)
    with pytest.raises(ConfigError, match=r"sessions.baseline: nobody has the session 'pro'"):
        refuse_unknown_sessions(held("pre", "post"), SessionsSettings(baseline="pro"))
    with pytest.raises(ValueError, match="'pre' is named as baseline and as followup"):
        SessionsSettings(baseline="pre", followup=["pre", "post"])


def test_two_words_for_the_baseline_are_one_visit_where_nobody_has_both() -> None:
    apart = [("sub-1", "ses-pre"), ("sub-1", "ses-post"), ("sub-2", "ses-baseline")]
    assert choose_visits(apart, SessionsSettings()).baseline == ("ses-baseline", "ses-pre")
    with pytest.raises(ConfigError):
        choose_visits([*apart, ("sub-2", "ses-pre")], SessionsSettings())


@pytest.mark.parametrize(
    ("early", "late"),
    [(("d0129", "d0033", "d0000"), ("d0757", "d0999", "d0800")),
     (("20190312", "2018-01-01", "20200101"), ("20200101", "2021-12-31", "20210101")),
     (("2017", "2018", "2019"), ("2019", "2020", "2021"))],
)  # fmt: skip
def test_days_and_dates_are_each_persons_own(early: tuple, late: tuple) -> None:
    rows = [(f"sub-{who}", f"ses-{name}", "anat", 1.0)
            for names in (late, early) for who, name in enumerate(names)]  # fmt: skip
    visits, told = visit_table(table(*rows))
    first = visits[visits["visit"] == "baseline"]
    assert first["session"].tolist() == [f"ses-{name}" for name in early]
    assert "each person's earliest session" in told[0]


def dataset(folder: Path, times: dict[tuple[str, str], str], *, scans: bool) -> list[Path]:
    for (who, session), time in times.items():
        place = folder / who / (session if scans else "")
        place.mkdir(parents=True, exist_ok=True)
        name = f"{who}_{session}_scans.tsv" if scans else f"{who}_sessions.tsv"
        head = "filename\tacq_time\n" if scans else "session_id\tacq_time\n"
        path = place / name
        row = f"{'anat/x.nii.gz' if scans else session}\t{time}\n"
        path.write_text((path.read_text() if path.exists() else head) + row)
    return session_files(folder, times)


@pytest.mark.parametrize("scans", [True, False])
def test_acquisition_times_order_what_names_do_not(tmp_path: Path, scans: bool) -> None:
    times = {("sub-1", "ses-A"): "2021-05-01T10:00:00", ("sub-1", "ses-B"): "2020-05-01T10:00:00",
             ("sub-2", "ses-A"): "2019-03-02", ("sub-2", "ses-B"): "2019-03-01T12:00:00.5"}  # fmt: skip
    files = dataset(tmp_path, times, scans=scans)
    choice = choose_visits(times, SessionsSettings(), files)
    assert (choice.baseline, choice.how) == (("ses-B",), "by the acquisition times")
    markers = table(*[(who, session, "anat", 1.0) for who, session in times])
    visits, _ = visit_table(markers, files=files)
    assert visits["days"].round(1).tolist() == [0.0, 365.0, 0.0, 0.5]


def test_times_that_contradict_each_other_or_are_none_are_refused(tmp_path: Path) -> None:
    crossed = {("sub-1", "ses-A"): "2021-05-01T10:00:00", ("sub-1", "ses-B"): "2020-05-01T10:00:00",
               ("sub-2", "ses-A"): "2019-03-01", ("sub-2", "ses-B"): "2019-04-01"}  # fmt: skip
    with pytest.raises(ConfigError, match="do not tell one order"):
        choose_visits(crossed, SessionsSettings(), dataset(tmp_path / "x", crossed, scans=True))
    files = dataset(tmp_path / "y", {**crossed, ("sub-2", "ses-A"): "in May"}, scans=True)
    with pytest.raises(DatasetError, match=r"line 2.*acq_time is 'in May'"):
        choose_visits(crossed, SessionsSettings(), files)


def table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [(who, session, modality, "r", "volume", value, "1", "ok")
         for who, session, modality, value in rows],
        columns=list(COLUMNS),
    )  # fmt: skip


def test_who_lacks_the_baseline_is_a_gap_and_counted() -> None:
    markers = table(("a", "ses-pre", "anat", 1.0), ("a", "ses-post", "anat", 2.0),
                    ("b", "ses-post", "anat", 3.0), ("a", "ses-post", "mrs", 4.0),
                    ("b", "", "table", 5.0))  # fmt: skip
    visits, told = visit_table(markers)
    assert baseline_rows(markers, visits)["value"].tolist() == [1.0, 5.0]
    assert told == [
        "The baseline is ses-pre, by the names of the sessions.",
        "1 of 2 people have anat at other visits only: at the baseline they have none of it.",
        "1 of 1 people have mrs at other visits only: at the baseline they have none of it.",
    ]


def test_several_sessions_may_be_the_baseline_of_different_modalities() -> None:
    markers = table(("a", "ses-1", "anat", 1.0), ("a", "ses-2", "anat", 2.0),
                    ("a", "ses-2", "mrs", 3.0), ("a", "ses-3", "mrs", 4.0))  # fmt: skip
    declared = SessionsSettings(baseline=["1", "2"], followup="3")
    visits, told = visit_table(markers, declared)
    assert baseline_rows(markers, visits)["value"].tolist() == [1.0, 3.0]
    assert rows_of_visit(markers, visits, "followup")["value"].tolist() == [4.0]
    assert told == ["The baseline is ses-1 or ses-2, as sessions.baseline says."]


def test_a_visit_of_which_nothing_could_be_measured_is_still_the_first() -> None:
    markers = table(("a", "ses-2", "anat", 2.0))
    imaged = pd.DataFrame({"participant_id": ["a", "a"], "session": ["ses-1", "ses-2"]})
    visits, told = visit_table(markers, imaged=imaged)
    assert baseline_rows(markers, visits).empty
    assert len(told) == 2


def test_one_session_is_the_baseline_without_a_word() -> None:
    markers = table(("a", "ses-x", "anat", 2.0), ("b", "ses-x", "anat", 2.0))
    visits, told = visit_table(markers)
    assert (len(baseline_rows(markers, visits)), told) == (2, [])
