"""What made a run's results: inputs, versions, configuration, jobs, and what each file holds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from commissure import __version__
from commissure.files import write_json, write_text
from commissure.installed import versions
from commissure.outputs import CONFIG, CRATE, DESCRIPTION, IGNORED, OUTPUTS, RUN, WORKFLOW
from commissure.paths import without_paths
from commissure.report.bids_prov import write_bids_prov
from commissure.report.run_crate import write_crate

#: What a crate says where the dataset states no licence: none is given away.
NO_LICENCE = "Not stated: who keeps the dataset decides"

# What of the output folder BIDS has a name for.
_IN_BIDS = ("participants.tsv", DESCRIPTION.path, IGNORED.path, "code")
#: For what BIDS has no name; the validator passes over what stands here.
NO_BIDS_NAME = (
    # the run's own, and the files of a study: its tables, models, records and pages
    "work", "logs", "benchmarks", "fmriprep", "pages", "*.html",
    *sorted({output.path.split("/")[0] for output in OUTPUTS.values()} - {*_IN_BIDS, "work"}),
    # of one image: proposals that are open (BEP014, BEP016, BEP017, BEP021, BEP022), and figures
    "figures", "*_markers.tsv", "*_qc.json", "*_xfm.*", "*_timeseries.*", "*_relmat.*",
    "*_boldref.nii.gz", "*_dwi.bval", "*_dwi.bvec", "*_svs.*", "*_mrsref.*", "*_fit.*",
    "*_tissue.json", "*_dwimap.nii.gz",
)  # fmt: skip


def write_provenance(
    folder: Path,
    *,
    settings: Mapping[str, Any],
    command: str,
    root: Path,
    code: Mapping[str, str],
    made_by: Mapping[str, Any],
) -> None:
    """Write the records that let someone else repeat a run, and compare it.

    They name no machine, no user and no folder: absolute paths are shortened to their last part.
    Times stand in ``run.json``, the crate and BIDS-Prov alone.

    Parameters
    ----------
    folder
        The output folder.
    settings
        The checked configuration as plain values.
    command
        The command to repeat the run.
    root
        The checkout that the workflow ran from.
    code
        Digest of what each script computes with, by the script.
    made_by
        As :func:`commissure.flow.made_by.made_by` gathers it: ``inputs``, ``environments``,
        ``steps``, ``images``, ``seeds``.
    """
    commit, changed = _commit(root)
    shortened = _shortened(dict(settings))
    inputs = list(made_by.get("inputs", []))
    listed = "".join(f"{item['sha256']}  {item['path']}\n" for item in inputs)
    record = {
        "name": "Commissure",
        "version": __version__,
        "commit": commit,
        "uncommitted_changes": changed,
        "command": without_paths(command),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": made_by.get("seeds", {}),
        "images": made_by.get("images", {}),
        "environments": made_by.get("environments", []),
        "code": dict(code),
        "configuration": shortened,
        "versions": versions(),
        "steps": made_by.get("steps", []),
        "inputs_sha256": hashlib.sha256(listed.encode()).hexdigest() if inputs else "",
        "inputs": inputs,
    }
    write_json(record, folder / RUN.path)
    write_text(yaml.safe_dump(shortened, sort_keys=False, allow_unicode=True), folder / CONFIG.path)
    raw = settings.get("bids_dir")
    described = _described(Path(raw)) if raw else {}
    write_json(_description(folder, raw, described, commit), folder / DESCRIPTION.path)
    write_text("\n".join(NO_BIDS_NAME) + "\n", folder / IGNORED.path)
    write_text((root / "Snakefile").read_text(encoding="utf-8"), folder / WORKFLOW.path)
    write_bids_prov(folder, record)
    write_crate(folder / CRATE.path, record, licence=str(described.get("License") or NO_LICENCE))


def _described(bids: Path) -> dict[str, Any]:
    """The dataset's own description; empty where there is none."""
    try:
        content = json.loads((bids / "dataset_description.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _description(
    folder: Path, bids: str | None, described: Mapping[str, Any], commit: str
) -> dict[str, Any]:
    """``dataset_description.json``: what BIDS asks of derivatives."""
    maker = {"Name": "Commissure", "Version": __version__}
    if commit:
        maker["Description"] = f"Commit {commit}"
    description: dict[str, Any] = {
        "Name": "Commissure derivatives",
        "BIDSVersion": "1.11.0",
        "DatasetType": "derivative",
        "GeneratedBy": [maker],
    }
    if described.get("License"):
        description["License"] = str(described["License"])
    if bids is not None:
        # Sidecars name the images that they come from as bids:raw:sub-01/...
        description["DatasetLinks"] = {"raw": _link(folder, Path(bids))}
    return description


def _link(folder: Path, bids: Path) -> str:
    """The way from the output to the dataset, where both lie in one folder of a study.

    From elsewhere the way would name folders of the machine: then the link says that it is known
    by its checksums alone.
    """
    ups = os.path.relpath(bids.absolute(), folder.absolute()).split(os.sep)
    down = [part for part in ups if part != os.pardir]
    shared = Path(os.path.commonpath([bids.absolute(), folder.absolute()]))
    if len(down) <= 2 and shared != Path(shared.anchor) and shared not in Path.home().parents:
        return "/".join(ups)
    return "urn:commissure:inputs-of-provenance-run.json"


def _shortened(value: Any) -> Any:
    """A setting whose absolute paths keep their last part only."""
    if isinstance(value, Mapping):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    return without_paths(value) if isinstance(value, str) else value


def _commit(root: Path) -> tuple[str, bool | None]:
    """Commit of a checkout of Commissure, and whether it has changes.

    An empty string where ``root`` is none: the repository of a study in which `commissure init`
    laid the workflow, or one around it, has commits of its own.
    """
    git = ["git", "-C", str(root)]

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*git, *words], capture_output=True, text=True, timeout=20)

    try:
        place = said("rev-parse", "--show-toplevel")
        head = said("rev-parse", "HEAD")
        state = said("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.TimeoutExpired):
        return "", None
    of_a_checkout = (root / "src/commissure").is_dir()
    if head.returncode or not of_a_checkout or Path(place.stdout.strip()) != root.resolve():
        return "", None
    return head.stdout.strip(), bool(state.stdout.strip())
