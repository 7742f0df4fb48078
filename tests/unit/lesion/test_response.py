"""The command on tables of lesions, and the agreement of two readings."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import DatasetError
from commissure.lesion.agreement import agreement
from commissure.lesion.criteria.rules import RECIST_1_1
from commissure.lesion.readings_table import read_patients

TABLE = """participant_id\tsession\tday\tlesion\torgan\tlongest_mm\tshort_mm
sub-01\tses-1\t0\ta\tliver\t50\t30
sub-01\tses-1\t0\tb\tlymph node\t30\t20
sub-01\tses-1\t0\tc\tlymph node\t14\t8
sub-01\tses-2\t56\ta\tliver\t25\t20
sub-01\tses-2\t56\tb\tlymph node\t14\t9
sub-01\tses-3\t112\ta\tliver\t30\t20
sub-01\tses-3\t112\tb\tlymph node\t14\t9
sub-01\tses-3\t112\td\tlung\t4\t4
sub-02\tses-1\t0\ta\tliver\t40\t30
sub-02\tses-2\t60\ta\tliver\t0\t0
sub-02\tses-3\t100\ta\tliver\t0\t0
sub-03\tses-1\t0\ta\tliver\t40\t30
"""
MANUAL = """participant_id\tsession\tresponse
sub-01\tses-2\tPR
sub-01\tses-3\tSD
sub-02\tses-2\tCR
sub-02\tses-3\tCR
"""


def written(folder, text, name="lesions.tsv"):
    path = folder / name
    path.write_text(text)
    return path


def test_the_command_judges_a_table_beside_another_reading(tmp_path):
    header, *lines = TABLE.splitlines()
    cut = ["yes" if line.startswith("sub-01\tses-2\t56\ta") else "no" for line in lines]
    rows = [f"{header}\tcut", *map("\t".join, zip(lines, cut, strict=True))]
    table = written(tmp_path, "\n".join(rows) + "\n")
    manual = written(tmp_path, MANUAL, "manual.tsv")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["response", str(table), "--manual", str(manual), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(out / "response.tsv", sep="\t").set_index(["participant_id", "session"])
    assert rows.response.to_dict() == {
        ("sub-01", "ses-2"): "PR", ("sub-01", "ses-3"): "PR",
        ("sub-02", "ses-2"): "CR", ("sub-02", "ses-3"): "CR",
    }  # fmt: skip
    third = rows.loc["sub-01", "ses-3"]
    assert (third["sum"], third.nadir_sum, third.new_lesion) == (39, 34, "equivocal")
    assert third.change_from_nadir_percent == pytest.approx(100 * 5 / 34)
    best = pd.read_csv(out / "best_response.tsv", sep="\t").set_index("participant_id")
    assert best.confirmed.to_dict() == {"sub-01": "PR", "sub-02": "CR"}
    assert "sub-03  only a baseline" in done.output
    assert "    flag: target lesion a is cut by the edge of the image" in done.output
    record = json.loads((out / "agreement.json").read_text())
    assert (record["pairs"], record["people"], record["equal"]) == (4, 2, 0.75)
    assert "kappa 0.60" in done.output
    both = pd.read_csv(out / "agreement.tsv", sep="\t")
    assert both.equal.tolist() == ["yes", "no", "yes", "yes"]


def test_the_command_ends_in_one_sentence(tmp_path):
    table = written(tmp_path, TABLE.replace("sub-01\tses-2\t56", "sub-01\tses-2\t-56"))
    done = CliRunner().invoke(app, ["response", str(table), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "the follow-up lies on day -56, the baseline ses-1" in done.output
    done = CliRunner().invoke(app, ["response", str(table), "--criteria", "recist"])
    assert done.exit_code == 1 and "'recist' is not known" in done.output


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("longest_mm", "length", "unknown column 'length'"),
        ("\tday\t", "\tdays\t", "no column day"),
        ("sub-01\tses-1\t0\ta\tliver\t50", "sub-01\tses-1\t0\ta\tliver\t5 cm", "'5 cm'"),
        ("sub-01\tses-1\t0\tb", "sub-01\tses-1\t3\tb", "'3' in the column day, and '0'"),
        ("sub-01\tses-1\t0\ta", "\tses-1\t0\ta", "no participant_id"),
        ("sub-01\tses-2\t56\tb", "sub-01\tses-2\t56\ta", "stands twice"),
    ],
)
def test_a_wrong_cell_is_told_with_its_place(tmp_path, was, now, words):
    table = written(tmp_path, TABLE.replace(was, now, 1))
    done = CliRunner().invoke(app, ["response", str(table), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())


def test_roles_states_and_columns_of_a_visit_are_read(tmp_path):
    text = (
        "participant_id,session,day,lesion,role,state,node,longest_mm,short_mm,steroids_mg,"
        "clinical,slice_mm,cut\n"
        "sub-01,ses-1,0,a,target,,no,30,20,4,stable,5,yes\n"
        "sub-01,ses-1,0,b,non-target,present,no,,,,,,\n"
        "sub-01,ses-2,,a,target,too small,no,,,2,,,\n"
        "sub-01,ses-2,,b,non-target,progression,no,,,,,,\n"
    )
    (patient,) = read_patients(written(tmp_path, text, "lesions.csv"), RECIST_1_1)
    first, second = patient.visits
    assert first.lesions[0].cut and first.lesions[0].slice_mm == 5
    assert (first.steroids_mg, first.clinical, second.steroids_mg) == (4, "stable", 2)
    assert second.day is None and second.lesions[0].state == "too small"
    assert second.lesions[1].state == "progression"
    wrong = text.replace("progression", "grown")
    with pytest.raises(DatasetError, match=r"line 5 \(sub-01\): 'grown' in the column state"):
        read_patients(written(tmp_path, wrong, "lesions.csv"), RECIST_1_1)


def test_kappa_is_that_of_the_textbook_and_its_interval_holds_it():
    # Cohen 1960: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.4.
    first = ["PR"] * 25 + ["SD"] * 25
    second = ["PR"] * 20 + ["SD"] * 5 + ["PR"] * 10 + ["SD"] * 15
    both = agreement(first, second, [f"sub-{n}" for n in range(50)])
    assert both.kappa.value == pytest.approx(0.4)
    assert both.kappa.low < 0.4 < both.kappa.high
    # The large-sample standard error of this table is 0.127 (Fleiss 1969).
    assert both.kappa.high - both.kappa.low == pytest.approx(2 * 1.96 * 0.127, rel=0.2)
    assert both.table.tolist() == [[20, 5], [10, 15]]
    assert agreement(first, second, [f"sub-{n}" for n in range(50)]).kappa == both.kappa


def test_weights_forgive_neighbours_and_leave_out_what_is_not_evaluable():
    rng = np.random.default_rng(1)
    order = ["CR", "PR", "SD", "PD"]
    first = rng.choice(order, 200).tolist()
    near = [order[min(order.index(x) + 1, 3)] if rng.random() < 0.3 else x for x in first]
    near[0] = "NE"
    both = agreement(first, near, [f"sub-{n % 40}" for n in range(200)])
    assert both.people == 40
    assert both.weighted.value > both.kappa.value
    places = {name: ("CR", "PR", "MR", "SD", "NON-CR/NON-PD", "PD").index(name) for name in order}
    expected = cohen_kappa_score(
        [places[x] for x in first[1:]], [places[x] for x in near[1:]], labels=range(6),
        weights="linear",
    )  # fmt: skip
    assert both.weighted.value == pytest.approx(expected)


def test_kappa_of_one_category_is_not_defined_and_unknown_ones_are_refused():
    alike = agreement(["SD"] * 4, ["SD"] * 4, list("abcd"))
    assert np.isnan(alike.kappa.value) and alike.equal == 1
    with pytest.raises(DatasetError, match="'stable'"):
        agreement(["SD"], ["stable"], ["a"])
    with pytest.raises(DatasetError, match="no visit"):
        agreement([], [], [])
