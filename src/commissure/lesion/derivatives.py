"""The files of lesions at one visit: what an engine writes, and what measuring writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from commissure.derivatives import Derivatives
from commissure.names import Scan


def as_mask(scan: Scan) -> Scan:
    """A mask, or an image with the entities that a mask in it would have."""
    return replace(scan, entities={**scan.entities, "label": "lesion"})


@dataclass(frozen=True)
class LesionFiles(Derivatives):
    """What an engine writes for the mask of one visit; measuring reads nothing else of it.

    Attributes
    ----------
    labels
        Lesions by their numbers on the grid of the visit's own image, 0 outside.
    sidecar
        How the mask was read and registered: `Matrix` takes mm of the baseline to mm of the visit,
        `Flags` are doubts about the mask.
    in_baseline
        The same numbers on the grid of the baseline's image.
    covered
        Where on that grid the visit has an image.
    probability, entropy
        Of a lesion in each voxel, and its entropy in bits: where a network marked them.
    """

    optional: ClassVar[frozenset[str]] = frozenset({"sidecar", "probability", "entropy"})

    labels: Path
    sidecar: Path
    in_baseline: Path
    covered: Path
    probability: Path
    entropy: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path) -> LesionFiles:
        """Name the derivatives of ``scan`` in ``folder``, a visit's ``lesion/``.

        ``scan`` is a mask, or the image in which a network marks lesions.
        """
        image = ".nii.gz"
        scan = as_mask(scan)
        baseline = {"space": "baseline", "res": "", "den": ""}
        return cls(
            labels=folder / scan.derivative("dseg", image, desc="numbered"),
            sidecar=folder / scan.derivative("dseg", ".json", desc="numbered"),
            in_baseline=folder / scan.derivative("dseg", image, desc="numbered", **baseline),
            covered=folder / scan.derivative("mask", image, label="", desc="covered", **baseline),
            probability=folder / scan.derivative("probseg", image),
            entropy=folder / scan.derivative("probseg", image, desc="entropy"),
        )


@dataclass(frozen=True)
class LesionMeasured(Derivatives):
    """What measuring writes for the mask of one visit.

    Attributes
    ----------
    markers, quality
        Marker rows and the quality record.
    lesions
        Every lesion at the visit, with its measures.
    response
        Response at the visit and its reason; not at the baseline.
    best_response
        Best response of the person; only with the last of several visits.
    radiomics
        Radiomic features and their change since the baseline; only where asked for.
    timeline
        Slices of all visits and the sums; only with the last visit.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"response", "best_response", "radiomics", "timeline"}
    )

    markers: Path
    quality: Path
    lesions: Path
    response: Path
    best_response: Path
    radiomics: Path
    timeline: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path) -> LesionMeasured:
        """Name what measuring ``scan`` writes: as of :meth:`LesionFiles.of`."""
        scan = as_mask(scan)
        return cls(
            markers=folder / scan.derivative("markers", ".tsv"),
            quality=folder / scan.derivative("qc", ".json"),
            lesions=folder / scan.derivative("lesions", ".tsv"),
            response=folder / scan.derivative("response", ".tsv"),
            best_response=folder / scan.derivative("bestresponse", ".tsv"),
            radiomics=folder / scan.derivative("radiomics", ".tsv"),
            timeline=folder / "figures" / scan.derivative("dseg", ".svg", desc="timeline"),
        )
