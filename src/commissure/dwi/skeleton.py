"""Averages over a skeleton of white matter, onto which each person's FA is projected.

Smith SM et al., NeuroImage 31:1487-1505, 2006 (TBSS), in ENIGMA-DTI's manner: a common template,
skeleton and distance map, and means over the labels of JHU's ICBM-DTI-81. Written from the papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_erosion

from commissure.dwi.skeleton_settings import SkeletonFiles
from commissure.dwi.tracts import Average, averaged_tracts
from commissure.errors import ConfigError
from commissure.images.atlas import jhu_dti81
from commissure.images.grid import resample_to
from commissure.images.load import load_image, same_grid, zooms_mm
from commissure.images.registration import apply_transform, register

#: Full width at half maximum of the weight by which nearer voxels are preferred, and the longest
#: way, mm.
_PREFERRED_MM, _LONGEST_MM = 20.0, 20.0
#: A centre of gravity that lies off the voxel by less (in voxels) gives no direction.
_CENTRED = 0.1
#: Half of the directions to neighbours; the others are their opposites.
_DIRECTIONS = np.array([step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)])
#: Least mean FA under the labels: with less they are mirrored or on another template.
_LEAST_FA = 0.3


@dataclass(frozen=True)
class Skeleton:
    """A template with its skeleton.

    Attributes
    ----------
    fa
        Mean FA of the template.
    voxels
        (n, 3) indices of the skeleton's voxels.
    across
        (n, 3) steps to a neighbour across the skeleton at each of them.
    distance
        Distance of each voxel of the template from the skeleton.
    tracts
        Which of ``voxels`` carry each tract's label: (n,) of bool, by tract.
    """

    fa: nib.Nifti1Image
    voxels: np.ndarray
    across: np.ndarray
    distance: np.ndarray
    tracts: Mapping[str, np.ndarray]


@lru_cache(maxsize=1)
def read_skeleton(files: SkeletonFiles) -> Skeleton:
    """Read the files of the settings and check that they belong together.

    Raises
    ------
    ConfigError
        The images differ in grid, hold no skeleton, or the labels do not lie on the template's
        anisotropic voxels.
    """
    images = {
        name: load_image(Path(getattr(files, name)), who=f"dwi.skeleton.{name}", ndim=3)
        for name in ("template", "skeleton", "distance_map", "labels")
    }
    for name, image in images.items():
        if not same_grid(image, images["template"]):
            raise ConfigError(
                f"dwi.skeleton.{name}",
                found=f"{image.shape} voxels, not on the grid of the template "
                f"{images['template'].shape}",
                wanted="template, skeleton, distance map and labels on one grid",
                mend="Take the four files of one release of ENIGMA-DTI",
            )
    fa = np.asanyarray(images["template"].dataobj).astype(np.float32)
    fa = (fa / (10000 if fa.max() > 2 else 1)).astype(np.float32)
    on_skeleton = np.asanyarray(images["skeleton"].dataobj) > 0
    labels = np.rint(np.asanyarray(images["labels"].dataobj)).astype(int)
    labelled = fa[labels > 0]
    if not on_skeleton.any() or not labelled.size or labelled.mean() < _LEAST_FA:
        mean = labelled.mean() if labelled.size else float("nan")
        raise ConfigError(
            "dwi.skeleton",
            found=f"{int(on_skeleton.sum())} voxels of skeleton, and a mean FA of {mean:.2f} under "
            "the labels",
            wanted="a skeleton, and the labels on the tracts of the template",
            mend="Take the four files of one release of ENIGMA-DTI",
        )
    _check_sides(labels, images["labels"].affine)
    voxels = np.argwhere(on_skeleton)
    number = labels[tuple(voxels.T)]
    return Skeleton(
        nib.Nifti1Image(fa, images["template"].affine),
        voxels,
        across_skeleton(fa, voxels),
        np.asanyarray(images["distance_map"].dataobj).astype(np.float32),
        {tract: np.isin(number, of) for tract, of in jhu_dti81().groups("tract").items()},
    )


def _check_sides(labels: np.ndarray, affine: np.ndarray) -> None:
    """Refuse labels whose right side lies at the left, as in some copies of the atlas."""
    groups = jhu_dti81().groups("tract")
    x_mm = {}
    for side in "LR":
        numbers = [n for tract, of in groups.items() if tract.endswith(f"_{side}") for n in of]
        places = np.argwhere(np.isin(labels, numbers))
        x_mm[side] = nib.affines.apply_affine(affine, places)[:, 0].mean() if len(places) else 0.0
    if x_mm["R"] <= x_mm["L"]:
        raise ConfigError(
            "dwi.skeleton.labels",
            found=f"right tracts lie at x = {x_mm['R']:.0f} mm, left ones at {x_mm['L']:.0f} mm",
            wanted="labels of JHU's ICBM-DTI-81 with the right side at positive x",
            mend="Take FSL's copy of the labels: others have left and right exchanged",
        )


def across_skeleton(fa: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """The step to a neighbour that leads across the sheet or tube of FA, at each voxel.

    Towards the centre of gravity of FA in 3 x 3 x 3 voxels where that lies off the voxel; at the
    ridge itself along the line of neighbours on which FA bends down most.

    Parameters
    ----------
    fa
        3-D.
    voxels
        (n, 3) indices.
    """
    padded = np.pad(fa, 1)
    at = voxels + 1
    centre = np.zeros(voxels.shape)
    total = np.zeros(len(voxels))
    bend = np.empty((len(_DIRECTIONS), len(voxels)))
    for number, step in enumerate(_DIRECTIONS):
        ahead, behind = padded[tuple((at + step).T)], padded[tuple((at - step).T)]
        centre += np.outer(ahead - behind, step)
        total += ahead + behind
        bend[number] = (ahead + behind - 2 * padded[tuple(at.T)]) / (step @ step)
    centre /= np.maximum(total + padded[tuple(at.T)], 1e-6)[:, None]
    unit = _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
    towards = np.abs(centre @ unit.T).argmax(axis=1)
    steepest = bend.argmin(axis=0)
    off = np.linalg.norm(centre, axis=1) > _CENTRED
    return _DIRECTIONS[np.where(off, towards, steepest)]


def projected(
    skeleton: Skeleton, fa: np.ndarray, others: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The largest FA across the skeleton at each of its voxels, and other maps at the same place.

    The way across ends where the distance to the skeleton falls again: there another part of it is
    nearer. Nearer voxels are preferred by a wide Gaussian.

    Parameters
    ----------
    skeleton
        The template's.
    fa, others
        Maps of a person on the grid of the template.

    Returns
    -------
    fa, others
        Values at the skeleton's voxels, shape (n,).
    """
    zooms = np.array(zooms_mm(skeleton.fa.affine))
    length = np.linalg.norm(skeleton.across * zooms, axis=1)
    sigma = _PREFERRED_MM / np.sqrt(8 * np.log(2))
    best = skeleton.voxels.copy()
    most = fa[tuple(best.T)].astype(float)
    limit = np.array(fa.shape) - 1
    for way in (1, -1):
        going = np.ones(len(best), bool)
        last = skeleton.distance[tuple(skeleton.voxels.T)]
        for step in range(1, int(_LONGEST_MM / zooms.min()) + 1):
            place = skeleton.voxels + way * step * skeleton.across
            going &= ((place >= 0) & (place <= limit)).all(axis=1) & (step * length <= _LONGEST_MM)
            place = np.where(going[:, None], place, skeleton.voxels)
            far = skeleton.distance[tuple(place.T)]
            going &= far > last
            if not going.any():
                break
            last = np.where(going, far, last)
            value = fa[tuple(place.T)] * np.exp(-0.5 * (step * length / sigma) ** 2)
            better = going & (value > most)
            most = np.where(better, value, most)
            best = np.where(better[:, None], place, best)
    where = tuple(best.T)
    return fa[where], {name: values[where] for name, values in others.items()}


def skeleton_averages(skeleton: Skeleton, fa: np.ndarray, values: np.ndarray) -> dict[str, Average]:
    """Means of projected values over tracts, both sides, compounds, and the whole (``WM``).

    Parameters
    ----------
    skeleton
        The template's.
    fa, values
        Projected FA, which tells where a person has data, and what is averaged, shape (n,).
    """
    known = (fa > 0) & np.isfinite(values)

    def mean(chosen: np.ndarray) -> Average:
        inside = chosen & known
        value = float(values[inside].mean()) if inside.any() else float("nan")
        return Average(value, int(inside.sum()))

    labels = {tract: mean(of) for tract, of in skeleton.tracts.items()}
    return labels | averaged_tracts(labels) | {"WM": mean(np.ones(len(values), bool))}


def on_skeleton(
    skeleton: Skeleton,
    maps: Mapping[str, np.ndarray],
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    folder: Path,
    resolution_mm: float,
) -> dict[str, dict[str, Average]]:
    """A person's averages over the skeleton.

    FA without the rim of the brain is registered to the template (SyN) and carried to its grid; the
    other maps take the same warp and the places that FA chose.

    Parameters
    ----------
    skeleton
        The template's.
    maps
        ``fa`` and others, by name.
    mask, affine
        Brain mask of the maps, and their affine.
    folder
        For transforms that are needed only here.
    resolution_mm
        Voxel size of the template at registration.

    Returns
    -------
    dict
        :func:`skeleton_averages` of each map.
    """
    inner = binary_erosion(mask)
    kept = {
        name: nib.Nifti1Image(np.where(inner, values, 0).astype(np.float32), affine)
        for name, values in maps.items()
    }
    forward, inverse = (folder / f"{name}.h5" for name in ("to-skeleton", "from-skeleton"))
    register(
        _coarser(skeleton.fa, resolution_mm),
        kept["fa"],
        kind="syn",
        forward=forward,
        inverse=inverse,
        syn_metric="mattes",
    )
    carried = {
        name: np.asanyarray(apply_transform(image, skeleton.fa, [forward]).dataobj)
        for name, image in kept.items()
    }
    fa, others = projected(skeleton, carried["fa"], {n: v for n, v in carried.items() if n != "fa"})
    averages = {"fa": skeleton_averages(skeleton, fa, fa)}
    return averages | {n: skeleton_averages(skeleton, fa, v) for n, v in others.items()}


def _coarser(image: nib.Nifti1Image, resolution_mm: float) -> nib.Nifti1Image:
    """The image at a voxel size, or as it is where its own is as large."""
    zooms = np.array(zooms_mm(image.affine))
    if (zooms >= resolution_mm - 1e-3).all():
        return image
    factor = resolution_mm / zooms
    affine = np.array(image.affine)
    affine[:3, :3] = image.affine[:3, :3] * factor
    shape = np.ceil(np.array(image.shape) / factor).astype(int)
    values = resample_to(image, (int(shape[0]), int(shape[1]), int(shape[2])), affine)
    return nib.Nifti1Image(values.astype(np.float32), affine)
