"""The anatomical derivatives of one T1w image, which every modality reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from commissure.derivatives import Derivatives
from commissure.images.template import SPACES, TEMPLATE
from commissure.names import Scan, sidecar_path

#: Order of the tissues wherever they stand in an array; ``_dseg`` numbers them from 1.
TISSUES: tuple[Literal["GM", "WM", "CSF"], ...] = ("GM", "WM", "CSF")

#: Its number for a lesion: part of the brain, and of no tissue.
LESION_LABEL = 4


@dataclass(frozen=True)
class AnatFiles(Derivatives):
    """What an engine writes for one T1w image, all in the image's own space.

    Attributes
    ----------
    who
        Person and visit of the T1w image.
    preproc
        ``desc-preproc_T1w``: bias-corrected, whole head as acquired.
    mask
        ``desc-brain_mask``.
    dseg
        Most likely tissue: 0 background, 1 GM, 2 WM, 3 CSF, 4 lesion.
    gm, wm, csf
        Tissue probabilities, 0 to 1.
    aseg
        ``desc-aseg_dseg``: structures under FreeSurfer's numbers. Without it there are no volumes
        of deep grey matter and ventricles.
    to_template, from_template
        Composite transforms ``from-T1w_to-<template>`` and back (``mode-image``).
    sidecars
        The JSON beside each of these files.
    template
        TemplateFlow name of the template space.
    """

    optional: ClassVar[frozenset[str]] = frozenset({"aseg", "sidecars"})

    who: str
    preproc: Path
    mask: Path
    dseg: Path
    gm: Path
    wm: Path
    csf: Path
    aseg: Path
    to_template: Path
    from_template: Path
    sidecars: tuple[Path, ...] = ()
    template: str = TEMPLATE

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, template: str = TEMPLATE) -> AnatFiles:
        """Name the derivatives of the T1w image ``scan`` in ``folder``, a person's ``anat/``."""
        images = {
            "preproc": folder / scan.derivative("T1w", ".nii.gz", desc="preproc"),
            "mask": folder / scan.derivative("mask", ".nii.gz", desc="brain"),
            "dseg": folder / scan.derivative("dseg", ".nii.gz"),
            **{
                tissue.lower(): folder / scan.derivative("probseg", ".nii.gz", label=tissue)
                for tissue in TISSUES
            },
            "aseg": folder / scan.derivative("dseg", ".nii.gz", desc="aseg"),
        }
        transforms = {
            "to_template": folder
            / scan.derivative("xfm", ".h5", from_="T1w", to=template, mode="image"),
            "from_template": folder
            / scan.derivative("xfm", ".h5", from_=template, to="T1w", mode="image"),
        }
        sidecars = tuple(sidecar_path(path) for path in (*images.values(), *transforms.values()))
        return cls(who=scan.who, **images, **transforms, sidecars=sidecars, template=template)

    @classmethod
    def in_any_space(cls, scan: Scan, folder: Path) -> AnatFiles:
        """Of the template spaces that engines write into, the first that is complete.

        The first of all where none is.
        """
        candidates = [cls.of(scan, folder, template=space) for space in SPACES]
        return next((files for files in candidates if files.complete()), candidates[0])

    def serves(self, space: str) -> bool:
        """Whether they are complete, with transforms to a template space."""
        return self.template == space and self.complete()

    @property
    def tissues(self) -> tuple[Path, Path, Path]:
        """Tissue probabilities in the order of :data:`TISSUES`."""
        return self.gm, self.wm, self.csf
