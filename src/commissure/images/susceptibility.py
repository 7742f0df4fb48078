"""The distortion that the magnetic field of the head gives echo-planar images, and undoing it.

Where the field is off, tissue is seen too far along the phase encoding, and where the shift grows
the signal is thinned. With the opposite phase encoding the same field shifts the other way: the
field is the one that makes both images alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation, map_coordinates, zoom
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import cg

from commissure.images.grid import bounding_box
from commissure.images.load import zooms_mm
from commissure.images.rigid import RigidTarget, moved_volume, rigid_matrix, smoothed

#: From coarse to fine: smoothing of the images (FWHM, mm) and edge of the voxels of the field (mm).
_LEVELS = ((10.0, 6.0), (6.0, 4.0), (3.0, 2.5))

#: Price of a steep field against differing images, these in units of the brain's mean signal.
_STIFFNESS = 0.02

_AXES = {"i": 0, "j": 1, "k": 2}


def phase_axis(direction: object) -> tuple[int, float] | None:
    """Voxel axis and sense (1 or -1) of BIDS' ``PhaseEncodingDirection``; None if it is none."""
    text = str(direction)
    if text.rstrip("-") not in _AXES:
        return None
    return _AXES[text[0]], -1.0 if text.endswith("-") else 1.0


@dataclass(frozen=True)
class Shift:
    """By how far an image is shifted along its phase encoding.

    Attributes
    ----------
    voxels
        3-D: tissue at voxel index y is seen at ``y + voxels`` along ``axis``.
    affine
        4x4, voxel to mm.
    axis
        Voxel axis of the phase encoding.
    """

    voxels: np.ndarray
    affine: np.ndarray
    axis: int

    def times(self, sense: float) -> Shift:
        """The shift with the same phase encoding (1) or the opposite one (-1)."""
        return Shift(self.voxels * np.float32(sense), self.affine, self.axis)

    @property
    def mm(self) -> np.ndarray:
        """The shift in mm."""
        return self.voxels * zooms_mm(self.affine)[self.axis]

    def at(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far tissue is shifted, and the factor that gives it back the signal it lost.

        Parameters
        ----------
        world
            ``(3, ...)`` mm: places of tissue.

        Returns
        -------
        shift : numpy.ndarray
            ``(...)``, in voxels along the phase encoding.
        factor : numpy.ndarray
            ``(...)``: tissue that is stretched is thinned by it.
        """
        flat = (world.ndim - 1) * [1]
        step = np.linalg.inv(self.affine)
        index = np.tensordot(step[:3, :3], world, 1) + step[:3, 3].reshape(3, *flat)
        slope = np.gradient(self.voxels, axis=self.axis)
        shift, steep = (
            map_coordinates(image, index, order=1, mode="nearest") for image in (self.voxels, slope)
        )
        return shift, np.maximum(1 + steep, 0)

    def seen_from(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where tissue is seen (like ``world``), and the factor of :meth:`at`."""
        shift, factor = self.at(world)
        along = self.affine[:3, self.axis].reshape(3, *(world.ndim - 1) * [1])
        return world + along * shift, factor


def opposed_shift(
    forward: np.ndarray,
    backward: np.ndarray,
    affine: np.ndarray,
    mask: np.ndarray,
    *,
    axis: int,
    rounds: int = 2,
) -> tuple[Shift, np.ndarray]:
    """Find the shift of an image from one with the opposite phase encoding.

    Parameters
    ----------
    forward, backward
        3-D unweighted images of one head on one grid; between them it may have moved.
    affine
        4x4, voxel to mm.
    mask
        3-D brain mask of ``forward``.
    axis
        Voxel axis of the phase encoding.
    rounds
        How often the head's movement between the images is found anew from the corrected ones.

    Returns
    -------
    shift : Shift
        That of ``forward``.
    matrix : numpy.ndarray
        4x4, from the world of ``forward`` to that of ``backward``.

    Notes
    -----
    Sum of squared differences of the corrected images, signal kept, with a price on the field's
    slopes; Gauss-Newton from coarse to fine. Opposite phase encodings: Chang H & Fitzpatrick JM,
    IEEE Trans Med Imaging 11:319-329, 1992; Andersson JLR et al., NeuroImage 20:870-888, 2003; the
    numerical scheme: Ruthotto L et al., Phys Med Biol 57:5715-5731, 2012.
    """
    inside = np.asarray(mask) > 0
    unit = float(np.median(forward[inside]))
    size = np.array(zooms_mm(affine))
    reach = int(np.maximum(np.round(12 / size), 1).max())
    box = bounding_box(binary_dilation(inside, iterations=reach))
    box_affine = nib.affines.from_matvec(
        affine[:3, :3], nib.affines.apply_affine(affine, [part.start for part in box])
    )
    forward, backward, inside = forward[box] / unit, backward[box] / unit, inside[box]
    matrix = np.eye(4)
    shift = np.zeros(forward.shape, np.float32)
    for turn in range(rounds):
        target = RigidTarget(_undone(forward, shift, axis), box_affine, inside)
        still = _undone(moved_volume(backward, box_affine, matrix), -shift, axis)
        matrix = matrix @ rigid_matrix(target.pose(still, robust=True), target.centre)
        back = moved_volume(backward, box_affine, matrix)
        gain = float(np.median(forward[inside]) / np.median(back[inside]))
        for fwhm_mm, edge_mm in _LEVELS if turn == 0 else _LEVELS[-1:]:
            shift = _refined(
                (forward, gain * back), shift, box_affine, axis, fwhm_mm=fwhm_mm, edge_mm=edge_mm
            )
    whole = np.zeros(mask.shape, np.float32)
    whole[box] = shift
    return Shift(whole, affine, axis), matrix


def _refined(
    images: tuple[np.ndarray, np.ndarray],
    shift: np.ndarray,
    affine: np.ndarray,
    axis: int,
    *,
    fwhm_mm: float,
    edge_mm: float,
) -> np.ndarray:
    """The shift that makes two smoothed images alike, solved on a grid of this edge."""
    size = np.array(zooms_mm(affine))
    factor = np.minimum(size / edge_mm, 1)
    forward, backward = (
        zoom(smoothed(image, affine, fwhm_mm), factor, order=1, grid_mode=True, mode="nearest")
        for image in images
    )
    factor = np.array(forward.shape) / shift.shape
    start = zoom(shift, factor, order=1, grid_mode=True, mode="nearest") * factor[axis]
    solved = _solved(forward, backward, start, axis, size / factor)
    return zoom(solved / factor[axis], 1 / factor, order=1, grid_mode=True, mode="nearest").astype(
        np.float32
    )


def _undone(image: np.ndarray, shift: np.ndarray, axis: int) -> np.ndarray:
    places = np.indices(image.shape, dtype=np.float32)
    places[axis] += shift
    return map_coordinates(image, places, order=1, mode="nearest") * (
        1 + np.gradient(shift, axis=axis)
    )


def _solved(
    forward: np.ndarray, backward: np.ndarray, shift: np.ndarray, axis: int, size: np.ndarray
) -> np.ndarray:
    """Gauss-Newton steps on one grid."""
    along = _difference(shift.shape, axis, central=True)
    rough = sum(
        (edge.T @ edge) * float((size[axis] / size[k]) ** 2)
        for k, edge in enumerate(_difference(shift.shape, k) for k in range(3))
    )
    stiff = _STIFFNESS * rough
    slopes = [np.gradient(image, axis=axis) for image in (forward, backward)]
    places = np.indices(shift.shape, dtype=np.float32)
    for _ in range(8):
        forward_places, backward_places = places.copy(), places.copy()
        forward_places[axis] += shift
        backward_places[axis] -= shift
        slope = along @ shift.ravel()
        ahead = _sampled_flat(forward, forward_places)
        behind = _sampled_flat(backward, backward_places)
        residual = ahead * (1 + slope) - behind * (1 - slope)
        jacobian = (
            diags_array(
                _sampled_flat(slopes[0], forward_places) * (1 + slope)
                + _sampled_flat(slopes[1], backward_places) * (1 - slope)
            )
            + diags_array(ahead + behind) @ along
        )
        system = jacobian.T @ jacobian + stiff
        system = system + diags_array(np.full(shift.size, 1e-4))
        right = -(jacobian.T @ residual) - stiff @ shift.ravel()
        diagonal = diags_array(1 / system.diagonal())
        step, _ = cg(system.tocsr(), right, rtol=1e-2, maxiter=60, M=diagonal)
        shift = shift + step.reshape(shift.shape)
        if np.abs(step).max() < 0.02:
            break
    return shift


def _sampled_flat(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    return map_coordinates(image, places, order=1, mode="nearest").ravel()


def _difference(shape: tuple[int, ...], axis: int, *, central: bool = False) -> csr_array:
    """Derivative along an axis of a raveled 3-D array, as a sparse matrix."""
    n = shape[axis]
    if central:
        line = diags_array([-0.5, 0.5], offsets=[-1, 1], shape=(n, n)).tolil()
        line[0, :2], line[-1, -2:] = [-1, 1], [-1, 1]
    else:
        line = diags_array([-1.0, 1.0], offsets=[0, 1], shape=(n - 1, n))
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    return kron(kron(eye_array(before), line), eye_array(after)).tocsr()
