"""Charts of a study: its tables, references from elsewhere, stored charts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from commissure.errors import DatasetError
from commissure.files import write_json, write_table
from commissure.normative.apply import apply_charts
from commissure.normative.run import run_normative
from commissure.normative.settings import NormativeSettings, ReferenceSettings
from commissure.normative.stored_charts import CHARTS_FILE, load_charts
from commissure.outputs import (
    EXCLUSIONS,
    NORMATIVE_CHARTS,
    NORMATIVE_CURVES,
    NORMATIVE_DEVIATIONS,
    NORMATIVE_PEOPLE,
    VISITS,
)
from commissure.rows import COLUMNS
from commissure.study.design import Block

REGIONS = ("Hippocampus_L", "Hippocampus_R", "Amygdala_L")


def cohort(controls: int, patients: int, seed: int = 0, site: str = "A", shift: float = 0.0):
    """People, and volumes that shrink with age; patients lack 400 mm3 on the left."""
    rng = np.random.default_rng(seed)
    count = controls + patients
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{site}{i:03d}" for i in range(count)],
            "age": rng.uniform(20, 60, count).round(1),
            "sex": np.where(rng.integers(0, 2, count) == 1, "F", "M"),
            "site": site,
            "group": ["control"] * controls + ["patient"] * patients,
        }
    )
    values = (
        4000 - 10 * people["age"].to_numpy()[:, None] + 300 * rng.normal(size=(count, 3)) + shift
    )
    values[controls:, 0] -= 400
    return people, values


def rows_of(people: pd.DataFrame, values: np.ndarray, unit: str = "mm3") -> pd.DataFrame:
    rows = [
        (person, "", "anat", region, "volume", values[i, j], unit, "ok")
        for i, person in enumerate(people["participant_id"])
        for j, region in enumerate(REGIONS)
    ]
    rows += [(p, "", "anat", "", "mean_noise", 1.0, "1", "ok") for p in people["participant_id"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def written(folder: Path, people: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    write_table(rows, folder / "markers.tsv")
    write_table(people, folder / "participants.tsv")
    write_table(EXCLUSIONS.frame(), folder / "exclusions.tsv")
    visits = VISITS.frame([(p, "", "baseline", None) for p in people["participant_id"]])
    write_table(visits, folder / "visits.tsv")
    write_json({"mean_noise": {"role": "confound"}}, folder / "markers.json")
    return {
        "markers": folder / "markers.tsv",
        "definitions": folder / "markers.json",
        "exclusions": folder / "exclusions.tsv",
        "visits": folder / "visits.tsv",
        "participants": folder / "participants.tsv",
    }


def run(folder: Path, people, values, settings=None, unit: str = "mm3") -> tuple[Path, dict]:
    tables = written(folder, people, rows_of(people, values, unit))
    out = folder / "normative"
    run_normative(**tables, settings=settings or NormativeSettings(), out=out)
    return out, json.loads((out / "normative.json").read_text())


def read(out: Path, output) -> pd.DataFrame:
    return output.read_file(out / Path(output.path).name)


def test_patients_deviate_where_they_lack_something_and_controls_are_held_out(tmp_path) -> None:
    people, values = cohort(120, 60)
    out, record = run(tmp_path, people, values)
    z = read(out, NORMATIVE_DEVIATIONS)
    assert set(z["marker"]) == {"volume"}
    patients = z["participant_id"].isin(people.loc[people["group"] == "patient", "participant_id"])
    mean = z[patients].groupby("region")["z"].mean()
    assert mean["Hippocampus_L"] == pytest.approx(-4 / 3, abs=0.3)
    assert abs(mean["Hippocampus_R"]) < 0.3
    assert record["n_controls"] == 120 and record["source"] == "controls"
    assert record["sites"] == [{"site": "A", "controls": 120, "people": 180}]
    assert 2 < record["held_out"]["extreme_percent"] < 9
    charts = read(out, NORMATIVE_CHARTS)
    assert list(charts["n_held_out"]) == [118, 118, 118] or (charts["n_held_out"] >= 110).all()
    assert charts["people_sd"].to_numpy() == pytest.approx(300, rel=0.15)
    curves = read(out, NORMATIVE_CURVES)
    at = curves[(curves["region"] == "Hippocampus_R") & (curves["sex"] == "F")]
    slope = np.polyfit(at["age"], at["p50"], 1)[0]
    assert slope == pytest.approx(-10, abs=4)
    who = read(out, NORMATIVE_PEOPLE)
    assert (who["site_controls"] == 120).all() and who["n_markers"].max() == 3


def test_a_control_is_no_part_of_the_charts_that_score_them(tmp_path) -> None:
    people, values = cohort(60, 0)
    out, _ = run(tmp_path / "a", people, values)
    values[7, 0] -= 3000
    moved, _ = run(tmp_path / "b", people, values)
    before, after = (read(o, NORMATIVE_DEVIATIONS) for o in (out, moved))
    mine = (before["participant_id"] == "sub-A007") & (before["region"] == "Hippocampus_L")
    # Charts with this person in them could not say so: their own value would widen the chart.
    assert after["z"][mine].item() < -6
    assert before["z"][mine].item() > -3


def test_too_few_controls_are_told_and_nothing_old_stays(tmp_path) -> None:
    people, values = cohort(40, 5)
    out, _ = run(tmp_path, people, values)
    assert (out / "model/charts.skops").is_file()
    # A rule's outputs are removed before it runs again, and it owes the folder all the same.
    shutil.rmtree(out / "model")
    out, record = run(tmp_path, people[:15].assign(group="control"), values[:15])
    assert list((out / "model").iterdir()) == []
    assert record["reason"].startswith("15 controls have an age, and 20 are needed")
    assert read(out, NORMATIVE_DEVIATIONS).empty


def test_as_few_controls_as_are_asked_for_are_held_out_too(tmp_path) -> None:
    people, values = cohort(20, 5)
    out, record = run(tmp_path, people, values)
    assert record["held_out"]["charts"] == 3
    assert (read(out, NORMATIVE_CHARTS)["n_held_out"] >= 16).all()


def reference(tmp_path, unit: str = "mm3", codes: bool = True, **columns) -> ReferenceSettings:
    people, values = cohort(200, 0, seed=5, site="R", shift=500)
    table = people.assign(**dict(zip(REGIONS, values.T, strict=True)), **columns)
    table["sex"] = table["sex"].map({"F": 2, "M": 1}) if codes else table["sex"]
    table.drop(columns="group").to_csv(tmp_path / "ref.csv", index=False)
    return ReferenceSettings(
        file=str(tmp_path / "ref.csv"), modality="anat", marker="volume", unit=unit,
        sex_codes={"2": "F", "1": "M"} if codes else {},
    )  # fmt: skip


def test_a_reference_table_joins_few_controls_as_sites_of_its_own(tmp_path) -> None:
    people, values = cohort(12, 40)
    settings = NormativeSettings(reference=[reference(tmp_path)])
    out, record = run(tmp_path / "s", people, values, settings)
    assert record["n_controls"] == 212 and record["n_reference"] == 200
    z = read(out, NORMATIVE_DEVIATIONS)
    assert set(z["participant_id"]) <= set(people["participant_id"])
    patients = z["participant_id"].isin(people.loc[people["group"] == "patient", "participant_id"])
    mean = z[patients].groupby("region")["z"].mean()
    # The reference lies 1.7 standard deviations higher: the study's own controls tell so.
    assert mean["Hippocampus_L"] == pytest.approx(-4 / 3, abs=0.5)
    assert abs(mean["Hippocampus_R"]) < 0.45


def test_a_reference_in_another_unit_or_with_undeclared_codes_is_refused(tmp_path) -> None:
    people, values = cohort(30, 3)
    with pytest.raises(DatasetError, match=r"is in ml there and in mm3 in the study"):
        run(
            tmp_path / "a", people, values, NormativeSettings(reference=[reference(tmp_path, "ml")])
        )
    bare = reference(tmp_path).model_copy(update={"sex_codes": {}})
    with pytest.raises(DatasetError, match=r"sex is '1' in somebody"):
        run(tmp_path / "b", people, values, NormativeSettings(reference=[bare]))
    nobody = reference(tmp_path, age=np.nan)
    with pytest.raises(DatasetError, match="nobody has an age"):
        run(tmp_path / "c", people, values, NormativeSettings(reference=[nobody]))


def test_stored_charts_serve_another_study_by_its_own_controls(tmp_path) -> None:
    people, values = cohort(150, 0)
    out, _ = run(tmp_path / "first", people, values)
    there, theirs = cohort(60, 60, seed=3, site="B", shift=300)
    settings = NormativeSettings(charts=str(out / "model"))
    new, record = run(tmp_path / "second", there, theirs, settings)
    assert record["source"] == "stored charts"
    z = read(new, NORMATIVE_DEVIATIONS)
    patients = z["participant_id"].isin(there.loc[there["group"] == "patient", "participant_id"])
    mean = z[patients].groupby("region")["z"].mean()
    assert mean["Hippocampus_L"] == pytest.approx(-4 / 3, abs=0.5)
    assert abs(mean["Hippocampus_R"]) < 0.45
    applied, lines = tmp_path / "applied", []
    counts = apply_charts(out / "model", tmp_path / "second", out=applied, say=lines.append)
    same = read(applied, NORMATIVE_DEVIATIONS)
    np.testing.assert_allclose(same["z"], z["z"], atol=1e-9)
    assert len(counts) == len(set(z["participant_id"]))
    assert any("B is a site of its own: by its 60 controls" in line for line in lines)
    assert not any("counts as the site" in line for line in lines)
    lines.clear()
    apply_charts(out / "model", tmp_path / "first", out=applied, say=lines.append)
    assert any("A counts as the site of that name" in line for line in lines)
    with pytest.raises(DatasetError, match=r"it is in ml, and its chart in mm3"):
        run(tmp_path / "third", there, theirs, settings, unit="ml")


def test_charts_of_strange_types_or_versions_are_refused(tmp_path) -> None:
    people, values = cohort(40, 0)
    out, _ = run(tmp_path, people, values)
    file = out / "model/charts.skops"
    assert CHARTS_FILE.is_at(out / "model") and not CHARTS_FILE.is_at(tmp_path)
    file.write_bytes(skops.io.dumps({"charts": Block("anat", (0,))}))
    with pytest.raises(DatasetError, match="types that are not trusted"):
        load_charts(file)
    file.write_bytes(skops.io.dumps({"charts": 3}))
    with pytest.raises(DatasetError, match="cannot be read as charts"):
        load_charts(file)
    with pytest.raises(DatasetError, match="there are no stored charts"):
        load_charts(tmp_path / "nowhere")


def test_what_is_odd_is_told_in_words(tmp_path) -> None:
    people, values = cohort(40, 3)
    people.loc[41, "age"] = 79.0
    people.loc[42, "age"] = np.nan
    people.loc[40:, "site"] = "B"
    _, record = run(tmp_path, people, values)
    told = " ".join(record["cautions"])
    assert "Sites with fewer than 10 controls: B." in told
    assert "1 people are outside the ages of the controls" in told
    assert "1 people have no age" in told


def test_sexes_in_three_codes_are_refused(tmp_path) -> None:
    people, values = cohort(40, 0)
    with pytest.raises(DatasetError, match="the sex is written as 0, 1, 2"):
        run(tmp_path, people.assign(sex=np.arange(40) % 3), values)


def test_it_is_bit_identical_again(tmp_path) -> None:
    people, values = cohort(50, 10)
    first, _ = run(tmp_path / "a", people, values)
    second, _ = run(
        tmp_path / "b",
        people.sample(frac=1, random_state=1),
        values[people.sample(frac=1, random_state=1).index],
    )
    for name in (
        "model/charts.skops",
        "deviations.tsv",
        "charts.tsv",
        "curves.tsv",
        "people.tsv",
        "normative.json",
    ):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
