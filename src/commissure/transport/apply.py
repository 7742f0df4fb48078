"""Score a new dataset by a stored model, and tell what differs there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table, write_json, write_table
from commissure.markers.selection import kept_rows, measured_rows, read_exclusions
from commissure.markers.visits import baseline_rows, visit_table
from commissure.outputs import VISITS
from commissure.rows import read_markers
from commissure.study.tables import (
    ONE_SITE,
    refuse_duplicate_people,
    sites_of,
    unknown_participants,
)
from commissure.transport.drift import DRIFT, drift, new_people, transport_report
from commissure.transport.kinds import PREDICTION_KINDS
from commissure.transport.predict import model_matrix, predictions
from commissure.transport.stored_model import StoredModel, load


def apply_model(
    model: Path,
    dataset: Path,
    *,
    out: Path,
    participants: Path | None = None,
    label_column: str | None = None,
    event_column: str | None = None,
    site_column: str = "site",
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Score the people of a marker table.

    Parameters
    ----------
    model
        Folder ``fusion/model`` of a finished run, or its ``model.skops``.
    dataset
        Output folder of a run, or a marker table.
    out
        Folder of the results: ``scores.tsv``, ``drift.tsv``, ``transport.json``.
    participants
        The people's table; by default ``participants.tsv`` beside the markers, where it is.
    label_column
        Column of the people with the outcome, if it is known already; by default
        ``fusion/labels.tsv`` beside the markers is taken, where it is.
    event_column
        Of a time to an event the column that says whether it happened.
    site_column
        Column of the people with the site.
    say
        Takes a line of the result.

    Returns
    -------
    dict
        The content of ``transport.json``.

    Raises
    ------
    DatasetError
        The model or the markers cannot be read or do not fit each other.
    ConfigError
        A named column is not there.
    """
    say = say or (lambda line: None)
    stored = load(model)
    table = marker_table(dataset)
    markers, visit_cautions = counted_markers(table)
    people, cautions = known_people(markers, participants or table.parent / "participants.tsv",
                           asked=participants is not None, site_column=site_column)  # fmt: skip
    cautions += [*visit_cautions, *measured_rows(markers)[1]]
    labels = _labels(people, table.parent, stored, label_column, event_column)
    values = model_matrix(stored, markers, people)
    scored = predictions(stored, values, people)
    drifted = drift(stored, values[new_people(scored)])
    report = transport_report(stored, values, scored, drifted, labels)
    report["cautions"] += cautions
    out.mkdir(parents=True, exist_ok=True)
    write_table(scored, out / "scores.tsv")
    write_table(drifted, out / "drift.tsv")
    write_json(report, out / "transport.json")
    for line in summary(report):
        say(line)
    return report


def summary(report: dict[str, Any]) -> list[str]:
    """The result in a few lines."""
    lines = [
        f"{report['n_scored']} of {report['n']} people are scored by the {report['model']['name']} "
        f"model; {report['n_training']} are its own training people, and for "
        f"{report['n_abstained']} it abstains (scores.tsv says why).",
        f"{report['n_drifted']} of {report['n_markers']} markers have drifted by more than "
        f"{DRIFT:g} standard deviations (drift.tsv).",
    ]
    for name, block in report["blocks"].items():
        if np.isfinite(block["two_sample_auc"]):
            lines.append(
                f"{name}: a classifier tells the new people from those of training with an AUC of "
                f"{block['two_sample_auc']:.2f} (0.5: they are alike; the training people from "
                f"drawn ones: {block['two_sample_auc_training']:.2f})."
            )
    return [
        *lines,
        *_performance_in_words(report["model"]["kind"], report["performance"]),
        *report["cautions"],
    ]


def _performance_in_words(kind: str, performance: Mapping[str, Any] | None) -> list[str]:
    if performance is None:
        return ["There are no labels: how well the scores do here is not known."]
    if "reason" in performance:
        return [f"The labels tell nothing: {performance['reason']}."]
    return [
        f"With the labels of {performance['n']} new people: "
        f"{PREDICTION_KINDS[kind].in_words(performance)}."
    ]


def marker_table(dataset: Path) -> Path:
    """The marker table of a run's output folder, or the table itself.

    Raises
    ------
    DatasetError
        There is none; of a BIDS dataset it says how to make one.
    """
    if dataset.is_file():
        return dataset
    table = dataset / "markers.tsv"
    if table.is_file():
        return table
    raw = (dataset / "dataset_description.json").is_file() or any(dataset.glob("sub-*"))
    if dataset.is_dir() and raw:
        raise DatasetError(
            str(dataset), found="it is a BIDS dataset without markers.tsv",
            wanted="the output folder of a run, or a marker table",
            mend="Compute its markers first: snakemake --cores all --config "
            f"bids_dir={dataset} output_dir=NEW; then name NEW here",
        )  # fmt: skip
    raise DatasetError(
        str(dataset), found="there is no marker table",
        wanted="the output folder of a run, or a marker table",
    )  # fmt: skip


def counted_markers(table: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a marker table that count, by what a run left beside it; sentences on visits.

    Those of the baseline, without what ``exclusions.tsv`` takes out.
    """
    markers, cautions = _baseline(read_markers(table), table.parent / "visits.tsv")
    exclusions = table.parent / "exclusions.tsv"
    if exclusions.is_file():
        markers = kept_rows(markers, read_exclusions(exclusions))
    return markers, cautions


def _baseline(markers: pd.DataFrame, visits: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows of the baseline, by the run's table or by the names of the sessions."""
    if visits.is_file():
        return baseline_rows(markers, VISITS.read_file(visits)), []
    table, cautions = visit_table(markers)
    return baseline_rows(markers, table), cautions


def known_people(
    markers: pd.DataFrame, path: Path, *, asked: bool, site_column: str
) -> tuple[pd.DataFrame, list[str]]:
    """The people of the markers with what is known of them, and what the reader must know.

    Raises
    ------
    ConfigError
        The column of the site is not there.
    DatasetError
        The table that was asked for is not there, or names a person twice.
    """
    people = pd.DataFrame({"participant_id": sorted(markers["participant_id"].unique())})
    if not path.is_file():
        if asked:
            raise DatasetError(str(path), found="there is no such file", wanted="a people's table")
        return people.assign(site=ONE_SITE), []
    table = read_table(path)
    if "participant_id" not in table:
        raise DatasetError(path.name, found=f"the columns are {list(table.columns)}",
                           wanted="a column participant_id")  # fmt: skip
    refuse_duplicate_people(table)
    if site_column not in table and site_column != "site":
        raise ConfigError(
            "--site", found=f"the people have no column '{site_column}'",
            wanted=f"one of {[c for c in table.columns if c != 'participant_id']}",
        )  # fmt: skip
    cautions = unknown_participants(people, table, "markers.tsv") if len(table) else []
    people = people.merge(table, on="participant_id", how="left", sort=True)
    return people.assign(site=sites_of(people, site_column)), cautions


def _labels(
    people: pd.DataFrame,
    folder: Path,
    stored: StoredModel,
    column: str | None,
    event: str | None,
) -> np.ndarray | None:
    """Outcomes of the new people as their kind holds them; None where none are known."""
    kind = PREDICTION_KINDS[stored.kind]
    source = folder / "fusion" / "labels.tsv"
    if column is not None:
        if column not in people:
            raise ConfigError(
                "--label", found=f"the people have no column '{column}'",
                wanted=f"one of {[c for c in people.columns if c != 'participant_id']}",
            )  # fmt: skip
        return kind.outcomes(people, stored.about, column, event)
    if not source.is_file():
        return None
    known = read_table(source)
    return kind.outcomes_of_a_run(
        people[["participant_id"]].merge(known, on="participant_id", how="left"), stored.about
    )
