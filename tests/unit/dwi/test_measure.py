"""One simulated person through the whole room, without a T1w image."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiMeasureSettings, DwiPreprocessSettings
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.dataset import write_person
from commissure.phantom.protocol import chosen_protocol
from commissure.rows import read_markers


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, Path]:
    folder = tmp_path_factory.mktemp("dwi")
    person = draw_cohort(
        CohortRequest(controls=1, responsive=0, resistant=0, sites=1, missing=0.0, seed=4)
    )[0]
    person = replace(person, modalities=frozenset({"dwi"}))
    write_person(folder, person, chosen_protocol("tiny"))
    path = next(folder.rglob("*_dwi.nii.gz"))
    stem = path.name.removesuffix(".nii.gz")
    beside = {name: path.with_name(f"{stem}.{name}") for name in ("bval", "bvec", "json")}
    scan = Scan(
        path,
        {"sub": person.participant_id.removeprefix("sub-")},
        "dwi",
        [beside["json"]],
        {name: beside[name] for name in ("bval", "bvec")},
    )
    preprocess(scan, folder / "out", anat=None, settings=DwiPreprocessSettings())
    return scan, folder / "out"


def measured(scan: Scan, folder: Path, **settings: float) -> tuple[set[str], dict]:
    measure(scan, folder, anat=None, settings=DwiMeasureSettings(**settings))
    rows = read_markers(folder / scan.derivative("markers", ".tsv"))
    quality = set(rows.loc[rows["marker"] == "fa", "quality"])
    return quality, json.loads((folder / scan.derivative("qc", ".json")).read_text())


@pytest.mark.slow
def test_who_has_no_t1w_is_flagged_where_others_have_partial_volumes_subtracted(finished):
    quality, due = measured(*finished, subtract_partial_volume=True)
    checks = {check["name"]: check for check in due["checks"]}
    corrected = checks.pop("partial_volume_corrected")
    assert corrected["passed"] is False
    assert "no T1w image" in corrected["note"]
    assert quality == {"flag"}
    # Where nothing is subtracted from anybody, nobody lacks it.
    quality, left = measured(*finished)
    assert {check["name"]: check for check in left["checks"]} == checks
    others = any(check["passed"] is False for check in checks.values())
    assert quality == {"flag" if others else "ok"}
