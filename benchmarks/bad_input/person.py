"""A tiny simulated person and their anatomical derivatives: what cases of images are planted in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.settings import AnatPreprocessSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan
from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate


@dataclass(frozen=True)
class TinyPerson:
    """One person of the preset ``tiny``.

    Attributes
    ----------
    bids
        The dataset.
    anat
        Derivatives of their T1w image, or None where they were not asked for.
    """

    bids: Path
    anat: AnatFiles | None

    @property
    def folder(self) -> Path:
        """The person's folder in the dataset."""
        return self.bids / "sub-01"


def tiny_person(
    work: Path, *, anatomy: bool = True, changes: Mapping[str, Any] | None = None
) -> TinyPerson:
    """Simulate a person into ``work`` and preprocess their T1w image.

    Parameters
    ----------
    changes
        Settings of the simulator by dotted name, as ``{"mrs.transients": 32}``.
    """
    bids = work / "bids"
    alone = {"cohort.subjects": 1, "cohort.sites": 1, "cohort.missing": 0.0}
    simulate(bids, chosen_request("tiny", {**alone, **(changes or {})}))
    if not anatomy:
        return TinyPerson(bids, None)
    scan = scan_of(bids, "anat")
    folder = work / "derivatives" / "sub-01" / "anat"
    folder.mkdir(parents=True)
    preprocess(scan, folder, settings=AnatPreprocessSettings())
    return TinyPerson(bids, AnatFiles.of(scan, folder))


def scan_of(bids: Path, modality: str) -> Scan:
    """The image of a modality in a dataset of one person, with all that belongs to it."""
    entries = build_index(bids, tree_of(bids))
    return next(e for e in entries if e.modality == modality).scan_in(bids)
