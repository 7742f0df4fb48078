"""From tables to the verdict, its files, and the people of another study."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import adjusted_rand_score

from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table, write_table
from commissure.outputs import (
    SUBTYPES_ASSIGNMENTS,
    SUBTYPES_CANONICAL,
    SUBTYPES_INDICES,
    SUBTYPES_MODEL,
)
from commissure.subtypes.confounds import Confound
from commissure.subtypes.stored import assign, load_subtypes


def record(run):
    return json.loads((run.folder / "subtypes/subtypes.json").read_text())


def changed_people(run, **columns):
    """Write other columns of the people."""
    path = run.folder / "participants.tsv"
    write_table(read_table(path).assign(**columns), path)


def test_clusters_that_are_there_are_found_and_differ_outside(clustered):
    said = record(clustered)
    assert said["verdict"] == "clusters, stable and external"
    assert said["k"] == 2 and said["people"]["compared"] == 140
    assert said["unchecked"] == []
    by_name = {row["variable"]: row for row in said["external"]}
    assert list(by_name) == ["resistant", "cognition", "noise"]
    assert by_name["cognition"]["p_corrected"] < 1e-6 and by_name["noise"]["p"] > 0.01
    means = by_name["cognition"]["means"]
    assert abs(means["1"] - means["2"]) == pytest.approx(2, abs=0.6)
    assert "They differ in cognition." in said["reasons"][1]
    two = said["solutions"][0]
    assert two["against"] == [] and min(two["jaccard"]) > 0.9 and two["replication"] > 0.9
    told = {row["confound"]: row for row in two["confounds"]}
    assert set(told) == {"head size", "site", "age", "sex"}
    assert not any(row["told"] for row in told.values())
    assert told["site"]["mandatory"] and not told["age"]["mandatory"]


def test_the_tables_hold_what_they_say(clustered):
    people = read_table(clustered.folder / "participants.tsv").set_index("participant_id")
    table = SUBTYPES_ASSIGNMENTS.read(clustered.folder)
    assert set(table["part"]) == {"discovery", "validation"}
    assert abs((table["part"] == "discovery").sum() - 70) <= 1
    given = table.dropna(subset="cluster")
    assert len(given) > 130
    truth = people["true"][given["participant_id"]].to_numpy(int)
    assert adjusted_rand_score(truth, given["cluster"]) > 0.95
    assert (table.loc[table["cluster"].isna(), "reason"] != "").all()
    assert (given["probability"] >= 0.8).all() and (given["reason"] == "").all()
    indices = SUBTYPES_INDICES.read(clustered.folder)
    assert len(indices) == 3 * 5 and set(indices["method"]) == {"k_means", "ward", "mixture"}
    two = indices[(indices["method"] == "k_means") & (indices["k"] == 2)].iloc[0]
    assert two["silhouette"] > two["silhouette_by_chance"]
    assert not len(SUBTYPES_CANONICAL.read(clustered.folder))


def test_a_second_run_is_the_same_to_the_last_byte(clustered, make_run):
    again = make_run("again")
    again.search(external=["cognition", "noise"])
    for name in ("subtypes.json", "assignments.tsv", "indices.tsv", "model/subtypes.skops"):
        one, other = (run.folder / "subtypes" / name for run in (clustered, again))
        assert one.read_bytes() == other.read_bytes(), name


def test_one_cloud_has_no_clusters_and_keeps_none(make_run, clustered):
    run = make_run(apart=0.0)
    model = run.folder / SUBTYPES_MODEL.path
    model.parent.mkdir(parents=True)
    shutil.copy(clustered.folder / SUBTYPES_MODEL.path, model)
    run.search()
    said = record(run)
    assert said["verdict"] == "no clusters" and said["k"] == 1 and not model.exists()
    assert "SigClust p" in said["reasons"][0] and "people." in said["reasons"][0]
    table = SUBTYPES_ASSIGNMENTS.read(run.folder)
    assert table["cluster"].isna().all() and (table["reason"] == "there are no clusters").all()


def test_what_is_told_from_head_size_or_site_is_no_subtype(make_run):
    """Where nothing is taken out, the two sites are two clusters."""
    run = make_run(apart=0.0)
    run.search(remove=["head_size"])
    two = record(run)["solutions"][0]
    told = {row["confound"] for row in two["confounds"] if row["told"]}
    assert record(run)["verdict"] == "no clusters" and told == {"site"}
    assert "its clusters are told from site (V" in two["against"][0]
    run.search(remove=["site"])
    assert any("head size (AUC" in text for text in record(run)["solutions"][0]["against"])


def test_clusters_that_differ_in_nothing_else_are_not_validated(make_run):
    run = make_run()
    run.search(external=["noise"])
    said = record(run)
    assert said["verdict"] == "clusters, not validated"
    assert said["reasons"][1] == "They do not differ in what they have not seen (resistant, noise)."


def test_a_head_size_that_is_not_known_leaves_clusters_unvalidated(make_run):
    run = make_run(head=0.0)
    rows = pd.read_csv(run.folder / "markers.tsv", sep="\t")
    write_table(rows[rows["region"] != "head"], run.folder / "markers.tsv")
    run.search(external=["cognition"])
    assert record(run)["verdict"] == "clusters, not validated"
    assert "Whether head size tells them could not be checked" in record(run)["reasons"][1]


def test_a_time_to_an_event_is_compared_by_log_rank_within_site(make_run):
    run = make_run()
    people = read_table(run.folder / "participants.tsv")
    rng = np.random.default_rng(5)
    days = rng.exponential(100 + 400 * people["true"])
    labels = pd.DataFrame({"participant_id": people["participant_id"],
                           "label": np.where(days < 300, "event", "censored"), "reason": None,
                           "outcome": np.minimum(days, 300)})  # fmt: skip
    labels.loc[labels.index[:4], "outcome"] = np.nan
    write_table(labels, run.folder / "labels.tsv")
    run.search({"outcome": {"kind": "time_to_event", "column": "days", "event_column": "event"}})
    (row,) = record(run)["external"]
    assert row["measure"] == "log-rank chi squared" and row["p"] < 1e-3 and row["n"] == 137
    assert record(run)["verdict"] == "clusters, stable and external"


def test_another_site_may_be_the_validation(make_run):
    run = make_run()
    run.search(validation_sites=["north"])
    people = read_table(run.folder / "participants.tsv").set_index("participant_id")
    table = SUBTYPES_ASSIGNMENTS.read(run.folder).set_index("participant_id")
    held = table.index[table["part"] == "validation"]
    assert set(people["site"][held]) == {"north"}
    assert record(run)["k"] == 2
    with pytest.raises(ConfigError, match="nobody is at 'east'"):
        run.search(validation_sites=["east"])
    with pytest.raises(ConfigError, match="they are all the sites"):
        run.search(validation_sites=["north", "south"])


def test_new_people_are_assigned_or_told_why_not(clustered, make_run, tmp_path):
    new = make_run("new", people=80, seed=1)
    rows = pd.read_csv(new.folder / "markers.tsv", sep="\t")
    gone = (rows["participant_id"] == "sub-002") & (rows["region"] < "r12")
    far = (rows["participant_id"] == "sub-003") & rows["region"].str.startswith("r")
    rows.loc[far, "value"] += 40 * np.where(np.arange(far.sum()) % 2, 1, -1)
    write_table(rows[~gone], new.folder / "markers.tsv")
    lines = []
    table = assign(
        clustered.folder / "subtypes/model", new.folder, out=tmp_path / "out", say=lines.append
    )
    assert (tmp_path / "out/assigned.tsv").is_file() and "people are assigned" in lines[0]
    table = table.set_index("participant_id")
    assert table["reason"]["sub-002"] == "more than a fifth of the markers are missing"
    assert table["reason"]["sub-003"] == "unlike the people of every cluster"
    assert np.isnan(table["cluster"]["sub-002"]) and np.isnan(table["cluster"]["sub-003"])
    # The same people in the study itself.
    assert table["cluster"].notna().sum() > 60


def test_a_file_that_holds_another_type_is_refused(tmp_path, clustered):
    with pytest.raises(DatasetError, match="there are no stored clusters"):
        load_subtypes(tmp_path)
    skops.io.dump({"space": Confound("age", np.zeros(1))}, tmp_path / "subtypes.skops")
    with pytest.raises(DatasetError, match="not trusted"):
        load_subtypes(tmp_path)
    (tmp_path / "subtypes.skops").write_bytes(b"none")
    with pytest.raises(DatasetError, match="cannot be read as clusters"):
        load_subtypes(tmp_path)


class TestBadInput:
    """What cannot be asked is refused, or told in words."""

    def test_too_few_people(self, make_run):
        run = make_run(people=60)
        run.search()
        said = record(run)
        assert said["status"] == "not_searched"
        assert said["reason"].startswith("52 people are too few, 60 are needed")
        assert not len(SUBTYPES_ASSIGNMENTS.read(run.folder))

    def test_identical_people(self, make_run):
        run = make_run()
        rows = pd.read_csv(run.folder / "markers.tsv", sep="\t")
        twins = rows[rows["participant_id"].isin([f"sub-{n:03d}" for n in range(1, 8)])]
        names = {f"sub-{n:03d}": f"sub-{n + 8:03d}" for n in range(1, 8)}
        copied = twins.assign(participant_id=twins["participant_id"].map(names))
        kept = rows[~rows["participant_id"].isin(names.values())]
        write_table(pd.concat([kept, copied]), run.folder / "markers.tsv")
        run.search()
        assert "7 of 140 people have exactly the markers of another" in record(run)["reason"]

    def test_more_clusters_than_people(self, make_run):
        run = make_run()
        run.search(max_clusters=12, min_cluster_people=40)
        assert [row["k"] for row in record(run)["solutions"]] == [2, 3]

    def test_people_without_markers(self, make_run):
        run = make_run()
        rows = pd.read_csv(run.folder / "markers.tsv", sep="\t")
        lost = [f"sub-{n:03d}" for n in range(1, 6)]
        write_table(rows[~rows["participant_id"].isin(lost)], run.folder / "markers.tsv")
        run.search()
        table = SUBTYPES_ASSIGNMENTS.read(run.folder).set_index("participant_id")
        assert (table["part"][lost] == "not compared").all()
        assert any("5 of 140 people lack" in text for text in record(run)["cautions"])

    def test_names_that_are_not_there(self, make_run):
        run = make_run()
        for settings, words in (
            ({"groups": ["autism"]}, "nobody is of the group 'autism'"),
            ({"modalities": ["func"]}, "no marker is of 'func'"),
            ({"remove": ["scanner"]}, "'scanner' is no confound"),
            ({"external": ["iq"]}, "no column 'iq'"),
            ({"items": ["panss_*"]}, "no column of the people is 'panss_"),
            ({"items": ["hamd_*"], "external": ["hamd_1"]}, "'hamd_week6' follows the baseline"),
            ({"items": ["hamd_1"], "external": ["hamd_1"]}, "'hamd_1' is one of subtypes.items"),
            ({"items": ["hamd_6"]}, "all 1 items are the same in everybody"),
            ({"items": ["sex"]}, "is '[FM]' in the participants table"),
        ):
            with pytest.raises((ConfigError, DatasetError), match=words):
                run.search(**settings)

    def test_the_recipe_without_items(self):
        with pytest.raises(ValueError, match="recipe drysdale needs items"):
            from commissure.subtypes.settings import SubtypesSettings

            SubtypesSettings(recipe="drysdale")


class TestSymptoms:
    """Markers and symptoms together."""

    @pytest.fixture(autouse=True)
    def _needs_the_extra(self):
        pytest.importorskip("cca_zoo", reason="the extra 'subtypes' is not installed")

    def test_what_both_share_holds_in_people_held_out(self, make_run):
        run = make_run(people=240)
        run.search(items=["hamd_[1-6]"], external=["cognition"])
        said = record(run)
        first = SUBTYPES_CANONICAL.read(run.folder).iloc[0]
        assert first["held_out"] > 0.6 and first["p_held_out"] == pytest.approx(0.05)
        assert said["space"]["by"] == "markers and symptoms" and len(said["space"]["items"]) == 5
        assert "The same in everybody, and left out of the items: hamd_6." in said["cautions"]
        assert said["verdict"].startswith("clusters") and said["k"] == 2
        assert (
            f"by {first['in_sample']:.2f} in the people it was learnt from, and by "
            in said["shared"]
        )

    def test_symptoms_of_others_share_nothing(self, make_run):
        run = make_run(people=240)
        people = read_table(run.folder / "participants.tsv")
        order = np.random.default_rng(2).permutation(len(people))
        items = [f"hamd_{k}" for k in range(1, 6)]
        changed_people(run, **{name: people[name].to_numpy()[order] for name in items})
        run.search(items=items)
        said = record(run)
        assert said["verdict"] == "no clusters"
        assert said["reasons"][0].startswith("Markers and symptoms share nothing that holds")
