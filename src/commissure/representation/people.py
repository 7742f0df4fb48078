"""The people of a run's output folder or of a marker table, as encoders take them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.study.labels.vocabulary import means_control
from commissure.transport.apply import counted_markers, known_people, marker_table


@dataclass(frozen=True)
class MarkedPeople:
    """People with their markers.

    Attributes
    ----------
    source
        Name of their table.
    markers
        Rows that count; confounds of measuring are taken out.
    people
        ``participant_id site`` and what else is known, sorted by identifier.
    ages
        Years, (people,); NaN where unknown.
    cautions
        Sentences for the reader.
    """

    source: str
    markers: pd.DataFrame
    people: pd.DataFrame
    ages: np.ndarray
    cautions: tuple[str, ...]

    @property
    def participants(self) -> np.ndarray:
        """Identifiers."""
        return self.people["participant_id"].to_numpy(str)

    def of(self, chosen: np.ndarray) -> MarkedPeople:
        """Some of the people, by a mask or by numbers, with their markers."""
        people = self.people[chosen] if chosen.dtype == bool else self.people.iloc[chosen]
        markers = self.markers[self.markers["participant_id"].isin(people["participant_id"])]
        people = people.reset_index(drop=True)
        return replace(self, markers=markers, people=people, ages=self.ages[chosen])

    def healthy(self) -> tuple[np.ndarray, str | None]:
        """Who is a control; everybody, with a sentence, where nothing says who is."""
        if "group" not in self.people or self.people["group"].isna().all():
            sentence = "There is no group in the people's table: everybody counts as healthy."
            return np.ones(len(self.people), dtype=bool), sentence
        return self.people["group"].map(means_control).to_numpy(bool), None


def read_marked_people(
    dataset: Path, participants: Path | None = None, site_column: str = "site"
) -> MarkedPeople:
    """Read the markers and people of a run, or of a marker table.

    Parameters
    ----------
    dataset
        Output folder of a run, or its ``markers.tsv``.
    participants
        The people's table; by default ``participants.tsv`` beside the markers.
    site_column
        Column of the people with the site.

    Raises
    ------
    DatasetError, ConfigError
        A table is not there or cannot be read, or nobody has an age.
    """
    table = marker_table(dataset)
    markers, cautions = counted_markers(table)
    file = participants or table.parent / "participants.tsv"
    people, messages = known_people(
        markers, file, asked=participants is not None, site_column=site_column
    )
    people = people.sort_values("participant_id", ignore_index=True)
    ages = pd.to_numeric(people.get("age", pd.Series(np.nan, people.index)), errors="coerce")
    if ages.isna().all():
        raise DatasetError(
            file.name, found="nobody has an age",
            wanted="a people's table with a column age, in years",
            mend="Name it with --participants",
        )  # fmt: skip
    definitions = table.parent / "markers.json"
    if definitions.is_file():
        meanings = json.loads(definitions.read_text(encoding="utf-8"))
        confounds = [name for name, said in meanings.items() if said.get("role") == "confound"]
        markers = markers[~markers["marker"].isin(confounds)]
    return MarkedPeople(table.name, markers, people, ages.to_numpy(float), (*cautions, *messages))
