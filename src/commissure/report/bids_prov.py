"""A run in the words of BIDS-Prov (BEP028, a draft): activities, software, environments, entities.

https://bids-specification--2099.org.readthedocs.build/en/2099/modality-agnostic-files/provenance.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from commissure.files import write_json, write_text
from commissure.outputs import (
    OUTPUTS,
    PROV_ACTIVITIES,
    PROV_ENTITIES,
    PROV_ENVIRONMENTS,
    PROV_GRAPH,
    PROV_SOFTWARE,
    PROV_TABLE,
    STANDING_OUT,
)

# Packages that compute; run.json has all.
_SOFTWARE = (
    "commissure", "snakemake", "antspyx", "dipy", "nilearn", "nibabel", "numpy", "scipy", "pandas",
    "scikit-learn", "statsmodels", "nifti-mrs",
)  # fmt: skip

#: The terms of the draft's JSON-LD context, inside the graph so that it is read without a network.
CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "spdx": "http://spdx.org/rdf/terms#",
    "Id": "@id",
    "Type": "@type",
    "Label": "rdfs:label",
    "Description": "rdfs:comment",
    "Command": "schema:instrument",
    "Version": "schema:softwareVersion",
    "OperatingSystem": "schema:operatingSystem",
    "Digest": {"@id": "spdx:checksum", "@type": "@json"},
    "Dependencies": {"@id": "schema:softwareRequirements", "@type": "@json"},
    "EnvironmentVariables": {"@id": "schema:variableMeasured", "@type": "@json"},
    "StartedAtTime": {"@id": "prov:startedAtTime", "@type": "xsd:dateTime"},
    "EndedAtTime": {"@id": "prov:endedAtTime", "@type": "xsd:dateTime"},
    "GeneratedBy": {"@id": "prov:wasGeneratedBy", "@type": "@id"},
    "AssociatedWith": {"@id": "prov:wasAssociatedWith", "@type": "@id"},
    "Used": {"@id": "prov:used", "@type": "@id"},
    "AtLocation": "prov:atLocation",
}

# What the draft's context makes of its lists.
_KINDS = {
    "Activities": ["prov:Activity"],
    "Software": ["prov:Agent", "prov:SoftwareAgent"],
    "Environments": ["prov:Entity"],
    "Files": ["prov:Entity"],
    "Datasets": ["prov:Entity", "prov:Collection"],
}


def write_bids_prov(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the files of BIDS-Prov below ``prov/``, and all of them as one JSON-LD graph.

    Parameters
    ----------
    folder
        The output folder.
    record
        What ``provenance/run.json`` holds.
    """
    software = [
        _identified("software", {"Label": name, "Version": version})
        for name, version in record["versions"].items()
        if name.lower() in _SOFTWARE
    ]
    surroundings = [_environment(item) for item in record.get("environments") or []]
    activities = _activities(record, software, surroundings)
    datasets = []
    if record.get("inputs_sha256"):
        # The dataset is named by what it holds: its folder may tell whose it is.
        datasets = [
            {"Id": "bids:raw:.", "Label": "Input dataset",
             "Digest": {"SHA-256": record["inputs_sha256"]}}
        ]  # fmt: skip
    run = activities[-1]["Id"]
    # What comes after this graph, and may be there from an earlier run.
    later = (PROV_TABLE, STANDING_OUT)
    files = [
        {"Id": f"bids::{output.path}", "Label": output.description, "AtLocation": output.path,
         "GeneratedBy": [run]}
        for output in OUTPUTS.values()
        if output.columns and output not in later and (folder / output.path).is_file()
    ]  # fmt: skip
    records: dict[str, list[dict[str, Any]]] = {
        "Activities": activities, "Software": software, "Environments": surroundings,
        "Files": files, "Datasets": datasets,
    }  # fmt: skip
    records = {name: items for name, items in records.items() if items}
    for output, names in (
        (PROV_ACTIVITIES, ("Activities",)), (PROV_SOFTWARE, ("Software",)),
        (PROV_ENVIRONMENTS, ("Environments",)), (PROV_ENTITIES, ("Files", "Datasets")),
    ):  # fmt: skip
        write_json({name: records.get(name, []) for name in names}, folder / output.path)
    write_text(
        "provenance_id\tdescription\nprov-commissure\tThe run that made these derivatives.\n",
        folder / PROV_TABLE.path,
    )
    # The draft's context makes a graph of a map by type, which JSON-LD readers drop without a
    # word (rdflib finds no triple). So each object names its type.
    nodes = [{"Type": _KINDS[name], **item} for name, items in records.items() for item in items]
    write_json({"@context": CONTEXT, "@graph": nodes}, folder / PROV_GRAPH.path)


def activity_id(rule: str) -> str:
    """Identifier of a rule as an activity: the same in every run, so that sidecars can name it."""
    return f"bids::prov#{rule}-{hashlib.sha256(rule.encode()).hexdigest()[:8]}"


def name_activity(files: Iterable[Path], activity: str) -> None:
    """Let the sidecars among the files name what made them, as ``GeneratedBy``.

    A sidecar is a JSON file beside another file of its name. One that names programs already, as
    that of another tool's result does, keeps them.

    Parameters
    ----------
    files
        What a step wrote for one image.
    activity
        From :func:`activity_id`.
    """
    paths = list(files)
    described = {_stem(path) for path in paths if path.suffix != ".json"}
    for path in paths:
        if path.suffix != ".json" or _stem(path) not in described:
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        write_json({**content, "GeneratedBy": content.get("GeneratedBy") or activity}, path)


def _stem(path: Path) -> Path:
    return path.with_name(path.name.partition(".")[0])


def _identified(label: str, content: dict[str, Any]) -> dict[str, Any]:
    """An object with the identifier that its content gives it."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return {"Id": f"bids::prov#{label}-{digest}", **content}


def _environment(item: Mapping[str, Any]) -> dict[str, Any]:
    kernels = sorted({str(library["kernel"]) for library in item.get("blas") or []})
    return _identified(
        "environment",
        {
            "Label": f"Python {item['python']} on {item['cpu']}",
            "OperatingSystem": item["system"],
            "EnvironmentVariables": dict(item["threads"]),
            "Dependencies": dict(item["versions"]),
            "Description": f"libc {item['libc']}; kernels of linear algebra: {', '.join(kernels)}",
        },
    )


def _activities(
    record: Mapping[str, Any], software: list[dict[str, Any]], surroundings: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Every job, every rule with the span of its jobs, and last the run as a whole."""
    programs = [item["Id"] for item in software]
    used = [item["Id"] for item in surroundings]
    raw = ["bids:raw:."] if record.get("inputs_sha256") else []
    jobs = [
        _identified(
            job["rule"],
            {
                "Label": " ".join(filter(None, (job["rule"], job["part"]))),
                "Command": record["command"],
                "AssociatedWith": programs,
                "Used": [*raw, *used],
                "StartedAtTime": job["start"],
                "EndedAtTime": job["end"],
            },
        )
        for job in record.get("steps") or []
    ]
    spans: dict[str, list[Mapping[str, Any]]] = {}
    for job in record.get("steps") or []:
        spans.setdefault(job["rule"], []).append(job)
    rules = [
        {
            "Id": activity_id(rule), "Label": f"{rule}, all jobs", "Command": record["command"],
            "AssociatedWith": programs, "Used": [*raw, *used],
            "StartedAtTime": min(job["start"] for job in its),
            "EndedAtTime": max(job["end"] for job in its),
        }
        for rule, its in sorted(spans.items())
    ]  # fmt: skip
    whole: dict[str, Any] = {
        "Label": "Commissure run", "Command": record["command"], "AssociatedWith": programs,
        "Used": [*raw, *used], "EndedAtTime": record["written"],
    }  # fmt: skip
    if jobs:
        whole["StartedAtTime"] = min(job["StartedAtTime"] for job in jobs)
    return [*jobs, *rules, _identified("run", whole)]
