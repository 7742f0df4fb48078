"""The built-in engine: one raw acquisition to an averaged spectrum and its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.images.anatomy import AnatFiles
from commissure.mrs.align import Alignment, align_shots, turned, unlike_shots
from commissure.mrs.basis import press_basis
from commissure.mrs.clean import (
    eddy_corrected,
    eddy_phase,
    orientation,
    referenced,
    water_removed,
    water_signal,
)
from commissure.mrs.combine import coil_weights, combined
from commissure.mrs.fit import Fit, fit_spectrum
from commissure.mrs.outputs import write_fit
from commissure.mrs.settings import MrsSettings
from commissure.mrs.svs import Svs, read_svs, write_svs
from commissure.names import Scan
from commissure.rows import write_json

#: Sequences whose echo is not that of PRESS, as they appear in metadata.
_OTHER_SEQUENCES = ("steam", "laser", "mega", "special", "hermes", "hercules")


def preprocess(scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: MrsSettings) -> None:
    """Combine, align, clean and fit one spectrum, and write the derivatives.

    Parameters
    ----------
    scan
        A ``svs`` file; its companion ``mrsref`` is the water reference, if there is one.
    folder
        Where to write: ``<output_dir>/sub-XX[/ses-YY]/mrs``.
    anat
        Not used; every room's engine is called alike.
    settings
        See :class:`MrsSettings`.

    Raises
    ------
    DatasetError
        A file is missing, unreadable, or contradicts physics (see :func:`read_svs`).
    QualityError
        The spectrum holds no creatine.
    """
    region = scan.entities.get("voi") or settings.voi
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    _refuse_other_sequences(svs, scan.who)
    water = read_water(scan, svs)
    spectrum = averaged_spectrum(svs, water, shot_rejection_sd=settings.shot_rejection_sd)
    flexibility = settings.baseline_flexibility_per_ppm
    basis = press_basis(
        settings.metabolites,
        te_s=svs.te_s,
        frequency_mhz=svs.frequency_mhz,
        points=svs.points,
        dwell_s=svs.dwell_s,
    )
    fit = fit_spectrum(
        spectrum.svs.averaged(),
        basis,
        dwell_s=svs.dwell_s,
        frequency_mhz=svs.frequency_mhz,
        low_ppm=settings.fit_low_ppm,
        high_ppm=settings.fit_high_ppm,
        shift_sd_ppm=settings.shift_sd_ppm,
        freedom_per_ppm=None if isinstance(flexibility, str) else flexibility,
    )
    _write(scan, folder, region, spectrum, fit, basis.description)


def _refuse_other_sequences(svs: Svs, who: str) -> None:
    found = [name for name in _OTHER_SEQUENCES if name in svs.sequence]
    if found:
        raise DatasetError(
            who,
            found=f"the metadata of {svs.name} name the sequence '{svs.sequence}'",
            wanted="PRESS, which the built-in basis is simulated for",
            mend="Fit these spectra with another tool and give its table",
        )


def read_water(scan: Scan, svs: Svs) -> Svs | None:
    """Read the water reference of a spectrum, or None where the dataset has none.

    Raises
    ------
    DatasetError
        Its voxel, coils or sampling are not those of the spectrum.
    """
    path = scan.companions.get("mrsref")
    if path is None:
        return None
    beside = scan.companions.get("mrsref_json")
    water = read_svs(path, (beside,) if beside else (), who=scan.who)
    offset = float(np.linalg.norm(water.affine[:3, 3] - svs.affine[:3, 3]))
    for what, mine, theirs, same in (
        ("coils", svs.fids.shape[1], water.fids.shape[1], None),
        ("dwell time (s)", svs.dwell_s, water.dwell_s, 1e-6),
        ("spectrometer frequency (MHz)", svs.frequency_mhz, water.frequency_mhz, 1e-3),
    ):
        if abs(theirs - mine) > (same or 0) * abs(mine):
            raise DatasetError(
                scan.who,
                found=f"{what} of {water.name} is {theirs:g} and of {svs.name} {mine:g}",
                wanted="a water reference with the coils and the sampling of the spectrum",
                mend=f"Convert both again, or remove {water.name}",
            )
    if offset > 1.0:
        raise DatasetError(
            scan.who,
            found=f"the voxel of {water.name} lies {offset:.1f} mm from that of {svs.name}",
            wanted="one voxel",
            mend=f"Remove {water.name}, or pair it with the spectrum it belongs to",
        )
    return water


@dataclass(frozen=True)
class Spectrum:
    """An averaged spectrum with what was done to it.

    Attributes
    ----------
    svs, water
        One FID each; water is None where there was no reference.
    steps
        What each step did, in order; ``applied`` false with a ``reason`` where it could not.
    before, after
        Shots (shots, points) before and after alignment, for the figure.
    kept
        Which shots were averaged.
    """

    svs: Svs
    water: Svs | None
    steps: list[Mapping[str, Any]]
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    kept: np.ndarray = field(repr=False)


def averaged_spectrum(svs: Svs, water: Svs | None, *, shot_rejection_sd: float = 2.58) -> Spectrum:
    """Preprocess in the order of the consensus (Near J et al., NMR Biomed 34:e4257, 2021)."""
    sampling: dict[str, Any] = {"dwell_s": svs.dwell_s, "frequency_mhz": svs.frequency_mhz}
    steps: list[Mapping[str, Any]] = []

    shots, water_shots, step = _combined(svs.fids, water.fids if water else None)
    steps.append(step)

    facing = orientation(shots.mean(axis=0), **sampling)
    if facing.conjugated:
        shots = shots.conj()
        water_shots = None if water_shots is None else water_shots.conj()
    steps.append(
        {"step": "orientation", "applied": facing.conjugated, "evidence": facing.evidence}
        | ({"reason": "stored as the complex conjugate"} if facing.conjugated else {})
    )

    before = shots
    shots, kept, more = _aligned(shots, sampling, shot_rejection_sd)
    steps += more
    fid = shots[kept].mean(axis=0)

    reference = None
    if water_shots is None or water is None:
        steps.append(_skipped("eddy currents", "the dataset has no water reference"))
    else:
        if len(water_shots) > 1:
            turn = align_shots(water_shots, low_ppm=0.0, high_ppm=8.0, **sampling)
            water_shots = turned(water_shots, turn.shift_hz, turn.phase_rad, dwell_s=svs.dwell_s)
        reference = _to_length(water_shots.mean(axis=0), svs.points)
        phase = eddy_phase(reference, dwell_s=svs.dwell_s)
        signal = water_signal(reference, **sampling)
        fid, reference = eddy_corrected(fid, phase), eddy_corrected(reference, phase)
        early = phase[: min(svs.points, round(0.1 / svs.dwell_s))]
        t = np.arange(len(early))
        bent = early - np.polyval(np.polyfit(t, early, 1), t)
        steps.append(
            {
                "step": "eddy currents",
                "applied": True,
                "water_shots": len(water_shots),
                "largest_phase_deg": float(np.degrees(np.abs(bent).max())),
                "water_fwhm_ppm": signal.fwhm_hz / svs.frequency_mhz,
                "water_offset_ppm": signal.offset_ppm,
            }
        )

    fid, height = water_removed(fid, **sampling)
    steps.append({"step": "residual water", "applied": True, "removed_amplitude": height})
    fid, shift_ppm, phase_deg = referenced(fid, **sampling)
    steps.append(
        {
            "step": "reference and phase", "applied": True, "shift_ppm": shift_ppm,
            "phase_deg": phase_deg,
        }
    )  # fmt: skip
    return Spectrum(
        svs=svs.with_fid(fid),
        water=None
        if water is None or reference is None
        else replace(water, fids=reference[None, None]),
        steps=steps,
        before=before,
        after=shots,
        kept=kept,
    )


def _skipped(step: str, reason: str) -> Mapping[str, Any]:
    return {"step": step, "applied": False, "reason": reason}


def _combined(
    fids: np.ndarray, water: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, Mapping[str, Any]]:
    if fids.shape[1] == 1:
        only = None if water is None else water[:, 0]
        return fids[:, 0], only, _skipped("coil combination", "the file holds one channel")
    weights = coil_weights(fids, water)
    step = {
        "step": "coil combination",
        "applied": True,
        "coils": fids.shape[1],
        "weights_from": weights.source,
        "largest_noise_correlation": weights.noise_correlation,
    }
    both = None if water is None else combined(water, weights.weights)
    return combined(fids, weights.weights), both, step


def _aligned(
    shots: np.ndarray, sampling: Mapping[str, float], limit_sd: float
) -> tuple[np.ndarray, np.ndarray, list[Mapping[str, Any]]]:
    """Align, leave out unlike shots, align the rest again."""
    count = len(shots)
    kept = np.ones(count, bool)
    if count == 1:
        reason = "the file holds one averaged spectrum"
        return shots, kept, [_skipped("alignment", reason), _skipped("shot rejection", reason)]
    steps: list[Mapping[str, Any]] = []
    found = align_shots(shots, **sampling)
    aligned = turned(shots, found.shift_hz, found.phase_rad, dwell_s=sampling["dwell_s"])
    distance = np.zeros(count)
    if count >= 8:
        distance, unlike = unlike_shots(aligned, limit_sd=limit_sd, **sampling)
        kept = ~unlike
        again = align_shots(shots[kept], **sampling)
        found = _filled(found, again, kept)
        aligned = turned(shots, found.shift_hz, found.phase_rad, dwell_s=sampling["dwell_s"])
        rejection: Mapping[str, Any] = {
            "step": "shot rejection",
            "applied": True,
            "limit_sd": limit_sd,
            "kept": int(kept.sum()),
            "of": count,
            "rejected": np.flatnonzero(~kept),
            "distance": distance / np.median(distance),
        }
    else:
        rejection = _skipped("shot rejection", f"{count} shots are too few to tell unlike ones")
    shift = -found.shift_hz[kept]
    per_shot = float(np.polyfit(np.flatnonzero(kept), shift, 1)[0])
    steps.append(
        {
            "step": "alignment",
            "applied": True,
            "shots": count,
            "drift_hz": per_shot * (count - 1),
            "shift_sd_hz": float(shift.std()),
            "phase_sd_deg": float(np.degrees(found.phase_rad[kept]).std()),
            "shift_hz": found.shift_hz,
            "phase_deg": np.degrees(found.phase_rad),
        }
    )  # fmt: skip
    steps.append(rejection)
    return aligned, kept, steps


def _filled(first: Alignment, again: Alignment, kept: np.ndarray) -> Alignment:
    """The second alignment for the shots kept, the first for the others."""
    parts = []
    for name in ("shift_hz", "phase_rad", "match"):
        values = getattr(first, name).copy()
        values[kept] = getattr(again, name)
        parts.append(values)
    return Alignment(*parts)


def _to_length(fid: np.ndarray, points: int) -> np.ndarray:
    return np.pad(fid[:points], (0, max(0, points - len(fid))))


def _write(scan: Scan, folder: Path, region: str, spectrum: Spectrum, fit: Fit, basis: str) -> None:
    from commissure.mrs.figures import shots_figure, write_figure

    def path(suffix: str, extension: str, desc: str = "") -> Path:
        return folder / scan.derivative(suffix, extension, voi=region, desc=desc)

    for suffix, svs in (("svs", spectrum.svs), ("mrsref", spectrum.water)):
        if svs is None:
            continue
        write_svs(svs, path(suffix, ".nii.gz", "preproc"))
        source = scan.path if suffix == "svs" else scan.companions["mrsref"]
        write_json(
            {
                "Sources": [source.name],
                "SpatialReference": "scanner",
                "EchoTime": svs.te_s,
                "RepetitionTime": svs.tr_s,
                "Steps": spectrum.steps,
            },
            path(suffix, ".json", "preproc"),
        )
    write_fit(fit, folder, scan, region, basis=basis)
    if len(spectrum.before) > 1:
        figure = shots_figure(
            spectrum.before,
            spectrum.after,
            spectrum.kept,
            dwell_s=spectrum.svs.dwell_s,
            frequency_mhz=spectrum.svs.frequency_mhz,
            title=f"{scan.who}, voxel {region}: shots before and after alignment",
        )
        write_figure(figure, folder / "figures" / scan.derivative("svs", ".svg", desc="shots"))
