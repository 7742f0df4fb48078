"""Which localisation an acquisition says it is, by the names that vendors and sites give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from commissure.errors import DatasetError

SequenceName = Literal["press", "slaser", "steam", "mega-press"]

#: Fields that name a sequence, the telling ones first: a protocol may be called what it likes.
SEQUENCE_FIELDS = ("PulseSequenceType", "SequenceName", "ProtocolName", "SeriesDescription")

#: Fields that give the echo time of PRESS' first and second refocusing, in seconds. None is a
#: standard.
FIRST_ECHO_FIELDS = ("FirstEchoTime", "EchoTime1", "TE1")
SECOND_ECHO_FIELDS = ("SecondEchoTime", "EchoTime2", "TE2")

#: Fields that give the mixing time of STEAM, in seconds; the first is that of NIfTI-MRS.
MIXING_TIME_FIELDS = ("MixingTime", "TM")

#: What a name means, the telling patterns first; None is a sequence no basis is simulated for.
#: A name is in lower case, with one underscore for whatever is no letter or digit.
_PATTERNS: tuple[tuple[str, SequenceName | None], ...] = (
    # Siemens' and CMRR's names: svs_se, svs_st, svs_edit, eja_svs_*; GE's: probe-p, probe-s,
    # probe-sl, oslaser, gaba, jpress (edited or not, by its settings).
    (r"hermes|herc|isthmus|(^|_)hyper(_|$)|hbcd|special|isis(_|$)|(^|_)j_?press", None),
    (r"(^|_)e?csi(_|\d|$)|epsi|mrsi|presscsi", None),
    (r"mega_?(semi|s)?_?laser|ms_?laser|mslaser", None),
    (r"(^|_)o?s_?laser|semi_?(adiabatic_)?laser|probe_?sl(_|$)", "slaser"),
    (r"laser", None),
    (r"mega|(^|_)m_?press|svs_edit|^gaba$|gaba_?(edit|par)|mescher|(edit|j_?diff)\w*press",
     "mega-press"),
    (r"steam|svs_st(_|$)|probe_?s(_|$)|stimulated_echo", "steam"),
    (r"press|svs_se(_|\d|$)|probe_?p(_|$)|point_resolved", "press"),
)  # fmt: skip


@dataclass(frozen=True)
class NamedSequence:
    """What the metadata say of the localisation.

    Attributes
    ----------
    name
        Which; None where nothing names one, or names one that no basis is simulated for.
    source
        The field that names it, with its value; empty where none does.
    simulated
        False where a field names a sequence that no basis is simulated for.
    contradiction
        Another field that names another sequence, with its value; empty where none does.
    """

    name: SequenceName | None
    source: str = ""
    simulated: bool = True
    contradiction: str = ""


def meaning_of(text: str) -> tuple[bool, SequenceName | None]:
    """Whether a text names a sequence, and which; None is one that no basis is simulated for."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    for pattern, name in _PATTERNS:
        if re.search(pattern, plain):
            return True, name
    return False, None


def named_sequence(metadata: Mapping[str, Any], file_name: str) -> NamedSequence:
    """The sequence that metadata name; the entity ``acq-`` of the file counts last.

    Parameters
    ----------
    metadata
        Sidecar and header, merged.
    file_name
        As in BIDS.
    """
    acquired = re.search(r"_acq-([a-zA-Z0-9]+)", file_name)
    texts = [(field, str(metadata.get(field) or "")) for field in SEQUENCE_FIELDS]
    texts.append(("the file's acq-", acquired.group(1) if acquired else ""))
    said = [(f"{field} '{text}'", *meaning_of(text)) for field, text in texts]
    named = [(source, name) for source, known, name in said if known]
    if not named:
        return NamedSequence(None)
    source, name = named[0]
    others = [other for other, meaning in named[1:] if meaning != name]
    return NamedSequence(name, source, name is not None, others[0] if others else "")


def first_echo_s(metadata: Mapping[str, Any], *, te_s: float, who: str) -> float | None:
    """Echo time of the first refocusing where a field gives it or the second, in seconds.

    Raises
    ------
    DatasetError
        Both are given and do not add up to the echo time.
    """
    first, second = (_first_number(metadata, f) for f in (FIRST_ECHO_FIELDS, SECOND_ECHO_FIELDS))
    if first is not None and second is not None and abs(first + second - te_s) > 0.001:
        raise DatasetError(
            who,
            found=f"echo times of {first:g} and {second:g} s where the whole is {te_s:g} s",
            wanted="two in seconds that add up to the echo time",
            mend=f"Mend {FIRST_ECHO_FIELDS[0]} or {SECOND_ECHO_FIELDS[0]} in the sidecar",
        )
    if first is None and second is not None:
        return te_s - second
    return first


def mixing_time_s(metadata: Mapping[str, Any]) -> float | None:
    """Mixing time where a field gives it, in seconds."""
    return _first_number(metadata, MIXING_TIME_FIELDS)


def _first_number(metadata: Mapping[str, Any], fields: tuple[str, ...]) -> float | None:
    for field in fields:
        value = metadata.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None
