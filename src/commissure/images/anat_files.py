"""The anatomical derivatives of one T1w image, as engines write them and rooms read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commissure.images.template import TEMPLATE
from commissure.names import Scan


@dataclass(frozen=True)
class AnatFiles:
    """Paths of the anatomical derivatives of one T1w image, all in its own space.

    Attributes
    ----------
    who
        Person and visit of the T1w image.
    preproc
        ``desc-preproc_T1w``: bias-corrected, whole head as acquired.
    mask
        ``desc-brain_mask``.
    dseg
        Most likely tissue: 0 background, 1 GM, 2 WM, 3 CSF.
    gm, wm, csf
        Tissue probabilities, 0 to 1.
    to_template, from_template
        Composite transforms ``from-T1w_to-<template>`` and back (``mode-image``).
    template
        TemplateFlow name of the template space.
    """

    who: str
    preproc: Path
    mask: Path
    dseg: Path
    gm: Path
    wm: Path
    csf: Path
    to_template: Path
    from_template: Path
    template: str = TEMPLATE

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, template: str = TEMPLATE) -> AnatFiles:
        """Name the derivatives of the T1w image ``scan`` in ``folder``, a subject's ``anat/``."""

        def path(suffix: str, extension: str = ".nii.gz", **entities: str) -> Path:
            return folder / scan.derivative(suffix, extension, **entities)

        return cls(
            who=scan.who,
            preproc=path("T1w", desc="preproc"),
            mask=path("mask", desc="brain"),
            dseg=path("dseg"),
            gm=path("probseg", label="GM"),
            wm=path("probseg", label="WM"),
            csf=path("probseg", label="CSF"),
            to_template=path("xfm", ".h5", from_="T1w", to=template, mode="image"),
            from_template=path("xfm", ".h5", from_=template, to="T1w", mode="image"),
            template=template,
        )

    def complete(self) -> bool:
        """Whether every file is there."""
        return all(value.exists() for value in vars(self).values() if isinstance(value, Path))
