"""The thin scripts between Snakemake and the library: their names fit their rules, and they run."""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from commissure.anat.settings import AnatPreprocessSettings
from commissure.dataset.index import build_index, write_entries
from commissure.dataset.tree import tree_of
from commissure.files import read_table, write_json, write_table
from commissure.flow.job import study_tables
from commissure.func.strategy_edges import edges_of_strategies
from commissure.images.atlas import schaefer
from commissure.markers.status import Status, write_statuses
from commissure.markers.vulnerability_settings import VulnerabilitySettings
from commissure.normative.settings import NormativeSettings
from commissure.outputs import EXCLUSIONS, NORMATIVE_DEVIATIONS, QC_FC, VISITS, VULNERABILITY
from commissure.rows import COLUMNS
from commissure.study.qc_fc_settings import QcFcSettings

SECTIONS = ("input", "output", "params")


class Names(list):
    """Positional and named files, as Snakemake hands them to a script."""

    def __init__(self, *files: str, **named: object) -> None:
        super().__init__(files)
        vars(self).update(named)


def rules(repository: Path) -> list[tuple[str, Path, dict[str, set[str]]]]:
    """Name, script and the names in each section of every rule that runs a script."""
    found = []
    for file in sorted((repository / "workflow/rules").rglob("*.smk")):
        for text in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            script = re.search(r'"(?:\.\./)+scripts/([^"]+)"', text)
            if script is None:  # another program, by shell:
                continue
            parts = re.split(r"^    (\w+):$", text, flags=re.M)
            names = {
                section: set(re.findall(r"^        (\w+)=", body, flags=re.M))
                for section, body in zip(parts[1::2], parts[2::2], strict=True)
            }
            found.append(
                (text.partition(":")[0], repository / "workflow/scripts" / script[1], names)
            )
    return found


def used(script: Path) -> dict[str, set[str]]:
    """Names that a script takes from each section of its job."""
    names: dict[str, set[str]] = {section: set() for section in SECTIONS}
    code = script.read_text()
    if "study_tables(job)" in code:
        code += inspect.getsource(study_tables)
    for node in ast.walk(ast.parse(code)):
        inner = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(inner, ast.Attribute) and inner.attr in SECTIONS:
            names[inner.attr].add(node.attr)
    return names


def test_every_name_that_a_script_uses_is_in_its_rule(repository: Path) -> None:
    found = rules(repository)
    assert len(found) >= 12
    for rule, script, names in found:
        for section, wanted in used(script).items():
            assert wanted <= names.get(section, set()), (rule, section)


def test_a_batch_promises_its_status_and_other_scripts_write_what_their_rules_promise(
    repository: Path,
) -> None:
    for rule, script, names in rules(repository):
        text = script.read_text()
        if "run_batch" in text:
            assert names["output"] == (used(script)["output"] or {"status"}), rule
        elif "run_container" in text:  # the library writes the status of each modality it is given
            assert names["output"] <= set(re.findall(r'"(\w+)": \(adopt', text)), rule
        elif ".parent" in text:  # the library fills a folder, and the rule lists its files
            assert used(script)["output"], rule
        else:
            assert names["output"] == used(script)["output"], rule


@pytest.fixture
def run(repository: Path, tmp_path: Path):
    """Runs a script as Snakemake would: ``run("markers/recovery.py", rule, input=..., ...)``."""

    def start(script: str, rule: str, **sections: dict[str, object]) -> None:
        snakemake = SimpleNamespace(
            rule=rule,
            log=[str(tmp_path / "log" / f"{rule}.log")],
            **{name: Names(**sections.get(name, {})) for name in SECTIONS},
        )
        runpy.run_path(
            str(repository / "workflow/scripts" / script), {"snakemake": snakemake}, "__main__"
        )

    return start


def test_recovery_reads_truth_and_markers_and_writes_its_tables(run, tmp_path: Path) -> None:
    people = [f"sub-{i:02d}" for i in range(1, 9)]
    true = pd.DataFrame(
        [[p, "n/a", "anat", "head", "tiv", 1e6 + 1e4 * i, "mm3", "ok"]
         for i, p in enumerate(people)],
        columns=COLUMNS,
    )  # fmt: skip
    found = true.assign(value=true["value"] * 1.1)
    label = pd.DataFrame({"participant_id": people, "label": 4 * ["resistant", "responsive"]})
    paths = {name: tmp_path / f"{name}.tsv" for name in ("truth", "markers", "labels")}
    for name, table in (("truth", true), ("markers", found), ("labels", label)):
        table.to_csv(paths[name], sep="\t", index=False)
    paths["oracle"] = tmp_path / "scores.tsv"
    paths["oracle"].write_text("participant_id\tscore\nsub-01\t0.5\n")
    output = {name: str(tmp_path / f"{name}.tsv") for name in ("pairs", "recovery", "oracle")}
    output["false_positives"] = str(tmp_path / "false_positives.json")
    run(
        "markers/recovery.py",
        "recovery",
        input={name: str(path) for name, path in paths.items()},
        output=output,
    )
    row = read_table(Path(output["recovery"])).iloc[0]
    assert row["bias_percent"] == pytest.approx(10)
    assert row["slope"] == pytest.approx(1.1)
    assert len(read_table(Path(output["pairs"]))) == 8
    assert read_table(Path(output["oracle"]))["oracle"].tolist() == [0.5]
    assert json.loads(Path(output["false_positives"]).read_text())["tests"] == 1000


def test_a_person_who_cannot_be_read_is_recorded_and_the_job_ends_well(run, tmp_path: Path) -> None:
    bids, out = tmp_path / "bids", tmp_path / "out"
    for person, content in (("sub-01", b"no image"), ("sub-02", None)):
        path = bids / person / "anat" / f"{person}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        if content is None:
            nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), path)
        else:
            path.write_bytes(content)
    (bids / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.10"}))
    manifest, status = tmp_path / "batch.tsv", tmp_path / "status.tsv"
    write_entries(build_index(bids, tree_of(bids)), manifest)
    run(
        "anat/preprocess.py",
        "anat_preprocess",
        input={"manifest": str(manifest)},
        output={"status": str(status)},
        params={
            "bids_dir": str(bids),
            "output_dir": str(out),
            "settings": AnatPreprocessSettings().model_dump(mode="json"),
            "code": "digest",
        },
    )
    table = read_table(status)
    assert list(table["state"]) == ["failed", "failed"]
    assert table["cause"].str.startswith(("sub-01", "sub-02")).all()


def test_a_bug_keeps_its_traceback_and_a_known_error_its_sentence(run, tmp_path: Path) -> None:
    (tmp_path / "truth.tsv").write_text("not a marker table\n1\n")
    with pytest.raises(SystemExit, match=r"recovery: .*truth.tsv"):
        run(
            "markers/recovery.py",
            "recovery",
            input={
                "truth": str(tmp_path / "truth.tsv"),
                "markers": str(tmp_path / "truth.tsv"),
                "labels": str(tmp_path / "truth.tsv"),
            },
            output={"pairs": str(tmp_path / "p.tsv"), "recovery": str(tmp_path / "r.tsv")},
        )
    assert "truth.tsv" in (tmp_path / "log/recovery.log").read_text()


def test_qc_fc_reads_what_measuring_left_and_says_that_people_are_few(run, tmp_path: Path) -> None:
    rows = []
    for k in range(1, 10):
        person = f"sub-{k:02d}"
        name = f"{person}_task-rest_desc-strategies_relmat.npz"
        edges = edges_of_strategies(
            ("a", "b"), lambda _, k=k: (np.random.default_rng(k).normal(size=(50, 100)), 40.0),
            schaefer(100).labels, in_use="a", mean_fd_mm=0.1 + 0.01 * k,
        )  # fmt: skip
        edges.write(tmp_path / person / "func" / name)
        scan = f"{person}/func/{person}_task-rest_bold.nii.gz"
        rows.append(Status(person, "", "func", scan, "measure", "present", files={name: 1}))
    write_statuses(rows, tmp_path / "status.tsv")
    people = [row.participant_id for row in rows]
    written = {
        "exclusions": EXCLUSIONS.frame(),
        "visits": VISITS.frame([(p, "", "baseline", None) for p in people]),
        "people": pd.DataFrame({"participant_id": people, "age": range(20, 29)}),
    }
    for name, table in written.items():
        write_table(table, tmp_path / f"{name}.tsv")
    output = {"table": str(tmp_path / "qc_fc.tsv"), "record": str(tmp_path / "qc_fc.json")}
    run(
        "markers/qc_fc.py",
        "qc_fc",
        input={"statuses": [str(tmp_path / "status.tsv")]}
        | {name: str(tmp_path / f"{name}.tsv") for name in written},
        output=output,
        params={
            "settings": QcFcSettings(permutations=19).model_dump(mode="json"),
            "output_dir": str(tmp_path),
            "min_degrees_of_freedom": 30.0,
        },
    )
    table = QC_FC.read_file(Path(output["table"]))
    assert list(table["strategy"]) == ["a", "b"] and (table["people"] == 9).all()
    record = json.loads(Path(output["record"]).read_text())
    assert record["sentence"].startswith("9 people with connectivity are too few")
    assert record["covariates"] == ["age"]


def test_normative_writes_charts_of_the_controls_or_says_why_not(run, tmp_path: Path) -> None:
    people = [f"sub-{i:02d}" for i in range(24)]
    rows = [[p, "n/a", "dwi", "GCC", "fa", 0.5 + i / 100, "1", "ok"] for i, p in enumerate(people)]
    written = {
        "markers": pd.DataFrame(rows, columns=COLUMNS),
        "exclusions": EXCLUSIONS.frame(),
        "visits": VISITS.frame([(p, "", "baseline", None) for p in people]),
        "people": pd.DataFrame(
            {"participant_id": people, "age": range(20, 44), "sex": ["F", "M"] * 12,
             "site": "A", "group": "control"}
        ),
    }  # fmt: skip
    for name, table in written.items():
        write_table(table, tmp_path / f"{name}.tsv")
    write_json({}, tmp_path / "markers.json")
    out = tmp_path / "normative"
    output = {"record": str(out / "normative.json"), "model": str(out / "model")}
    for least in (20, 30):
        run(
            "normative/charts.py",
            "normative",
            input={
                **{name: str(tmp_path / f"{name}.tsv") for name in written},
                "definitions": str(tmp_path / "markers.json"),
            },
            output=output,
            params={"settings": NormativeSettings(min_controls=least).model_dump(mode="json")},
        )
        record = json.loads(Path(output["record"]).read_text())
        deviations = NORMATIVE_DEVIATIONS.read_file(out / "deviations.tsv")
        assert deviations.empty == (least == 30)
        assert record.get("reason", "").startswith("24 controls") == (least == 30)


def test_vulnerability_reads_the_tables_of_a_run_and_says_why_there_is_no_index(
    run, tmp_path: Path
) -> None:
    people = [f"sub-{i:02d}" for i in range(1, 9)]
    rows = [[p, "n/a", "dwi", "GCC", "fa", 0.6, "1", "ok"] for p in people]
    written = {
        "markers": pd.DataFrame(rows, columns=COLUMNS),
        "exclusions": EXCLUSIONS.frame(),
        "visits": VISITS.frame([(p, "", "baseline", None) for p in people]),
        "people": pd.DataFrame({"participant_id": people, "group": "control"}),
    }
    for name, table in written.items():
        write_table(table, tmp_path / f"{name}.tsv")
    output = {"vulnerability": str(tmp_path / "v.tsv"), "record": str(tmp_path / "v.json")}
    run(
        "markers/vulnerability.py",
        "vulnerability",
        input={name: str(tmp_path / f"{name}.tsv") for name in written},
        output=output,
        params={"settings": VulnerabilitySettings().model_dump(mode="json")},
    )
    assert VULNERABILITY.read_file(Path(output["vulnerability"])).empty
    record = json.loads(Path(output["record"]).read_text())
    assert [entry["traits"] for entry in record["indices"]] == [
        "fa", "fa_21", "subcortical", "thickness",
    ]  # fmt: skip
    assert all("four fifths" in entry["reason"] for entry in record["indices"])
