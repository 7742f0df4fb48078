"""Stored charts on a new dataset: how far its people deviate, by its sites' own controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import write_table
from commissure.models.charts import ReferenceCharts
from commissure.normative.matrix import MarkerMatrix, marker_matrix
from commissure.normative.other_sites import charts_with_sites, refuse_other_units, same_sites
from commissure.normative.settings import NormativeSettings
from commissure.normative.stored_charts import load_charts
from commissure.normative.tables import deviation_table, people_table
from commissure.outputs import NORMATIVE_DEVIATIONS, NORMATIVE_PEOPLE
from commissure.study.labels.vocabulary import means_control
from commissure.transport.apply import counted_markers, known_people, marker_table


def apply_charts(
    charts: Path,
    dataset: Path,
    *,
    out: Path,
    participants: Path | None = None,
    site_column: str = "site",
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Score the people of a marker table by stored charts.

    Controls of a site that the charts do not know tell how it lies to the others.

    Parameters
    ----------
    charts
        Folder ``normative/model`` of a finished run, or its ``charts.skops``.
    dataset
        Output folder of a run, or a marker table.
    out
        Folder of the results: ``deviations.tsv`` and ``people.tsv``.
    participants
        The people's table with ``age``, ``sex`` and ``group``; by default ``participants.tsv``
        beside the markers.
    site_column
        Column of the people with the site.
    say
        Takes a line of the result.

    Returns
    -------
    pandas.DataFrame
        The rows of ``people.tsv``.

    Raises
    ------
    DatasetError
        Charts, markers or people cannot be read or do not fit each other.
    ConfigError
        A named column is not there.
    """
    say = say or (lambda line: None)
    stored = load_charts(charts)
    table = marker_table(dataset)
    markers, cautions = counted_markers(table)
    file = participants or table.parent / "participants.tsv"
    people, messages = known_people(
        markers, file, asked=participants is not None, site_column=site_column
    )
    if "age" not in people or people["age"].isna().all():
        raise DatasetError(
            file.name, found="nobody has an age",
            wanted="a people's table with a column age, in years",
            mend="Name it with --participants",
        )  # fmt: skip
    people = people.assign(
        age=pd.to_numeric(people["age"], errors="coerce"),
        sex=people.get("sex"),
    )
    matrix, sentences = marker_matrix(markers, people, {})
    units = markers.drop_duplicates(["modality", "region", "marker"])
    unit_of = {(r.modality, r.region, r.marker): str(r.unit) for r in units.itertuples()}
    refuse_other_units(
        stored, {column: unit_of[column.modality, column.region, column.marker]
                 for column in matrix.columns},
    )  # fmt: skip
    shared = set(stored.columns) & set(matrix.columns)
    if not shared:
        raise DatasetError(
            table.name, found="it has none of the markers of the charts",
            wanted=f"some of their {len(stored.columns)} markers, as "
            f"{stored.columns[0].region} {stored.columns[0].marker}",
        )  # fmt: skip
    matrix = matrix.with_columns(stored.columns)
    group = people.sort_values("participant_id")["group"] if "group" in people else None
    control = np.zeros(len(people), dtype=bool)
    if group is not None:
        control = group.map(means_control).to_numpy(bool)
    control &= np.isfinite(matrix.people.age)
    scores = charts_with_sites(stored.charts, matrix, control, NormativeSettings().folds)
    counts = people_table(scores, matrix, control, NormativeSettings().extreme)
    write_table(deviation_table(scores, matrix), out / Path(NORMATIVE_DEVIATIONS.path).name)
    write_table(counts, out / Path(NORMATIVE_PEOPLE.path).name)
    for line in _summary(stored.charts, matrix, control, counts, len(shared)):
        say(line)
    for line in [*cautions, *messages, *sentences, *same_sites(stored.charts, matrix)]:
        say(line)
    return counts


def _summary(
    charts: ReferenceCharts,
    matrix: MarkerMatrix,
    control: np.ndarray,
    counts: pd.DataFrame,
    shared: int,
) -> list[str]:
    sites = matrix.people.site.astype(str)
    lines = [
        f"{len(counts)} of {len(sites)} people have deviations, in {shared} of "
        f"{matrix.values.shape[1]} markers of the charts (deviations.tsv).",
    ]
    outside = int((np.isfinite(matrix.people.age) & ~charts.within_ages(matrix.people.age)).sum())
    if outside:
        lines.append(
            f"{outside} people are outside the ages of the charts ({charts.low_age_:.0f} to "
            f"{charts.high_age_:.0f} years)."
        )
    for site in sorted(set(sites) - set(charts.sites_)):
        count = int((control & (sites == site)).sum())
        sd = float(np.median(charts.offset_sd(count)[charts.charted_]))
        lines.append(
            f"{site} is a site of its own: by its {count} controls the mean deviation of its "
            f"people is known to ±{1.96 * sd:.2f} standard deviations."
        )
    return lines
