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
        The number; None where there was nothing to measure; NaN where measuring gave no number.
    limit
        The limit in words, as ``<= 0.55``; empty where none is set.
    passed
        Whether the value keeps the limit: not where it is NaN or infinite. None where no limit is
        set or there was nothing to measure.
    note
        One sentence for the reader, if there is something to say.
    """

    name: str
    value: float | None
    limit: str = ""
    passed: bool | None = None
    note: str = ""


def at_most(name: str, value: float | None, limit: float, note: str = "") -> Check:
    """A check that ``value`` is ``limit`` or less."""
    return _judged(name, value, -math.inf, limit, f"<= {limit:g}", note)


def at_least(name: str, value: float | None, limit: float, note: str = "") -> Check:
    """A check that ``value`` is ``limit`` or more."""
    return _judged(name, value, limit, math.inf, f">= {limit:g}", note)


def between(name: str, value: float | None, low: float, high: float, note: str = "") -> Check:
    """A check that ``value`` lies in ``low`` to ``high``, both ends included."""
    return _judged(name, value, low, high, f"{low:g} to {high:g}", note)


def _judged(
    name: str, value: float | None, low: float, high: float, limit: str, note: str
) -> Check:
    if value is None:
        return Check(name, None, limit, None, note)
    value = float(value)
    return Check(name, value, limit, math.isfinite(value) and low <= value <= high, note)


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
