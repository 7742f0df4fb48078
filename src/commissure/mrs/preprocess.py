"""The built-in engine: one raw acquisition to an averaged spectrum and its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.images.anatomy import AnatFiles
from commissure.mrs.align import Alignment, align_shots, turned, unlike_shots
from commissure.mrs.bases import check_basis, read_basis, stored_basis_on
from commissure.mrs.basis import Basis, simulated_basis, with_lipids
from commissure.mrs.clean import (
    eddy_corrected,
    eddy_phase,
    orientation,
    referenced,
    water_removed,
    water_signal,
)
from commissure.mrs.combine import coil_weights, combined
from commissure.mrs.edited import difference_of, edited_bases, fit_difference
from commissure.mrs.fit import Fit, fit_spectrum
from commissure.mrs.outputs import EDITED, write_fit
from commissure.mrs.reporting import acquisition
from commissure.mrs.sequences import Sequence, SequenceName
from commissure.mrs.settings import MrsSettings
from commissure.mrs.spin_systems import SUMS
from commissure.mrs.svs import Svs, read_conditions, write_svs
from commissure.names import Scan
from commissure.rows import write_json

#: Words in metadata by the sequence they mean, the telling ones first.
_SEQUENCES: tuple[tuple[str, SequenceName], ...] = (
    ("mega", "mega-press"), ("laser", "slaser"), ("steam", "steam"), ("press", "press"),
)  # fmt: skip

_TINY = float(np.finfo(float).tiny)

#: Sequences that no basis is simulated for.
_NOT_SIMULATED = ("special", "hermes", "hercules")


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
    ConfigError
        The basis that the settings name does not suit the spectrum.
    DatasetError
        A file is missing, unreadable, or contradicts physics (see :func:`read_conditions`).
    QualityError
        The spectrum holds no creatine.
    """
    region = scan.entities.get("voi") or settings.voi
    conditions = read_conditions(scan.path, tuple(scan.sidecars), who=scan.who)
    if len(conditions) > 1:
        _preprocess_edited(scan, folder, region, conditions, settings)
        return
    svs = conditions[""]
    basis, flag = basis_for(svs, settings, who=scan.who)
    water = read_water(scan, svs)
    spectrum = averaged_spectrum(svs, water, shot_rejection_sd=settings.shot_rejection_sd)
    fit, basis = _fitted(spectrum, basis, settings)
    _write(scan, folder, region, spectrum)
    write_fit(fit, folder, scan, region, basis=basis.description, basis_flag=flag)


def _fitted(spectrum: Spectrum, basis: Basis, settings: MrsSettings) -> tuple[Fit, Basis]:
    """The fit, and the basis it was made with: lipids are added where they show."""
    flexibility = settings.baseline_flexibility_per_ppm
    sampling: dict[str, Any] = {
        "dwell_s": spectrum.svs.dwell_s, "frequency_mhz": spectrum.svs.frequency_mhz,
    }  # fmt: skip

    def fitted(columns: Basis) -> Fit:
        return fit_spectrum(
            spectrum.svs.averaged(),
            columns,
            low_ppm=settings.fit_low_ppm,
            high_ppm=settings.fit_high_ppm,
            shift_sd_ppm=settings.shift_sd_ppm,
            width_sd_hz=settings.width_sd_hz,
            freedom_per_ppm=None if isinstance(flexibility, str) else flexibility,
            **sampling,
        )

    if settings.lipids != "yes":
        fit = fitted(basis)
        if settings.lipids == "no" or not shows_lipids(fit):
            return fit, basis
    basis = with_lipids(basis, **sampling)
    return fitted(basis), basis


def shows_lipids(fit: Fit) -> bool:
    """Whether a spectrum is much higher at 1.3 ppm than at 0.9 ppm, where macromolecules are."""
    above = fit.data - fit.baseline
    lipid = above[(fit.ppm > 1.2) & (fit.ppm < 1.4)]
    methyl = above[(fit.ppm > 0.85) & (fit.ppm < 0.97)]
    naa = above[(fit.ppm > 1.9) & (fit.ppm < 2.1)]
    if not len(lipid) or not len(methyl):
        return False
    return bool(lipid.max() > max(2.0 * methyl.max(), 0.15 * naa.max()))


def _preprocess_edited(
    scan: Scan, folder: Path, region: str, conditions: Mapping[str, Svs], settings: MrsSettings
) -> None:
    """MEGA-PRESS: glutathione from the difference, everything else from the unedited spectrum."""
    off_svs = conditions["OFF"]
    sequence = sequence_of(off_svs, settings, who=scan.who)
    if settings.basis or sequence.name != "mega-press":
        raise ConfigError(
            scan.who,
            found=f"{off_svs.name} holds edited sub-spectra, the sequence is {sequence.name} and "
            f"mrs.basis is '{settings.basis}'",
            wanted="mrs.sequence mega-press and no basis file: a difference needs both conditions",
            mend="Mend mrs.sequence and leave mrs.basis empty",
        )
    if EDITED not in settings.metabolites:
        raise ConfigError(
            scan.who,
            found=f"{off_svs.name} is edited and mrs.metabolites has no {EDITED}",
            wanted=f"{EDITED}, which the difference is fitted for",
            mend="Mend mrs.metabolites",
        )
    sampling: dict[str, Any] = {
        "dwell_s": off_svs.dwell_s, "frequency_mhz": off_svs.frequency_mhz,
    }  # fmt: skip
    bases = edited_bases(
        settings.metabolites, replace(sequence, edit_ppm=settings.edit_on_ppm), sequence,
        points=off_svs.points, **sampling,
    )  # fmt: skip
    if EDITED not in bases.difference.names:
        raise ConfigError(
            scan.who,
            found=f"editing at {settings.edit_on_ppm:g} ppm changes nothing of {EDITED}",
            wanted="mrs.edit_on_ppm near 4.56",
            mend="Mend mrs.edit_on_ppm; other edited metabolites are not read",
        )
    water = read_water(scan, off_svs)
    off, on = (
        averaged_spectrum(conditions[name], water, shot_rejection_sd=settings.shot_rejection_sd)
        for name in ("OFF", "ON")
    )
    fit, basis = _fitted(off, bases.off, settings)
    edited_fit, _ = _fitted(on, bases.on, settings)
    left = edited_fit.total(SUMS["tNAA"])[0] / max(fit.total(SUMS["tNAA"])[0], _TINY)
    if left < 0.5:
        raise DatasetError(
            scan.who,
            found=f"NAA of the edited sub-spectrum of {off_svs.name} is {left:.2f} of that of the "
            "unedited one, as where GABA is edited at 1.9 ppm",
            wanted=f"editing of {EDITED} at {settings.edit_on_ppm:g} ppm, which spares NAA",
            mend="Leave the file out, or look whether ON and OFF are named the right way round",
        )
    difference = difference_of(
        on.svs.averaged(), off.svs.averaged(), edited_fit, fit, dwell_s=off_svs.dwell_s
    )
    found = fit_difference(difference.fid, bases.difference, fit, **sampling)
    steps = [{**step, "spectrum": "unedited"} for step in off.steps]
    steps += [{**step, "spectrum": "edited"} for step in on.steps]
    _write(scan, folder, region, replace(off, steps=[*steps, difference.step()]))
    write_fit(
        fit, folder, scan, region, basis=basis.description, difference=found,
        difference_basis=bases.difference.description,
    )  # fmt: skip


def sequence_of(svs: Svs, settings: MrsSettings, *, who: str) -> Sequence:
    """What the spins of an acquisition went through.

    Raises
    ------
    DatasetError
        The metadata name a sequence that is not simulated, or STEAM without a mixing time.
    """
    name = settings.sequence
    if name == "auto":
        refused = [word for word in _NOT_SIMULATED if word in svs.sequence]
        semi = any(word in svs.sequence for word in ("slaser", "semi"))
        if refused or ("laser" in svs.sequence and not semi):
            raise DatasetError(
                who,
                found=f"the metadata of {svs.name} name the sequence '{svs.sequence}'",
                wanted="PRESS, sLASER, STEAM or MEGA-PRESS, which bases are simulated for",
                mend="Name a basis for it under mrs.basis, or the nearest under mrs.sequence",
            )
        named = [word for word, _ in _SEQUENCES if word in svs.sequence]
        name = dict(_SEQUENCES)[named[0]] if named else "press"
    if name == "steam":
        mixing = svs.metadata.get("MixingTime", settings.mixing_time_s)
        if mixing is None:
            raise DatasetError(
                who,
                found=f"{svs.name} is STEAM and its metadata give no MixingTime",
                wanted="the mixing time in seconds",
                mend="Give MixingTime in the sidecar, or mrs.mixing_time_s",
            )
        return Sequence("steam", svs.te_s, mixing_s=float(mixing))
    if name == "slaser":
        return Sequence("slaser", svs.te_s)
    if name == "press":
        return Sequence("press", svs.te_s, settings.first_echo_s)
    return Sequence(
        name, svs.te_s, settings.first_echo_s, edit_ppm=settings.edit_off_ppm,
        edit_bandwidth_hz=settings.edit_bandwidth_hz,
    )  # fmt: skip


def basis_for(svs: Svs, settings: MrsSettings, *, who: str) -> tuple[Basis, str]:
    """The basis of an acquisition: the one that the settings name, else a simulated one.

    Returns
    -------
    basis, flag
        ``flag`` says what is doubtful about it; empty where nothing is.

    Raises
    ------
    ConfigError
        The basis named is for another field strength, or for another echo time without leave.
    DatasetError
        The metadata name a sequence that is not simulated.
    """
    sampling: dict[str, Any] = {
        "frequency_mhz": svs.frequency_mhz, "points": svs.points, "dwell_s": svs.dwell_s,
    }  # fmt: skip
    if not settings.basis:
        sequence = sequence_of(svs, settings, who=who)
        return simulated_basis(settings.metabolites, sequence, **sampling), ""
    stored = read_basis(Path(settings.basis))
    flag = check_basis(
        stored,
        te_s=svs.te_s,
        frequency_mhz=svs.frequency_mhz,
        allow_other_echo_time=settings.basis_of_another_echo_time,
        who=who,
    )
    return stored_basis_on(stored, **sampling), flag


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
    # An edited reference holds water twice; the pulses leave it alone, so one will do.
    found = read_conditions(path, (beside,) if beside else (), who=scan.who)
    water = found.get("OFF", found.get(""))
    assert water is not None
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
    raw
        What the raw file says of itself, see :func:`commissure.mrs.reporting.acquisition`.
    """

    svs: Svs
    water: Svs | None
    steps: list[Mapping[str, Any]]
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    kept: np.ndarray = field(repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict)


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
        raw=acquisition(svs),
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


def _write(scan: Scan, folder: Path, region: str, spectrum: Spectrum) -> None:
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
                "Acquisition": spectrum.raw if suffix == "svs" else {},
                "Steps": spectrum.steps,
            },
            path(suffix, ".json", "preproc"),
        )
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
