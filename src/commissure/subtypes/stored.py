"""Clusters that are kept, and new people assigned to them. Stored by skops, never by pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.files import write_table
from commissure.models.canonical import CanonicalVariates
from commissure.models.clusters import NearestCentroid
from commissure.models.preparation import Preparation, SiteAlignment
from commissure.study.design import SITE, Block, DesignColumn
from commissure.subtypes.people import MEASURED, Candidates
from commissure.subtypes.search import Answer
from commissure.subtypes.space import MarkerSpace, SharedSpace, Space
from commissure.transport.apply import counted_markers, known_people, marker_table
from commissure.transport.predict import model_matrix
from commissure.transport.stored_file import StoredFile, type_names

CLUSTERS_FILE = StoredFile(
    "subtypes.skops",
    things="clusters",
    none="there are no stored clusters",
    mend="Name the folder subtypes/model of a finished run that found clusters",
    trusted=type_names(
        Block, Preparation, SiteAlignment, MarkerSpace, SharedSpace, CanonicalVariates,
        NearestCentroid,
    ),
)  # fmt: skip
MODEL_FOLDER, STORED = "model", CLUSTERS_FILE.name
#: The table of new people.
ASSIGNED = "assigned.tsv"


@dataclass(frozen=True)
class StoredSubtypes:
    """Stored clusters.

    Attributes
    ----------
    space
        Where people are compared.
    centroids
        By which they are assigned.
    axes
        How many axes of the space count.
    columns
        The columns of the matrix, in their order.
    units
        Unit of each marker by name.
    about
        The verdict, its reasons and the sizes of the clusters.
    """

    space: Space
    centroids: NearestCentroid
    axes: int
    columns: tuple[DesignColumn, ...]
    units: Mapping[str, str]
    about: Mapping[str, Any]

    @property
    def blocks(self) -> Sequence[Block]:
        """Blocks of the matrix that the space takes."""
        return self.space.blocks_


def remove_stored(out: Path) -> None:
    """Remove clusters that an earlier run left."""
    (out / MODEL_FOLDER / STORED).unlink(missing_ok=True)


def store_subtypes(candidates: Candidates, answer: Answer, out: Path) -> None:
    """Store the clusters of a run below the folder of its results."""
    assert candidates.design is not None and answer.chosen is not None
    content = {
        "space": answer.space,
        "centroids": answer.chosen.centroids,
        "axes": int(answer.positions.shape[1]),
        "columns": [[c.modality, c.region, c.marker] for c in candidates.design.columns],
        "units": dict(candidates.units),
        "about": {
            "verdict": answer.verdict,
            "reasons": list(answer.reasons),
            "sizes": list(answer.chosen.sizes),
        },
    }
    CLUSTERS_FILE.write(CLUSTERS_FILE.dumped(content), out / MODEL_FOLDER)


def load_subtypes(path: Path) -> StoredSubtypes:
    """Read stored clusters.

    Raises
    ------
    DatasetError
        There is no such file, it holds no clusters, or a type that is not trusted.
    """
    return CLUSTERS_FILE.read(path, _subtypes)


def _subtypes(content: Mapping[str, Any]) -> StoredSubtypes:
    return StoredSubtypes(
        content["space"],
        content["centroids"],
        int(content["axes"]),
        tuple(DesignColumn(*names) for names in content["columns"]),
        content["units"],
        content["about"],
    )


def assign(
    model: Path,
    dataset: Path,
    *,
    out: Path,
    participants: Path | None = None,
    site_column: str = "site",
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Assign new people to stored clusters, or to none.

    Parameters
    ----------
    model
        Folder ``subtypes/model`` of a finished run, or its ``subtypes.skops``.
    dataset
        Output folder of a run on the new people, or a marker table.
    out
        Folder of ``assigned.tsv``.
    participants
        The people's table; by default ``participants.tsv`` beside the markers, where it is.
    site_column
        Column of the people with the site.
    say
        Takes a line of the result.

    Raises
    ------
    DatasetError
        The clusters or the markers cannot be read or do not fit each other.
    ConfigError
        A named column is not there.
    """
    say = say or (lambda line: None)
    stored = load_subtypes(model)
    table = marker_table(dataset)
    markers, cautions = counted_markers(table)
    people, messages = known_people(
        markers, participants or table.parent / "participants.tsv",
        asked=participants is not None, site_column=site_column,
    )  # fmt: skip
    values = model_matrix(stored, markers, people)
    assigned = assigned_table(stored, values, people)
    out.mkdir(parents=True, exist_ok=True)
    write_table(assigned, out / ASSIGNED)
    known = int(assigned["cluster"].notna().sum())
    say(
        f"{known} of {len(assigned)} people are assigned to one of {len(stored.about['sizes'])} "
        f"clusters; {ASSIGNED} says why the others are not."
    )
    strange = sorted(set(people["site"]) - {c.marker for c in stored.columns if c.modality == SITE})
    if strange:
        say(
            f"{len(strange)} sites, as {strange[0]}, had no part in the clusters: what is of the "
            "scanner there was not taken out."
        )
    say(f"What was found where the clusters come from: {stored.about['verdict']}.")
    for line in (*cautions, *messages):
        say(line)
    return assigned


def assigned_table(
    stored: StoredSubtypes, values: np.ndarray, people: pd.DataFrame
) -> pd.DataFrame:
    """Cluster of new people, or why they have none.

    Parameters
    ----------
    stored
        The clusters.
    values
        The matrix of the people.
    people
        ``participant_id`` and more, in the order of the rows.
    """
    measured = np.ones(len(values), bool)
    for block in stored.blocks:
        measured &= np.isfinite(values[:, list(block.columns)]).mean(axis=1) >= MEASURED
    at = stored.space.transform(values)[:, : stored.axes]
    given, outside = stored.centroids.predict(at), stored.centroids.outside(at)
    between = np.where(given < 0, "between clusters: the nearest is not sure enough", "")
    reason = np.where(outside, "unlike the people of every cluster", between)
    reason = np.where(measured, reason, "more than a fifth of the markers are missing")
    known = measured & (given >= 0)
    return pd.DataFrame(
        {
            "participant_id": people["participant_id"].to_numpy(str),
            "cluster": np.where(known, given + 1.0, np.nan),
            "probability": np.where(
                measured, stored.centroids.predict_proba(at).max(axis=1), np.nan
            ).round(6),
            "distance": np.where(
                measured, stored.centroids.distances(at).min(axis=1), np.nan
            ).round(6),
            "reason": [words or None for words in reason],
        }
    )
