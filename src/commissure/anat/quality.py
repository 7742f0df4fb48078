"""What tells a good image, segmentation and registration from a bad one.

Limits of MRIQC's measures are quantiles of 737 images that raters accepted
(``benchmarks/anat_limits.py``); the others were set on a few real heads and on one of them with
planted faults (``benchmarks/anat_faults.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np

from commissure.anat.derivatives import PreprocessedT1w
from commissure.anat.image_quality import (
    edge_area_cm2,
    mriqc_measures,
    repeated_slices,
    spectrum,
    tissue_summaries,
)
from commissure.anat.second_mask import compare_masks
from commissure.anat.shading import inu_range, white_shading
from commissure.anat.skull import looks_stripped
from commissure.anat.unexpected import UNEXPECTED_ML, bright_ml, unexpected_tissue, with_darkest
from commissure.anat.volumes import template_volumes, values_at
from commissure.checks import Check, at_least, at_most, between
from commissure.images.load import same_grid, zooms_mm
from commissure.images.template import template
from commissure.names import Scan

#: A hippocampus over that of the template, both as shares of the intracranial volume: what an
#: atlas calls hippocampus differs, and its sides do; 2.5 to 5.5 mL around 3.8 mL is this range.
HIPPOCAMPUS_RELATIVE = (0.65, 1.45)

#: Usual limits of intracranial volume and asymmetry.
TIV_L = (1.1, 2.0)
ASYMMETRY = 0.2

#: Correlation with the template: good heads and planted faults lie on the two sides.
TEMPLATE_CORRELATION = 0.45

#: White over grey matter: of a T1w image without a fault.
CNR = 0.75

#: The engine's mask against the one by intensity and shape (:mod:`commissure.anat.second_mask`).
MASK_DICE, MISSED_ML, EMPTY_ML = 0.93, 30.0, 8.0

#: Brain where the field of view ends.
EDGE_CM2 = 30.0

#: Brighter than white matter: 0 to 0.6 mL in nine good heads.
BRIGHT_ML = 4.0

#: A displaced copy; a single bright frequency (logarithm over its neighbours).
GHOST_PERCENT, SPIKE = 15.0, 2.2

#: Shading of white matter that is left after correction: 0.03 to 0.08 on good heads.
WM_SHADING_MAX = 0.15

#: Of MRIQC's measures: half a percent of accepted images lie beyond. The last is told, not judged.
CJV_MAX, CNR_MIN, SNRD_MIN, INU_RANGE_MAX = 0.86, 0.75, 2.8, 0.65

#: Checks that throw doubt on every volume of the person.
GENERAL = (
    "tiv_l", "mask_dice_second", "brain_outside_mask_ml", "mask_outside_brain_ml",
    "brain_at_edge_cm2", "template_correlation", "cnr_gm_wm", "cjv", "cnr", "snrd_total",
    "wm_shading", "ghost_percent", "spike", "repeated_slices", "unexpected_tissue_ml",
    "contrast_agent", "skull_as_taken", "bright_tissue_ml", "same_head",
)  # fmt: skip


def template_correlation(
    t1w: np.ndarray, mask: np.ndarray, coordinates: np.ndarray, *, brightest: float = np.inf
) -> float:
    """Correlation of a T1w with the template's at corresponding points, inside both brains.

    Parameters
    ----------
    t1w, mask
        (X, Y, Z) intensities; bool.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    brightest
        Intensities above count as this: a few vessels, or fat at the border, would else decide.
    """
    both = (values_at(template("mask"), coordinates) > 0) & mask
    if both.sum() < 10:
        return float("nan")
    # The template shows an average brain: fine detail of the person has no counterpart there.
    expected = values_at(template("T1w", resolution_mm=2.0), coordinates[both])
    return float(np.corrcoef(np.minimum(t1w[both], brightest), expected)[0, 1])


def linear_to_template(coordinates: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The linear part of the way to the template: 4x4, voxel to about template mm.

    Parameters
    ----------
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    mask
        (X, Y, Z) bool, where it is to fit.
    """
    place = np.argwhere(mask & np.isfinite(coordinates).all(axis=-1))
    place = place[:: max(1, len(place) // 20_000)]
    design = np.column_stack([place, np.ones(len(place))])
    fit, *_ = np.linalg.lstsq(design, coordinates[tuple(place.T)], rcond=None)
    linear = np.eye(4)
    linear[:3] = fit.T
    return linear


def contrast_to_noise(t1w: np.ndarray, posterior: np.ndarray) -> float:
    """Difference of white and grey matter over their spread, in voxels of nearly one tissue."""
    grey, white = (t1w[part > 0.9] for part in posterior[:2])
    if min(grey.size, white.size) < 50:
        return float("nan")
    return float((white.mean() - grey.mean()) / np.hypot(white.std(), grey.std()))


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


def image_checks(
    head: PreprocessedT1w,
    coordinates: np.ndarray,
    raw: nib.Nifti1Image | None,
    drawn: np.ndarray | None = None,
) -> list[Check]:
    """Check an image, its mask and its registration, whatever volumes come of it.

    Parameters
    ----------
    head
        What the engine wrote.
    coordinates
        (X, Y, Z, 3) template mm of each voxel of the cropped image.
    raw
        The image as acquired; None where it is not there.
    drawn
        (X, Y, Z) bool, a lesion that somebody drew, on the grid of the cropped image.
    """
    data, voxel = np.asanyarray(head.t1w.dataobj), zooms_mm(head.t1w.affine)
    tissues = tissue_summaries(data, head.posterior, voxel)
    white, grey = tissues["WM"].median, tissues["GM"].median
    brightest = white + abs(white - grey) / 2 if white > 0 else np.inf
    in_crop = linear_to_template(coordinates, head.mask)
    cropping = np.eye(4)
    cropping[:3, 3] = [-(part.start or 0) for part in head.box]
    to_template = in_crop @ cropping
    mask = head.whole_mask
    same = raw if raw is not None and same_grid(raw, head.whole) else None
    seen = with_darkest(tissues, data, head.mask)
    second = compare_masks(head.whole, mask, seen, to_template)
    # A warp stretches the template's ventricles into a lesion: where tissue belongs is taken from
    # the linear map alone.
    unexpected = unexpected_tissue(head.t1w, head.mask, seen, in_crop, known=drawn)
    return [
        at_least(
            "template_correlation",
            template_correlation(data, head.mask, coordinates, brightest=brightest),
            TEMPLATE_CORRELATION,
            "T1w intensities against the template's at the same place",
        ),
        at_least(
            "cnr_gm_wm",
            contrast_to_noise(data, head.posterior),
            CNR,
            "white minus grey matter over the spread of both",
        ),
        at_least("mask_dice_second", second.dice, MASK_DICE, "against a mask by intensity alone"),
        at_most("brain_outside_mask_ml", second.missed_ml, MISSED_ML, "by the second mask"),
        at_most("mask_outside_brain_ml", second.empty_ml, EMPTY_ML, "by the second mask"),
        at_most(
            "brain_at_edge_cm2",
            edge_area_cm2(same or head.whole, mask),
            EDGE_CM2,
            "area of the brain where the field of view ends",
        ),
        at_most(
            "unexpected_tissue_ml",
            unexpected.volume_ml,
            UNEXPECTED_ML,
            "no white matter where everybody has it, or fluid where nobody has",
        ),
        at_most(
            "bright_tissue_ml",
            bright_ml(head.t1w, head.mask, white),
            BRIGHT_ML,
            "brighter than white matter: a contrast agent, fat in the mask, or bleeding",
        ),
        *_mriqc_checks(mriqc_measures(head.whole, mask, tissues, to_template)),
        _shading_check(None if same is None else inu_range(same, head.whole, mask)),
        at_most(
            "wm_shading",
            white_shading(head.t1w, head.posterior[1]),
            WM_SHADING_MAX,
            "how much white matter varies in brightness after correction",
        ),
        *_artefact_checks(raw, mask if same is not None else None),
    ]


def _mriqc_checks(measures: Mapping[str, float | None]) -> list[Check]:
    judged = {
        "cjv": at_most("cjv", measures["cjv"], CJV_MAX),
        "cnr": at_least("cnr", measures["cnr"], CNR_MIN),
        "snrd_total": at_least("snrd_total", measures["snrd_total"], SNRD_MIN),
    }
    return [judged.get(name, Check(name, value)) for name, value in measures.items()]


def _shading_check(divided_out: float | None) -> Check:
    """How much shading was divided out: told, because what is left of it is what counts."""
    strong = divided_out is not None and divided_out > INU_RANGE_MAX
    note = f"stronger shading than {INU_RANGE_MAX:g} is rare; wm_shading says what is left of it"
    return Check("inu_range", divided_out, note=note if strong else "")


def _artefact_checks(raw: nib.Nifti1Image | None, mask: np.ndarray | None) -> list[Check]:
    """What only the image as acquired shows."""
    if raw is None:
        return []
    frequencies = spectrum(raw)
    checks = [
        at_most(
            "ghost_percent",
            frequencies.ghost_percent,
            GHOST_PERCENT,
            f"share of the image that lies {frequencies.ghost_voxels} voxels beside itself",
        ),
        at_most("spike", frequencies.spike, SPIKE, "a single spatial frequency over those around"),
    ]
    if mask is not None:
        count = repeated_slices(raw, mask)
        checks.append(Check("repeated_slices", count, "= 0", count == 0, "constant or copies"))
    return checks


def volume_checks(volumes: Mapping[str, float]) -> list[Check]:
    """Compare volumes with what people have.

    Parameters
    ----------
    volumes
        mm³ by tissue and structure; without structures only the head's size is compared.
    """
    names = ("Hippocampus_L", "Hippocampus_R")
    size = between("tiv_l", volumes["TIV"] / 1e6, *TIV_L)
    if any(name not in volumes for name in names):
        return [size]
    left, right = (relative_to_template(volumes, name) for name in names)
    asymmetry = abs(left - right) / max(1e-9, (left + right) / 2)
    return [
        size,
        between("hippocampus_left_relative", left, *HIPPOCAMPUS_RELATIVE),
        between("hippocampus_right_relative", right, *HIPPOCAMPUS_RELATIVE),
        Check("hippocampus_asymmetry", asymmetry, f"< {ASYMMETRY}", asymmetry < ASYMMETRY),
    ]


def agent_check(scan: Scan) -> Check:
    """Whether a contrast agent was given, by the image's name or its sidecar."""
    declared = scan.metadata().get("ContrastBolusAgent") if scan.sidecars else None
    given = "ce" in scan.entities or bool(declared)
    return Check("contrast_agent", float(given), "= 0", not given, "it brightens vessels and dura")


def skull_check(raw: nib.Nifti1Image | None, taken: bool | None) -> Check:
    """Whether an image was taken for what it looks like: a head with its skull, or a brain.

    Parameters
    ----------
    raw
        3-D, as acquired; None where it is not there.
    taken
        Whether the engine took it for a brain without its skull; None where it does not say.
    """
    if raw is None or taken is None:
        return Check("skull_as_taken", None, "= 1")
    looks = looks_stripped(raw)
    words = ("with its skull", "without its skull")
    note = f"taken as a head {words[taken]}, looks like one {words[looks]}"
    return Check("skull_as_taken", float(looks == taken), "= 1", looks == taken, note)


def same_head_check(compared: Mapping[str, Any] | None) -> list[Check]:
    """Whether a visit shows the head of the person's other ones: as it is, not mirrored.

    Parameters
    ----------
    compared
        ``SameHead`` of the engine's sidecar; None where visits were not compared.
    """
    if not compared:
        return []
    best = max(compared["LocalCorrelation"].values())
    limit = f">= {compared['LocalCorrelationMin']:g}, with most of the visits"
    note = "local correlation with another visit; the notes say with which"
    return [Check("same_head", float(best), limit, bool(compared["Same"]), note)]


def flagged(checks: Sequence[Check], region: str) -> bool:
    """Whether a failed check throws doubt on the volume of a region."""
    failed = {check.name for check in checks if check.passed is False}
    if failed & set(GENERAL):
        return True
    return region.startswith("Hippocampus") and any(n.startswith("hippocampus") for n in failed)
