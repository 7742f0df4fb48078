"""Basis sets made elsewhere: LCModel's ``.BASIS``, folders of NIfTI-MRS or of JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline

from commissure.errors import ConfigError, DatasetError
from commissure.mrs.acquisition.nifti_mrs import read_svs_fields
from commissure.mrs.builtin.basis.broad import macromolecule_fids
from commissure.mrs.builtin.basis.lcmodel import read_lcmodel_basis
from commissure.mrs.builtin.basis.simulated import Basis, creatine_correction
from commissure.mrs.builtin.basis.ties import macromolecule_ties, metabolite_ties
from commissure.mrs.builtin.signal.correction import damped_lines
from commissure.mrs.chemical_shift import WATER_PPM
from commissure.mrs.metabolites import is_macromolecule

#: Other tools' names of what is called otherwise here.
ALIASES: Mapping[str, str] = {
    "PCho": "PCh", "mI": "Ins", "mIns": "Ins", "Myo": "Ins", "Scyllo": "sIns", "sI": "sIns",
    "Glth": "GSH", "Gsh": "GSH", "Cre": "Cr",
}  # fmt: skip

#: Columns that no brain spectrum between 0.2 and 4.2 ppm has.
_DROPPED = ("H2O", "Ref0ppm", "TSP", "DSS")

#: Frequencies that differ by more belong to another field strength.
_SAME_FIELD = 0.01

#: Echo times that differ by more are not the same.
_SAME_TE_S = 0.0005

_CREATINE_PPM = 3.027


@dataclass(frozen=True)
class StoredBasis:
    """A basis as its file has it.

    Attributes
    ----------
    names, fids
        One complex FID per metabolite, (metabolites, points), frequencies counting upwards in ppm.
    dwell_s, frequency_mhz
        Of the FIDs.
    te_s
        Echo time; None where none is named.
    sequence
        In lower case; empty where none is named.
    source
        File or folder name, for messages and sidecars.
    """

    names: tuple[str, ...]
    fids: np.ndarray
    dwell_s: float
    frequency_mhz: float
    te_s: float | None
    sequence: str
    source: str


def read_basis(path: Path) -> StoredBasis:
    """Read a basis set.

    Parameters
    ----------
    path
        An LCModel ``.BASIS`` file, or a folder with one NIfTI-MRS file (``Glu.nii.gz``) or one JSON
        file of FSL-MRS (``Glu.json``) per metabolite.

    Raises
    ------
    ConfigError
        Nothing is there, or it is none of these.
    DatasetError
        A file is unreadable, or files of a folder disagree.
    """
    who = "mrs.basis"
    if path.is_file() and path.suffix.lower() == ".basis":
        lcmodel = read_lcmodel_basis(path, who=who)
        stored = StoredBasis(
            lcmodel.names, lcmodel.fids, lcmodel.dwell_s, lcmodel.frequency_mhz, lcmodel.te_s,
            lcmodel.sequence, path.name,
        )  # fmt: skip
    else:
        files = sorted(path.glob("*.nii*")) or sorted(path.glob("*.json")) if path.is_dir() else []
        if not files:
            raise ConfigError(
                who,
                found=f"{path.name} is no .BASIS file and no folder with .nii.gz or .json files"
                if path.exists()
                else f"{path} does not exist",
                wanted="an LCModel .BASIS file, or a folder with a file per metabolite",
                mend="Mend mrs.basis",
            )
        stored = _read_folder(path, files, who)
    fids = np.array([_in_our_convention(stored, fid) for fid in stored.fids])
    names = tuple(ALIASES.get(name, name) for name in stored.names)
    keep = [i for i, name in enumerate(names) if name not in _DROPPED]
    return StoredBasis(
        tuple(names[i] for i in keep), fids[keep], stored.dwell_s, stored.frequency_mhz,
        stored.te_s, stored.sequence, stored.source,
    )  # fmt: skip


def _in_our_convention(stored: StoredBasis, fid: np.ndarray) -> np.ndarray:
    """Turn round an FID whose lines lie above water, and restore a first point stored as half."""
    spectrum = np.abs(np.fft.fft(fid))
    frequency = np.fft.fftfreq(len(fid), stored.dwell_s) / stored.frequency_mhz
    below, above = (
        float((spectrum[(sign * frequency > 0.3) & (sign * frequency < 4.6)] ** 2).sum())
        for sign in (-1, 1)
    )
    fid = fid.conj() if above > below else fid.copy()
    if 0.4 < abs(fid[0]) / max(abs(fid[1]), np.finfo(float).tiny) < 0.6:
        fid[0] *= 2
    return fid


def _read_folder(folder: Path, files: list[Path], who: str) -> StoredBasis:
    rows = [_read_metabolite(file, who) for file in files]
    first = rows[0]
    for file, row in zip(files, rows, strict=True):
        same = (
            len(row[0]) == len(first[0])
            and np.allclose(row[1:3], first[1:3], rtol=1e-4)
            and row[3:] == first[3:]
        )
        if not same:
            raise DatasetError(
                who,
                found=f"{file.name} has another sampling, frequency, echo time or sequence than "
                f"{files[0].name}",
                wanted="one acquisition for all files of a basis",
                mend=f"Simulate the folder {folder.name} again",
            )
    return StoredBasis(
        tuple(file.name.split(".")[0] for file in files),
        np.array([row[0] for row in rows]),
        *first[1:],
        source=folder.name,
    )


def _read_metabolite(file: Path, who: str) -> tuple[np.ndarray, float, float, float | None, str]:
    """FID, dwell time, frequency in MHz, echo time and sequence of one metabolite."""
    if file.suffix != ".json":
        fid, dwell_s, header = read_svs_fields(file, who=who)
        frequency = header.get("SpectrometerFrequency")
        te = header.get("EchoTime")
        name = str(header.get("SequenceName", "") or "")
    else:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            part = content.get("basis", content)
            fid = np.array(part["basis_re"], float) + 1j * np.array(part["basis_im"], float)
            dwell_s, frequency = float(part["basis_dwell"]), float(part["basis_centre"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                who,
                found=f"{file.name} has no readable basis ({type(error).__name__}: {error})",
                wanted="basis_re, basis_im, basis_dwell and basis_centre (MHz)",
                mend=f"Simulate {file.name} again",
            ) from error
        sequence = content.get("seq") if isinstance(content.get("seq"), dict) else {}
        te = content.get("meta", {}).get("TE") if isinstance(content.get("meta"), dict) else None
        te = sequence.get("TE", te)
        name = str(sequence.get("sequenceName", ""))
    if frequency is None or not np.isfinite(fid).all() or not np.abs(fid).any():
        raise DatasetError(
            who,
            found=f"{file.name} names no frequency, is empty, or holds NaN",
            wanted="finite FIDs with their spectrometer frequency",
            mend=f"Simulate {file.name} again",
        )
    te_s = None if te is None else float(te)
    return fid, dwell_s, float(frequency), te_s, name.lower()


def check_basis(
    stored: StoredBasis,
    *,
    te_s: float,
    frequency_mhz: float,
    allow_other_echo_time: bool,
    who: str,
) -> str:
    """Hold a basis against the acquisition it shall explain.

    Returns
    -------
    str
        What is to be flagged; empty where the echo times agree.

    Raises
    ------
    ConfigError
        The field strength is another; or the echo time is another or not named, and
        ``mrs.basis_of_another_echo_time`` does not allow it.
    """
    if abs(stored.frequency_mhz / frequency_mhz - 1) > _SAME_FIELD:
        raise ConfigError(
            who,
            found=f"the basis {stored.source} is for {stored.frequency_mhz:.2f} MHz and the "
            f"spectrum was taken at {frequency_mhz:.2f} MHz",
            wanted="a basis of the same field strength",
            mend="Name another file under mrs.basis, or leave it empty to simulate one",
        )
    if stored.te_s is not None and abs(stored.te_s - te_s) <= _SAME_TE_S:
        return ""
    named = "no echo time" if stored.te_s is None else f"TE {stored.te_s * 1e3:.4g} ms"
    note = f"the basis {stored.source} names {named}, the spectrum has TE {te_s * 1e3:.4g} ms"
    if not allow_other_echo_time:
        raise ConfigError(
            who,
            found=note,
            wanted="a basis of the spectrum's echo time: couplings turn with it",
            mend="Name another file under mrs.basis, leave it empty to simulate one, or set "
            "mrs.basis_of_another_echo_time to true and live with the flag",
        )
    return note


def stored_basis_on(
    stored: StoredBasis, *, points: int, dwell_s: float, frequency_mhz: float
) -> Basis:
    """Bring a stored basis to the sampling, reference and unit of the fit.

    Raises
    ------
    ConfigError
        The basis has no creatine or no NAA, or its spectral width does not hold 0 to 4.65 ppm.

    Notes
    -----
    Creatine's methyl singlet sets the reference (3.027 ppm), the phase and the unit (1.5, half a
    unit per proton) for all columns. FIDs are interpolated by quintic splines after the middle of
    the spectrum has been turned to zero frequency. Where the basis has no macromolecules the
    project's Gaussians are added.
    """
    missing = [name for name in ("Cr", "NAA") if name not in stored.names]
    if missing or stored.dwell_s * stored.frequency_mhz > 1 / (2 * WATER_PPM):
        raise ConfigError(
            "mrs.basis",
            found=f"{stored.source} has no {', '.join(missing)}"
            if missing
            else f"{stored.source} has a spectral width of {1 / stored.dwell_s:.0f} Hz",
            wanted="creatine and NAA, and at least 9.3 ppm of width",
            mend="Name another file under mrs.basis",
        )
    shift_hz, factor = _creatine_line(stored)
    t = np.arange(points) * dwell_s
    fids = _resampled(stored, t, shift_hz) * factor
    broad = [i for i, name in enumerate(stored.names) if is_macromolecule(name)]
    rest = [i for i in range(len(stored.names)) if i not in broad]
    names = [stored.names[i] for i in rest] + ["-CrCH2"] + [stored.names[i] for i in broad]
    sampling: dict[str, Any] = {
        "points": points, "dwell_s": dwell_s, "frequency_mhz": frequency_mhz,
    }  # fmt: skip
    parts = [fids[rest], creatine_correction(**sampling)[None], fids[broad]]
    if not broad:
        gaussians = macromolecule_fids("soft", **sampling)
        names += list(gaussians)
        parts.append(np.array(list(gaussians.values())))
    array = np.concatenate(parts)
    array.setflags(write=False)
    te = (
        "an echo time it does not name" if stored.te_s is None else f"TE {stored.te_s * 1e3:.4g} ms"
    )
    return Basis(
        names=tuple(names),
        fids=array,
        macromolecules=len(names) - len(rest) - 1,
        description=f"{stored.source}: {stored.sequence or 'a sequence it does not name'}, {te}, "
        f"{stored.frequency_mhz:.3f} MHz; macromolecules " + ("of the basis" if broad else "soft"),
        ties=(*(() if broad else macromolecule_ties("soft")), *metabolite_ties()),
    )


def with_measured_macromolecules(
    basis: Basis, stored: StoredBasis, *, dwell_s: float, frequency_mhz: float
) -> Basis:
    """A simulated basis with the macromolecules of a stored one in place of its own.

    Raises
    ------
    ConfigError
        The stored basis has no macromolecules, or is unusable (see :func:`stored_basis_on`).
    """
    if not any(is_macromolecule(name) for name in stored.names):
        raise ConfigError(
            "mrs.measured_macromolecules",
            found=f"{stored.source} has {', '.join(stored.names)}",
            wanted="at least one macromolecule (MM*, Mac) beside creatine and NAA",
            mend="Name another file under mrs.measured_macromolecules",
        )
    measured = stored_basis_on(
        stored, points=basis.fids.shape[1], dwell_s=dwell_s, frequency_mhz=frequency_mhz
    )
    kept = len(basis.names) - basis.macromolecules
    broad = slice(len(measured.names) - measured.macromolecules, None)
    array = np.concatenate([basis.fids[:kept], measured.fids[broad]])
    array.setflags(write=False)
    return Basis(
        names=(*basis.names[:kept], *measured.names[broad]),
        fids=array,
        macromolecules=measured.macromolecules,
        description=f"{basis.description.rpartition('; ')[0]}; macromolecules of {stored.source}",
        ties=metabolite_ties(),
    )


def _creatine_line(stored: StoredBasis) -> tuple[float, complex]:
    """Shift (Hz) that brings creatine to 3.027 ppm, and the factor to 1.5 in phase."""
    fid = stored.fids[stored.names.index("Cr")]
    poles, amplitudes = damped_lines(fid, components=12, dwell_s=stored.dwell_s)
    hz = np.angle(poles) / (2 * np.pi * stored.dwell_s)
    wanted = (_CREATINE_PPM - WATER_PPM) * stored.frequency_mhz
    near = np.abs(hz - wanted) < 0.15 * stored.frequency_mhz
    if not near.any():
        raise ConfigError(
            "mrs.basis",
            found=f"creatine of {stored.source} has no line near 3.03 ppm",
            wanted="a carrier at or near 4.65 ppm",
            mend="Name another file under mrs.basis",
        )
    weight = np.abs(amplitudes[near])
    return float(wanted - np.average(hz[near], weights=weight)), 1.5 / amplitudes[near].sum()


def _resampled(stored: StoredBasis, t: np.ndarray, shift_hz: float) -> np.ndarray:
    stored_t = np.arange(stored.fids.shape[1]) * stored.dwell_s
    middle = 2j * np.pi * (WATER_PPM - 2.5) * stored.frequency_mhz
    spline = make_interp_spline(stored_t, stored.fids * np.exp(middle * stored_t), k=5, axis=1)
    inside = t <= stored_t[-1] + 1e-9
    fids = np.zeros((len(stored.fids), len(t)), complex)
    known_t = np.minimum(t[inside], stored_t[-1])
    fids[:, inside] = spline(known_t) * np.exp((2j * np.pi * shift_hz - middle) * known_t)
    return fids
