"""What is read of a finished, or half finished, run: its tables and what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from commissure.errors import CommissureError, DatasetError
from commissure.outputs import CONFIG, OUTPUTS, RUN, Output


@dataclass(frozen=True)
class Run:
    """The output folder of a run.

    Attributes
    ----------
    folder
        The folder; files that are not there are said to be absent, and what is there is compared.
    """

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Run:
        """A run's folder, checked.

        Raises
        ------
        DatasetError
            There is no such folder, or nothing in it that a run writes.
        """
        known = [path for path in OUTPUTS if "*" not in path]
        if not any((folder / name).is_file() for name in known):
            raise DatasetError(
                str(folder.name or folder),
                found="it holds no file of a run" if folder.is_dir() else "there is no such folder",
                wanted="the output folder of a run, with markers.tsv and provenance/run.json",
                mend="Name the folder that output_dir of config.yaml names",
            )
        return cls(folder)

    def has(self, output: Output) -> bool:
        """Whether the run left a file."""
        return (self.folder / output.path).is_file()

    def table(self, output: Output) -> pd.DataFrame | None:
        """A table of the run; None where it is absent or cannot be read."""
        if not self.has(output):
            return None
        try:
            return output.read(self.folder)
        except CommissureError:
            return None

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """What made the results (``provenance/run.json``); empty where it is absent."""
        try:
            content = json.loads((self.folder / RUN.path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """Every option by its dotted name (``provenance/config.yaml``); empty where absent."""
        try:
            content = yaml.safe_load((self.folder / CONFIG.path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return {}
        return dict(flattened(content)) if isinstance(content, dict) else {}


def flattened(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings and lists with their dotted names, as ``tables[0].file``."""
    if isinstance(value, Mapping) and value:
        items = [(f"{name}.{key}" if name else str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        items = [(f"{name}[{number}]", item) for number, item in enumerate(value)]
    else:
        return [(name, value)]
    return [leaf for key, item in items for leaf in flattened(item, key)]
