"""Which way white matter runs: directions by tract and place, in template space.

A sketch of the course that textbooks give each tract, smooth within it and mirrored between the
hemispheres; orientations are made for tests of software and teach no anatomy.
"""

from __future__ import annotations

import numpy as np

#: Template point (right side) that the corona radiata fans out from: the internal capsule's top.
FAN_FROM_MM = (20.0, -12.0, 4.0)

#: Sagittal centre of the arch of cingulum, fornix and callosum: y and z in template mm.
ARCH_CENTRE_MM = (-12.0, 4.0)


def fibre_directions(tract: str, template_mm: np.ndarray) -> np.ndarray:
    """Principal directions of a tract.

    Parameters
    ----------
    tract
        Name as in jhu189's column ``tract``; the side (``-L``, ``-R``) is taken from the place. Any
        other name gives the default of deep and superficial white matter.
    template_mm
        (N, 3) places.

    Returns
    -------
    numpy.ndarray
        (N, 3) unit vectors, template axes (RAS+).
    """
    x, y, z = template_mm.T
    side = np.where(x < 0, -1.0, 1.0)
    lateral = np.abs(x)
    name = tract.removesuffix("-L").removesuffix("-R")
    one = np.ones_like(lateral)
    course: tuple[np.ndarray, ...]
    if name in _STRAIGHT:
        out, front, up = _STRAIGHT[name]
        course = (out * one, front * one, up * one)
    elif name in ("GCC", "SCC"):
        bend = np.clip(lateral / 26, 0, 1) * np.deg2rad(65)
        forwards = 1.0 if name == "GCC" else -1.0
        course = (np.cos(bend), forwards * np.sin(bend), 0.15 * np.sin(bend))
    elif name == "BCC":
        bend = np.clip(lateral / 28, 0, 1) * np.deg2rad(60)
        course = (np.cos(bend), 0 * one, np.sin(bend))
    elif name in ("CGC", "FX", "FXST", "SFO"):
        course = _arch(y, z)
    elif name in ("ACR", "SCR", "PCR"):
        course = _fan(lateral, y, z)
    else:
        course = _elsewhere(lateral, y, z)
    directions = np.stack([side * course[0], course[1], course[2]], axis=-1)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


#: Away from the midline, to the front, up.
_STRAIGHT = {
    "CST": (0.10, -0.05, 1.0),
    "PLIC": (0.22, -0.08, 0.97),
    "RLIC": (0.25, -0.60, 0.75),
    "ALIC": (0.35, 0.85, 0.38),
    "PTR": (0.15, -0.97, 0.12),
    "SS": (0.10, -0.95, 0.25),
    "EC": (0.10, 0.75, 0.62),
    "SLF": (-0.05, 1.0, 0.12),
    "CGH": (0.12, 0.85, -0.50),
    "IFO": (0.05, 0.98, 0.15),
    "UNC": (-0.15, 0.65, 0.74),
    "TAP": (0.45, -0.35, -0.82),
}


def _arch(y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Along a circle around the thalamus, in the sagittal plane."""
    dy, dz = y - ARCH_CENTRE_MM[0], z - ARCH_CENTRE_MM[1]
    return 0.05 * np.ones_like(y), dz, -dy


def _fan(lateral: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Out of the internal capsule; at its top, upwards."""
    out, front, up = (
        value - start for value, start in zip((lateral, y, z), FAN_FROM_MM, strict=True)
    )
    return 0.6 * out, front, np.abs(up) + 12.0


def _elsewhere(lateral: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Towards the cortex above the capsule; through the brain stem below it."""
    out, front, up = _fan(lateral, y, z)
    up = np.where(z > FAN_FROM_MM[2], up, z - FAN_FROM_MM[2] - 12.0)
    stem = np.exp(-((lateral / 12) ** 2)) * (z < -10)
    return 0.8 * out * (1 - stem) + 0.1 * stem, front * (1 - stem), up * (1 - stem) - 20 * stem
