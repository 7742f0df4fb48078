"""Three real cohorts as tables of a run: IMPAC's autism group, MCIC's patients, FCON1000."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from benchmarks.fusion_real import tidy_impac, tidy_mcic

from commissure.definitions import HEAD_SIZE
from commissure.files import read_table, write_json, write_table
from commissure.outputs import EXCLUSIONS, LABELS, PARTICIPANTS, VISITS
from commissure.rows import Marker, read_markers, write_markers

#: People of FCON1000 who are named for a disorder.
NO_CONTROLS = "NewYork_a_ADHD"


def cohort(name: str, tables: Path, folder: Path) -> dict[str, Path]:
    """Write the tables of a run, as :func:`commissure.subtypes.run.run_subtypes` takes them."""
    paths = {"impac": _impac, "mcic": _mcic, "fcon": _fcon}[name](tables, folder)
    people = read_table(paths["participants"])["participant_id"]
    visits = VISITS.frame((who, None, "baseline", None) for who in people)
    write_table(visits, folder / "visits.tsv")
    write_table(LABELS.frame(), folder / "labels.tsv")
    return {**paths, "visits": folder / "visits.tsv", "labels": folder / "labels.tsv"}


def _impac(tables: Path, folder: Path) -> dict[str, Path]:
    paths = tidy_impac(tables, folder)
    _with_head_size(paths, "eTIV")
    return _with_group(paths, "asd", "0")


def _mcic(tables: Path, folder: Path) -> dict[str, Path]:
    return _with_group(tidy_mcic(tables, folder), "is_control", "true")


def _fcon(tables: Path, folder: Path) -> dict[str, Path]:
    wide = pd.read_csv(
        tables / "fcon1000-freesurfer/fcon1000.csv", dtype={"sub_id": str, "sex": str, "site": str}
    )
    wide = wide[wide["site"] != NO_CONTROLS].reset_index(drop=True)
    wide["participant_id"] = [f"sub-{number:04d}" for number in range(len(wide))]
    numbers = wide.select_dtypes("number").columns.difference(["age"], sort=False)
    head = "EstimatedTotalIntraCranialVol"
    paths = {
        "markers": folder / "markers.tsv",
        "definitions": folder / "markers.json",
        "exclusions": folder / "exclusions.tsv",
        "participants": folder / "participants.tsv",
    }
    write_markers(
        (
            Marker(person["participant_id"], "", "anat", name, "freesurfer", float(person[name]),
                   "1")
            for person in wide.to_dict("records")
            for name in numbers
        ),
        paths["markers"],
    )  # fmt: skip
    write_json({"freesurfer": {"role": "marker"}}, paths["definitions"])
    write_table(EXCLUSIONS.frame(), paths["exclusions"])
    write_table(wide[["participant_id", "age", "sex", "site"]], paths["participants"])
    _with_head_size(paths, head)
    return paths


def _with_head_size(paths: dict[str, Path], region: str) -> None:
    """Name the head size among the markers, as ``tables[].adjust: head_size`` does."""
    rows = read_markers(paths["markers"])
    head = rows[rows["region"] == region].assign(marker=HEAD_SIZE, region="head")
    write_table(pd.concat([rows, head]), paths["markers"])
    meanings = json.loads(paths["definitions"].read_text(encoding="utf-8"))
    write_json({**meanings, HEAD_SIZE: {"role": "confound"}}, paths["definitions"])


def _with_group(paths: dict[str, Path], column: str, control: str) -> dict[str, Path]:
    people = read_table(paths["participants"], text=PARTICIPANTS.text)
    same = people[column].map(lambda cell: str(cell).removesuffix(".0").casefold()) == control
    people["group"] = same.map({True: "control", False: "patient"})
    write_table(people, paths["participants"])
    return paths
