"""A run as a Provenance Run Crate: the workflow, its steps, and when each began and ended.

https://w3id.org/ro/wfrun/provenance/0.5. Jobs are ``CreateAction``s whose instrument is the script
of their rule; each is started by a ``ControlAction`` of the workflow engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from commissure.files import atomic
from commissure.outputs import CONFIG, CRATE, OUTPUTS, REPORT, REPORTING, STANDING_OUT, WORKFLOW

#: Profiles that the crate follows, the one that it is before those that it is built on.
PROFILES = (
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_ENGINE = "https://snakemake.github.io"


def write_crate(path: Path, record: Mapping[str, Any], *, licence: str) -> None:
    """Write ``ro-crate-metadata.json``.

    Parameters
    ----------
    path
        The file, in the output folder.
    record
        What ``provenance/run.json`` holds.
    licence
        Of the results, as the dataset states it.
    """
    crate = ROCrate(version="1.1")
    crate.name = "Results of a Commissure run"
    crate.description = "Markers of MR modalities, tested models and their report."
    crate.datePublished = datetime.fromisoformat(record["written"])
    crate.license = licence
    files = _files(crate, path.parent)
    profiles = [
        _add(crate, uri, "CreativeWork", name=name, version=version)
        for uri, name, version in PROFILES
    ]
    crate.root_dataset["conformsTo"] = profiles
    workflow = _workflow(crate, files[WORKFLOW.path], record)
    crate.root_dataset["mainEntity"] = workflow
    inputs = _inputs(crate, record)
    run = _add(
        crate, "#run", "CreateAction", name=f"Run of {record['command']}",
        startTime=_start(record), endTime=record["written"],
    )  # fmt: skip
    run["instrument"] = workflow
    run["object"] = [*inputs, files[CONFIG.path]] if CONFIG.path in files else inputs
    run["result"] = list(files.values())
    crate.root_dataset["mentions"] = [run]
    _steps(crate, workflow, run, record)
    with atomic(path) as draft:
        content = crate.metadata.generate()
        draft.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _add(crate: ROCrate, name_in_crate: str, kind: str | list[str], **properties: Any) -> Any:
    known = {"@type": kind, **{key: value for key, value in properties.items() if value}}
    return crate.add(ContextEntity(crate, name_in_crate, properties=known))


def _files(crate: ROCrate, folder: Path) -> dict[str, Any]:
    """Every declared file that is there; report, methods and checklists come after the crate."""
    files = {}
    for output in OUTPUTS.values():
        if (
            output in (CRATE, REPORT, STANDING_OUT, *REPORTING)
            or not (folder / output.path).is_file()
        ):
            continue
        properties: dict[str, Any] = {
            "name": output.path, "description": output.description,
            "encodingFormat": output.media_type,
        }  # fmt: skip
        if output == WORKFLOW:
            properties["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
            properties["name"] = "Commissure"
        files[output.path] = crate.add_file(dest_path=output.path, properties=properties)
    return files


def _workflow(crate: ROCrate, workflow: Any, record: Mapping[str, Any]) -> Any:
    language = _add(
        crate, "https://w3id.org/workflowhub/workflow-ro-crate#snakemake", "ComputerLanguage",
        name="Snakemake", identifier={"@id": _ENGINE}, url={"@id": _ENGINE},
        version=record["versions"].get("snakemake"),
    )  # fmt: skip
    workflow["programmingLanguage"] = language
    workflow["version"] = record["version"]
    return workflow


def _inputs(crate: ROCrate, record: Mapping[str, Any]) -> list[Any]:
    """The inputs as one data set: their names and checksums stand in ``provenance/run.json``."""
    inputs = record.get("inputs") or []
    if not inputs:
        return []
    return [
        _add(
            crate, "#inputs", "PropertyValue", name="Input files", propertyID="sha256",
            value=record["inputs_sha256"],
            description=f"{len(inputs)} files; each with its SHA-256 in provenance/run.json. "
            "The value is the SHA-256 of that list.",
        )
    ]  # fmt: skip


def _start(record: Mapping[str, Any]) -> str | None:
    return min((job["start"] for job in record.get("steps") or []), default=None)


def _steps(crate: ROCrate, workflow: Any, run: Any, record: Mapping[str, Any]) -> None:
    """Rules as tools and steps of the workflow, jobs as actions."""
    jobs: Sequence[Mapping[str, str]] = record.get("steps") or []
    rules = list(dict.fromkeys(job["rule"] for job in jobs))
    if not rules:
        return
    tools, steps = {}, {}
    for position, rule in enumerate(rules, start=1):
        tools[rule] = _add(
            crate, f"#tool-{rule}", "SoftwareApplication", name=rule,
            softwareVersion=record["version"],
            description=f"The script of the rule {rule}.",
        )  # fmt: skip
        steps[rule] = _add(crate, f"#step-{rule}", "HowToStep", position=str(position), name=rule)
        steps[rule]["workExample"] = tools[rule]
    workflow["hasPart"] = list(tools.values())
    workflow["step"] = list(steps.values())
    controls = []
    for job in jobs:
        name = "-".join(filter(None, (job["rule"], job["part"])))
        action = _add(
            crate, f"#job-{name}", "CreateAction", name=f"Job {name}",
            startTime=job["start"], endTime=job["end"],
            actionStatus={"@id": "http://schema.org/CompletedActionStatus"},
        )  # fmt: skip
        action["instrument"] = tools[job["rule"]]
        control = _add(crate, f"#control-{name}", "ControlAction", name=f"Start of {name}")
        control["instrument"], control["object"] = steps[job["rule"]], action
        controls.append(control)
    crate.root_dataset["mentions"] = [run, *(control["object"] for control in controls)]
    engine = _add(
        crate, "#snakemake", "SoftwareApplication", name="Snakemake",
        softwareVersion=record["versions"].get("snakemake"), url=_ENGINE,
    )  # fmt: skip
    organised = _add(
        crate, "#organisation", "OrganizeAction", name="Snakemake organises the run",
        startTime=_start(record), endTime=record["written"],
    )  # fmt: skip
    organised["instrument"], organised["object"], organised["result"] = engine, controls, run
