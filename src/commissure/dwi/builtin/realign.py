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

from commissure.dwi.builtin.eddy_currents import (
    linear_in_gradient,
    separated,
    without_direction_bias,
)
from commissure.dwi.builtin.slice_outliers import dark_slices, moved_to, predicted_volumes
from commissure.dwi.builtin.to_t1w import between_contrasts
from commissure.dwi.gradients import Gradients, shells
from commissure.images.grid import bounding_box
from commissure.images.load import zooms_mm
from commissure.images.rigid import (
    RigidTarget,
    rigid_matrix,
    rigid_pose,
    sheared_matrix,
)

#: What is aligned beyond the brain.
_MARGIN_MM = 12.0

#: Fewest volumes of a shell from which eddy currents are found.
_EDDY_VOLUMES_MIN = 12

#: Error of :func:`~commissure.dwi.builtin.to_t1w.between_contrasts` on simulated heads, as the
#: size of a pose (:func:`_size_mm`) in voxels.
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
    passes: int = 2,
    phase: np.ndarray | None = None,
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
        Rounds of prediction and alignment within a shell.
    phase
        ``(3,)``: unit vector of the phase encoding in the world. With it weighted volumes may
        also be displaced along it by eddy currents, linearly with place and with the gradient;
        without it, and where there are too few directions, volumes are aligned rigidly.

    Notes
    -----
    A shell is joined to the volumes already placed by mutual information and by continuity
    (between one volume and the next the head hardly moves), each weighted by its precision.

    Prediction from the other volumes, and eddy currents as functions of the gradient that leaves
    them (here linear): Andersson JLR & Sotiropoulos SN, NeuroImage 125:1063-1078, 2016 (there
    predicted by a Gaussian process); dropouts and their replacement: Andersson JLR et al.,
    NeuroImage 141:556-572, 2016.
    """
    box = bounding_box(mask, pad=[math.ceil(_MARGIN_MM / mm) for mm in zooms_mm(affine)])
    # What happens at the neck and in the air costs time and tells nothing about the head.
    inner, inner_mask = np.array(series[box], dtype=np.float32), np.asarray(mask)[box]
    inner_affine = nib.affines.from_matvec(
        affine[:3, :3], nib.affines.apply_affine(affine, [part.start for part in box])
    )
    volumes = series.shape[3]
    shell = shells(gradients.b, b0_max_b_s_mm2=b0_max_b_s_mm2)
    dark = np.zeros((volumes, inner.shape[2]), bool)
    unweighted = np.flatnonzero(shell == 0)
    first = RigidTarget(inner[..., unweighted[0]], inner_affine, inner_mask)
    centre = first.centre
    matrices, eddies = (np.tile(np.eye(4), (volumes, 1, 1)) for _ in range(2))
    if move:
        for i in unweighted[1:]:
            matrices[i] = rigid_matrix(first.pose(inner[..., i], robust=True), centre)
    placed = shell == 0
    voxel_mm = max(zooms_mm(affine))
    b0 = _on_reference(inner, inner_affine, matrices, unweighted).mean(axis=3)
    for number in range(1, int(shell.max()) + 1):
        members = np.flatnonzero(shell == number)
        stack, poses, dark[members] = _shell(
            inner[..., members],
            inner_affine,
            gradients.subset(members),
            inner_mask,
            centre,
            outlier_z=outlier_z,
            passes=passes,
            move=move,
            phase=phase,
        )
        inner[..., members] = stack
        for i, (pose, eddy) in zip(members, poses, strict=True):
            matrices[i], eddies[i] = rigid_matrix(pose, centre), eddy
        if move:
            aligned = _on_reference(inner, inner_affine, eddies @ matrices, members)
            seen = between_contrasts(b0, aligned.mean(axis=3), inner_affine, inner_mask)
            joint = _joined(
                matrices,
                np.flatnonzero(placed),
                members,
                rigid_pose(seen, centre),
                centre,
                sure_mm=_CONTRAST_ERROR_VOXELS * voxel_mm,
            )
            matrices[members] = matrices[members] @ rigid_matrix(joint, centre)
        placed[members] = True
    dropouts = np.zeros((volumes, series.shape[2]), bool)
    dropouts[:, box[2]] = dark
    if replace_outliers and dark.any():
        series = np.array(series, dtype=np.float32)
        part = series[box]
        for i, k in np.argwhere(dark):
            part[:, :, k, i] = inner[:, :, k, i]
    heads = np.stack([rigid_pose(matrix, centre) for matrix in matrices])
    return Realignment(heads, centre, eddies, dropouts, series)


def _joined(
    matrices: np.ndarray,
    placed: np.ndarray,
    members: np.ndarray,
    seen: np.ndarray,
    centre: np.ndarray,
    *,
    sure_mm: float,
) -> np.ndarray:
    """Pose that joins a shell to the placed volumes, by what contrasts say and by continuity.

    Continuity is as precise as the head was still: the median step within the shell. But heads
    jump, and then one joint is far off: the likelihood is Gaussian for the contrasts and Cauchy's
    for the joints, and the best of the maxima found from each of them is taken.
    """

    def steps(these: np.ndarray, those: np.ndarray) -> np.ndarray:
        pairs = [(i, j) for i in these for j in those if abs(int(i) - int(j)) == 1]
        found = [rigid_pose(np.linalg.inv(matrices[j]) @ matrices[i], centre) for i, j in pairs]
        return np.array(found).reshape(-1, 6)

    joints, inside = steps(placed, members), steps(members, members)
    if not len(joints) or not len(inside):
        return seen
    restless_mm = max(float(np.median(_size_mm(inside))), 1e-3)
    best, lowest = seen, np.inf
    for pose in (seen, *joints):
        for _ in range(30):
            weight = 2 / (restless_mm**2 + _size_mm(joints - pose) ** 2)
            total = weight @ joints + seen / sure_mm**2
            pose = total / (weight.sum() + 1 / sure_mm**2)
        cost = float((_size_mm(seen - pose) / sure_mm) ** 2 / 2)
        cost += float(np.log1p((_size_mm(joints - pose) / restless_mm) ** 2).sum())
        if cost < lowest:
            best, lowest = pose, cost
    return best


def _size_mm(poses: np.ndarray) -> np.ndarray:
    """Size of poses ``(..., 6)``: absolute translations, and rotations as arcs at 50 mm, added."""
    return np.abs(poses[..., :3]).sum(axis=-1) + 50 * np.abs(poses[..., 3:]).sum(axis=-1)


def _on_reference(
    series: np.ndarray, affine: np.ndarray, matrices: np.ndarray, members: np.ndarray
) -> np.ndarray:
    return np.stack([moved_to(series[..., i], affine, matrices[i]) for i in members], axis=3)


def _shell(
    stack: np.ndarray,
    affine: np.ndarray,
    gradients: Gradients,
    mask: np.ndarray,
    centre: np.ndarray,
    *,
    outlier_z: float,
    passes: int,
    move: bool,
    phase: np.ndarray | None,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Align the volumes of one shell: series without dropouts, poses and eddies, dropouts."""
    count = stack.shape[3]
    if phase is None or count < _EDDY_VOLUMES_MIN:
        phase = None
    poses = np.zeros((count, 6 if phase is None else 9))
    if move:
        target = RigidTarget(np.median(stack, axis=3), affine, mask, shear_along=phase)
        poses = np.stack([target.pose(stack[..., i], robust=True) for i in range(count)])
        poses = without_direction_bias(poses, gradients.directions)
    dark = np.zeros((count, stack.shape[2]), bool)
    acquired = stack
    for _ in range(passes):
        heads = np.stack([rigid_matrix(pose[:6], centre) for pose in poses])
        matrices = heads
        if phase is not None:
            poses[:, 6:] = linear_in_gradient(poses[:, 6:], gradients.directions)
            matrices = np.stack([sheared_matrix(pose, centre, phase) for pose in poses])
        turned = gradients.turned(heads[:, :3, :3])
        predicted = predicted_volumes(stack, affine, turned, matrices)
        back = np.stack(
            [moved_to(predicted[..., i], affine, np.linalg.inv(matrices[i])) for i in range(count)],
            axis=3,
        )
        # Looked for again in each round: dropouts darken the first predictions of their neighbours.
        dark = dark_slices(acquired, back, mask, limit_z=outlier_z)
        stack = acquired.copy()
        for i, k in np.argwhere(dark):
            stack[:, :, k, i] = back[:, :, k, i]
        if move:
            for i in range(count):
                near = RigidTarget(
                    predicted[..., i], affine, mask, fwhm_mm=(6.0,), shear_along=phase
                )
                poses[i] = near.pose(stack[..., i], initial=poses[i], robust=True)
    if phase is None:
        return stack, [(pose, np.eye(4)) for pose in poses], dark
    return stack, separated(poses, gradients.directions, centre, phase), dark
