"""What made a run's results, gathered from its records: inputs, surroundings, jobs, images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commissure.dataset.index import read_entries
from commissure.engines.containers.program import read_json
from commissure.engines.containers.registry import PROGRAMS
from commissure.flow.checksums import checksums, files_of
from commissure.flow.environment import kept
from commissure.flow.steps import steps
from commissure.modalities import MODALITIES

#: Jobs that compute no result: they tell of them, before or after this is written.
_TELL = ("provenance", "report", "subject_pages")


def made_by(
    output_dir: Path,
    *,
    tables: Mapping[str, str],
    settings: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Gather what the provenance writes down.

    Parameters
    ----------
    output_dir
        The run's output folder.
    tables
        Tables that the run reads beside the images, by the key that names them.
    settings
        The checked configuration as plain values.
    folder
        Where Snakemake runs.

    Returns
    -------
    dict
        ``inputs`` (path, bytes, sha256), ``environments``, ``steps``, ``images`` of containers and
        ``seeds``.
    """
    work = output_dir / "work"
    bids = None if settings["bids_dir"] is None else Path(settings["bids_dir"])
    files: dict[str, Path] = {}
    if bids is not None and (work / "index.tsv").is_file():
        names = files_of(read_entries(work / "index.tsv"))
        files |= {name: bids / name for name in names}
        files |= {name: bids / name for name in ("participants.tsv",) if (bids / name).is_file()}
    for key, name in tables.items():
        if bids is None or Path(name) != bids / "participants.tsv":
            files[f"{key}: {Path(name).name}"] = Path(name)
    return {
        "inputs": checksums(files, work / "checksums.tsv"),
        "environments": kept(work, _used(work)),
        "steps": steps(folder, output_dir),
        "images": _images(settings, work),
        "seeds": dict(_seeds(settings)),
    }


def _used(work: Path) -> Counter[str]:
    """How many results were computed in which surroundings, by the records of images and jobs."""
    counts: Counter[str] = Counter()
    for path in sorted((work / "records").rglob("*.json")):
        try:
            counts[json.loads(path.read_text(encoding="utf-8"))["environment"]] += 1
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for path in sorted((work / "jobs").glob("*.txt")):
        if path.stem.startswith(_TELL):
            continue
        counts[path.read_text(encoding="utf-8").strip()] += 1
    counts.pop("", None)
    return counts


def _images(settings: Mapping[str, Any], work: Path) -> dict[str, dict[str, Any]]:
    """Image of each program in a container, and for how many people it ran on which device."""
    found: dict[str, dict[str, Any]] = {}
    for name in PROGRAMS:
        if not any(settings.get(m, {}).get("engine") == name for m in MODALITIES):
            continue
        section = settings[name]
        devices = Counter(
            str(read_json(stamp).get("device", "not noted"))
            for stamp in sorted((work / name).glob("sub-*.json"))
            if not stamp.name.endswith("_eddy.json")
        )
        found[name] = {
            "image": str(section["image"]).rsplit("/", 1)[-1],
            "digest": section.get("digest") or "not asked for",
            "people": dict(sorted(devices.items())),
        }
    return found


def _seeds(value: Any, name: str = "") -> list[tuple[str, int]]:
    """Every option whose name ends in ``seed``, by its dotted name."""
    if not isinstance(value, Mapping):
        last = name.rsplit(".", 1)[-1]
        return [(name, value)] if last.endswith("seed") and isinstance(value, int) else []
    return [
        seed
        for key, item in value.items()
        for seed in _seeds(item, f"{name}.{key}" if name else str(key))
    ]
