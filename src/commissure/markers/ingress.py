"""Results of other tools on their way into the marker table, and what of them is absent."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from commissure.definitions import HEAD_SIZE
from commissure.engines.ingress.read import ingested
from commissure.engines.ingress.registry import TOOLS
from commissure.engines.ingress.settings import IngressSettings
from commissure.files import write_json
from commissure.outputs import COMPLETENESS
from commissure.rows import read_markers, write_markers
from commissure.tables.identifiers import compare_people


@dataclass(frozen=True)
class ToolResults:
    """What was read of one tool's folder.

    Attributes
    ----------
    title
        Name of the tool.
    modality
        Under which its results are missing for a person.
    rows
        The columns :data:`commissure.rows.COLUMNS`.
    absences
        Person, session, product, state and cause of what is not there.
    notes
        Sentences for the reader; no person is named.
    """

    title: str
    modality: str
    rows: pd.DataFrame
    absences: Sequence[Sequence[str]]
    notes: Sequence[str]

    @property
    def people(self) -> list[str]:
        """Everybody of whom something is there."""
        return sorted(set(self.rows["participant_id"]))


def write_ingested(settings: IngressSettings, rows: Path | str, record: Path | str) -> None:
    """Read a tool's folder and write its rows, and the record of what else is to be said.

    Raises
    ------
    ConfigError, DatasetError
        As :func:`commissure.engines.ingress.read.ingested` raises them.
    """
    result = ingested(settings)
    tool = TOOLS[settings.tool]
    write_markers(result.rows, rows)
    write_json(
        {
            "tool": tool.title,
            "modality": tool.modality,
            "versions": sorted(set(filter(None, result.versions.values()))),
            "people": len(result.people()),
            "absences": [list(vars(absence).values()) for absence in result.absences],
            "notes": result.notes,
        },
        record,
    )


def read_results(
    rows: Iterable[str], records: Iterable[str], imaged: Collection[str]
) -> list[ToolResults]:
    """Read back what :func:`write_ingested` wrote, a folder each.

    Parameters
    ----------
    rows, records
        Its files.
    imaged
        People who have images; nothing is compared where there are none.

    Raises
    ------
    DatasetError
        Nobody of a folder has an image in the dataset.
    """
    results = []
    for table, record in zip(rows, records, strict=True):
        told = json.loads(Path(record).read_text(encoding="utf-8"))
        markers, notes = read_markers(table), list(told["notes"])
        present = sorted(set(markers["participant_id"]))
        if compare_people(present, imaged, file=f"the folder of {told['tool']}"):
            unknown = len(set(present) - set(imaged))
            notes.append(
                f"{told['tool']}: {unknown} of {len(present)} people of its folder have no image "
                "in the dataset."
            )
        results.append(
            ToolResults(told["tool"], told["modality"], markers, told["absences"], notes)
        )
    return results


def with_tools(
    table: pd.DataFrame, results: Iterable[ToolResults], people: Sequence[str]
) -> pd.DataFrame:
    """The table of completeness with what of the tools' results is missing or failed.

    Parameters
    ----------
    table
        The columns of :data:`commissure.outputs.COMPLETENESS`.
    results
        What was read of the tools' folders.
    people
        Everybody in the study.
    """
    rows: list[list[str | None]] = []
    for result in results:
        known = set(result.people) | {absence[0] for absence in result.absences}
        for who, session, product, state, cause in result.absences:
            name = f"{result.title}: {product}"
            rows.append([who, session or None, result.modality, None, name, state, cause, None])
        rows += [
            [who, None, result.modality, None, result.title, "missing",
             f"the folder of {result.title} has nothing of them", None]
            for who in people if who not in known
        ]  # fmt: skip
    if not rows:
        return table
    whole = pd.concat([table, COMPLETENESS.frame(rows)], ignore_index=True)
    order = ["participant_id", "session", "modality", "scan"]
    return whole.sort_values(order, kind="stable", na_position="first", ignore_index=True)


def without_second_head_size(rows: pd.DataFrame, earlier: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Rows without the head size of people who have it from an earlier table."""
    known = {
        visit
        for table in earlier
        for visit in table.loc[table["marker"] == HEAD_SIZE, ["participant_id", "session"]]
        .itertuples(index=False, name=None)
    }  # fmt: skip
    if not known:
        return rows
    visits = pd.MultiIndex.from_frame(rows[["participant_id", "session"]])
    return rows[~(visits.isin(list(known)) & (rows["marker"] == HEAD_SIZE).to_numpy())]
