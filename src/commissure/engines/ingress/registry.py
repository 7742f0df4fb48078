"""The tools whose results can be read: which files, and what their markers mean.

Planning reads this module: it looks at names of files and opens none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from commissure.definitions import Definition
from commissure.engines.ingress import (
    cat12,
    freesurfer,
    fslmrs,
    lcmodel,
    mriqc,
    osprey,
    parcel_files,
    spant,
    synthseg,
)
from commissure.engines.ingress.settings import IngressSettings, ToolName


@dataclass(frozen=True)
class Tool:
    """A tool whose results join the markers.

    Attributes
    ----------
    title
        Its name as people write it.
    modality
        Under which its results are missing for a person; the first of several.
    definitions
        What its markers mean.
    files
        Paths below the folder that are read, as far as they are there.
    """

    title: str
    modality: str
    definitions: tuple[Definition, ...]
    files: Callable[[IngressSettings], list[str]]


TOOLS: Mapping[ToolName, Tool] = {
    "freesurfer": Tool(
        "FreeSurfer", "anat", freesurfer.definitions("freesurfer"), freesurfer.files
    ),
    "fastsurfer": Tool(
        "FastSurfer", "anat", freesurfer.definitions("fastsurfer"), freesurfer.files
    ),
    "synthseg": Tool("SynthSeg", "anat", synthseg.definitions(), synthseg.files),
    "cat12": Tool("CAT12", "anat", cat12.definitions(), cat12.files),
    "mriqc": Tool("MRIQC", "anat", mriqc.definitions(), mriqc.files),
    "halfpipe": Tool("HALFpipe", "func", parcel_files.definitions("halfpipe"), parcel_files.files),
    "xcpd": Tool("XCP-D", "func", parcel_files.definitions("xcpd"), parcel_files.files),
    "lcmodel": Tool("LCModel", "mrs", lcmodel.definitions(), lcmodel.files),
    "fslmrs": Tool("FSL-MRS", "mrs", fslmrs.definitions(), fslmrs.files),
    "osprey": Tool("Osprey", "mrs", osprey.definitions(), osprey.files),
    "spant": Tool("spant", "mrs", spant.definitions(), spant.files),
}


def ingress_definitions(ingress: Iterable[IngressSettings]) -> dict[str, Definition]:
    """Definitions by marker of the tools that a study names."""
    return {
        definition.marker: definition
        for settings in ingress
        for definition in TOOLS[settings.tool].definitions
    }
