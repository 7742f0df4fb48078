"""A copy that may leave the lab: what is planted in the study stands nowhere in it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tests.unit.report.conftest import STUDY

from commissure.errors import DatasetError
from commissure.files import read_table, write_json, write_table
from commissure.markers.status import Status, read_statuses, write_statuses
from commissure.report.from_folder import read_run
from commissure.report.pseudonymise import KEY, write_pseudonymised
from commissure.report.pseudonyms import Pseudonyms, without_drawn_names

#: A name, a day of birth, a number of a record, a host and a user, in every place that a page reads.
NAME, BORN, RECORD, HOST, SITE = (
    "DoeJane",
    "1970-03-14",
    "MRN778812",
    "scanhost7",
    "StPlanted Clinic",
)
PLANTED = (
    NAME,
    "Doe^Jane",
    BORN,
    "19700314",
    RECORD,
    HOST,
    SITE,
    "StPlanted",
    "/home/",
    "secretlab",
)


def renamed(folder: Path, old: str, new: str) -> None:
    """Give a person another identifier, in names and contents of all files."""
    for path in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
        if path.is_file() and path.suffix in (".tsv", ".json", ".svg"):
            text = path.read_text(encoding="utf-8")
            if old in text:
                path.write_text(text.replace(old, new), encoding="utf-8")
        if old in path.name:
            path.rename(path.with_name(path.name.replace(old, new)))


@pytest.fixture(scope="module")
def planted(small, tmp_path_factory):
    """A run of whose people one is called by name, with other personal words planted all over."""
    folder = shutil.copytree(small.folder, tmp_path_factory.mktemp("planted") / "secretlab")
    renamed(folder, "sub-04", f"sub-{NAME}")
    who = f"sub-{NAME}"
    people = small.participants.replace({"sub-04": who, "north": SITE})
    people["note"] = [f"{NAME} {RECORD}"] * len(people)
    people["scanned"] = [BORN] * len(people)
    write_table(people, folder / "participants.tsv")
    cause = (
        f"the file /home/{HOST}/secretlab/{RECORD}.nii of {NAME}, born {BORN} or 19700314, is short"
    )
    lost = read_table(folder / "completeness.tsv")
    lost["cause"] = lost["cause"].where(lost["state"] == "present", cause)
    write_table(lost, folder / "completeness.tsv")
    for path in folder.glob("sub-*/*/*_qc.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        write_json({**record, "notes": [cause]}, path)
    for path in folder.rglob("*.svg"):
        path.write_text(
            path.read_text(encoding="utf-8").replace(
                "</svg>",
                f"<!-- {who}: fit --><g><defs><path id='a'/></defs><use href='#a'/></g></svg>",
            ),
            encoding="utf-8",
        )
    (folder / "ratings_anna.tsv").write_text(
        "study\tparticipant_id\tsession\tmodality\trating\trater\tcomment\n"
        f"{STUDY}\t{who}\tn/a\tanat\tdrop\t{NAME}\tborn {BORN}\n"
    )
    (folder / "ratings_ben.tsv").unlink()
    write_json({"study": STUDY}, folder / "work/study.json")
    (folder / "checklists").mkdir()
    (folder / "methods.md").write_text(f"Of {SITE}, in /home/{HOST}/secretlab, on {BORN}: {who}.\n")
    (folder / "checklists/mrsinmrs.csv").write_text(
        f'spectrum,place\nsub-01_voi-ACC,ACC\n{who}_voi-ACC,"{NAME}, born\n{BORN}"\n'
    )
    image = nib.Nifti1Image(np.ones((9, 9, 9), np.float32), np.eye(4) * 3)
    image.header["descrip"] = b"Doe^Jane 19700314"
    for name in ("desc-preproc_T1w", "desc-brain_mask"):
        nib.save(image, folder / who / "anat" / f"{who}_{name}.nii.gz")
    table = folder / "work/status/measure/batch-0001.tsv"
    scan = f"{who}/anat/{who}_T1w.nii.gz"
    write_statuses(
        [*read_statuses(table), Status(who, "", "anat", scan, "preprocess", "present")], table
    )
    return folder


@pytest.fixture(scope="module")
def copy(planted, tmp_path_factory):
    """The copy."""
    folder = tmp_path_factory.mktemp("copy") / "out"
    write_pseudonymised(read_run(planted), folder)
    return folder


def test_nothing_that_was_planted_stands_in_the_copy(copy, planted):
    before = "".join(unquote(path.read_text()) for path in planted.rglob("*.svg"))
    assert NAME in before, "the plant must be there to be looked for"
    for path in copy.rglob("*"):
        if path.suffix not in (".html", ".md", ".csv", ".tsv", ".tex", ".bib", ".json"):
            continue
        text = unquote(path.read_text(encoding="utf-8"))
        for word in (
            *PLANTED,
            str(planted),
            os.uname().nodename if len(os.uname().nodename) > 4 else HOST,
        ):
            assert word not in text, (path.name, word, text[max(0, text.find(word) - 80) :][:200])
        assert not any(NAME in part for part in path.parts)
    names = [path.name for path in copy.rglob("*") if path.is_file()]
    assert not any(NAME in name or "sub-0" in name for name in names)


def test_the_copy_still_says_what_the_study_found(copy, planted):
    report = (copy / "report.html").read_text(encoding="utf-8")
    assert "AUC within site" in report and "site 1" in report and "responsive" in report
    key = pd.read_csv(planted / KEY, sep="\t")
    assert len(key) == 15 and key["pseudonym"].is_unique
    pages = sorted(path.name for path in (copy / "pages").glob("sub-*.html"))
    assert pages == sorted(f"{name}.html" for name in key["pseudonym"])
    (mine,) = key.loc[key["participant_id"] == f"sub-{NAME}", "pseudonym"]
    page = (copy / "pages" / f"{mine}.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 4 and 'id="image-data"' in page and 'id="rating-data"' not in page
    assert "…" in page and f"<h1>{mine}</h1>" in page


def test_methods_and_checklists_go_along_under_the_other_names(copy, planted):
    key = pd.read_csv(planted / KEY, sep="\t").set_index("participant_id")["pseudonym"]
    with (copy / "checklists/mrsinmrs.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["spectrum", "place"]
    spectra = [f"{key['sub-01']}_voi-ACC", f"{key[f'sub-{NAME}']}_voi-ACC"]
    # Sorted by the new names: the order of the dataset would tell who is who.
    assert [row[0] for row in rows] == sorted(spectra)
    assert (copy / "methods.md").read_text().startswith("Of site ")


def test_the_folder_of_the_copy_must_be_new_and_elsewhere(planted, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    for place in (tmp_path / "full", planted / "copy"):
        with pytest.raises(DatasetError, match="new or empty folder elsewhere"):
            write_pseudonymised(read_run(planted), place)


def test_labels_are_replaced_where_an_address_writes_signs_as_numbers():
    names = Pseudonyms({"sub-01": "sub-P1"}, {"ses-20200101": "ses-V1"}, {})
    assert names.named("%3Esub-01_ses-20200101%3C") == "%3Esub-P1_ses-V1%3C"
    assert names.named("sub-012 xsub-01") == "sub-012 xsub-01"


def test_outlines_of_names_go_and_others_stay():
    svg = "%3C!-- sub-01: fit --%3E%0A%3Cg%3E%3Cuse x/%3E%3C/g%3E%3C!-- ppm --%3E%3Cg%3E%3Cuse y/%3E%3C/g%3E"
    assert without_drawn_names(svg, ["sub-01"]) == (
        "%0A%3Cg%3E%3C/g%3E%3C!-- ppm --%3E%3Cg%3E%3Cuse y/%3E%3C/g%3E"
    )
