"""The worked example of docs/tables.md, run as it stands there."""

from __future__ import annotations

import json
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
