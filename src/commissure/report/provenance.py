"""What made a run's results: versions, configuration, command, and what each file holds."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from commissure import __version__
from commissure.files import atomic, write_json, write_text
from commissure.outputs import CRATE, OUTPUTS, REPORT
from commissure.paths import without_paths


def write_provenance(
    *,
    run: Path,
    config: Path,
    description: Path,
    crate: Path,
    settings: Mapping[str, Any],
    command: str,
    root: Path,
) -> None:
    """Write the records that let someone else repeat a run.

    Parameters
    ----------
    run
        JSON to write: versions, command, commit, time of writing. It names no machine and no user:
        absolute paths are shortened to their last part.
    config
        YAML to write: every setting, defaults included; absolute paths are shortened likewise.
    description
        BIDS-Derivatives' ``dataset_description.json`` to write.
    crate
        RO-Crate metadata to write, in the output folder (https://w3id.org/ro/crate/1.1).
    settings
        The checked configuration as plain values.
    command
        The command to repeat the run.
    root
        The checkout that the workflow ran from.
    """
    versions = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    commit, changed = _commit(root)
    record = {
        "name": "Commissure",
        "version": __version__,
        "commit": commit,
        "uncommitted_changes": changed,
        "command": without_paths(command),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(sorted(versions.items(), key=lambda item: item[0].casefold())),
    }
    write_json(record, run)
    shortened = _shortened(dict(settings))
    write_text(yaml.safe_dump(shortened, sort_keys=False, allow_unicode=True), config)
    write_json(
        {
            "Name": "Commissure derivatives",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "Commissure", "Version": __version__}],
        },
        description,
    )
    _write_crate(crate, record)


def _shortened(value: Any) -> Any:
    """A setting whose absolute paths keep their last part only."""
    if isinstance(value, Mapping):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    return without_paths(value) if isinstance(value, str) else value


def _commit(root: Path) -> tuple[str, bool | None]:
    """Commit of a checkout and whether it has changes; an empty string where there is no git."""
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        state = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "", None
    if head.returncode:
        return "", None
    return head.stdout.strip(), bool(state.stdout.strip())


def _write_crate(path: Path, record: Mapping[str, Any]) -> None:
    crate = ROCrate()
    crate.name = "Results of a Commissure run"
    crate.description = "Markers of four MR modalities, tested models and their report."
    crate.datePublished = datetime.fromisoformat(record["written"])
    software = crate.add(
        ContextEntity(
            crate,
            "#commissure",
            properties={
                "@type": "SoftwareApplication",
                "name": "Commissure",
                "softwareVersion": record["version"],
            },
        )
    )
    parts = []
    for output in OUTPUTS.values():
        # The report is written from the provenance, after the crate.
        if output not in (CRATE, REPORT) and (path.parent / output.path).is_file():
            properties = {
                "name": output.path,
                "description": output.description,
                "encodingFormat": output.media_type,
            }
            parts.append(crate.add_file(dest_path=output.path, properties=properties))
    action = crate.add(
        ContextEntity(
            crate,
            "#run",
            properties={
                "@type": "CreateAction",
                "name": record["command"],
                "endTime": record["written"],
            },
        )
    )
    action["instrument"] = software
    action["result"] = parts
    with atomic(path) as draft:
        content = crate.metadata.generate()
        draft.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
