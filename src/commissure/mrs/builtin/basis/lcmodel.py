"""Files of LCModel: time-domain ``.RAW`` and ``.H2O``, and frequency-domain ``.BASIS``.

A Fortran namelist (``$NAME key = value, ... $END``) goes before numbers in pairs of real and
imaginary part. LCModel counts frequencies the other way round: everything is conjugated on reading
(Provencher SW, LCModel & LCMgui User's Manual, chapter 5 and 8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commissure.errors import DatasetError

_FIELD = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|[^,$\s]+)")


@dataclass(frozen=True)
class LcmodelBasis:
    """What a ``.BASIS`` file holds.

    Attributes
    ----------
    names, fids
        One complex FID per metabolite, (metabolites, points), conjugated.
    dwell_s, frequency_mhz
        Of the FIDs.
    te_s
        Echo time; None where the file names none.
    sequence
        In lower case; empty where the file names none.
    """

    names: tuple[str, ...]
    fids: np.ndarray
    dwell_s: float
    frequency_mhz: float
    te_s: float | None
    sequence: str


def _namelist(text: str) -> dict[str, str]:
    """Fields of namelists by upper-case key; a key that stands twice keeps its first value."""
    fields: dict[str, str] = {}
    for key, value in _FIELD.findall(text):
        fields.setdefault(key.upper(), value.strip("'").strip())
    return fields


def _numbers(text: str, path: Path, who: str) -> np.ndarray:
    try:
        values = np.array(text.split(), float)
    except ValueError:
        values = np.empty(0)
    if len(values) < 2 or len(values) % 2 or not np.isfinite(values).all():
        raise DatasetError(
            who,
            found=f"{path.name} holds {len(values)} readable numbers after a namelist",
            wanted="pairs of finite real and imaginary parts",
            mend=f"Copy or export {path.name} again",
        )
    return values[::2] + 1j * values[1::2]


def _text(path: Path, who: str) -> str:
    try:
        return path.read_text(encoding="ascii", errors="strict")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            who,
            found=f"{path.name} cannot be read ({type(error).__name__})",
            wanted="a text file of LCModel",
            mend=f"Copy or export {path.name} again",
        ) from error


def read_raw(path: Path, *, who: str) -> np.ndarray:
    """Read the FID of a ``.RAW`` or ``.H2O`` file, complex (points,), conjugated.

    Raises
    ------
    DatasetError
        The file cannot be read, or holds no pairs of finite numbers.
    """
    _, _, body = _text(path, who).rpartition("$END")
    return _numbers(body, path, who).conj()


def read_lcmodel_basis(path: Path, *, who: str) -> LcmodelBasis:
    """Read a ``.BASIS`` file and bring its spectra to the time domain.

    Raises
    ------
    DatasetError
        The file cannot be read, a spectrum is cut short, or sampling or frequency are missing.
    """
    head, *parts = re.split(r"\$BASIS\s*\n", _text(path, who))
    general = _namelist(head)
    try:
        points, dwell_s = int(general["NDATAB"]), float(general["BADELT"])
        frequency, te_ms = float(general["HZPPPM"]), float(general.get("ECHOT", "-1"))
    except (KeyError, ValueError) as error:
        raise DatasetError(
            who,
            found=f"{path.name} gives no usable {error.args[0]}",
            wanted="NDATAB, BADELT and HZPPPM in the namelists of a .BASIS file",
            mend=f"Export {path.name} again",
        ) from error
    spectra: dict[str, np.ndarray] = {}
    scales: list[tuple[str, ...]] = []
    for part in parts:
        fields, _, body = part.partition("$END")
        values = _namelist(fields)
        name = values.get("METABO", values.get("ID", ""))
        spectrum = _numbers(body.partition("$")[0], path, who)
        if not name or name in spectra or len(spectrum) != points:
            raise DatasetError(
                who,
                found=f"{path.name} has {len(spectrum)} points under the name '{name}'",
                wanted=f"each metabolite once, with {points} points",
                mend=f"Copy or export {path.name} again",
            )
        spectra[name] = spectrum
        scales.append(tuple(values.get(key, "1.") for key in ("CONC", "TRAMP", "VOLUME")))
    if not spectra:
        raise DatasetError(who, found=f"{path.name} holds no $BASIS", wanted="a .BASIS file")
    if len({tuple(float(v) for v in scale) for scale in scales}) > 1:
        raise DatasetError(
            who,
            found=f"CONC, TRAMP or VOLUME differ between the metabolites of {path.name}",
            wanted="one scale for all, so that amplitudes can be compared",
            mend="Export the basis with one concentration for all metabolites",
        )
    return LcmodelBasis(
        names=tuple(spectra),
        fids=np.fft.ifft(np.array(list(spectra.values()))).conj(),
        dwell_s=dwell_s,
        frequency_mhz=frequency,
        te_s=te_ms / 1000 if te_ms > 0 else None,
        sequence=general.get("SEQ", "").lower(),
    )
