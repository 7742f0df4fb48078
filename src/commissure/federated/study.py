"""Hospitals that compute together: what the coordinator asks, and what it writes.

The sites are answers to requests: of folders on this machine, which is the default, or of
processes elsewhere. What passes is only what may leave (:mod:`commissure.federated.allowed`), as
bytes (:mod:`commissure.federated.wire`), and is written down at the site.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from commissure import __version__
from commissure.errors import ConfigError, DatasetError
from commissure.federated.allowed import ALLOW_LIST_VERSION, Message
from commissure.federated.coordinator import Moments, moments, regressions
from commissure.federated.encoders import encoder_record
from commissure.federated.federation import Answerer, Exchange, Federation, restarted
from commissure.federated.hospital import Hospital
from commissure.federated.masked_rounds import MaskedRounds
from commissure.federated.private import private_result
from commissure.federated.question import Question
from commissure.federated.records import (
    LOGS,
    RESULT,
    STAYS,
    TABLE,
    Column,
    Options,
    attempted,
    chart_record,
    combat_record,
    component_record,
    marker_table,
    model_record,
    tell,
    vulnerability_record,
)
from commissure.federated.site import Request
from commissure.federated.wire import message_bytes, message_of, request_bytes, request_of
from commissure.files import write_json, write_table

#: What is asked for where nothing else is said.
DEFAULTS = Options()


def federate(
    folders: Sequence[Path],
    question: Question,
    *,
    out: Path,
    options: Options = DEFAULTS,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Compute together over output folders on this machine.

    Parameters
    ----------
    folders
        Output folder of a run at each site; its last part that differs is the site's name.
    question
        What is compared.
    out
        Folder of the results, with ``left/<site>.jsonl``, the log of what left each site, and
        ``stays/<site>``, what is the site's alone.
    options
        How it is computed.
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
    names = _names(folders)
    logs = {name: out / LOGS / f"{name}.jsonl" for name in names}
    # What left in an earlier run stays in the log.
    before = {name: len(_lines(log)) for name, log in logs.items()}
    sites = {
        name: by_bytes(
            Hospital(
                name, folder, log=logs[name], stays=out / STAYS / name,
                min_people=options.min_people, only_masked=options.masked,
                epsilon=None if options.privacy is None else options.privacy.epsilon,
            )
        )
        for name, folder in zip(names, folders, strict=True)
    }  # fmt: skip
    federation = federation_of(sites, options)
    result, table = computed(federation, question, out=out, options=options)
    result["left"] = {
        name: dict(Counter(line["kind"] for line in _lines(log)[before[name] :]))
        for name, log in logs.items()
    }
    write_json(result, out / RESULT)
    tell(result, table, say)
    return result


def federation_of(
    sites: dict[str, Answerer], options: Options, at_once: Exchange | None = None
) -> Federation:
    """The sites as options ask for them.

    Parameters
    ----------
    sites
        What answers for each site, by name.
    options
        How it is computed.
    at_once
        Asks several sites at the same time, where a network can.
    """
    masked = MaskedRounds() if options.masked else None
    return Federation(sites, options.min_people, options.min_sites, at_once=at_once, masked=masked)


def by_bytes(hospital: Hospital, carry: Callable[[bytes], bytes] | None = None) -> Answerer:
    """A hospital that is asked, and answers, in bytes alone.

    Parameters
    ----------
    hospital
        It.
    carry
        Sees each answer as it leaves and gives what arrives; by default the same.
    """

    def answer(request: Request) -> Message:
        sent = message_bytes(hospital.answer(request_of(request_bytes(request))))
        return message_of(carry(sent) if carry else sent)

    return answer


def computed(
    federation: Federation, question: Question, *, out: Path, options: Options
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Ask the sites for everything, and write what comes of it but for ``federated.json``.

    Where a site is lost all begins again without it, so that every result is of the same sites.

    Returns
    -------
    result, table
        Content of ``federated.json`` as far as the coordinator knows it, and the markers' table.

    Raises
    ------
    ConfigError, DatasetError
        As :func:`federate` says.
    """
    result: tuple[dict[str, Any], pd.DataFrame] = restarted(
        federation, lambda: _computed_once(federation, question, out, options)
    )
    return result


def _computed_once(
    federation: Federation, question: Question, out: Path, options: Options
) -> tuple[dict[str, Any], pd.DataFrame]:
    asked: dict[str, Any] = asdict(question) | {"covariates": list(question.covariates)}
    federation = federation.of_view(federation.view)
    # Of a marker that one site alone has people for the masked total would be that site's.
    complete = int(federation.masked is not None)
    answers = federation.ask("catalogue", question=asked | {"complete": complete})
    units_at = {
        message.site: {tuple(row[:3]): str(row[3]) for row in message.words["markers"]}
        for message in answers
    }
    federation.meet()
    columns, cautions = _common(units_at)
    units = next(iter(units_at.values()))
    result: dict[str, Any] = {
        "version": __version__,
        "allow_list": ALLOW_LIST_VERSION,
        "question": asked,
        "masked": federation.masked is not None,
        "sites": list(federation.sites),
    }
    if options.privacy is not None:
        out.mkdir(parents=True, exist_ok=True)
        result |= private_result(federation, options.privacy, columns, units)
        return result | {"lost": federation.lost, "cautions": cautions}, pd.DataFrame()

    def scaled(federation: Federation) -> Moments:
        federation.ask("done", task="build", columns=[list(column) for column in columns])
        return moments(federation)

    scale = scaled(federation)
    usable = (scale.people > 0) & (scale.sd > 0)
    if not usable.all():
        cautions.append(f"{int((~usable).sum())} markers vary nowhere or too few people have them")
        columns = [column for column, kept in zip(columns, usable, strict=True) if kept]
        # Fewer markers may have other people behind them: what was said before is of all.
        federation = federation.of_view(federation.view)
        scale = scaled(federation)
    compared = regressions(federation)
    table = marker_table(columns, units, scale, compared)
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    result["markers"] = len(columns)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "components": lambda: component_record(federation, scale, len(columns)),
        "model": lambda: model_record(federation, scale, columns, options),
        "charts": lambda: chart_record(federation, columns, units, out),
        "vulnerability": lambda: vulnerability_record(federation, columns, question),
    }
    if options.combat:
        parts["combat"] = lambda: combat_record(federation, question)
    plan = options.encoder
    if plan is not None:
        parts["encoder"] = lambda: encoder_record(federation, plan, columns, units, out)
    for name, part in parts.items():
        result[name] = attempted(part)
    return result | {"lost": federation.lost, "cautions": cautions}, table


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
    units_at: Mapping[str, Mapping[Column, str]],
) -> tuple[list[Column], list[str]]:
    """Markers that all sites have, in one unit; what the others were."""
    shared = set.intersection(*(set(units) for units in units_at.values()))
    everything = set.union(*(set(units) for units in units_at.values()))
    for key in sorted(shared):
        units = {of_site[key]: name for name, of_site in units_at.items()}
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


def _lines(log: Path) -> list[dict[str, Any]]:
    """The log of what left a site, from its first run on."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
