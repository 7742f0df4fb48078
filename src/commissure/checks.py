"""Quality checks: a measured number against its limit, and the record of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.files import write_json


@dataclass(frozen=True)
class Check:
    """One line of a quality record: a measured number against its limit.

    Attributes
    ----------
    name
        What was measured, with its unit in the name: ``mean_fd_mm``, ``snr``, ``tiv_ml``.
    value
        The number, or None where it could not be measured.
    limit
        The limit in words, as ``<= 0.55``; empty where none is set.
    passed
        Whether the value keeps the limit; None where no limit is set or nothing was measured.
    note
        One sentence for the reader, if there is something to say.
    """

    name: str
    value: float | None
    limit: str = ""
    passed: bool | None = None
    note: str = ""


def at_most(name: str, value: float | None, limit: float, note: str = "") -> Check:
    """A check that ``value`` is ``limit`` or less; not measured where it is no finite number."""
    value = _finite(value)
    return Check(name, value, f"<= {limit:g}", None if value is None else value <= limit, note)


def at_least(name: str, value: float | None, limit: float, note: str = "") -> Check:
    """A check that ``value`` is ``limit`` or more; not measured where it is no finite number."""
    value = _finite(value)
    return Check(name, value, f">= {limit:g}", None if value is None else value >= limit, note)


def between(name: str, value: float | None, low: float, high: float, note: str = "") -> Check:
    """A check that ``value`` lies in ``low`` to ``high``, both ends included."""
    value = _finite(value)
    passed = None if value is None else low <= value <= high
    return Check(name, value, f"{low:g} to {high:g}", passed, note)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def write_quality(
    checks: Iterable[Check],
    path: Path | str,
    *,
    notes: Iterable[str] = (),
    missing: Mapping[str, str] | None = None,
    **details: Any,
) -> None:
    """Write a room's quality record.

    The file has ``checks`` (a list of :class:`Check`), ``flags`` (names of the checks that
    failed), ``notes`` (sentences for the reader), ``missing`` (products that could not be
    computed, each with its cause in one sentence) and any further ``details`` of the method.
    """
    checks = list(checks)
    write_json(
        {
            "checks": [vars(check) for check in checks],
            "flags": [check.name for check in checks if check.passed is False],
            "notes": list(notes),
            "missing": dict(missing or {}),
            **details,
        },
        path,
    )
