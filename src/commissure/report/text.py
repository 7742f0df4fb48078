"""Numbers, units and lists as a reader expects them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from commissure.modalities import modality_title
from commissure.paths import without_paths

#: What stands where there is no number.
ABSENT = "–"

_UNITS = {"1": "", "mm3": "mm³", "mm2/s": "mm²/s", "n/a": "", "": ""}
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: Clinical scales and measures that are written in capitals.
_SCALES = frozenset(
    (
        "bdi", "bmi", "bprs", "cdss", "cgi", "dup", "gaf", "hamd", "hdrs", "iq", "madrs", "panss",
        "qids", "sans", "saps", "sofas", "ymrs",
    )
)  # fmt: skip
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MINUS, _THIN, _NARROW_NBSP = "−", "\u2009", "\u202f"

# Signs that turn the direction of what follows, or that nobody sees.
_TURNING = {
    code: f"[U+{code:04X}]"
    for code in (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0x061C,
                 0xFEFF, *range(0x09), *range(0x0B, 0x0D), *range(0x0E, 0x20), 0x7F)
}  # fmt: skip

# What stands beside the modalities in tables of models.
_TITLES = {"clinical": "clinical variables"}


def visible(value: str) -> str:
    """A text whose invisible signs are written out.

    A mark that turns the direction of writing would let an identifier, a site or a cause read as
    another one, and could turn what stands behind it.
    """
    if value.isascii() and value.isprintable():
        return value
    shown = value.translate(_TURNING)
    return value if shown == value else type(value)(shown)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a finite number (booleans are not)."""
    if isinstance(value, bool) or value is None:
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def number(value: Any, digits: int = 3) -> str:
    """Write a number with significant digits, a true minus sign and no needless zeros.

    Whole numbers and numbers of four or more places keep all places before the point;
    below 0.001 powers of ten are used.
    """
    if not is_number(value):
        return ABSENT
    value = float(value)
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e7:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        power = str(int(exponent)).translate(_RAISED)
        text = f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa} × 10{power}"
    elif value.is_integer() or size >= 10**digits:
        text = f"{round(size):,}".replace(",", _NARROW_NBSP if size >= 10_000 else "")
    else:
        places = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{size:.{places}f}"
    return (_MINUS if value < 0 else "") + text


def fixed(value: Any, places: int = 2) -> str:
    """Write a number with a fixed number of decimal places, as for AUC and effect sizes."""
    if not is_number(value):
        return ABSENT
    text = f"{abs(float(value)):.{places}f}"
    negative = float(value) < 0 and float(text) != 0
    return (_MINUS if negative else "") + text


def interval(low: Any, high: Any, places: int = 2) -> str:
    """Write the two ends of an interval: ``0.41 to 0.79``."""
    if not (is_number(low) and is_number(high)):
        return "no interval"
    return f"{fixed(low, places)} to {fixed(high, places)}"


def p_value(value: Any) -> str:
    """Write a p-value with its sign: ``= 0.03``, ``< 0.001``."""
    if not is_number(value):
        return ABSENT
    if value < 0.001:
        return "< 0.001"
    return f"= {float(value):.3f}" if value < 0.1 else f"= {float(value):.2f}"


def percent(part: Any, whole: Any) -> str:
    """Write a share: ``92 %``; a dash where the whole is zero."""
    if not (is_number(part) and is_number(whole)) or whole == 0:
        return ABSENT
    share = 100 * part / whole
    if 0 < share < 1 or 99 < share < 100:
        return f"{share:.1f}{_THIN}%"
    return f"{share:.0f}{_THIN}%"


def unit(symbol: Any) -> str:
    """Write a unit with raised figures; a pure number has none."""
    return _UNITS.get(symbol, symbol) if isinstance(symbol, str) else ""


def with_unit(value: Any, symbol: Any) -> str:
    """Write a number followed by its unit."""
    written = number(value)
    return written if written == ABSENT or not unit(symbol) else f"{written} {unit(symbol)}"


def modality(name: str) -> str:
    """Write a modality out; an unknown one keeps its name."""
    return _TITLES.get(name) or modality_title(name)


def value(content: Any) -> str:
    """Write the value of a setting or of a check, whatever its kind: ``yes``, ``cv and 10``."""
    if content is None or content == "":
        return "not set"
    if isinstance(content, Mapping):
        return listed(f"{key}: {value(item)}" for key, item in content.items()) or "none"
    if isinstance(content, list | tuple):
        return listed(value(item) for item in content) or "none"
    if isinstance(content, bool):
        return "yes" if content else "no"
    return number(content, 4) if is_number(content) else without_paths(content)


def marker_name(marker: str, region: str) -> str:
    """Name of a marker in a region, as ``volume Hippocampus_L``."""
    return f"{marker} {region}" if region else marker


def listed(parts: Iterable[Any], *, last: str = "and") -> str:
    """Join parts into a list: ``a, b and c``."""
    items = [str(part) for part in parts]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def some(parts: Sequence[Any], most: int = 8) -> str:
    """Join parts into a list that is cut after ``most`` of them: ``a, b and 3 more``."""
    items = [str(part) for part in parts]
    if len(items) <= most + 1:
        return listed(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"


def count(n: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: ``1 person``, ``12 people``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def count_words(n: int, noun: str, plural: str = "") -> str:
    """Like :func:`count`, with small numbers in words: ``three checks``."""
    amount = _COUNTS[n] if 0 <= n < len(_COUNTS) else str(n)
    return f"{amount} {noun if n == 1 else plural or noun + 's'}"


def capital(text: str) -> str:
    """Begin with a capital letter, the rest as it is: ``Resting-state BOLD``."""
    return text[:1].upper() + text[1:]


def variable(name: str) -> str:
    """Write the name of a column: ``baseline_panss_total`` as ``baseline PANSS total``."""
    return " ".join(p.upper() if p in _SCALES else p for p in name.split("_"))


def limit(text: Any) -> str:
    """Write a limit with the signs of print: ``≤ 0.55``."""
    return str(text or "").replace("<=", "≤").replace(">=", "≥").replace("+-", "±")


def power_of_ten(values: Iterable[float]) -> tuple[float, str]:
    """Factor that brings values near one, and how the unit then begins: ``(1000, "10⁻³ ")``.

    Values between 0.01 and 100 000 stay as they are.
    """
    size = max((abs(value) for value in values), default=0.0)
    if size == 0 or 0.01 <= size < 1e5:
        return 1.0, ""
    power = 3 * math.floor(math.log10(size) / 3 + 0.34)
    raised = str(power).translate(_RAISED)
    return 10.0**-power, f"10{raised} "


def sentence(text: Any) -> str:
    """Make a text begin with a capital letter and end in a full stop."""
    text = " ".join(str(text).split())
    if not text:
        return ""
    return capital(text) + ("" if text[-1] in ".!?…:" else ".")
