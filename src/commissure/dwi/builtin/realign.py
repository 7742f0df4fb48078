"""Where the head was in each diffusion volume, and which slices lost their signal.

A weighted volume looks unlike the b0 and unlike other directions, so none of them is a good
reference for it. Within a shell the logarithm of the signal is nearly a quadratic form of the
direction (exactly so for a tensor). Each volume is therefore aligned to what the *other* volumes of
its shell predict for its direction; the shell as a whole is aligned to the b0 by mutual
information. Eddy currents, which stretch, shear and shift a volume along the phase encoding, are
found along with the movement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from commissure.dwi.builtin.shell_alignment import ShellOptions, aligned_shell
from commissure.dwi.builtin.shell_joint import joint_pose
from commissure.dwi.gradients import Gradients, shells
from commissure.images.grid import bounding_box
from commissure.images.load import zooms_mm
from commissure.images.registration import between_contrasts
from commissure.images.rigid import RigidTarget, moved_volume, rigid_matrix, rigid_pose

#: What is aligned beyond the brain.
_MARGIN_MM = 12.0

#: Error of :func:`~commissure.images.registration.between_contrasts` on simulated heads, as the
#: size of a pose (:func:`~commissure.dwi.builtin.shell_joint.pose_size_mm`) in voxels.
_CONTRAST_ERROR_VOXELS = 0.2


@dataclass(frozen=True)
class Realignment:
    """The poses of a series and its dropouts.

    Attributes
    ----------
    poses
        ``(volumes, 6)``: where the head was, mm and radians, relative to the first b0.
    centre
        ``(3,)``: point that rotations turn about, mm.
    eddies
        ``(volumes, 4, 4)``: how eddy currents displaced each volume besides, along the phase
        encoding.
    dropouts
        ``(volumes, slices)`` of bool: slices (third voxel axis) much darker than predicted.
    series
        The series as acquired, dropouts replaced by their prediction if that was asked for.
    """

    poses: np.ndarray
    centre: np.ndarray
    eddies: np.ndarray
    dropouts: np.ndarray
    series: np.ndarray

    @property
    def head(self) -> np.ndarray:
        """``(volumes, 4, 4)``: from the world of the first b0 to where the head was."""
        return np.stack([rigid_matrix(pose, self.centre) for pose in self.poses])

    @property
    def matrices(self) -> np.ndarray:
        """``(volumes, 4, 4)``: from the world of the first b0 to that of each volume."""
        return self.eddies @ self.head


def realign(
    series: np.ndarray,
    affine: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    *,
    b0_max_b_s_mm2: float = 50.0,
    outlier_z: float = 4.0,
    replace_outliers: bool = True,
    move: bool = True,
    passes: int = 5,
    phase: np.ndarray | None = None,
    excitations: np.ndarray | None = None,
) -> Realignment:
    """Align all volumes of a diffusion series to its first b0.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, as acquired.
    affine
        4x4, voxel to mm.
    gradients
        One row per volume, directions in the world of the scanner.
    mask
        3-D brain mask on the same grid, from the b0.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.
    outlier_z
        Robust z of a slice's signal below which it is a dropout.
    replace_outliers
        Whether dropouts are replaced in the series that is returned.
    move
        False leaves every pose at zero and only looks for dropouts.
    passes
        Rounds of prediction and alignment within a shell at most; fewer where they change little.
    phase
        ``(3,)``: unit vector of the phase encoding in the world. With it weighted volumes may
        also be displaced along it by eddy currents, linearly with place and with the gradient;
        without it, and where there are too few directions, volumes are aligned rigidly.
    excitations
        ``(slices,)``: which slices were excited together, and may be lost together.

    Notes
    -----
    A shell is joined to the volumes already placed by mutual information and by continuity
    (between one volume and the next the head hardly moves), each weighted by its precision.

    Prediction from the other volumes, and eddy currents as functions of the gradient that leaves
    them (here linear): Andersson JLR & Sotiropoulos SN, NeuroImage 125:1063-1078, 2016 (there
    predicted by a Gaussian process); dropouts and their replacement: Andersson JLR et al.,
    NeuroImage 141:556-572, 2016.
    """
    near = _near_the_brain(series, affine, mask)
    options = ShellOptions(
        outlier_z=outlier_z,
        passes=passes,
        move=move,
        phase=phase,
        excitations=None if excitations is None else excitations[near.box[2]],
    )
    shell = shells(gradients.b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    placement = _placed_b0s(near, shell == 0, move=move)
    for number in range(1, int(shell.max()) + 1):
        _place_shell(placement, near, gradients, np.flatnonzero(shell == number), options)
    dropouts = np.zeros((series.shape[3], series.shape[2]), bool)
    dropouts[:, near.box[2]] = placement.dark
    if replace_outliers and placement.dark.any():
        series = _with_slices_replaced(series, near, placement.dark)
    centre = placement.centre
    poses = np.stack([rigid_pose(matrix, centre) for matrix in placement.heads])
    return Realignment(poses, centre, placement.eddies, dropouts, series)


@dataclass(frozen=True)
class _NearTheBrain:
    """What lies around the brain: at the neck and in the air nothing tells of the head."""

    box: tuple[slice, slice, slice]
    series: np.ndarray
    affine: np.ndarray
    mask: np.ndarray


def _near_the_brain(series: np.ndarray, affine: np.ndarray, mask: np.ndarray) -> _NearTheBrain:
    box = bounding_box(mask, pad=[math.ceil(_MARGIN_MM / mm) for mm in zooms_mm(affine)])
    corner = nib.affines.apply_affine(affine, [part.start for part in box])
    return _NearTheBrain(
        box,
        np.array(series[box], dtype=np.float32),
        nib.affines.from_matvec(affine[:3, :3], corner),
        np.asarray(mask)[box],
    )


@dataclass(frozen=True)
class _Placement:
    """What is known so far; its arrays are filled shell by shell.

    Attributes
    ----------
    centre
        ``(3,)`` mm, about which poses turn.
    b0
        3-D mean of the unweighted volumes, aligned.
    heads, eddies
        ``(volumes, 4, 4)``: where the head was, and what eddy currents did.
    dark
        ``(volumes, slices)`` of bool: dropouts.
    placed
        ``(volumes,)`` of bool.
    """

    centre: np.ndarray
    b0: np.ndarray
    heads: np.ndarray
    eddies: np.ndarray
    dark: np.ndarray
    placed: np.ndarray


def _placed_b0s(near: _NearTheBrain, unweighted: np.ndarray, *, move: bool) -> _Placement:
    """Align the unweighted volumes to the first of them."""
    count = len(unweighted)
    indices = np.flatnonzero(unweighted)
    heads, eddies = (np.tile(np.eye(4), (count, 1, 1)) for _ in range(2))
    target = RigidTarget(near.series[..., indices[0]], near.affine, near.mask)
    if move:
        for i in indices[1:]:
            heads[i] = rigid_matrix(target.pose(near.series[..., i], robust=True), target.centre)
    b0 = _on_reference(near, heads, indices).mean(axis=3)
    dark = np.zeros((count, near.series.shape[2]), bool)
    return _Placement(target.centre, b0, heads, eddies, dark, unweighted.copy())


def _place_shell(
    placement: _Placement,
    near: _NearTheBrain,
    gradients: Gradients,
    members: np.ndarray,
    options: ShellOptions,
) -> None:
    """Align the volumes of a shell among themselves, and the shell to those already placed."""
    centre, heads, eddies = placement.centre, placement.heads, placement.eddies
    aligned = aligned_shell(
        near.series[..., members],
        near.affine,
        gradients.subset(members),
        near.mask,
        centre,
        options,
    )
    near.series[..., members] = aligned.series
    placement.dark[members], eddies[members] = aligned.dark, aligned.eddies
    heads[members] = [rigid_matrix(pose, centre) for pose in aligned.poses]
    if options.move:
        mean = _on_reference(near, eddies @ heads, members).mean(axis=3)
        by_contrast = between_contrasts(placement.b0, mean, near.affine, near.mask)
        joint = joint_pose(
            heads,
            np.flatnonzero(placement.placed),
            members,
            rigid_pose(by_contrast, centre),
            centre,
            contrast_error_mm=_CONTRAST_ERROR_VOXELS * max(zooms_mm(near.affine)),
        )
        heads[members] = heads[members] @ rigid_matrix(joint, centre)
    placement.placed[members] = True


def _on_reference(near: _NearTheBrain, matrices: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.stack(
        [moved_volume(near.series[..., i], near.affine, matrices[i]) for i in members], axis=3
    )


def _with_slices_replaced(series: np.ndarray, near: _NearTheBrain, dark: np.ndarray) -> np.ndarray:
    """The series with its dark slices as they were predicted."""
    series = np.array(series, dtype=np.float32)
    part = series[near.box]
    for i, k in np.argwhere(dark):
        part[:, :, k, i] = near.series[:, :, k, i]
    return series
