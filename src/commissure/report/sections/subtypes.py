"""Whether there are groups among the people: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import yaml

from commissure.report import text
from commissure.report.plots import cluster_figures
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on groups shows; None where nobody looked for any."""
    record = run.results.subtypes
    if not record or not _asked(run.configuration):
        return None
    people = record["people"]
    shared: dict[str, Any] = {"people": people, "cautions": record["cautions"]}
    if record["status"] != "searched":
        return {**shared, "verdict": "", "reason": text.sentence(record["reason"])}
    return {
        **shared,
        "verdict": text.capital(record["verdict"]),
        "reasons": record["reasons"],
        "shared": record["shared"],
        "how": _how(record),
        "sigclust": _sigclust(record),
        "rows": [_row(entry, record["k"]) for entry in record["solutions"]],
        "by_index": _by_index(record["k_by_index"]),
        "confounds": _confounds(record),
        "confounds_of": record["k"] if record["k"] > 1 else 2,
        "unchecked": text.listed(record["unchecked"]) if record["unchecked"] else "",
        "external": [_external(row) for row in record["external"]],
        "variates": [_variate(row) for _, row in run.results.tables[
            "subtypes/canonical.tsv"].iterrows()],
        "panels": _panels(record, run.results.tables),
    }  # fmt: skip


def _asked(configuration: str) -> bool:
    """Whether the run looked for groups: files of an earlier run may lie in the folder."""
    settings = yaml.safe_load(configuration) if configuration else None
    return not settings or bool(settings.get("subtypes", {}).get("search", True))


def _how(record: Mapping[str, Any]) -> str:
    people, space = record["people"], record["space"]
    sites = people["validation_sites"]
    held = f"the people of {text.listed(sites)}" if sites else "half of every site"
    by = (
        f"{text.count(space['axes'], 'canonical variate')} of {space['markers']} markers and "
        f"{text.count(len(space['items']), 'symptom item')}"
        if space["items"]
        else f"{text.count(space['axes'], 'main axis', 'main axes')} of {space['markers']} markers"
    )
    return (
        f"{people['compared']} of {people['n']} people are compared by {by}; held out for "
        f"validation: {held} ({people['validation']} people)."
    )


def _sigclust(record: Mapping[str, Any]) -> str:
    test = record["sigclust"]
    sizes: list[int] = next((row["sizes"] for row in record["solutions"] if row["k"] == 2), [])
    return (
        f"Two clusters of {text.listed(sizes)} people leave {100 * test['index']:.1f} % of the "
        f"variance within them; in one Gaussian cloud they leave {100 * test['expected']:.1f} % on "
        f"average (SigClust p {text.p_value(test['p'])})."
    )


def _row(entry: Mapping[str, Any], chosen: int) -> dict[str, Any]:
    known = entry["jaccard"]
    return {
        "k": entry["k"],
        "chosen": entry["k"] == chosen,
        "sizes": text.listed(entry["sizes"], last="and"),
        "silhouette": text.fixed(entry["silhouette"]),
        "valley": _p(entry["valley_p"]),
        "jaccard": text.ABSENT if known is None else text.fixed(min(known)),
        "pac": text.ABSENT if entry["pac"] is None else text.fixed(entry["pac"]),
        "replication": text.fixed(entry["replication"]),
        "against": "; ".join(entry["against"]) or "nothing",
    }


def _p(value: float | None) -> str:
    """A p-value for a cell of a table."""
    return text.ABSENT if value is None else text.p_value(value).removeprefix("= ")


def _by_index(numbers: Mapping[str, int]) -> str:
    names = {
        "gap": "the gap statistic",
        "mixture_bic": "Gaussian mixtures (BIC)",
        "calinski_harabasz": "Calinski and Harabasz’ index, which cannot choose one",
    }
    return text.listed([f"{number} by {names[name]}" for name, number in numbers.items()])


def _confounds(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    wanted = record["k"] if record["k"] > 1 else 2
    entry = next((row for row in record["solutions"] if row["k"] == wanted), None)
    return [
        {
            "name": row["confound"],
            "value": f"{row['measure']} {text.fixed(row['value'])}"
            if row["value"] is not None
            else text.ABSENT,
            "p": _p(row["p"]),
            "n": row["n"],
            "told": "yes" if row["told"] else "no",
            "mandatory": "yes" if row["mandatory"] else "no",
        }
        for row in (entry["confounds"] if entry else [])
    ]


def _external(row: Mapping[str, Any]) -> dict[str, Any]:
    known = row["p"] is not None
    return {
        "name": row["variable"],
        "value": f"{row['measure']} {text.fixed(row['value'])}" if known else "too few people",
        "p": _p(row["p_corrected"]),
        "n": row["n"],
        "means": ", ".join(f"{k}: {text.number(mean)}" for k, mean in row["means"].items()),
    }


def _variate(row: pd.Series) -> dict[str, Any]:
    return {
        "number": text.number(row["variate"]),
        "in_sample": f"{text.fixed(row['in_sample'])} (chance {text.fixed(row['by_chance'])}, p "
        f"{text.p_value(row['p_in_sample'])})",
        "held_out": f"{text.fixed(row['held_out'])} ({text.interval(row['low'], row['high'])}, p "
        f"{text.p_value(row['p_held_out'])})",
        "likeness": text.fixed(row["likeness"]),
    }


def _panels(record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[dict[str, str]]:
    assigned = tables["subtypes/assignments.tsv"]
    places = assigned[assigned["axis_1"].notna()]
    panels = []
    if len(places):
        second = places["axis_2"].to_numpy(float)
        panels.append(
            {
                "title": "Where the people lie"
                + (" (shape and colour: cluster; cross: none)" if record["k"] > 1 else ""),
                "figure": cluster_figures.places(
                    places["axis_1"].to_numpy(float),
                    second if np.isfinite(second).all() else np.zeros(len(places)),
                    places["cluster"].to_numpy(float),
                    key="subtypes-places",
                    description=f"{len(places)} people on the first two axes; {record['verdict']}",
                ),
            }
        )
    indices = tables["subtypes/indices.tsv"]
    if len(indices):
        panels.append(
            {
                "title": "Silhouette of every number of clusters (band: what one cloud gives)",
                "figure": cluster_figures.silhouettes(
                    indices, key="subtypes-silhouettes",
                    description="Mean silhouette by number of clusters and method: "
                    + "; ".join(
                        f"{row['method']} {int(row['k'])}: {row['silhouette']:.2f}"
                        for _, row in indices.iterrows()
                    ),
                ),
            }
        )  # fmt: skip
    return panels
