"""How the head lies: the affine map from the template, found from several starts.

A head that is turned by half a right angle, or that brings a long neck, leads a registration that
starts at the centre of mass into a wrong valley. So the turn is looked for first, coarsely and
everywhere; the best few are refined, and the one that agrees best with the template is kept.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import nibabel as nib
import numpy as np
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from commissure.images.grid import coarser, resample_to
from commissure.images.registration import linear_map
from commissure.images.template import head_brain_mask, template, whole_head

#: Voxel size of the search over turns, of the rigid refinement, and of the affine one.
SEARCH_MM, ROUGH_MM, REFINED_MM = 12.0, 8.0, 4.0

#: Turns that are tried about each axis, in degrees: nodding, tilting, and shaking the head.
TURNS_DEG = ((0, 20, -20, 40, -40, 60, -60), (0, 20, -20, 40, -40), (0, 20, -20, 40, -40))

#: Starts that are refined.
REFINED = 2


def head_pose(image: nib.Nifti1Image, *, stripped: bool) -> np.ndarray:
    """Affine map from the template to the person's head.

    Parameters
    ----------
    image
        3-D T1w, any orientation, shading and neck.
    stripped
        Whether it comes without skull: then it is compared with the template's brain.

    Returns
    -------
    numpy.ndarray
        4x4 in RAS+ mm: takes a point of the template to the person.

    Notes
    -----
    The search is a normalised cross-correlation of the template's head with the head in each of 175
    turns, over all shifts at once (Lewis JP, Fast normalized cross-correlation, 1995); the
    refinement maximises mutual information.
    """
    target = template("T1w", resolution_mm=REFINED_MM) if stripped else sharp_head(REFINED_MM)
    moving = _even(coarser(image, REFINED_MM))
    small, pattern = coarser(moving, ROUGH_MM), coarser(target, ROUGH_MM)
    starts = [
        linear_map(pattern, small, kind="rigid", initial=start, sampling=0.2)
        for start in _starts(moving, target)
    ]
    best = max(starts, key=lambda start: _correlation(start, small, pattern))
    return linear_map(target, moving, kind="affine", initial=best, sampling=0.1)


@lru_cache(maxsize=2)
def sharp_head(resolution_mm: float) -> nib.Nifti1Image:
    """The template's own brain in the template head: skull and sulci alike.

    The head is that of one man; the template has the sulci of many, and no skull. The man's brain
    where it reaches out of the mask is faded out.
    """
    head, brain = whole_head(), template("T1w", resolution_mm=2.0)
    mask = np.asanyarray(head_brain_mask().dataobj)
    inner = resample_to(brain, head.shape, head.affine) * mask
    outer = np.asanyarray(head.dataobj)
    outer = outer * np.median(inner[mask > 0]) / np.median(outer[mask > 0])
    cover = np.clip(2 * gaussian_filter(mask, 1.0), 0, 1)
    joined = inner + outer * (1 - cover) * (1 - mask)
    upright = nib.as_closest_canonical(nib.Nifti1Image(joined.astype(np.float32), head.affine))
    return coarser(upright, resolution_mm)


def _even(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Intensities between the background and the bright end, so that no vessel or fat leads."""
    data = np.asanyarray(image.dataobj)
    low, high = np.percentile(data, [1, 99])
    return nib.Nifti1Image(np.clip(data, low, high) - low, image.affine)


def _starts(moving: nib.Nifti1Image, target: nib.Nifti1Image) -> list[np.ndarray]:
    """Rigid maps from the template to the person at which both are most alike."""
    head, pattern = coarser(moving, SEARCH_MM), coarser(target, SEARCH_MM)
    turns = [Rotation.from_euler("xyz", angles, degrees=True) for angles in product(*TURNS_DEG)]
    alike = [_best_shift(head, pattern, turn.as_matrix()) for turn in turns]
    best = sorted(range(len(alike)), key=lambda k: -alike[k][0])[:REFINED]
    return [alike[k][1] for k in best]


def _best_shift(
    head: nib.Nifti1Image, pattern: nib.Nifti1Image, turn: np.ndarray
) -> tuple[float, np.ndarray]:
    """Correlation at the best shift of a turned head, and the rigid map that it belongs to."""
    mm = SEARCH_MM
    middle = nib.affines.apply_affine(head.affine, (np.array(head.shape) - 1) / 2)
    edge = int(np.ceil(np.linalg.norm(np.array(head.shape)))) + 2
    # Grid along the template's axes around the middle of the turned head.
    rigid = np.eye(4)
    rigid[:3, :3] = turn
    grid = np.diag([mm, mm, mm, 1.0])
    grid[:3, 3] = -mm * (edge - 1) / 2
    rigid[:3, 3] = middle
    turned = resample_to(head, (edge,) * 3, rigid @ grid)
    values = np.asanyarray(pattern.dataobj) - np.asanyarray(pattern.dataobj).mean()
    size = [next_fast_len(edge + n - 1, real=True) for n in values.shape]
    of_pattern, of_ones = (
        np.conj(rfftn(part.astype(np.float32), size)) for part in (values, np.ones(values.shape))
    )
    of_head, of_square = rfftn(turned, size), rfftn(turned**2, size)
    count = values.size
    product_sum, total, square = (
        irfftn(part, size)
        for part in (of_head * of_pattern, of_head * of_ones, of_square * of_ones)
    )
    spread = np.sqrt(np.maximum(square - total**2 / count, 1e-3 * square.max()))
    score = product_sum / (spread * np.sqrt((values**2).sum()))
    place = np.array(np.unravel_index(score.argmax(), score.shape))
    shift = np.where(place > np.array(size) // 2, place - np.array(size), place)
    # Voxel k of the pattern lies at voxel k + shift of the turned head.
    onto = grid.copy()
    onto[:3, 3] += mm * shift
    axes = np.linalg.inv(pattern.affine)
    return float(score.max()), rigid @ onto @ axes


def _correlation(to_person: np.ndarray, moving: nib.Nifti1Image, target: nib.Nifti1Image) -> float:
    """Correlation of the template with the head moved onto it."""
    step = np.linalg.inv(moving.affine) @ to_person @ target.affine
    moved = affine_transform(
        np.asanyarray(moving.dataobj), step[:3, :3], step[:3, 3], output_shape=target.shape, order=1
    )
    return float(np.corrcoef(moved.ravel(), np.asanyarray(target.dataobj).ravel())[0, 1])
