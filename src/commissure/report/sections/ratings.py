"""What raters said of the scans, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from sklearn.metrics import cohen_kappa_score

from commissure.markers.ratings import CHOICES, DROP, Rating
from commissure.report import text
from commissure.report.results import modality_order
from commissure.report.section import Content, ReportInput

#: Scans that both have rated, below which no kappa is given.
_LEAST = 5

#: Order of the choices where kappa weighs how far two differ.
_ORDER = {"keep": 0, "unsure": 1, DROP: 2}


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on ratings shows; None where nobody rated."""
    ratings = run.results.ratings
    if not ratings:
        return None
    raters = sorted({rating.rater for rating in ratings})
    return {
        "raters": [_rater(name, ratings) for name in raters],
        "choices": CHOICES,
        "pairs": [_pair(first, second, ratings) for first, second in combinations(raters, 2)],
        "disputed": _disputed(ratings),
        "comments": [
            {
                "who": f"{rating.participant_id} {rating.session}".strip(),
                "modality": text.modality(rating.modality),
                "rating": rating.rating,
                "rater": rating.rater,
                "comment": rating.comment,
            }
            for rating in ratings
            if rating.comment
        ],
    }


def _rater(name: str, ratings: Sequence[Rating]) -> dict[str, Any]:
    mine = [rating for rating in ratings if rating.rater == name]
    counts = Counter(rating.rating for rating in mine)
    return {
        "name": name,
        "people": len({rating.participant_id for rating in mine}),
        "scans": len(mine),
        "counts": [counts[choice] for choice in CHOICES],
    }


def _pair(first: str, second: str, ratings: Sequence[Rating]) -> dict[str, Any]:
    """Agreement of two raters, of all modalities and of each."""
    said: dict[str, dict[tuple[str, str, str], str]] = {first: {}, second: {}}
    for rating in ratings:
        if rating.rater in said:
            said[rating.rater][rating.scan] = rating.rating
    both = sorted(set(said[first]) & set(said[second]))
    names = modality_order({scan[2] for scan in both})
    return {
        "raters": f"{first} and {second}",
        "rows": [
            _agreement(
                "all" if name is None else text.modality(name),
                [
                    (said[first][scan], said[second][scan])
                    for scan in both
                    if name in (None, scan[2])
                ],
            )
            for name in (None, *names)
        ],
    }


def _agreement(name: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Share of equal ratings, and Cohen's kappa (1960), also with linear weights (1968)."""
    same = sum(a == b for a, b in pairs)
    row = {
        "name": name,
        "n": len(pairs),
        "same": text.percent(same, len(pairs)),
        "kappa": text.ABSENT,
        "weighted": text.ABSENT,
    }
    # Where both say the same of everything there is nothing for chance to explain.
    if len(pairs) >= _LEAST and len({choice for pair in pairs for choice in pair}) > 1:
        first, second = ([_ORDER[pair[k]] for pair in pairs] for k in (0, 1))
        row["kappa"] = text.fixed(cohen_kappa_score(first, second))
        weighted = cohen_kappa_score(first, second, labels=[0, 1, 2], weights="linear")
        row["weighted"] = text.fixed(weighted)
    return row


def _disputed(ratings: Sequence[Rating]) -> list[dict[str, str]]:
    """Scans that one rater keeps and another drops."""
    said: dict[tuple[str, str, str], list[Rating]] = {}
    for rating in ratings:
        said.setdefault(rating.scan, []).append(rating)
    return [
        {
            "person": scan[0],
            "who": f"{scan[0]} {scan[1]}".strip(),
            "modality": text.modality(scan[2]),
            "said": "; ".join(f"{rating.rater}: {rating.rating}" for rating in of),
        }
        for scan, of in sorted(said.items())
        if {"keep", DROP} <= {rating.rating for rating in of}
    ]
