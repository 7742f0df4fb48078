"""Whether the basis went through the sequence that the spins went through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.checks import Check, at_most

#: How much more the residual may be than that of another sequence. STEAM read as PRESS leaves 1.3
#: to 1.5 times as much, a first echo of 11 ms read as 15 ms 1.09 times at a signal-to-noise ratio
#: of 80; what macromolecules leave makes sLASER and PRESS of 30 ms alike to 3 % in real spectra.
MAX_RATIO = 1.08

#: How far the first echo may lie from the one that was taken, as a share of the echo time.
_MAX_FIRST_ECHO_SHARE = 0.1


def sequence_checks(record: Mapping[str, Any]) -> list[Check]:
    """Whether the sequence is named, whether its timing is known, and whether another fits better.

    Parameters
    ----------
    record
        ``Sequence`` of ``fit.json``, see :mod:`commissure.mrs.builtin.timed_fit`.
    """
    checks = [_named(record)]
    if "FirstEchoS" in record:
        checks.append(_first_echo(record))
    if record.get("AlternativeRatio") is not None:
        note = (
            f"residual of {record['Name']} over that of the best other sequence, "
            f"{record['Alternative']}"
        )
        check = at_most("sequence_explains", float(record["AlternativeRatio"]), MAX_RATIO, note)
        checks.append(check)
    return checks


def _named(record: Mapping[str, Any]) -> Check:
    name, named_by = record["Name"], record.get("NamedBy", "")
    contradiction = record.get("Contradiction", "")
    if record["NameFrom"] == "assumed":
        note = f"nothing names the sequence and {name} was taken: name it under mrs.sequence"
        return Check("sequence_named", None, "", False, note)
    if record["NameFrom"] == "settings":
        note = f"mrs.sequence says {name}"
        if contradiction:
            note += f", {contradiction} says another"
        return Check("sequence_named", None, "", True, note)
    if contradiction:
        note = f"{named_by} and {contradiction} name different sequences; {name} was taken"
        return Check("sequence_named", None, "", False, note)
    return Check("sequence_named", None, "", True, f"{name}, by {named_by}")


def _first_echo(record: Mapping[str, Any]) -> Check:
    """Half of the echo time is an assumption; a first echo that the spectrum shows is none."""
    taken_ms, source = 1e3 * float(record["FirstEchoS"]), record["FirstEchoFrom"]
    if source in ("settings", "metadata"):
        return Check("first_echo_ms", taken_ms, note=f"from the {source}")
    mend = "give mrs.first_echo_s, which is the same for all people of a study"
    shown = record.get("FirstEchoShownS")
    if source == "spectrum":
        se = record.get("FirstEchoSeS")
        within = f" within {1e3 * se:.1f} ms" if se is not None else ""
        note = f"neither header nor settings give it, the spectrum shows it{within}; {mend}"
        return Check("first_echo_ms", taken_ms, note=note)
    if shown is None:
        note = f"half of the echo time was taken, and the spectrum cannot tell; {mend}"
        return Check("first_echo_ms", taken_ms, "", False, note)
    off = abs(shown - record["FirstEchoS"]) + record["FirstEchoSeS"]
    echo_s = 2 * record["FirstEchoS"]
    note = (
        f"half of the echo time was taken, the spectrum shows {1e3 * shown:.1f} within "
        f"{1e3 * record['FirstEchoSeS']:.1f} ms; {mend}"
    )
    passed = None if off <= _MAX_FIRST_ECHO_SHARE * echo_s else False
    return Check("first_echo_ms", taken_ms, "", passed, note)
