"""What tells a good segmentation and registration from a bad one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

from commissure.anat.volumes import template_volumes, values_at
from commissure.checks import Check, at_least, at_most, between
from commissure.images.load import zooms_mm
from commissure.images.template import template

#: A hippocampus over that of the template, both as shares of the intracranial volume: what an
#: atlas calls hippocampus differs, and its sides do; 2.5 to 5.5 mL around 3.8 mL is this range.
HIPPOCAMPUS_RELATIVE = (0.65, 1.45)

#: Usual limits of intracranial volume and asymmetry, and of this engine's own experience.
TIV_L = (1.1, 2.0)
ASYMMETRY = 0.2
MASK_DICE = 0.9
TEMPLATE_CORRELATION = 0.7
CNR = 1.5
FOLDED_PERCENT = 0.1

#: Checks that throw doubt on every volume of the person.
GENERAL = (
    "tiv_l", "mask_dice_template", "mask_components", "template_correlation", "cnr_gm_wm",
    "folded_percent",
)  # fmt: skip


@dataclass(frozen=True)
class TemplateAgreement:
    """How well the template, moved onto the T1w, agrees with it.

    Attributes
    ----------
    mask_dice
        Overlap of the brain mask with the template's.
    correlation
        Of T1w intensities with the template's, inside both masks.
    folded_percent
        Share of brain voxels at which the mapping turns inside out.
    """

    mask_dice: float
    correlation: float
    folded_percent: float


def template_agreement(
    t1w: np.ndarray, mask: np.ndarray, coordinates: np.ndarray, affine: np.ndarray
) -> TemplateAgreement:
    """Compare a T1w with the template at corresponding points.

    Parameters
    ----------
    t1w, mask
        (X, Y, Z) intensities; bool.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    affine
        4x4 of the T1w's grid, for the handedness of its axes.
    """
    template_brain = values_at(template("mask"), coordinates) > 0
    both = template_brain & mask
    dice = 2 * both.sum() / max(1, template_brain.sum() + mask.sum())
    # The template shows an average brain: fine detail of the person has no counterpart there.
    seen = values_at(template("T1w", resolution_mm=2.0), coordinates[both])
    correlation = float(np.corrcoef(t1w[both], seen)[0, 1]) if both.sum() > 9 else float("nan")
    slopes = np.stack([np.gradient(coordinates, axis=a)[mask] for a in range(3)], axis=-1)
    volume_ratio = np.linalg.det(slopes) * np.sign(np.linalg.det(affine[:3, :3]))
    known = np.isfinite(volume_ratio)
    folded = 100 * float((volume_ratio[known] <= 0).mean()) if known.any() else float("nan")
    return TemplateAgreement(float(dice), correlation, folded)


def contrast_to_noise(t1w: np.ndarray, posterior: np.ndarray) -> float:
    """Difference of white and grey matter over their spread, in voxels of nearly one tissue."""
    grey, white = (t1w[part > 0.9] for part in posterior[:2])
    if min(grey.size, white.size) < 50:
        return float("nan")
    return float((white.mean() - grey.mean()) / np.hypot(white.std(), grey.std()))


def components(mask: np.ndarray, affine: np.ndarray, *, larger_than_ml: float = 1.0) -> int:
    """Number of connected parts of a mask that are larger than a volume."""
    sizes = np.bincount(label(mask)[0].ravel())[1:] * np.prod(zooms_mm(affine)) / 1000
    return int((sizes > larger_than_ml).sum())


def relative_to_template(volumes: Mapping[str, float], structure: str) -> float:
    """Volume of a structure over that in the template, both as shares of ``TIV``.

    Parameters
    ----------
    volumes
        mm³ by name, ``TIV`` among them.
    structure
        One of the atlas' structures.
    """
    average = template_volumes()
    return volumes[structure] / volumes["TIV"] / (average[structure] / average["TIV"])


def quality_checks(
    volumes: Mapping[str, float], agreement: TemplateAgreement, *, cnr: float, mask_components: int
) -> list[Check]:
    """Compare measured numbers with their limits.

    Parameters
    ----------
    volumes
        mm³ by tissue and structure.
    agreement
        Agreement with the template.
    cnr
        From :func:`contrast_to_noise`.
    mask_components
        From :func:`components`.
    """
    left, right = (
        relative_to_template(volumes, name) for name in ("Hippocampus_L", "Hippocampus_R")
    )
    asymmetry = abs(left - right) / max(1e-9, (left + right) / 2)
    return [
        between("tiv_l", volumes["TIV"] / 1e6, *TIV_L),
        between("hippocampus_left_relative", left, *HIPPOCAMPUS_RELATIVE),
        between("hippocampus_right_relative", right, *HIPPOCAMPUS_RELATIVE),
        Check("hippocampus_asymmetry", asymmetry, f"< {ASYMMETRY}", asymmetry < ASYMMETRY),
        at_least("mask_dice_template", agreement.mask_dice, MASK_DICE),
        at_least(
            "template_correlation",
            agreement.correlation,
            TEMPLATE_CORRELATION,
            "T1w intensities against the template's at the same place",
        ),
        at_most(
            "folded_percent",
            agreement.folded_percent,
            FOLDED_PERCENT,
            "brain voxels at which the way to the template turns inside out",
        ),
        Check("mask_components", mask_components, "= 1", mask_components == 1),
        at_least("cnr_gm_wm", cnr, CNR, "white minus grey matter over the spread of both"),
    ]


def flagged(checks: Sequence[Check], region: str) -> bool:
    """Whether a failed check throws doubt on the volume of a region."""
    failed = {check.name for check in checks if check.passed is False}
    if failed & set(GENERAL):
        return True
    return region.startswith("Hippocampus") and any(n.startswith("hippocampus") for n in failed)
