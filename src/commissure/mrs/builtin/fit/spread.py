"""How much an estimate hangs on choices that a fit could as well have made otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from commissure.errors import QualityError
from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.model import LineShape
from commissure.mrs.builtin.fit.spectrum import SpectralFit, fit_spectrum
from commissure.mrs.metabolites import FURTHER_METABOLITES, METABOLITES, PARTS

#: Stiffness of a baseline, effective degrees of freedom per ppm, that is tried beside a stiff and
#: beside a flexible one.
_FLEXIBLE, _STIFF = 4.0, 0.75


def fit_variants(
    fid: np.ndarray,
    fit: SpectralFit,
    basis_of: Callable[[Mapping[str, Any]], Basis],
    macromolecules: str,
    **options: Any,
) -> dict[str, SpectralFit]:
    """Further fits, each with one choice made otherwise.

    Published programs agree with each other at a mean R squared of .39 on the same 277 spectra
    (Zöllner HJ et al., NMR Biomed 34:e4482, 2021): what they choose is no smaller than noise.

    Parameters
    ----------
    fid
        The spectrum that was fitted, (points,).
    fit
        Its fit.
    basis_of
        A basis like that of the fit but for some arguments of
        :func:`commissure.mrs.builtin.basis.simulated.simulated_basis`.
    macromolecules
        The model of the fit's basis; or ``measured``, beside which no model is tried: that they
        differ says nothing of what was measured.
    **options
        Of :func:`commissure.mrs.builtin.fit.spectrum.fit_spectrum`.

    Returns
    -------
    dict
        By what was changed; a variant in which creatine is lost is left out.
    """
    others = {"soft": "published", "published": "soft"}
    flexible = fit.freedom_per_ppm < (_FLEXIBLE * _STIFF) ** 0.5
    tries: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        f"baseline {_FLEXIBLE if flexible else _STIFF:g} per ppm": (
            {}, {"freedom_per_ppm": _FLEXIBLE if flexible else _STIFF},
        ),
        "one line shape": ({"own_decay": False}, {}),
    }  # fmt: skip
    if other := others.get(macromolecules):
        tries = {f"macromolecules {other}": ({"macromolecules": other}, {}), **tries}
    known = (*METABOLITES, *FURTHER_METABOLITES)
    metabolites = tuple(name for name in fit.names if name in known)
    if "Gly" not in fit.names:
        # It lies under inositol, and programs differ in whether they have it.
        tries["glycine"] = ({"metabolites": (*metabolites, "Gly")}, {})
    variants = {}
    for name, (of_basis, of_fit) in tries.items():
        basis = basis_of(of_basis)
        try:
            variants[name] = fit_spectrum(
                fid,
                basis,
                **{**options, **of_fit},
                start=_shape_over(fit, basis.names),
            )
        except QualityError:
            continue
    return variants


def spread_record(fit: SpectralFit, variants: Mapping[str, SpectralFit]) -> dict[str, Any]:
    """What each variant gives over what the fit gives, and the range, by metabolite.

    Returns
    -------
    dict
        ``OverFit``: by variant and metabolite, the ratio to creatine over that of the fit; of
        creatine itself, the amplitude. ``Range``: the largest less the smallest, the fit among
        them. A metabolite that the fit gives nothing is left out.
    """
    whole = {name: _size(fit, name) for name in PARTS if _size(fit, name) > 0}
    over = {
        variant: {name: _size(other, name) / size for name, size in whole.items()}
        for variant, other in variants.items()
    }
    ranges = {
        name: float(np.ptp([1.0, *(by_name[name] for by_name in over.values())])) for name in whole
    }
    return {"Range": ranges, "OverFit": over}


def _shape_over(fit: SpectralFit, names: tuple[str, ...]) -> LineShape:
    """The line shape of a fit for other columns; a column that it lacks has none of its own."""
    shifts, widths = (
        dict(zip(fit.names, values, strict=True))
        for values in (fit.shape.shifts_hz, fit.shape.widths_hz)
    )
    return replace(
        fit.shape,
        shifts_hz=np.array([shifts.get(name, 0.0) for name in names]),
        widths_hz=np.array([widths.get(name, 0.0) for name in names]),
    )


def _size(fit: SpectralFit, name: str) -> float:
    """Ratio to creatine; of creatine itself, the amplitude."""
    amplitude = fit.total(PARTS[name])[0]
    creatine = fit.total(PARTS["tCr"])[0]
    return amplitude if name == "tCr" else amplitude / max(creatine, np.finfo(float).tiny)
