"""What made the results is written down without naming a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from commissure import __version__
from commissure.flow.workflow_files import lay_workflow
from commissure.outputs import MARKERS, PROVENANCE
from commissure.report.bids_prov import activity_id, name_activity
from commissure.report.provenance import NO_LICENCE, write_provenance

SHA = "0" * 64
SURROUNDINGS = {
    "results": 4, "python": "3.11.2", "system": "Linux x86_64", "libc": "glibc 2.36", "cpu": "X 1",
    "cores": 4, "threads": {"OMP_NUM_THREADS": "1"},
    "blas": [{"library": "openblas", "version": "0.3", "kernel": "Haswell", "threads": 1}],
    "versions": {"numpy": "2.3.5"},
}  # fmt: skip
TIME = "2026-01-02T03:0{}:00+00:00"
MADE_BY = {
    "inputs": [{"path": "sub-01/anat/sub-01_T1w.nii.gz", "bytes": 3, "sha256": SHA}],
    "environments": [SURROUNDINGS],
    "steps": [
        {"rule": rule, "part": part, "start": TIME.format(i), "end": TIME.format(i + 1)}
        for i, (rule, part) in enumerate(
            [("anat_preprocess", "batch-0001"), ("anat_preprocess", "batch-0002"), ("markers", "")]
        )
    ],
    "images": {},
    "seeds": {"fusion.seed": 0},
}


@pytest.fixture
def written(tmp_path, repository):
    """The records of a run whose command and settings name the user's folders."""
    folder = tmp_path / "jane.doe/study/out"
    folder.mkdir(parents=True)
    bids = tmp_path / "jane.doe/study/bids"
    bids.mkdir()
    described = {"Name": "Jane Doe's", "Authors": ["Jane Doe"]}
    (bids / "dataset_description.json").write_text(json.dumps(described))
    (folder / MARKERS.path).write_text("")
    write_provenance(
        folder,
        settings={
            "bids_dir": str(bids),
            "output_dir": "derivatives/commissure",
            "tables": [{"file": "/home/jane.doe/lab.tsv"}],
            "batch_size": 4,
        },
        command="snakemake --cores all --configfile /home/jane.doe/study/study.yaml",
        root=repository,
        code={"anat/measure.py": "abc"},
        made_by=MADE_BY,
    )
    return folder


def document(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_every_declared_record_is_written_and_none_names_a_home_folder(written):
    for output in PROVENANCE:
        text = (written / output.path).read_text(encoding="utf-8")
        assert "jane" not in text.lower(), output.path


def test_settings_keep_what_is_no_absolute_path(written):
    settings = yaml.safe_load((written / "provenance/config.yaml").read_text(encoding="utf-8"))
    assert settings == {
        "bids_dir": "…/bids",
        "output_dir": "derivatives/commissure",
        "tables": [{"file": "…/lab.tsv"}],
        "batch_size": 4,
    }


def test_the_record_has_what_a_comparison_needs(written):
    record = document(written, "provenance/run.json")
    assert record["version"] == __version__
    assert record["command"].endswith("--configfile …/study.yaml")
    assert record["inputs"] == MADE_BY["inputs"] and len(record["inputs_sha256"]) == 64
    assert record["code"] == {"anat/measure.py": "abc"}
    assert record["environments"] == [SURROUNDINGS]
    assert record["configuration"]["batch_size"] == 4


def test_the_crate_has_every_job_with_its_times(written):
    graph = {item["@id"]: item for item in document(written, "ro-crate-metadata.json")["@graph"]}
    assert graph[MARKERS.path]["description"] == MARKERS.description
    assert "report.html" not in graph
    job = graph["#job-anat_preprocess-batch-0002"]
    assert (job["startTime"], job["endTime"]) == (TIME.format(1), TIME.format(2))
    assert job["instrument"] == {"@id": "#tool-anat_preprocess"}
    controls = graph["#organisation"]["object"]
    assert len(controls) == 3
    assert graph["./"]["license"] == NO_LICENCE
    # Nothing points to what is not in the crate.
    named = set(graph)
    for item in graph.values():
        for value in item.values():
            for link in value if isinstance(value, list) else [value]:
                if isinstance(link, dict) and not link["@id"].startswith("http"):
                    assert link["@id"] in named, link


def test_the_output_says_where_its_dataset_is_without_naming_the_machine(written, tmp_path):
    assert document(written, "dataset_description.json")["DatasetLinks"] == {"raw": "../bids"}


# What the draft asks of the objects in each file: names and kinds of their keys.
BIDS_PROV = {
    "act": ("Activities", {"Id", "Label", "Command"}, {
        "AssociatedWith": list, "Used": list, "StartedAtTime": str, "EndedAtTime": str,
        "Type": list, "Description": str}),
    "soft": ("Software", {"Id", "Label", "Version"}, {"AlternativeIdentifier": list}),
    "env": ("Environments", {"Id", "Label"}, {
        "OperatingSystem": str, "EnvironmentVariables": dict, "Dependencies": dict,
        "Description": str, "AlternativeIdentifier": list}),
    "ent": ("Files", {"Id", "Label"}, {"AtLocation": str, "GeneratedBy": list, "Digest": dict}),
}  # fmt: skip


@pytest.mark.parametrize("place", [".", "study/pipeline"])
def test_a_workflow_that_init_laid_has_no_commit_of_another_repository(tmp_path, place):
    folder = tmp_path / place
    lay_workflow(folder)
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "A study"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    (tmp_path / "out").mkdir()
    write_provenance(
        tmp_path / "out", settings={}, command="snakemake", root=folder, code={}, made_by={}
    )
    record = document(tmp_path / "out", "provenance/run.json")
    assert (record["commit"], record["uncommitted_changes"]) == ("", None)


def test_of_two_versions_that_which_an_import_takes_is_recorded(tmp_path):
    for number, version in (("a", "1.2.4"), ("b", "1.2.3")):
        info = tmp_path / number / f"twice-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: twice\nVersion: {version}\n")
    code = "from commissure.installed import versions; print(versions()['twice'])"
    path = os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b"), *filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "1.2.4"


def test_a_checkout_has_its_commit(written, repository):
    if not (repository / ".git").exists():
        pytest.skip("not a checkout")
    assert len(document(written, "provenance/run.json")["commit"]) == 40


def test_sidecars_name_what_made_them_and_keep_other_programs(tmp_path):
    for name in ("a_dseg.nii.gz", "b_dwi.nii.gz"):
        (tmp_path / name).write_text("")
    contents = {"a_dseg.json": {"Type": "x"}, "b_dwi.json": {"GeneratedBy": [{"Name": "QSIPrep"}]},
                "a_qc.json": {"flags": []}}  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    activity = activity_id("anat_preprocess")
    for _ in range(2):
        name_activity(tmp_path.iterdir(), activity)
    assert document(tmp_path, "a_dseg.json") == {"Type": "x", "GeneratedBy": activity}
    assert document(tmp_path, "b_dwi.json") == contents["b_dwi.json"]
    assert document(tmp_path, "a_qc.json") == contents["a_qc.json"]


def test_a_sidecar_finds_its_activity_in_the_graph(written):
    nodes = {
        node["Id"]: node for node in document(written, "provenance/bids-prov.jsonld")["@graph"]
    }
    node = nodes[activity_id("anat_preprocess")]
    assert (node["StartedAtTime"], node["EndedAtTime"]) == (TIME.format(0), TIME.format(2))


@pytest.mark.parametrize("suffix", BIDS_PROV)
def test_bids_prov_has_the_keys_of_the_draft_and_refers_to_itself_alone(written, suffix):
    name, required, optional = BIDS_PROV[suffix]
    content = document(written, f"prov/prov-commissure_{suffix}.json")
    assert content[name]
    declared = {
        item["Id"]
        for other in BIDS_PROV
        for items in document(written, f"prov/prov-commissure_{other}.json").values()
        for item in items
    }
    for item in content[name]:
        assert required <= set(item) <= required | set(optional), item
        assert item["Id"].startswith(("bids::prov#", "bids::", "bids:raw:"))
        for key, value in item.items():
            assert isinstance(value, optional.get(key, str))
        for key in ("AssociatedWith", "Used", "GeneratedBy"):
            assert set(item.get(key, [])) <= declared
