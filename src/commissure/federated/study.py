"""Output folders of several hospitals, computed together on one machine.

Every site is a process of thought here: what passes between it and the coordinator is only what
may leave (:mod:`commissure.federated.allowed`), and is written down at the site.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure import __version__
from commissure.errors import ConfigError, DatasetError
from commissure.federated.allowed import ALLOW_LIST_VERSION, MIN_PEOPLE, MIN_SITES
from commissure.federated.combat import common_scale, harmonised
from commissure.federated.coordinator import (
    Federation,
    Moments,
    auc_within_site,
    left_out,
    logistic,
    moments,
    principal_components,
    regressions,
    restarted,
)
from commissure.federated.site import Site
from commissure.files import write_json, write_table
from commissure.rows import Marker, write_markers
from commissure.study.people_values import sex_of
from commissure.transport.apply import counted_markers, known_people, marker_table

#: What is written: the table of markers, everything else, and what left each site.
MARKERS, RESULT, LOGS = "federated_markers.tsv", "federated.json", "left"
#: What is made for a site and stays there.
STAYS = "stays"
_KEYS = ["modality", "region", "marker"]
_COMPONENTS = 10


@dataclass(frozen=True)
class Question:
    """What is asked of the sites.

    Attributes
    ----------
    label
        Column of the people with the group.
    positive, negative
        Its two values.
    covariates
        Columns that groups are compared at equal values of: numbers, or sex.
    """

    label: str = "group"
    positive: str = "resistant"
    negative: str = "responsive"
    covariates: tuple[str, ...] = ("age", "sex")


def federate(
    folders: Sequence[Path],
    question: Question,
    *,
    out: Path,
    ridge: float = 1.0,
    permutations: int = 999,
    seed: int = 0,
    min_people: int = MIN_PEOPLE,
    min_sites: int = MIN_SITES,
    combat: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Compute means, group differences, components and a model over the sites.

    Parameters
    ----------
    folders
        Output folder of a run at each site; its last part that differs is the site's name.
    question
        What is compared.
    out
        Folder of ``federated_markers.tsv``, ``federated.json`` and ``left/<site>.jsonl``, the log
        of what left each site.
    ridge
        Penalty of the logistic model.
    permutations
        How often labels are shuffled within sites.
    seed
        Of the shuffles.
    min_people, min_sites
        Below which nothing is sent, and nothing computed.
    combat
        Whether each site writes its markers without what is of its scanner, covariates kept, into
        ``stays/<site>/markers.tsv``. They enter nothing else here: the group is not a covariate.
    say
        Takes a line of the result.

    Returns
    -------
    dict
        What is written to ``federated.json``.

    Raises
    ------
    ConfigError
        A column is not there, or two sites have one name.
    DatasetError
        Sites that cannot be computed together, or too few people or sites.
    """
    tables = [_read(folder, question) for folder in folders]
    names = _names(folders)
    columns, cautions = _common(tables, names)
    # What left in an earlier run stays in the log.
    before = {name: len(_lines(out / LOGS / f"{name}.jsonl")) for name in names}
    sites = {
        name: _site(name, table, columns, question, out / LOGS / f"{name}.jsonl", min_people)
        for name, table in zip(names, tables, strict=True)
    }
    federation = Federation(
        {name: site.answer for name, site in sites.items()}, min_people, min_sites
    )
    scale: Moments = restarted(federation, lambda: moments(federation))
    usable = (scale.people > 0) & (scale.sd > 0)
    if not usable.all():
        cautions.append(f"{int((~usable).sum())} markers vary nowhere or too few people have them")
        columns = [column for column, kept in zip(columns, usable, strict=True) if kept]
        for site in sites.values():
            site.markers = site.markers[:, usable]
        scale = Moments(scale.people[usable], scale.mean[usable], scale.sd[usable])
        # Fewer markers may have other people behind them: what was said before is of all.
        federation = Federation(federation.sites, min_people, min_sites, federation.lost)
    compared = restarted(federation, lambda: regressions(federation))
    table = _marker_table(columns, tables[0].units, scale, compared)
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / MARKERS)
    result: dict[str, Any] = {
        "version": __version__,
        "allow_list": ALLOW_LIST_VERSION,
        "question": {
            "label": question.label, "positive": question.positive,
            "negative": question.negative, "covariates": list(question.covariates),
        },
        "sites": list(federation.sites),
        "markers": len(columns),
    }  # fmt: skip
    result["components"] = _attempted(
        lambda: _component_record(federation, scale, len(columns)), federation
    )
    result["model"] = _attempted(
        lambda: _model_record(federation, scale, columns, ridge, permutations, seed), federation
    )
    if combat:
        _harmonise(sites, tables, columns, federation, out)
        result["combat"] = {"covariates": list(question.covariates), "folder": STAYS}
    result |= {"lost": federation.lost, "cautions": cautions}
    result["left"] = {
        name: dict(Counter(line["kind"] for line in _lines(out / LOGS / f"{name}.jsonl")[begun:]))
        for name, begun in before.items()
    }
    write_json(result, out / RESULT)
    _tell(result, table, say)
    return result


@dataclass(frozen=True)
class _Table:
    people: pd.DataFrame
    values: pd.DataFrame
    units: dict[tuple[str, ...], str]


def _read(folder: Path, question: Question) -> _Table:
    path = marker_table(folder)
    markers, _ = counted_markers(path)
    asked = path.parent / "participants.tsv"
    people, _ = known_people(markers, asked, asked=True, site_column="site")
    missing = [c for c in (question.label, *question.covariates) if c not in people]
    if missing:
        raise ConfigError(
            str(folder), found=f"the people have no column '{missing[0]}'",
            wanted=f"one of {[c for c in people.columns if c != 'participant_id']}",
            mend="Name other columns, or add this one to participants.tsv",
        )  # fmt: skip
    values = markers.pivot_table(index="participant_id", columns=_KEYS, values="value")
    units = {
        tuple(map(str, key)): str(rows["unit"].iloc[0]) for key, rows in markers.groupby(_KEYS)
    }
    return _Table(people, values.reindex(people["participant_id"]), units)


def _names(folders: Sequence[Path]) -> list[str]:
    """Names of sites: the part of the paths that tells them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for at in range(1, min(map(len, parts)) + 1):
        names = [path[-at] for path in parts]
        if len(set(names)) == len(names):
            return names
    twice = Counter(str(folder.resolve()) for folder in folders).most_common(1)[0][0]
    raise ConfigError(
        "sites", found=f"{Path(twice).name} is named twice", wanted="one folder a site"
    )


def _common(
    tables: Sequence[_Table], names: Sequence[str]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Markers that all sites have, in one unit; what the others were."""
    shared = set.intersection(*(set(table.units) for table in tables))
    everything = set.union(*(set(table.units) for table in tables))
    for key in sorted(shared):
        units = {table.units[key]: name for table, name in zip(tables, names, strict=True)}
        if len(units) > 1:
            said = " and ".join(f"{unit} at {name}" for unit, name in units.items())
            raise DatasetError(
                " ".join(key), found=f"its unit is {said}",
                wanted="one unit at all sites", mend="Run all sites with one version and one atlas",
            )  # fmt: skip
    if not shared:
        raise DatasetError(
            "the sites", found="no marker is common to all of them", wanted="the same markers",
            mend="Run all sites with one version and one configuration",
        )  # fmt: skip
    lost = len(everything) - len(shared)
    return sorted(shared), [f"{lost} markers are not of all sites and left out"] if lost else []


def _site(
    name: str, table: _Table, columns: Sequence[tuple[str, ...]], question: Question, log: Path,
    min_people: int,
) -> Site:  # fmt: skip
    values = table.values.reindex(columns=pd.MultiIndex.from_tuples(columns)).to_numpy(float)
    group = table.people[question.label].map({question.positive: 1.0, question.negative: 0.0})
    labels = group.to_numpy(float)
    covariates = [_coded(table.people[c], name, c) for c in question.covariates]
    return Site(name, values, np.column_stack([labels, *covariates]), labels, log, min_people)


def _coded(column: pd.Series, site: str, name: str) -> np.ndarray:
    """Numbers of a covariate; of sex 1 for men, which is agreed by the code and not by the data."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().sum() == column.notna().sum():
        return numbers.to_numpy(float)
    sex = column.map(lambda cell: sex_of(str(cell)) if pd.notna(cell) else None)
    if sex.notna().sum() < column.notna().sum():
        odd = column[column.notna() & sex.isna()].iloc[0]
        raise ConfigError(
            f"site {site}, column '{name}'", found=f"'{odd}'", wanted="numbers, or sex",
            mend="Leave this covariate out, or write it as numbers at every site",
        )  # fmt: skip
    return sex.map({"M": 1.0, "F": 0.0}).to_numpy(float)


def _marker_table(
    columns: Sequence[tuple[str, ...]],
    units: Mapping[tuple[str, ...], str],
    scale: Moments,
    compared: Any,
) -> pd.DataFrame:
    """Means, spreads and group differences; d is the difference over the residual SD."""
    d = compared.slopes[:, 0] / compared.residual_sd
    error = compared.errors[:, 0] / compared.residual_sd
    return pd.DataFrame(
        {
            "modality": [c[0] for c in columns],
            "region": [c[1] for c in columns],
            "marker": [c[2] for c in columns],
            "unit": [units[tuple(c)] for c in columns],
            "n": scale.people.astype(int),
            "mean": scale.mean,
            "sd": scale.sd,
            "n_compared": compared.people.astype(int),
            "difference": compared.slopes[:, 0],
            "d": d,
            "d_low": d - 1.959964 * error,
            "d_high": d + 1.959964 * error,
            "p": compared.p[:, 0],
        }
    )


def _attempted(analysis: Callable[[], dict[str, Any]], federation: Federation) -> dict[str, Any]:
    """An analysis, or why there is none: what is known already is kept."""
    try:
        done: dict[str, Any] = restarted(federation, analysis)
    except DatasetError as error:
        return {"status": "not computed", "reason": str(error)}
    return {"status": "computed", **done}


def _component_record(federation: Federation, scale: Moments, markers: int) -> dict[str, Any]:
    found = principal_components(federation, scale, min(_COMPONENTS, markers))
    return {"n": found.people, "explained": (found.variances / markers).tolist()}


def _model_record(
    federation: Federation,
    scale: Moments,
    columns: Sequence[tuple[str, ...]],
    ridge: float,
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    """The model of all sites, and how well models of the others do at each."""
    models = left_out(federation, ridge=ridge)
    judged = auc_within_site(federation, models, permutations=permutations, seed=seed)
    everybody = logistic(federation, scale, ridge=ridge)
    weights = dict(
        zip(("intercept", *(" ".join(c) for c in columns)), everybody.coefficients, strict=True)
    )
    return {
        "ridge": ridge,
        "auc_leave_site_out": judged.auc,
        "pairs": judged.pairs,
        "p": judged.p,
        "permutations": permutations,
        "coefficients": {name: float(value) for name, value in weights.items()},
    }


def _harmonise(
    sites: Mapping[str, Site],
    tables: Sequence[_Table],
    columns: Sequence[tuple[str, ...]],
    federation: Federation,
    out: Path,
) -> None:
    """Markers of each site by ComBat, written where they stay."""
    freed = {name: replace(site, design=site.design[:, 1:]) for name, site in sites.items()}
    asked = Federation(
        {name: freed[name].answer for name in federation.sites},
        federation.min_people,
        federation.min_sites,
        federation.lost,
    )
    scale = restarted(asked, lambda: common_scale(asked))
    for (name, site), table in zip(freed.items(), tables, strict=True):
        if name not in asked.sites:
            continue
        values = harmonised(site, scale)
        rows = [
            Marker(person, "", column[0], column[1], column[2], float(value), table.units[column])
            for person, line in zip(table.people["participant_id"], values, strict=True)
            for column, value in zip(columns, line, strict=True)
            if np.isfinite(value)
        ]
        write_markers(rows, out / STAYS / name / "markers.tsv")


def _lines(log: Path) -> list[dict[str, Any]]:
    """The log of what left a site, from its first run on."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _tell(result: Mapping[str, Any], table: pd.DataFrame, say: Callable[[str], None]) -> None:
    sites, markers = len(result["sites"]), result["markers"]
    say(f"{sites} sites, {markers} markers; {MARKERS} has their means and differences.")
    known = table.dropna(subset=["d"]).sort_values("d", key=np.abs)
    for most in known.tail(1).to_dict("records"):
        say(
            f"Largest difference: {most['region']} {most['marker']}, d {most['d']:.2f} "
            f"({most['d_low']:.2f} to {most['d_high']:.2f})."
        )
    model = result["model"]
    if model["status"] == "computed":
        say(
            "A model of the other sites, AUC within the site left out: "
            f"{model['auc_leave_site_out']:.3f} ({model['pairs']} pairs), p {model['p']:.3f}."
        )
    else:
        say(f"No model: {model['reason']}")
    for name, kinds in result["left"].items():
        say(f"{name} sent {sum(kinds.values())} sums: {LOGS}/{name}.jsonl")
    for caution in result["cautions"]:
        say(caution)
