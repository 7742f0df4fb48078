"""The worked example of docs/tables.md, run as it stands there."""

from __future__ import annotations

import json
import os
import re

import pandas as pd
import pytest
import yaml

from commissure.files import write_table
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.planted_effects import planted_effects
from commissure.phantom.dataset import write_study
from commissure.phantom.request import chosen_request
from commissure.rows import Marker, write_markers

pytestmark = pytest.mark.slow


def example(repository) -> dict:
    """The first configuration of the page."""
    page = (repository / "docs/tables.md").read_text()
    return yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])


@pytest.fixture
def tables(study):
    """The tables of a simulated cohort, without its images, where the page expects them."""
    people = draw_cohort(chosen_request("tiny", {"cohort.subjects": 72, "cohort.seed": 3}).cohort)
    bids = study.folder / "demo/bids"
    write_study(bids, people, "A cohort.")
    modality = {(row.marker, row.region): row.modality for row in planted_effects().itertuples()}
    rows = [
        Marker(person.participant_id, "", modality[key], key[1], key[0], value, "1")
        for person in people
        for key, value in person.markers.items()
        if key in modality
    ]
    write_markers(rows, bids / "sourcedata/truth/markers.tsv")
    return study


def test_the_worked_example_ends_in_a_report(tables, repository):
    config = example(repository)
    (tables.folder / "study.yaml").write_text(yaml.safe_dump(config))
    told = tables.snakemake()
    out = tables.folder / config["output_dir"]
    metrics = json.loads((out / "fusion/metrics.json").read_text())
    assert metrics["status"] == "fitted"
    assert metrics["models"]["late"]["auc_within_site"]["value"] > 0.6
    page = (out / "report.html").read_text()
    assert "told from responsive patients" in page
    indices = json.loads((out / "vulnerability.json").read_text())["indices"]
    assert indices[0]["n"] == 72 and indices[0]["n_controls"] > 10
    assert "vulnerability" in metrics["models"] and "Vulnerability indices" in page
    assert re.search(r"markers.tsv: \d+ rows of ", (out / "logs/markers/markers.log").read_text())
    assert re.search(r"\b(\d+) of \1 steps", told.stderr + told.stdout)
    assert "Nothing to be done" in (done := tables.snakemake()).stderr + done.stdout


def test_one_site_without_age_and_sex_has_a_report(tables, repository):
    config = example(repository)
    people = pd.read_csv(tables.folder / config["participants"]["file"], sep="\t")
    write_table(people[["participant_id", "group"]], tables.folder / config["participants"]["file"])
    config["fusion"] = {"permutations": 0, "repeats": 1, "clinical": [], "confounds": []}
    (tables.folder / "study.yaml").write_text(yaml.safe_dump(config))
    tables.snakemake()
    out = tables.folder / config["output_dir"]
    page = (out / "report.html").read_text()
    assert "sites left out in turn" not in page
    cautions = json.loads((out / "fusion/metrics.json").read_text())["cautions"]
    assert "The people have no site: all count as one site." in cautions


def contents(out) -> dict[str, bytes]:
    """Tables and JSON files that a run declares, without those that hold times."""
    timed = ("provenance", "prov", "logs", "benchmarks", "work", "ro-crate-metadata.json")
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.suffix in (".tsv", ".json") and path.relative_to(out).parts[0] not in timed
    }


def test_a_rating_leaves_one_scan_out_and_changes_what_it_enters_alone(tables, repository):
    config = example(repository)
    config["fusion"] = {"permutations": 0, "repeats": 1}
    (tables.folder / "study.yaml").write_text(yaml.safe_dump(config))
    tables.snakemake()
    out = tables.folder / config["output_dir"]
    before = contents(out)
    labels = pd.read_csv(out / "fusion/labels.tsv", sep="\t")
    labelled = int(labels["label"].isin(["resistant", "responsive"]).sum())
    person = labels.loc[labels["label"] == "resistant", "participant_id"].iloc[0]
    study = json.loads((out / "work/study.json").read_text())["study"]
    columns = ["study", "participant_id", "session", "modality", "rating", "rater", "comment"]
    rows = [[study, person, "n/a", modality, rating, "anna", "moved"]
            for modality, rating in (("anat", "drop"), ("func", "unsure"), ("dwi", "keep"))]  # fmt: skip
    write_table(pd.DataFrame(rows, columns=columns), out / "ratings_anna.tsv")
    tables.snakemake()
    after = contents(out)
    added = {line for line in after["exclusions.tsv"].decode().splitlines()
             if line not in before["exclusions.tsv"].decode().splitlines()}  # fmt: skip
    (line,) = added
    assert line.split("\t")[0] == person and {"anat", "ratings"} <= set(line.split("\t"))
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in changed if not name.startswith("fusion/")} == {
        "exclusions.tsv", "normative/deviations.tsv", "normative/people.tsv", "standing_out.tsv",
    }  # fmt: skip
    assert "fusion/labels.tsv" not in changed and "fusion/splits.tsv" not in changed
    # A patient is in no norm: nobody else's deviation moves.
    theirs = {line.split("\t")[0]
              for name in ("normative/deviations.tsv", "normative/people.tsv")
              for line in set(before[name].decode().splitlines())
              ^ set(after[name].decode().splitlines())}  # fmt: skip
    assert theirs == {person}
    a, b = (json.loads(run["fusion/metrics.json"])["models"] for run in (before, after))
    assert a["anat"]["auc_within_site"]["n_compared"] == labelled
    assert b["anat"]["auc_within_site"]["n_compared"] == labelled - 1
    assert {name for name in a if a[name] != b[name]} == {"anat", "early", "late", "stacked"}
    (out / "ratings_anna.tsv").unlink()
    tables.snakemake("--until", "markers")
    assert (out / "exclusions.tsv").read_bytes() == before["exclusions.tsv"]


def test_a_run_that_fails_leaves_a_report_and_a_run_that_finishes_removes_it(
    tables, repository, tmp_path, monkeypatch
):
    config = example(repository)
    config["fusion"] = {"permutations": 0, "repeats": 1, "clinical": [], "confounds": []}
    (tables.folder / "study.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/sitecustomize.py").write_text(
        "import os, sys\nif sys.orig_argv[-1].endswith('.charts.py'): os._exit(3)\n"
    )
    with monkeypatch.context() as broken:
        broken.setenv("PYTHONPATH", f"{tmp_path / 'broken'}:{os.environ.get('PYTHONPATH', '')}")
        done = tables.snakemake(check=False)
    out = tables.folder / config["output_dir"]
    assert done.returncode != 0 and "The run did not finish. What is there: " in done.stderr
    page = (out / "report_unfinished.html").read_text()
    assert "This run did not finish" in page and "normative/normative.json" in page
    assert "Markers by group" in page and "Hippocampus_L" in page
    assert not (out / "report.html").exists()
    tables.snakemake()
    assert "This run did not finish" not in (out / "report.html").read_text()
    assert not (out / "report_unfinished.html").exists()
