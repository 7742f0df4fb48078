"""Registration by ANTs (antspyx), with transforms kept as single ITK composite files.

A transform that is called ``from-A_to-B_mode-image_xfm.h5`` moves an *image* from space A onto
space B (BIDS-Derivatives, ``mode-image``), as fMRIPrep writes them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import ants
import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation

from commissure.files import atomic
from commissure.images.transforms import read_affine, write_affine

Kind = Literal["rigid", "affine", "syn"]
Interpolation = Literal["linear", "nearestNeighbor", "bSpline", "lanczosWindowedSinc"]

_ANTS_KIND = {"rigid": "Rigid", "affine": "Affine", "syn": "SyN"}

#: Where a linear registration has a place to start from, it only has to be refined: pyramids that
#: begin as coarse as ANTs' own lose small, coarse images altogether.
_REFINEMENT = {
    "aff_shrink_factors": (2, 1),
    "aff_smoothing_sigmas": (1, 0),
    "aff_iterations": (100, 50),
}


def to_ants(image: nib.Nifti1Image) -> ants.ANTsImage:
    """Copy a 3-D or 4-D image into ANTs (float32; RAS+ affine to LPS origin and direction)."""
    data = np.asanyarray(image.dataobj).astype(np.float32)
    spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    flip = np.diag([-1.0, -1.0, 1.0])
    direction, origin = flip @ (image.affine[:3, :3] / spacing), flip @ image.affine[:3, 3]
    if data.ndim == 3:
        return ants.from_numpy(data, tuple(origin), tuple(spacing), direction)
    full = np.eye(4)
    full[:3, :3] = direction
    return ants.from_numpy(data, (*origin, 0.0), (*spacing, 1.0), full)


def register(
    fixed: nib.Nifti1Image,
    moving: nib.Nifti1Image,
    *,
    kind: Kind,
    forward: Path | str,
    inverse: Path | str,
    fixed_mask: np.ndarray | None = None,
    moving_mask: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    iterations: Sequence[int] = (40, 20, 10),
    syn_metric: Literal["mattes", "CC", "meansquares"] = "mattes",
    linear_sampling: float = 1.0,
    seed: int = 1,
) -> None:
    """Register ``moving`` onto ``fixed`` and write both directions as composite transforms.

    Parameters
    ----------
    fixed, moving
        3-D images.
    kind
        ``rigid`` (6 parameters), ``affine`` (12), or ``syn`` (affine, then diffeomorphic SyN).
    forward
        File to write: moves an image from the moving to the fixed space (``.h5``).
    inverse
        File to write: moves an image from the fixed to the moving space (``.h5``).
    fixed_mask, moving_mask
        Arrays on the grid of their image; the metric looks only where they are nonzero.
    initial
        4x4 in RAS+ mm to start from: takes a point of the fixed image to the moving one, as
        :func:`commissure.images.transforms.read_affine` gives it. Without it the centres of mass
        meet.
    iterations
        SyN iterations per level, coarse to fine.
    syn_metric
        Similarity measure of SyN; the linear stage's is mutual information (Mattes).
    linear_sampling
        Share of the voxels that the linear stage looks at where it has ``initial``.
    seed
        Random seed of the metric's sampling: the same input gives the same transform (one thread).

    Raises
    ------
    RuntimeError
        ANTs failed.

    Notes
    -----
    Avants BB et al., Symmetric diffeomorphic image registration with cross-correlation,
    Med Image Anal 12:26-41, 2008.
    """
    options: dict[str, object] = {}
    if fixed_mask is not None:
        options["mask"] = to_ants(nib.Nifti1Image(np.asarray(fixed_mask, np.float32), fixed.affine))
    if moving_mask is not None:
        moving_image = nib.Nifti1Image(np.asarray(moving_mask, np.float32), moving.affine)
        options["moving_mask"] = to_ants(moving_image)
    with (
        tempfile.TemporaryDirectory() as scratch,
        atomic(forward) as forward_draft,
        atomic(inverse) as inverse_draft,
    ):
        start = None
        if initial is not None:
            start = [str(write_affine(initial, Path(scratch, "initial.mat")))]
            options |= {**_REFINEMENT, "aff_random_sampling_rate": linear_sampling}
        # Its own argument for a seed is swallowed: the seed has to be set for the whole library.
        ants.config.set_ants_deterministic(on=True, seed_value=seed)
        result = ants.registration(
            to_ants(fixed),
            to_ants(moving),
            type_of_transform=_ANTS_KIND[kind],
            initial_transform=start,
            outprefix=f"{scratch}/",
            reg_iterations=tuple(iterations),
            syn_metric=syn_metric,
            syn_sampling=4 if syn_metric == "CC" else 32,
            write_composite_transform=True,
            **options,
        )
        forward_draft.write_bytes(Path(result["fwdtransforms"]).read_bytes())
        inverse_draft.write_bytes(Path(result["invtransforms"]).read_bytes())


def linear_map(
    fixed: nib.Nifti1Image,
    moving: nib.Nifti1Image,
    *,
    kind: Literal["rigid", "affine"],
    initial: np.ndarray | None = None,
    fixed_mask: np.ndarray | None = None,
    sampling: float = 1.0,
) -> np.ndarray:
    """Register ``moving`` onto ``fixed`` linearly, by mutual information (Mattes).

    Parameters
    ----------
    fixed, moving, kind, initial, fixed_mask
        See :func:`register`.
    sampling
        Share of the voxels looked at, where there is an ``initial``.

    Returns
    -------
    numpy.ndarray
        4x4 in RAS+ mm: takes a point of the fixed image to the moving one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        forward_file = Path(scratch, "forward.h5")
        register(
            fixed,
            moving,
            kind=kind,
            initial=initial,
            fixed_mask=fixed_mask,
            linear_sampling=sampling,
            forward=forward_file,
            inverse=Path(scratch, "inverse.h5"),
        )
        return read_affine(forward_file)


def between_contrasts(
    reference: np.ndarray, shell: np.ndarray, affine: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Find the rigid way from a volume to an image of the same head of another contrast.

    Mutual information (ANTs), from where the images lie.

    Parameters
    ----------
    reference
        3-D, as a b0.
    shell
        3-D on the same grid, as the mean of a shell's volumes.
    affine
        4x4, voxel to mm.
    mask
        3-D brain mask of the reference.

    Returns
    -------
    numpy.ndarray
        4x4, from the world of ``reference`` to that of ``shell``.
    """
    fixed, moving = (
        nib.Nifti1Image(np.asarray(image, np.float32), affine) for image in (reference, shell)
    )
    around = binary_dilation(np.asarray(mask) > 0)
    return linear_map(fixed, moving, kind="rigid", initial=np.eye(4), fixed_mask=around)


def apply_transform(
    image: nib.Nifti1Image,
    reference: nib.Nifti1Image,
    transforms: Sequence[Path | str],
    *,
    interpolation: Interpolation = "linear",
    default: float = 0.0,
) -> nib.Nifti1Image:
    """Move a 3-D image (or each volume of a 4-D series) onto the grid of ``reference``.

    Parameters
    ----------
    image
        3-D or 4-D.
    reference
        3-D image that gives the output grid.
    transforms
        Composite files, applied in the order of the chain: the first leaves the image's own
        space, the last arrives in the reference's space.
    interpolation
        ``nearestNeighbor`` for labels.
    default
        Value outside the image.

    Returns
    -------
    nibabel.Nifti1Image
        float32 on the reference grid.
    """
    target = to_ants(reference)
    chain = [str(path) for path in reversed(transforms)]
    data = np.asanyarray(image.dataobj)

    def moved(volume: np.ndarray) -> np.ndarray:
        source = to_ants(nib.Nifti1Image(volume.astype(np.float32), image.affine))
        return ants.apply_transforms(
            target, source, chain, interpolator=interpolation, defaultvalue=default
        ).numpy()

    if data.ndim == 3:
        return nib.Nifti1Image(moved(data), reference.affine)
    series = np.empty((*reference.shape[:3], data.shape[3]), np.float32)
    for t in range(data.shape[3]):
        series[..., t] = moved(data[..., t])
    return nib.Nifti1Image(series, reference.affine)


def moved_points(points: np.ndarray, transform: Path | str) -> np.ndarray:
    """Carry points the way that a composite transform carries them: against its images.

    Parameters
    ----------
    points
        (N, 3) in RAS+ mm, in the space that the transform's images arrive in.
    transform
        Composite file: ``from-A_to-B`` takes points of B to A.

    Returns
    -------
    numpy.ndarray
        (N, 3) in RAS+ mm.
    """
    flip = np.array([-1.0, -1.0, 1.0])
    table = pd.DataFrame(points * flip, columns=["x", "y", "z"])
    moved = ants.apply_transforms_to_points(3, table, [str(transform)])
    return moved[["x", "y", "z"]].to_numpy(float) * flip
