"""How far a spectrum can be trusted: numbers against limits, none of which deletes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commissure.checks import Check, at_least, at_most, between
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.derivatives import Curves
from commissure.mrs.metabolites import MARKERS
from commissure.mrs.quantification.relaxation import TissueFractions
from commissure.mrs.quantification.tissue import VOI_STRUCTURES, VoxelPlace
from commissure.mrs.settings import MrsMeasureSettings
from commissure.mrs.spread_checks import concerns

#: Least share of the voxel in the structures that its name promises.
MIN_VOI_SHARE = 0.10

#: Residual over noise above which the model has missed something.
MAX_RESIDUAL = 3.0

#: Change of the spectrum from the first half of the shots to the second; an echo time of 80 ms
#: after one of 30 makes more than .3.
MAX_CHANGE = 0.15

#: Rise of the residual late in time above which there is a spurious echo; noise reaches 3.
MAX_ECHO = 5.0

#: Mean square of means of eight neighbours of the residual, where white noise gives 1, above which
#: something of the spectrum is not in the basis. Simulated spectra on the phantom's macromolecules
#: reach 1.3; of eight on measured ones, whose creatine comes out a third too high, four exceed it.
MAX_STRUCTURE = 1.5

#: Checks that touch concentrations only: ratios and confounds are not flagged by them. Creatine is
#: the surest line: where its amount hangs on choices of the fit, or where something lies under the
#: lines that the basis does not have, so do all amounts, and ratios to creatine much less.
ON_CONCENTRATIONS = frozenset(
    {
        "tcr_mmol_per_kg", "water_fwhm_ppm", "f_csf", "t1w_of_this_session", "reference_noise",
        "reference_on_frequency_ppm", "water_reference_suits", "spread_tcr", "residual_structure",
        "edited_scale",
    }
)  # fmt: skip

#: How far creatine may lie from where the water of the reference puts it: water moves by 0.01 ppm
#: per kelvin, a field drifts by 0.1 ppm in a session; real spectra have 0.001 to 0.023.
MAX_OFF_REFERENCE_PPM = 0.15

#: How far the distances between NAA, creatine and choline may be off. Sound spectra, simulated and
#: real, have .995 to 1.004.
MAX_LINE_SCALE_OFF = 0.012


def is_flagged(marker: str, checks: Iterable[Check]) -> bool:
    """Whether a check failed that touches the marker."""
    failed = {check.name for check in checks if check.passed is False}
    failed = {name for name in failed if concerns(name, marker)}
    return bool(failed if marker in MARKERS else failed - ON_CONCENTRATIONS)


@dataclass(frozen=True)
class SpectralQuality:
    """What a spectrum and its fit show.

    Attributes
    ----------
    frequency_mhz
        Of the spectrometer.
    fwhm_ppm, snr_fit, residual_over_noise, residual_structure
        From the engine's record; None where it gives none.
    snr_peak
        NAA's height over twice the noise SD.
    lipid
        Height in 1.2 to 1.45 ppm over that of NAA.
    echo
        See :func:`echo_ratio`; None also without curves of the fit.
    """

    frequency_mhz: float
    fwhm_ppm: float | None
    snr_fit: float | None
    residual_over_noise: float | None
    residual_structure: float | None
    snr_peak: float
    lipid: float
    echo: float | None

    @classmethod
    def of(cls, svs: Svs, record: Mapping[str, Any], curves: Curves | None) -> SpectralQuality:
        """Measure a preprocessed spectrum."""
        spectrum = np.fft.fftshift(np.fft.fft(svs.averaged())).real
        ppm = ppm_axis(svs.points, svs.dwell_s, svs.frequency_mhz)
        peak = peak_snr(spectrum, ppm)
        if curves is not None:
            clean, axis = curves.data - curves.baseline, curves.ppm
        else:
            clean, axis = spectrum, ppm
        naa = clean[(axis > 1.9) & (axis < 2.1)].max()
        lipid = clean[(axis > 1.2) & (axis < 1.45)].max() / naa

        def number(key: str) -> float | None:
            return float(record[key]) if record.get(key) is not None else None

        return cls(
            frequency_mhz=svs.frequency_mhz,
            fwhm_ppm=number("FWHMppm"),
            snr_fit=number("SNR"),
            residual_over_noise=number("ResidualOverNoise"),
            residual_structure=number("ResidualStructure"),
            snr_peak=peak,
            lipid=float(lipid),
            echo=None
            if curves is None
            else echo_ratio(
                curves.data - curves.model, curves.ppm, frequency_mhz=svs.frequency_mhz
            ),
        )


def echo_ratio(residual: np.ndarray, ppm: np.ndarray, *, frequency_mhz: float) -> float | None:
    """How far the residual rises again late in time, where only a spurious echo can.

    Parameters
    ----------
    residual, ppm
        Real spectrum less its model, on an even axis, (points,).
    frequency_mhz
        Of the spectrometer.

    Returns
    -------
    float or None
        None where the time signal is too short.
        Largest power of 20 ms after 40 ms, over the least power before it and over the noise:
        what a fit misses of lines is largest at the beginning and dies away, an echo from
        outside the voxel comes when it is refocused (Kreis R, NMR Biomed 17:361-381, 2004).
    """
    width_hz = float(ppm[-1] - ppm[0]) * frequency_mhz
    power = np.abs(np.fft.ifft(residual - residual.mean()))[: len(residual) // 2] ** 2
    step_s = 1 / width_hz
    # The spectrum is zero-filled once: its second half in time holds nothing.
    power = power[: len(power) // 2] if len(power) > 64 else power
    block = max(4, round(0.02 / step_s))
    blocks = power[: len(power) // block * block].reshape(-1, block).mean(axis=1)
    if len(blocks) < 8:
        return None
    floor = max(float(np.median(blocks[len(blocks) // 2 :])), np.finfo(float).tiny)
    level = np.maximum(blocks / floor, 1.0)
    # The baseline of the fit takes what is in the first block.
    before = np.minimum.accumulate(level[1:])
    return float((level[2:] / before[:-1]).max())


def peak_snr(spectrum: np.ndarray, ppm: np.ndarray) -> float:
    """Height of NAA over twice the noise SD (Edden RAE et al., J Magn Reson Imaging 40:1445, 2014).

    The noise is that of 8 to 9 or 9 to 10 ppm, whichever is quieter, detrended by a parabola.

    Parameters
    ----------
    spectrum, ppm
        Real spectrum and its axis, (points,).
    """
    noise = []
    for low in (8.0, 9.0):
        where = (ppm > low) & (ppm < low + 1)
        if where.sum() > 20:
            x = ppm[where] - low
            y = spectrum[where]
            noise.append(np.std(y - np.polyval(np.polyfit(x, y, 2), x), ddof=3))
    if not noise:
        return float("nan")
    around = spectrum[(ppm > 1.7) & (ppm < 2.3)]
    height = spectrum[(ppm > 1.9) & (ppm < 2.1)].max() - np.percentile(around, 10)
    return float(height / (2 * min(noise)))


def spectral_checks(
    spectral: SpectralQuality,
    *,
    settings: MrsMeasureSettings,
    steps: Sequence[Mapping[str, Any]],
) -> list[Check]:
    """Linewidth, the two signal-to-noise ratios, lipid, shots, orientation and water."""
    return [
        at_most("fwhm_ppm", spectral.fwhm_ppm, settings.max_fwhm_ppm),
        at_least(
            "snr_fit", spectral.snr_fit, settings.min_snr, "highest point over 2 SD of residual"
        ),
        _without_limit("snr_peak", spectral.snr_peak, "NAA over 2 SD of noise, 8 to 10 ppm"),
        at_most(
            "residual_over_noise",
            spectral.residual_over_noise,
            MAX_RESIDUAL,
            "1 where the model explains all but the noise",
        ),
        at_most(
            "residual_structure",
            spectral.residual_structure,
            MAX_STRUCTURE,
            "1 where the residual is white, more where it runs in waves",
        ),
        at_most("lipid_over_naa", spectral.lipid, 1.0),
        at_most(
            "spurious_echo",
            spectral.echo,
            MAX_ECHO,
            "power of the residual late in time over what it had come down to",
        ),
        *_step_checks(
            _applied(steps),
            max_drift_hz=settings.max_fwhm_ppm * spectral.frequency_mhz,
        ),
    ]


def _applied(steps: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The last step of each name, where it was applied; of two rejections that which left less."""
    by_name = {str(step.get("step")): step for step in steps}
    applied = {name: step for name, step in by_name.items() if step.get("applied")}
    rejections = [s for s in steps if s.get("step") == "shot rejection" and s.get("applied")]
    if rejections:
        applied["shot rejection"] = min(rejections, key=lambda step: step["kept"] / step["of"])
    return applied


def _step_checks(applied: Mapping[str, Mapping[str, Any]], *, max_drift_hz: float) -> list[Check]:
    """Shots, orientation and water, from the record of the steps that were applied."""
    checks = []
    if rejection := applied.get("shot rejection"):
        share = rejection["kept"] / rejection["of"]
        note = f"{rejection['kept']} of {rejection['of']} shots"
        checks.append(at_least("shots_kept_share", share, 0.75, note))
    if halves := applied.get("halves of the shots"):
        note = "second half of the shots against the first: movement, or another echo time"
        checks.append(at_most("shots_changed", float(halves["change"]), MAX_CHANGE, note))
    if alignment := applied.get("alignment"):
        drift = abs(float(alignment["drift_hz"]))
        note = "no more than the widest line that is let pass"
        checks.append(at_most("drift_hz", drift, max_drift_hz, note))
        checks.append(_without_limit("shot_phase_sd_deg", float(alignment["phase_sd_deg"])))
    if orientation := applied.get("orientation"):
        checks.append(
            Check(
                "orientation_evidence",
                float(orientation["evidence"]),
                ">= 0.67",
                False,
                "NAA, creatine and choline lay on the wrong side of water: the file holds the "
                "complex conjugate and was turned round",
            )
        )
    if eddy := applied.get("eddy currents"):
        checks.append(at_most("water_fwhm_ppm", float(eddy["water_fwhm_ppm"]), 0.15))
        if suits := eddy.get("reference_suits"):
            checks.append(Check("water_reference_suits", None, "", False, _SUITS[suits]))
        offset = float(eddy["water_offset_ppm"])
        checks.append(at_most("water_offset_ppm", abs(offset), 0.5))
    return checks + _scale_checks(applied)


def _scale_checks(applied: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Whether the axis is right, and the reference of this session and on this scale."""
    checks = []
    if lines := applied.get("places of lines"):
        note = "distances between NAA, creatine and choline over those of dwell time and frequency"
        low, high = 1 - MAX_LINE_SCALE_OFF, 1 + MAX_LINE_SCALE_OFF
        checks.append(between("line_scale", float(lines["scale"]), low, high, note))
    if noise := applied.get("noise of the reference"):
        low, high = (round(float(noise[key]), 3) for key in ("lowest", "highest"))
        checks.append(
            between("reference_noise", float(noise["noise_ratio"]), low, high, _noise_note(noise))
        )
    if edited := applied.get("scale of edited frames"):
        ratio = edited["noise_ratio"]
        checks.append(Check("edited_scale", ratio, "", False, _EDITED_SCALE))
    if choice := applied.get("water references"):
        weakest = min(choice["over_the_strongest"].values())
        note = f"water of the strongest of several references, which was taken ({choice['taken']})"
        checks.append(
            _without_limit("water_references_ratio", 1 / weakest, f"{note}, over the rest")
        )
    eddy = applied.get("eddy currents", {})
    if eddy and not eddy.get("reference_suits") and (placed := applied.get("reference and phase")):
        off = abs(float(placed["shift_ppm"]))
        note = "how far creatine lies from where the water of the reference puts it"
        checks.append(at_most("reference_on_frequency_ppm", off, MAX_OFF_REFERENCE_PPM, note))
    return checks


def _noise_note(noise: Mapping[str, Any]) -> str:
    """What the noise of a stored FID of the reference over that of the spectrum says."""
    ratio = float(noise["noise_ratio"])
    note = "noise of one stored FID of the reference over that of the spectrum"
    if ratio < noise["lowest"]:
        return (
            f"{note}: less than means or single shots at one gain can have; the spectrum is a sum, "
            "or the reference was received at a lower gain"
        )
    if ratio > noise["highest"]:
        return (
            f"{note}: more than means or single shots at one gain can have; the reference is a "
            "sum, or was received at a higher gain"
        )
    shots, of_reference = noise["stored_fids"]
    if shots == of_reference == 1:
        note += f"; if both are means on one scale, it has {ratio**2:.1f} times fewer shots"
    return note


#: Of edited spectra of GE with their own water.
_EDITED_SCALE = (
    "conversion as in Gannet divides edited frames of GE by two, or by the excitations in them, "
    "and not their water: concentrations may be too small by that factor, ratios are not touched; "
    "the value is the noise of one frame of the reference over that of the spectrum, which is that "
    "factor where both hold as many excitations"
)

#: What a water reference shows that does not sharpen the spectrum as it is.
_SUITS = {
    "conjugate": "the spectrum is sharpest with the conjugate of the reference's phase, which was "
    "taken: the reference is stored the other way round",
    "uncorrected": "the spectrum is sharpest without the reference's phase, which was left out: "
    "eddy currents have been corrected before, or the reference is of another acquisition",
}


def basis_check(flag: str) -> Check:
    """Whether the basis is that of the acquisition; ``flag`` says what is doubtful."""
    return Check("basis_of_this_echo_time", None, "", False if flag else None, flag)


def session_check(session: str, t1w_name: str) -> Check:
    """Whether the T1w image that the voxel is laid on is of the spectrum's session.

    Parameters
    ----------
    session
        Label of the spectrum's session; empty where the dataset has none.
    t1w_name
        File name of the T1w image.
    """
    t1w_session = next((p[4:] for p in t1w_name.split("_") if p.startswith("ses-")), "")
    note = (
        ""
        if t1w_session == session
        else f"the T1w image is of {f'ses-{t1w_session}' if t1w_session else 'no session'}: the "
        "head lay otherwise, and so did the voxel"
    )
    return Check("t1w_of_this_session", None, "", t1w_session == session, note)


def voxel_checks(
    fractions: TissueFractions,
    inside: float,
    place: VoxelPlace,
    region: str,
    *,
    settings: MrsMeasureSettings,
) -> list[Check]:
    """Tissue of the voxel, and whether it lies where its name says."""
    checks = [
        at_most("f_csf", fractions.csf, settings.max_csf_fraction),
        at_least("voxel_in_brain", inside, 0.9),
    ]
    wanted = VOI_STRUCTURES.get(region)
    top = ", ".join(f"{name} {100 * v:.0f} %" for name, v in list(place.structures.items())[:4])
    where = f"centre at ({', '.join(f'{v:.0f}' for v in place.centre_mm)}) mm in template space"
    centre = place.at_centre or "no labelled structure"
    if wanted is None:
        note = f"no structures are known for the name {region}; {where}, in {centre}; {top}"
        checks.append(Check("voi_share", None, note=note))
    else:
        share = sum(place.structures.get(name, 0.0) for name in wanted)
        promised = f"share of the voxel named {region} in {' and '.join(wanted)}"
        note = f"{promised}; {where}, in {centre}; {top}"
        checks.append(at_least("voi_share", share, MIN_VOI_SHARE, note))
    return checks


def _without_limit(name: str, value: float | None, note: str = "") -> Check:
    return Check(name, value if value is not None and np.isfinite(value) else None, note=note)
