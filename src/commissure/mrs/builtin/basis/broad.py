"""Broad signals under the metabolites: macromolecules, and lipids of the scalp."""

from __future__ import annotations

import numpy as np

from commissure.mrs.builtin.basis.ties import MacromoleculeModel
from commissure.mrs.chemical_shift import WATER_PPM

#: ppm, protons, full width at half maximum in ppm, T2 in s (infinite for a Gaussian line).
Line = tuple[float, float, float, float]
_NEVER = float("inf")

#: Macromolecules by name: the resonances of the consensus (Cudalbu C et al., NMR Biomed 34:e4393,
#: 2021) as Gaussians with the widths of 3 T spectra. Neighbours that no 3 T spectrum can tell apart
#: share a column or a wider line; each column has one proton in all.
_SOFT: dict[str, tuple[Line, ...]] = {
    "MM09": ((0.91, 1.0, 0.14, _NEVER),),
    "MM12": ((1.21, 1.0, 0.15, _NEVER),),
    "MM14": ((1.39, 1.0, 0.15, _NEVER),),
    "MM17": ((1.67, 1.0, 0.15, _NEVER),),
    "MM20": ((2.04, 1.0, 0.18, _NEVER),),
    "MM22": ((2.26, 1.0, 0.15, _NEVER),),
    "MM27": ((2.56, 0.4, 0.13, _NEVER), (2.70, 0.6, 0.13, _NEVER)),
    "MM30": ((2.99, 1.0, 0.16, _NEVER),),
    "MM32": ((3.15, 1.0, 0.18, _NEVER),),
    "MM37": ((3.62, 0.3, 0.18, _NEVER), (3.75, 0.4, 0.18, _NEVER), (3.86, 0.3, 0.18, _NEVER)),
    "MM40": ((4.00, 1.0, 0.20, _NEVER),),
}

#: The same resonances as Voigt lines with the T2 and the widths that were measured at 3 T, the
#: linewidth of the water taken off (Landheer K et al., Magn Reson Med 84:2327-2337, 2020); at 2.56
#: and 4.03 ppm, which they do not have, with the widths of their neighbours.
_PUBLISHED: dict[str, tuple[Line, ...]] = {
    "MM09": ((0.92, 1.0, 0.135, 0.0266),),
    "MM12": ((1.21, 1.0, 0.103, 0.0387),),
    "MM14": ((1.41, 1.0, 0.161, 0.0179),),
    "MM17": ((1.67, 1.0, 0.237, 0.0166),),
    "MM20": ((2.05, 1.0, 0.229, 0.0143),),
    "MM22": ((2.28, 1.0, 0.192, 0.0199),),
    "MM26": ((2.56, 1.0, 0.192, 0.0255),),
    "MM27": ((2.70, 1.0, 0.214, 0.0255),),
    "MM30": ((2.99, 1.0, 0.157, 0.0210),),
    "MM32": ((3.21, 1.0, 0.094, 0.0177),),
    "MM37": ((3.62, 0.25, 0.195, 0.0210), (3.75, 0.45, 0.235, 0.0210), (3.86, 0.3, 0.195, 0.0210)),
    "MM40": ((4.03, 1.0, 0.195, 0.0210),),
}

#: Macromolecules by model.
MACROMOLECULES: dict[MacromoleculeModel, dict[str, tuple[Line, ...]]] = {
    "soft": _SOFT, "published": _PUBLISHED,
}  # fmt: skip

#: Lipids of the scalp, as LCModel's defaults have them (LCModel manual, 11.7).
LIPIDS: dict[str, tuple[Line, ...]] = {
    "Lip09": ((0.89, 1.0, 0.14, _NEVER),),
    "Lip13a": ((1.28, 1.0, 0.15, _NEVER),),
    "Lip13b": ((1.28, 1.0, 0.089, _NEVER),),
    "Lip20": (
        (2.04, 0.5, 0.15, _NEVER), (2.25, 0.25, 0.15, _NEVER), (2.80, 0.25, 0.20, _NEVER),
    ),
}  # fmt: skip


def broad_fid(
    lines: tuple[Line, ...], *, points: int, dwell_s: float, frequency_mhz: float
) -> np.ndarray:
    """FID (points,) of broad lines, half a unit per proton.

    A Voigt line has the Lorentzian width of its T2; the rest of its width is Gaussian, by the
    approximation of Olivero and Longbothum (J Quant Spectrosc Radiat Transf 17:233-236, 1977).
    """
    t = np.arange(points) * dwell_s
    fid = np.zeros(points, complex)
    for ppm, protons, fwhm_ppm, t2_s in lines:
        whole = fwhm_ppm * frequency_mhz
        lorentz = min(1 / (np.pi * t2_s), 0.99 * whole)
        gauss = np.sqrt(max((whole - 0.5346 * lorentz) ** 2 - 0.2166 * lorentz**2, 0.0))
        decay = -np.pi * lorentz * t - (np.pi * gauss * t) ** 2 / (4 * np.log(2))
        turn = 2j * np.pi * (ppm - WATER_PPM) * frequency_mhz * t
        fid += 0.5 * protons * np.exp(turn + decay)
    return fid


def macromolecule_fids(
    model: MacromoleculeModel, *, points: int, dwell_s: float, frequency_mhz: float
) -> dict[str, np.ndarray]:
    """FIDs of a model of :data:`MACROMOLECULES` by name, half a unit each."""
    return {
        name: broad_fid(lines, points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
        for name, lines in MACROMOLECULES[model].items()
    }


def lipid_fids(*, points: int, dwell_s: float, frequency_mhz: float) -> dict[str, np.ndarray]:
    """FIDs of :data:`LIPIDS` by name, half a unit each.

    Lipids come from outside of the voxel, from where the shim, the pulses and the gradients are
    others: their phase is any. Each has four columns, a quarter turn apart; two neighbours make up
    every phase with amplitudes that are not negative.
    """
    fids = {}
    for name, lines in LIPIDS.items():
        fid = broad_fid(lines, points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
        fids[name] = fid
        if name in LIPIDS_OF_ANY_PHASE:
            fids |= {f"{name}@{90 * k}": fid * 1j**k for k in (1, 2, 3)}
    return fids


#: Lipids whose phase is free; a broad one under NAA of any phase would be a second baseline.
LIPIDS_OF_ANY_PHASE = ("Lip09", "Lip13a", "Lip13b")
