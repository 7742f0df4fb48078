"""``commissure embed``: people's embeddings, and where they deviate from healthy people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.files import write_table
from commissure.models.encoders.stored_encoder import StoredEncoder, load_encoder
from commissure.representation.people import MarkedPeople, read_marked_people
from commissure.transport.encoder_people import learnt_on

#: Tables that are written.
EMBEDDING, PEOPLE, REGIONS = "embedding.tsv", "people.tsv", "regions.tsv"


def embed(
    encoder: Path,
    dataset: Path,
    *,
    out: Path,
    participants: Path | None = None,
    site_column: str = "site",
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Embed the people of a marker table. Needs no torch.

    Parameters
    ----------
    encoder
        Folder of ``commissure pretrain``, or its ``encoder.npz``.
    dataset, participants, site_column
        As :func:`~commissure.representation.people.read_marked_people` takes them.
    out
        Folder of the tables: ``embedding.tsv`` (a row a person), ``people.tsv`` (how far each lies
        from healthy people of their age, and who was pre-trained on) and ``regions.tsv`` (what
        each marker adds to that).
    say
        Takes a line of the result.

    Returns
    -------
    pandas.DataFrame
        The rows of ``people.tsv``.

    Raises
    ------
    DatasetError
        The encoder cannot be read, or is of other markers, units, atlas or template.
    """
    stored = load_encoder(encoder)
    data = read_marked_people(dataset, participants, site_column)
    values, cautions = stored.values(data.markers, data.participants, data.source)
    trained = learnt_on(stored, values) if stored.digests else None
    return write_embedded(
        out, data, stored.encoder.embed(values), stored.encoder.deviation(values, data.ages),
        trained, region_table(stored, values, data.ages, data.participants),
        [*data.cautions, *cautions], say,
    )  # fmt: skip


def write_embedded(
    out: Path,
    data: MarkedPeople,
    embedding: np.ndarray,
    deviation: np.ndarray,
    trained: np.ndarray | None,
    regions: pd.DataFrame,
    lines: Sequence[str],
    say: Callable[[str], None] | None,
) -> pd.DataFrame:
    """Write the tables of embedded people.

    Parameters
    ----------
    out
        Their folder.
    data
        The people.
    embedding, deviation
        (people, dimensions) and (people,).
    trained
        On whom the encoder was learnt, (people,); None where it has no digests.
    regions
        The rows of ``regions.tsv``.
    lines
        Sentences for the reader.
    say
        Takes them, and a line of the result.

    Returns
    -------
    pandas.DataFrame
        The rows of ``people.tsv``.
    """
    say = say or (lambda line: None)
    table = pd.DataFrame(embedding, columns=[f"e{n + 1:03d}" for n in range(embedding.shape[1])])
    table.insert(0, "participant_id", data.participants)
    known = np.zeros(len(embedding), bool) if trained is None else trained
    people = pd.DataFrame({
        "participant_id": data.participants,
        "site": data.people["site"].to_numpy(str),
        "age": data.ages,
        "deviation": deviation,
        "pretrained_on": "unknown" if trained is None else np.where(known, "yes", "no"),
    })  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / EMBEDDING)
    write_table(people, out / PEOPLE)
    write_table(regions, out / REGIONS)
    say(
        f"{int(np.isfinite(embedding[:, 0]).sum())} of {len(people)} people are embedded "
        f"({EMBEDDING}); the encoder was learnt on {int(known.sum())} of them."
    )
    for line in lines:
        say(line)
    return people


def region_table(
    stored: StoredEncoder, values: np.ndarray, ages: np.ndarray, participants: np.ndarray
) -> pd.DataFrame:
    """Deviation maps: a row for each person and marker, with what it adds to the deviation."""
    maps = stored.encoder.deviation_map(values, ages)
    rows, columns = np.nonzero(np.isfinite(maps))
    return pd.DataFrame({
        "participant_id": participants[rows],
        "modality": [stored.columns[n].modality for n in columns],
        "region": [stored.columns[n].region for n in columns],
        "marker": [stored.columns[n].marker for n in columns],
        "added": maps[rows, columns],
    })  # fmt: skip
