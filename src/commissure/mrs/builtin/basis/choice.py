"""What the spins of an acquisition went through, and the basis that this asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.acquisition.sequence_name import (
    FIRST_ECHO_FIELDS,
    MIXING_TIME_FIELDS,
    first_echo_s,
    mixing_time_s,
    named_sequence,
)
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.basis.stored import (
    StoredBasis,
    check_basis,
    read_basis,
    stored_basis_on,
    with_measured_macromolecules,
)
from commissure.mrs.settings import MrsPreprocessSettings

#: Mixing times of STEAM; a number of milliseconds lies beyond.
_MIXING_S = (0.001, 0.5)

#: Where a property of the sequence is known from.
Source = Literal["settings", "metadata", "spectrum", "assumed"]


@dataclass(frozen=True)
class SequenceChoice:
    """A pulse sequence, and how it is known.

    Attributes
    ----------
    sequence
        What the spins went through.
    name_from
        ``assumed`` where nothing names a sequence.
    named_by
        The field that names it, or what is doubtful about the name.
    first_echo_from
        Of PRESS and MEGA-PRESS: ``assumed`` is half of the echo time.
    contradiction
        A field that names another sequence; empty where none does.
    """

    sequence: PulseSequence
    name_from: Source
    named_by: str = ""
    first_echo_from: Source = "assumed"
    contradiction: str = ""

    def with_first_echo(self, first_echo: float) -> SequenceChoice:
        """The same with the first echo that the spectrum shows."""
        sequence = replace(self.sequence, first_echo_s=first_echo)
        return replace(self, sequence=sequence, first_echo_from="spectrum")


def sequence_of(svs: Svs, settings: MrsPreprocessSettings, *, who: str) -> SequenceChoice:
    """What the spins of an acquisition went through.

    Raises
    ------
    DatasetError
        The metadata name a sequence that is not simulated, STEAM without a mixing time, or a
        first echo that the echo time leaves no room for.
    """
    named = named_sequence(svs.metadata, svs.name)
    name_from: Source = "settings"
    name = settings.sequence
    if name == "auto":
        if not named.simulated:
            raise DatasetError(
                who,
                found=f"{named.source} of {svs.name}",
                wanted="PRESS, sLASER, STEAM or MEGA-PRESS, which bases are simulated for",
                mend="Name a basis for it under mrs.basis, or the nearest under mrs.sequence",
            )
        name_from = "metadata" if named.name else "assumed"
        name = named.name or "press"
    contradiction = named.contradiction
    if name_from == "settings" and named.name not in (None, name):
        contradiction = named.source
    if name == "steam":
        sequence = PulseSequence("steam", svs.te_s, mixing_s=_mixing_time(svs, settings, who))
    elif name == "slaser":
        sequence = PulseSequence("slaser", svs.te_s)
    else:
        sequence = PulseSequence(name, svs.te_s, _first_echo(svs, settings, who))
    if name == "mega-press":
        sequence = replace(
            sequence,
            edit_ppm=settings.edit_off_ppm,
            edit_bandwidth_hz=settings.edit_bandwidth_hz,
        )
    if settings.first_echo_s is not None:
        first_echo_from: Source = "settings"
    else:
        first_echo_from = "assumed" if sequence.first_echo_s is None else "metadata"
    return SequenceChoice(sequence, name_from, named.source, first_echo_from, contradiction)


def _mixing_time(svs: Svs, settings: MrsPreprocessSettings, who: str) -> float:
    mixing = mixing_time_s(svs.metadata)
    mixing = settings.mixing_time_s if mixing is None else mixing
    if mixing is None:
        raise DatasetError(
            who,
            found=f"{svs.name} is STEAM and its metadata give no MixingTime",
            wanted="the mixing time in seconds",
            mend="Give MixingTime in the sidecar, or mrs.mixing_time_s",
        )
    low, high = _MIXING_S
    if not low <= mixing <= high:
        raise DatasetError(
            who,
            found=f"a mixing time of {mixing:g} s for {svs.name}",
            wanted=f"{low:g} to {high:g} s",
            mend=f"Mend {' or '.join(MIXING_TIME_FIELDS)} in the sidecar, or mrs.mixing_time_s",
        )
    return mixing


def _first_echo(svs: Svs, settings: MrsPreprocessSettings, who: str) -> float | None:
    first = settings.first_echo_s
    if first is None:
        first = first_echo_s(svs.metadata, te_s=svs.te_s, who=who)
    if first is not None and not 0.002 <= first <= svs.te_s - 0.002:
        raise DatasetError(
            who,
            found=f"a first echo of {first:g} s where {svs.name} has an echo time of "
            f"{svs.te_s:g} s",
            wanted="seconds, and at least 2 ms before and after it",
            mend=f"Mend mrs.first_echo_s, or {' or '.join(FIRST_ECHO_FIELDS)} in the sidecar",
        )
    return first


@lru_cache(maxsize=4)
def _read_once(path: Path, changed_ns: int) -> StoredBasis:
    return read_basis(path)


def _stored(path: str) -> StoredBasis:
    """A stored basis; the sequences that are tried on one spectrum read it once."""
    file = Path(path)
    return _read_once(file, file.stat().st_mtime_ns if file.exists() else 0)


def simulated_for(
    svs: Svs, sequence: PulseSequence, settings: MrsPreprocessSettings, **changed: Any
) -> Basis:
    """The simulated basis of an acquisition with the macromolecules that the settings ask for.

    Parameters
    ----------
    svs
        For its sampling and field.
    sequence
        What the spins go through.
    settings
        See :class:`MrsPreprocessSettings`.
    **changed
        Arguments of :func:`commissure.mrs.builtin.basis.simulated.simulated_basis` in place of the
        settings'; ``macromolecules`` takes that model even where measured ones are named.

    Raises
    ------
    ConfigError
        The file of measured macromolecules cannot be used.
    """
    options = {
        "metabolites": settings.metabolites, "macromolecules": settings.macromolecules, **changed,
    }  # fmt: skip
    sampling: dict[str, Any] = {"frequency_mhz": svs.frequency_mhz, "dwell_s": svs.dwell_s}
    basis = simulated_basis(sequence=sequence, points=svs.points, **sampling, **options)
    if not settings.measured_macromolecules or "macromolecules" in changed:
        return basis
    stored = _stored(settings.measured_macromolecules)
    return with_measured_macromolecules(basis, stored, **sampling)


def basis_for(
    svs: Svs, settings: MrsPreprocessSettings, *, who: str
) -> tuple[Basis, SequenceChoice | None, str]:
    """The basis of an acquisition: the one that the settings name, else a simulated one.

    Returns
    -------
    basis, sequence, flag
        ``sequence`` is None where the basis was made elsewhere. ``flag`` says what is doubtful
        about such a basis or about measured macromolecules; empty where nothing is.

    Raises
    ------
    ConfigError
        The basis named is for another field strength, or for another echo time without leave.
    DatasetError
        The metadata name a sequence that is not simulated.
    """
    file, flag = settings.basis or settings.measured_macromolecules, ""
    if file:
        flag = check_basis(
            _stored(file),
            te_s=svs.te_s,
            frequency_mhz=svs.frequency_mhz,
            allow_other_echo_time=settings.basis_of_another_echo_time,
            who=who,
        )
    if not settings.basis:
        choice = sequence_of(svs, settings, who=who)
        return simulated_for(svs, choice.sequence, settings), choice, flag
    sampling: dict[str, Any] = {"points": svs.points, "dwell_s": svs.dwell_s}
    stored = stored_basis_on(_stored(file), frequency_mhz=svs.frequency_mhz, **sampling)
    return stored, None, flag
