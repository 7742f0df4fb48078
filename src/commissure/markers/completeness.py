"""What is missing from a study's measurements, and why."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.errors import DatasetError
from commissure.outputs import COMPLETENESS


def completeness(
    outcomes: pd.DataFrame,
    *,
    people: Sequence[str],
    products: Mapping[str, Sequence[str]],
    command: str,
) -> pd.DataFrame:
    """Say of every expected product whether it is there, and if not, why.

    Parameters
    ----------
    outcomes
        One row per image and step: ``participant_id session modality scan step state cause qc
        status``, where ``qc`` is the path of the quality record and ``status`` the file whose
        renewal reruns the step.
    people
        Everybody in the study, with or without images.
    products
        What an image of each modality yields; the first is the preprocessing.
    command
        The snakemake command of the run, to which the file to renew is added.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.COMPLETENESS`; state is ``present``, ``missing`` or
        ``failed``, and ``unused`` for an image that is refused where another one is used.
    """
    used = _used(outcomes)
    images = used.groupby(["participant_id", "session", "modality", "scan"], sort=True)
    rows = [
        row
        for image, steps in images
        for row in _of_image([str(key) for key in image], steps, products, command)
    ]
    rows += _refused(rows, outcomes)
    rows += _without_image(rows, outcomes, people)
    table = COMPLETENESS.frame(rows).replace("", None)
    order = ["participant_id", "session", "modality", "scan"]
    return table.sort_values(order, kind="stable", na_position="first", ignore_index=True)


def _of_image(
    image: list[str],
    steps: pd.DataFrame,
    products: Mapping[str, Sequence[str]],
    command: str,
) -> Iterator[list[str]]:
    """Rows of one image (person, session, modality, scan), one for each expected product."""
    by_step = {row["step"]: row for row in steps.to_dict("records")}
    expected = products[image[2]]
    for product in expected:
        preprocessing = product == expected[0]
        row = by_step.get("preprocess" if preprocessing else "measure")
        if row is None:
            yield [*image, product, "missing", "the step did not run", ""]
            continue
        state, cause = row["state"], row["cause"]
        if not preprocessing and state == "present":
            cause = _missing(Path(row["qc"])).get(product, "")
            state = "missing" if cause else "present"
        yield [
            *image,
            product,
            "failed" if state == "interrupted" else state,
            cause,
            _again(row, command),
        ]


def _missing(qc: Path) -> Mapping[str, str]:
    """Products that a quality record names as missing, with their causes."""
    try:
        return json.loads(qc.read_text(encoding="utf-8"))["missing"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            qc.name,
            found=f"the quality record cannot be read ({type(error).__name__})",
            wanted="the record that measuring wrote",
            mend="Give the same command again: what was lost since it was planned is made again",
        ) from error


def _again(row: Mapping[Hashable, Any], command: str) -> str:
    """The command that repeats a step that failed; empty for every other."""
    if row["state"] == "interrupted":
        return command
    if row["state"] != "failed":
        return ""
    # A path of this machine is nothing for a table that travels: all batches of the step then.
    target = row["status"]
    if Path(target).is_absolute():
        target = f"{row['modality']}_{row['step']}"
    return f"{command} --forcerun {target}"


def _used(outcomes: pd.DataFrame) -> pd.DataFrame:
    return outcomes[~outcomes["state"].isin(("unused", "refused"))]


def _refused(rows: Iterable[Sequence[str]], outcomes: pd.DataFrame) -> list[list[str]]:
    """A row for each image with something wrong about its name, its place or its files."""
    imaged = {tuple(row[:3]) for row in rows}
    columns = ["participant_id", "session", "modality", "scan", "cause"]
    refused = outcomes.loc[outcomes["state"] == "refused", columns].drop_duplicates()
    return [
        [*image, "image", "unused" if tuple(image[:3]) in imaged else "missing", cause, ""]
        for *image, cause in refused.astype(str).to_numpy().tolist()
    ]


def _without_image(
    rows: Iterable[Sequence[str]], outcomes: pd.DataFrame, people: Iterable[str]
) -> Iterator[list[str]]:
    """A row for each person, visit and modality of the study that no image stands for."""
    imaged = {tuple(row[:3]) for row in rows}
    used = _used(outcomes)
    # The folder of a misplaced image is no visit of a person who has others.
    visits: set[tuple[str, ...]] = set(used[["participant_id", "session"]].itertuples(False, None))
    known = {person for person, _ in visits}
    visits |= {row[:2] for row in imaged if row[0] not in known}
    sessions: dict[str, list[str]] = {}
    for person, session in sorted(visits):
        sessions.setdefault(person, []).append(session)
    keys = ["participant_id", "session", "modality"]
    causes = outcomes.drop_duplicates(keys).set_index(keys)["cause"]
    for person in people:
        for session in sessions.get(person, [""]):
            for modality in sorted(set(used["modality"])):
                image = (person, session, modality)
                if image not in imaged:
                    cause = causes.get(image, "the dataset has no image of this modality")
                    yield [*image, "", "image", "missing", cause, ""]
