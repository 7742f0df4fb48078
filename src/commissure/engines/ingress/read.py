"""Reading the output folder of a tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from commissure.engines.ingress import (
    cat12,
    freesurfer,
    fslmrs,
    lcmodel,
    mriqc,
    osprey,
    parcels,
    spant,
    synthseg,
)
from commissure.engines.ingress.registry import TOOLS
from commissure.engines.ingress.results import Ingested
from commissure.engines.ingress.settings import IngressSettings, ToolName
from commissure.errors import DatasetError

_READERS: Mapping[ToolName, Callable[[IngressSettings], Ingested]] = {
    "freesurfer": freesurfer.read,
    "fastsurfer": freesurfer.read,
    "synthseg": synthseg.read,
    "cat12": cat12.read,
    "mriqc": mriqc.read,
    "halfpipe": parcels.read,
    "xcpd": parcels.read,
    "lcmodel": lcmodel.read,
    "fslmrs": fslmrs.read,
    "osprey": osprey.read,
    "spant": spant.read,
}


def _described_version(folder: Path, title: str) -> str:
    """Version that ``dataset_description.json`` or HALFpipe's ``spec.json`` says; empty if none."""
    for above in (folder, folder.parent, folder.parent.parent):
        for name in ("dataset_description.json", "spec.json"):
            try:
                told = json.loads((above / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            for maker in told.get("GeneratedBy", []):
                if maker.get("Name", "").casefold().replace("_", "-") == title.casefold():
                    return str(maker.get("Version", ""))
            if title == "HALFpipe" and "halfpipe_version" in told:
                return str(told["halfpipe_version"])
    return ""


def ingested(settings: IngressSettings) -> Ingested:
    """Read everybody's results of a tool.

    Parameters
    ----------
    settings
        The tool and its folder.

    Returns
    -------
    Ingested
        Rows of markers, what is absent, versions, and notes.

    Raises
    ------
    ConfigError, DatasetError
        The folder cannot be read as the tool's; nobody in it has a result.
    """
    result = _READERS[settings.tool](settings)
    title = TOOLS[settings.tool].title
    if not result.rows:
        first = result.absences[0].cause if result.absences else "it is empty"
        raise DatasetError(
            settings.folder.rstrip("/").rpartition("/")[2],
            found=f"nobody in it has a result of {title} ({first.rstrip('.')})",
            wanted=f"the output folder of {title}",
            mend="Correct ingress[].folder in config.yaml",
        )
    if not any(result.versions.values()):
        described = _described_version(Path(settings.folder), title)
        result.versions = dict.fromkeys(result.versions, described)
    result.notes += result.version_notes(title)
    return result
