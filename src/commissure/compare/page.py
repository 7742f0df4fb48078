"""The comparison as a page: Markdown for a message, HTML for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from commissure.compare.agreement import IDENTICAL, MarkerAgreement
from commissure.compare.comparison import Comparison, finite

# Rows of one cause that are shown; the JSON has all.
_SHOWN = 40

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto;font-variant-numeric:tabular-nums}"
    "th,td{border-bottom:1px solid #767676;padding:.2rem .6rem;text-align:left}"
)

#: A heading, a sentence below it, the names of the columns and the rows.
Part = tuple[str, str, Sequence[str], list[list[str]]]


def parts(comparison: Comparison) -> list[Part]:
    """What the page shows, part by part."""
    changed = [row for row in comparison.markers if row.verdict != IDENTICAL]
    shown: list[Part] = [
        ("Why", "What differs between what made the two runs, and what it may change.",
         ("kind", "what", "A", "B", "may change"),
         [[c.kind, c.what, c.a, c.b, ", ".join(c.reaches)] for c in comparison.causes]),
        ("Markers that differ", "Bias is the mean of B - A, limits are its 95 % limits of "
         "agreement (Bland-Altman), ICC is ICC(A,1). Beyond counts the values that differ by more "
         "than the tolerance.",
         ("marker", "verdict", "n", "largest", "tolerance", "beyond", "ICC", "bias", "limits",
          "unit", "reason", "causes"),
         [_marker(row, comparison) for row in changed]),
        ("Exclusions", "Stand in one run alone.",
         ("run", "person", "session", "modality", "rule"),
         [list(row.values()) for row in comparison.exclusions]),
        ("Products", "Are in another state.",
         ("person", "session", "modality", "product", "A", "B"),
         [[row["participant_id"], row["session"], row["modality"], row["product"], row["a"],
           row["b"]] for row in comparison.products]),
        ("Main model", "AUC within site on the people whom both runs score, with DeLong's paired "
         "95 % interval of the difference. The tolerance is the SD of A's AUC over its repeats.",
         ("model", "A", "B", "B - A", "interval", "tolerance", "verdict", "reason"),
         [_auc(comparison.auc)]
         if comparison.auc and comparison.auc["verdict"] != IDENTICAL else []),
        ("Other files", "", ("file", "verdict", "cells", "largest", "reason"),
         [[row["file"], row["verdict"], str(row["cells"]), number(row["largest"]), row["reason"]]
          for row in comparison.files if row["verdict"] != IDENTICAL]),
    ]  # fmt: skip
    return [part for part in shown if part[3]]


def _marker(row: MarkerAgreement, comparison: Comparison) -> list[str]:
    causes = comparison.names(row.modality)
    more = f" and {len(causes) - 3} more" if len(causes) > 3 else ""
    return [
        row.name, row.verdict, str(row.n), number(row.largest), number(row.tolerance),
        str(row.beyond), number(row.icc), number(row.bias),
        f"{number(row.low)} to {number(row.high)}", row.unit, row.reason,
        (", ".join(causes[:3]) + more) or "nothing recorded",
    ]  # fmt: skip


def _auc(change: dict[str, Any]) -> list[str]:
    get = change.get
    interval = f"{number(get('ci_low'))} to {number(get('ci_high'))}"
    return [
        change["model"], number(get("a")), number(get("b")), number(get("difference")), interval,
        number(get("tolerance")), change["verdict"], change["reason"],
    ]  # fmt: skip


def number(value: Any) -> str:
    """A number to four digits; n/a where there is none."""
    return f"{value:.4g}" if finite(value) else "n/a"


def markdown(comparison: Comparison) -> str:
    """The page as Markdown. What names in the data could mean in Markdown or HTML is taken away."""
    lines = ["# Comparison of two runs", "", f"**{comparison.words()[0]}**", ""]
    lines += [f"- {_plain(line)}" for line in (*comparison.words()[1:], *_cannot(comparison))]
    for title, sentence, columns, rows in parts(comparison):
        lines += ["", f"## {title}", "", sentence, "", f"| {' | '.join(columns)} |",
                  "|" + "---|" * len(columns)]  # fmt: skip
        lines += [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows[:_SHOWN]]
        lines += _more(rows)
    return "\n".join(lines) + "\n"


def html(comparison: Comparison) -> str:
    """The page as HTML that loads nothing from anywhere."""
    words = (*comparison.words()[1:], *_cannot(comparison))
    body = [
        "<h1>Comparison of two runs</h1>",
        f"<p><strong>{_shown(comparison.words()[0])}</strong></p>",
        "<ul>", *(f"<li>{_shown(line)}</li>" for line in words), "</ul>",
    ]  # fmt: skip
    for title, sentence, columns, rows in parts(comparison):
        head = "".join(f'<th scope="col">{name}</th>' for name in columns)
        body += [f"<h2>{title}</h2>", f"<p>{sentence}</p>", '<table tabindex="0">',
                 f"<thead><tr>{head}</tr></thead>", "<tbody>"]  # fmt: skip
        for row in rows[:_SHOWN]:
            body.append("<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>")
        body += ["</tbody></table>", *(f"<p>{line}</p>" for line in _more(rows) if line)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>Comparison of two runs</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _cannot(comparison: Comparison) -> list[str]:
    return [f"Cannot be compared: {line}." for line in comparison.cannot]


def _more(rows: list[list[str]]) -> list[str]:
    return ["", f"and {len(rows) - _SHOWN} more; --json has all."] if len(rows) > _SHOWN else []


# Marks that turn the direction of writing can make a name read as another.
_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], "")


def _plain(text: str) -> str:
    cleaned = escape(" ".join(str(text).translate(_TURNS).split()), quote=False)
    for sign in "|*_`[]":
        cleaned = cleaned.replace(sign, f"\\{sign}")
    return cleaned


def _shown(text: str) -> str:
    return escape(str(text).translate(_TURNS))
