"""Where echo-planar imaging puts the signal, and how stretching thins it.

Off-resonance and eddy currents shift the signal along the phase encoding.

A piece of tissue at voxel y along the second axis is seen at ``y + shift(y)``, with the shift of
``Hz x TotalReadoutTime`` voxels (Jezzard P, Balaban RS, Magn Reson Med 34:65-73, 1995), positive
for the phase encoding ``j`` and negative for ``j-``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

#: Where air lies beside the brain: template mm, extent (SD) in mm, share of the strongest field.
AIR = (
    ((0.0, 42.0, -24.0), (17.0, 13.0, 11.0), 1.0),
    ((-48.0, -22.0, -34.0), (12.0, 12.0, 9.0), 0.6),
    ((48.0, -22.0, -34.0), (12.0, 12.0, 9.0), 0.6),
)

#: Total readout time of the echo-planar images.
BOLD_READOUT_S, DWI_READOUT_S = 0.030, 0.045

#: Distance from the centre at which an eddy current's gradient reaches its stated displacement.
EDDY_RADIUS_MM = 80.0


def off_resonance(template_mm: np.ndarray, peak_hz: float) -> np.ndarray:
    """Field (X, Y, Z) in Hz at template places (X, Y, Z, 3)."""
    field = np.zeros(template_mm.shape[:-1], np.float32)
    for centre, extent, share in AIR:
        far = (((template_mm - centre) / np.array(extent)) ** 2).sum(axis=-1)
        field += np.float32(peak_hz * share) * np.exp(-far / 2)
    return field


def steepest_shift(peak_hz: float, readout_s: float, voxel_mm: float) -> float:
    """Largest change of the shift from voxel to voxel; the image folds over itself from 1 on."""
    narrowest = min(extent[1] for _, extent, _ in AIR)
    return peak_hz * readout_s * voxel_mm / narrowest * float(np.exp(-0.5))


@dataclass(frozen=True)
class Displacement:
    """How an image was displaced along its second axis, seen from the displaced image.

    Attributes
    ----------
    back
        (X, Y, Z) float32 voxels: the signal at index y comes from ``y - back``.
    intensity
        (X, Y, Z) float32: the factor on it, so that the sum over a line stays.
    """

    back: np.ndarray
    intensity: np.ndarray

    def origins(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (3, N) that voxels (3, N) of the displaced image come from; their factors (N,)."""
        places = voxels.astype(np.float32, copy=True)
        back, factor = (
            map_coordinates(values, voxels, order=1, mode="nearest", output=np.float32)
            for values in (self.back, self.intensity)
        )
        places[1] -= back
        return places, factor


def displacement(shift: np.ndarray, *, rounds: int = 40) -> Displacement:
    """Turn a shift of the tissue (X, Y, Z), in voxels, around: what the displaced image sees.

    By fixed point, y = y' - shift(y), which converges where no two pieces of tissue land on one
    place.
    """
    grid = np.indices(shift.shape, dtype=np.float32)
    back = shift.astype(np.float32)
    for _ in range(rounds):
        places = np.stack([grid[0], grid[1] - back, grid[2]])
        before = back
        back = map_coordinates(shift, places, order=1, mode="nearest", output=np.float32)
        if np.abs(back - before).max() < 1e-4:
            break
    places = np.stack([grid[0], grid[1] - back, grid[2]])
    slope = np.gradient(shift.astype(np.float32), axis=1)
    slope = map_coordinates(slope, places, order=1, mode="nearest", output=np.float32)
    return Displacement(back, 1 / (1 + slope))


def eddy_fields(bvals: np.ndarray, directions: np.ndarray, largest_mm: float) -> np.ndarray:
    """Displacement in mm along the phase encoding of every volume, linear in place.

    The gradient that weights a volume leaves a weaker one behind that decays slowly: along the same
    direction, in proportion to its strength (the root of b), and a shift of the whole image where
    it lies along the phase encoding.

    Parameters
    ----------
    bvals, directions
        (N,) and (N, 3) in the scanner.
    largest_mm
        At :data:`EDDY_RADIUS_MM` from the centre, for the strongest gradient.

    Returns
    -------
    numpy.ndarray
        (N, 4): coefficients of 1, x, y, z (scanner mm from the centre of the grid).
    """
    strength = largest_mm * np.sqrt(bvals / max(float(bvals.max()), 1.0))
    linear = strength[:, None] * directions / EDDY_RADIUS_MM
    return np.column_stack([0.3 * strength * directions[:, 1], linear])


def before_eddies(
    voxels: np.ndarray, field: np.ndarray, affine: np.ndarray, centre_mm: np.ndarray
) -> tuple[np.ndarray, float]:
    """Places (3, N) that voxels come from, undone exactly; and the factor on their signal.

    Parameters
    ----------
    voxels
        (3, N) of the displaced image.
    field
        (4,) a row of :func:`eddy_fields`.
    affine
        4x4 of the image, without rotation.
    centre_mm
        Centre of the grid.
    """
    along = float(affine[1, 1])
    slope = field[1:] @ affine[:3, :3] / along
    start = (field[0] + field[1:] @ (affine[:3, 3] - centre_mm)) / along
    shift = start + slope[0] * voxels[0] + slope[1] * voxels[1] + slope[2] * voxels[2]
    # y' = y + start + slope . (x, y, z): shift above holds y' instead of y.
    places = voxels.astype(np.float32, copy=True)
    places[1] -= (shift / (1 + slope[1])).astype(np.float32)
    return places, float(1 / (1 + slope[1]))
