"""Where the head was in each diffusion volume, and which slices lost their signal.

A weighted volume looks unlike the b0 and unlike other directions, so none of them is a good
reference for it. Within a shell the logarithm of the signal is nearly a quadratic form of the
direction (exactly so for a tensor). Each volume is therefore aligned to what the *other* volumes of
its shell predict for its direction; the shell as a whole is aligned to the b0 by mutual
information. Eddy currents, which stretch, shear and shift a volume along the phase encoding, are
found along with the movement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.dwi.gradients import Gradients, quadratic, shells
from commissure.dwi.space import between_contrasts
from commissure.images.load import zooms_mm
from commissure.images.rigid import (
    RigidTarget,
    resample_pose,
    rigid_matrix,
    rigid_pose,
    sheared_matrix,
)

#: Largest influence of a volume on its own prediction up to which leaving it out is stable.
_LEVERAGE_MAX = 0.8

#: Fewest volumes of a shell from which eddy currents are found.
_EDDY_VOLUMES_MIN = 12

#: Error of :func:`~commissure.dwi.space.between_contrasts` on simulated heads, as the size of a
#: pose (:func:`_size_mm`) in voxels.
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
    box = _box(mask, affine)
    # What happens at the neck and in the air costs time and tells nothing about the head.
    inner, inner_mask = np.array(series[box], dtype=np.float32), np.asarray(mask)[box]
    inner_affine = affine @ _offset([part.start for part in box])
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


def _box(mask: np.ndarray, affine: np.ndarray, *, margin_mm: float = 12.0) -> tuple[slice, ...]:
    voxels = np.argwhere(np.asarray(mask) > 0)
    margin = np.ceil(margin_mm / np.array(zooms_mm(affine))).astype(int)
    low = np.maximum(voxels.min(axis=0) - margin, 0)
    high = np.minimum(voxels.max(axis=0) + 1 + margin, mask.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _offset(voxels: list[int]) -> np.ndarray:
    shift = np.eye(4)
    shift[:3, 3] = voxels
    return shift


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
    return np.stack([_moved(series[..., i], affine, matrices[i]) for i in members], axis=3)


def _moved(volume: np.ndarray, affine: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    if np.array_equal(matrix, np.eye(4)):
        return volume
    moved = resample_pose(volume, affine, matrix, volume.shape, affine, order=1)
    # What is stretched is thinned.
    return moved * np.float32(np.linalg.det(matrix[:3, :3]))


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
            [_moved(predicted[..., i], affine, np.linalg.inv(matrices[i])) for i in range(count)],
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
    return stack, _separated(poses, gradients.directions, centre, phase), dark


def linear_in_gradient(values: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The part of some parameters that is proportional to the gradient of each volume.

    Parameters
    ----------
    values
        ``(volumes, parameters)`` of one shell.
    directions
        ``(volumes, 3)`` unit vectors.

    Returns
    -------
    numpy.ndarray
        Like ``values``: a regression without intercept that outliers do not pull (iteratively
        reweighted, Huber).
    """
    return np.stack([directions @ _huber(directions, column) for column in values.T], axis=1)


def _huber(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    weight = np.ones(len(values))
    for _ in range(10):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0]
        rest = np.abs(values - design @ found)
        cut = 1.345 * 1.4826 * np.median(rest) + 1e-12
        weight = np.minimum(1, cut / np.maximum(rest, 1e-12))
    return found


def _separated(
    poses: np.ndarray, directions: np.ndarray, centre: np.ndarray, phase: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Part where the head was from what eddy currents did: poses ``(6,)`` and 4x4 matrices.

    A displacement of the whole volume may be either; heads do not follow the gradient from volume
    to volume.
    """
    shear = linear_in_gradient(poses[:, 6:], directions)
    place = poses[:, :3] @ phase
    offset = directions @ _huber(np.diff(directions, axis=0), np.diff(place))
    result = []
    for pose, own, mm in zip(poses, shear, offset, strict=True):
        head = np.append(pose[:3] - mm * phase, pose[3:6])
        eddy = sheared_matrix(np.append(np.zeros(6), own), centre, phase)
        eddy[:3, 3] += mm * phase
        result.append((head, eddy))
    return result


def without_direction_bias(poses: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Take out of the poses what follows the gradient direction instead of time.

    Compared with a mean over directions, a volume seems displaced according to the fibres that its
    own direction darkens. This part is nearly a quadratic form of the direction and jumps with it
    from volume to volume, whereas heads drift. It is estimated from the volume-to-volume changes
    by regression that sudden true movements do not pull (iteratively reweighted, Huber).

    Parameters
    ----------
    poses
        ``(volumes, parameters)`` in the order of acquisition.
    directions
        ``(volumes, 3)`` unit vectors.

    Returns
    -------
    numpy.ndarray
        Like ``poses``, with a median of zero.
    """
    form = quadratic(directions)[:, 1:]
    steps = np.diff(form, axis=0)
    if len(poses) >= 3 * form.shape[1]:
        poses = poses.copy()
        for k in range(poses.shape[1]):
            poses[:, k] -= form @ _huber(steps, np.diff(poses[:, k]))
    return poses - np.median(poses, axis=0)


def predicted_volumes(
    stack: np.ndarray, affine: np.ndarray, gradients: Gradients, matrices: np.ndarray
) -> np.ndarray:
    """Predict each volume of a shell, on the reference grid, from the others.

    The logarithm of the signal is fitted by a quadratic form of the direction. Leaving a volume
    out of its own prediction has a closed form in the hat matrix, ``(Hy - hy) / (1 - h)``, so the
    whole shell is one matrix product. Shells with too few directions are predicted by the mean of
    the other volumes.

    Parameters
    ----------
    stack
        ``(x, y, z, volumes)`` of one shell, as acquired.
    affine
        4x4, voxel to mm.
    gradients
        Of these volumes, in the frame of the head.
    matrices
        ``(volumes, 4, 4)``: from the reference's world to that of each volume.

    Returns
    -------
    numpy.ndarray
        float32, like ``stack``.
    """
    count = stack.shape[3]
    aligned = np.stack([_moved(stack[..., i], affine, matrices[i]) for i in range(count)], axis=3)
    design = quadratic(gradients.directions)
    hat = design @ np.linalg.pinv(design)
    leverage = np.diag(hat)
    if np.linalg.matrix_rank(design, tol=0.05) < 6 or leverage.max() > _LEVERAGE_MAX:
        others = (1 - np.eye(count)) / max(count - 1, 1)
        return aligned @ others.T.astype(np.float32)
    leave_out = (hat - np.diag(leverage)) / (1 - leverage)[:, None]
    # A dropout of nearly no signal would be minus infinity to the logarithm.
    floor = 0.05 * aligned.mean(axis=3, keepdims=True) + 1e-6
    logs = np.log(np.maximum(aligned, floor))
    return np.exp(logs @ leave_out.T.astype(np.float32))


def dark_slices(
    stack: np.ndarray, predicted: np.ndarray, mask: np.ndarray, *, limit_z: float
) -> np.ndarray:
    """Find slices whose signal is far below its prediction.

    Parameters
    ----------
    stack, predicted
        ``(x, y, z, volumes)`` of one shell, as acquired and as predicted in the same place.
    mask
        3-D brain mask.
    limit_z
        A slice is dark whose relative loss of signal is more than this many robust standard
        deviations (from the median absolute deviation over all slices of all volumes) and at
        least a tenth.

    Returns
    -------
    numpy.ndarray
        ``(volumes, slices)`` of bool.
    """
    inside = (np.asarray(mask) > 0)[..., None]
    area = inside.sum(axis=(0, 1))[:, 0]
    # The ends of the brain leave the field of view or the mask with the slightest nod.
    enough = area >= max(40, 0.25 * area.max())
    seen = np.sum(stack, axis=(0, 1), where=inside, dtype=float)
    wanted = np.sum(predicted, axis=(0, 1), where=inside, dtype=float)
    loss = (seen - wanted) / np.maximum(wanted, 1e-6)
    loss = loss - np.median(loss, axis=1, keepdims=True)
    loss[~enough] = 0
    if not enough.any():
        return np.zeros(loss.T.shape, bool)
    spread = 1.4826 * np.median(np.abs(loss[enough]))
    return ((loss < -limit_z * spread) & (loss < -0.1)).T
