"""What a run really did, read from what it left: configuration, sidecars, quality records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commissure.markers.status import read_statuses
from commissure.modalities import MODALITIES
from commissure.report.results import Results


@dataclass(frozen=True)
class RunRecord:
    """A run as its methods are told from it.

    Attributes
    ----------
    results
        The output folder.
    configuration
        Every setting, defaults included.
    preprocessed
        Sidecars of the preprocessed images by modality, one per image or run.
    measured
        Quality records by modality, with what the measurement says of itself.
    acquired
        Sidecars of the raw images by modality; empty where the dataset cannot be read any more.
    """

    results: Results
    configuration: Mapping[str, Any]
    preprocessed: Mapping[str, Sequence[Mapping[str, Any]]]
    measured: Mapping[str, Sequence[Mapping[str, Any]]]
    acquired: Mapping[str, Sequence[Mapping[str, Any]]]

    def option(self, section: str, name: str, default: Any = None) -> Any:
        """A setting; the default where the record of an older run lacks it."""
        return (self.configuration.get(section) or {}).get(name, default)

    def number(self, section: str, name: str) -> str:
        """A number of the configuration; ``(not recorded)`` where an older run lacks it."""
        value = self.option(section, name)
        return f"{value:g}" if isinstance(value, int | float) else "(not recorded)"

    def version(self, package: str) -> str:
        """Version of a package in this run; an empty string where it is not recorded."""
        versions = self.results.provenance.get("versions") or {}
        return str(versions.get(package, ""))

    def ran(self, modality: str) -> bool:
        """Whether at least one image of the modality was preprocessed or measured."""
        return bool(self.preprocessed[modality] or self.measured[modality])

    def images(self, modality: str) -> int:
        """How many images or series were preprocessed."""
        return len(self.preprocessed[modality]) or len(self.measured[modality])


def run_record(
    results: Results,
    *,
    statuses: Iterable[Path | str],
    configuration: str,
    acquired: Mapping[str, Sequence[Mapping[str, Any]]],
) -> RunRecord:
    """Read what a run left of its methods.

    Parameters
    ----------
    results
        The run's output folder.
    statuses
        Status tables of all batches: only files that they name are read.
    configuration
        The complete configuration as YAML.
    acquired
        Sidecars of the raw images by modality.
    """
    folder = results.folder
    preprocessed: dict[str, list[Mapping[str, Any]]] = {name: [] for name in MODALITIES}
    measured: dict[str, list[Mapping[str, Any]]] = {name: [] for name in MODALITIES}
    for table in statuses:
        for row in read_statuses(table):
            if row.state != "present" or row.modality not in preprocessed:
                continue
            for name in sorted(row.files):
                if name.endswith("_qc.json"):
                    measured[row.modality].append(_json(folder / row.folder / name))
                elif _of_an_image(name):
                    preprocessed[row.modality].append(_json(folder / row.folder / name))
    return RunRecord(
        results, yaml.safe_load(configuration) or {}, preprocessed, measured,
        {name: list(acquired.get(name, ())) for name in MODALITIES},
    )  # fmt: skip


def counted(records: Sequence[Mapping[str, Any]], key: str) -> list[tuple[Any, int]]:
    """Values of a field with how many records have it, the most frequent first; without None."""
    values = [json.dumps(record.get(key)) for record in records if record.get(key) is not None]
    return [(json.loads(value), n) for value, n in Counter(values).most_common()]


def share(records: Sequence[Mapping[str, Any]], key: str, wanted: Any = True) -> int:
    """How many records have the value in a field."""
    return sum(record.get(key) == wanted for record in records)


def _of_an_image(name: str) -> bool:
    ends = ("_T1w.json", "_bold.json", "_dwi.json", "_svs.json")
    return "desc-preproc_" in name and name.endswith(ends)


def _json(path: Path) -> Mapping[str, Any]:
    """The content of a record; an empty one where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
