"""An encoder of markers that is kept: arrays with a card, and digests of who it was learnt on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.settings import ENCODER
from commissure.stored_arrays import read_arrays, write_arrays
from commissure.study.design import DesignColumn, side_by_side

#: The card for people to read; the one that counts is in the encoder.
CARD = "encoder.json"
#: Raised when an older reader would go wrong.
FORMAT = 1


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder and what it is of.

    Attributes
    ----------
    encoder
        Learnt on healthy people.
    columns
        The markers that it takes, in order.
    units
        Unit of each of them.
    about
        People, sites, ages, settings, losses, device: the card.
    digests
        Of the people on whom it was learnt; empty where it was stored to leave a hospital.
    """

    encoder: MarkerEncoder
    columns: tuple[DesignColumn, ...]
    units: tuple[str, ...]
    about: Mapping[str, Any]
    digests: tuple[str, ...] = ()

    def values(
        self, markers: pd.DataFrame, participants: np.ndarray, source: str = "markers.tsv"
    ) -> tuple[np.ndarray, list[str]]:
        """People's markers in the encoder's columns, (people, columns), and sentences on them.

        Parameters
        ----------
        markers
            Tidy rows of the baseline.
        participants
            Identifiers.
        source
            Name of the table.

        Raises
        ------
        DatasetError
            A marker of the encoder is not in the table (another version, atlas or template), or in
            another unit.
        """
        keys = [(column.modality, column.region, column.marker) for column in self.columns]
        units = markers.drop_duplicates(["modality", "region", "marker", "unit"])
        measured: dict[tuple[str, str, str], set[str]] = {}
        for row in units.itertuples():
            key = (str(row.modality), str(row.region), str(row.marker))
            measured.setdefault(key, set()).add(str(row.unit))
        missing = [key for key in keys if key not in measured]
        if missing:
            raise DatasetError(
                source, found=f"{len(missing)} of the {len(keys)} markers of the encoder are not "
                f"there, as {' '.join(part for part in missing[0] if part)}",
                wanted="the markers on which the encoder was learnt, of the same atlas, template "
                "and engine",
                mend="Compute the markers with the same settings, or learn an encoder on these",
            )  # fmt: skip
        for key, unit in zip(keys, self.units, strict=True):
            if measured[key] != {unit}:
                raise DatasetError(
                    f"{source}, {' '.join(part for part in key if part)}",
                    found=f"its unit is {' and '.join(sorted(measured[key]))}",
                    wanted=f"{unit}, as in the people on whom the encoder was learnt",
                    mend="Convert the table, or learn an encoder on these markers",
                )  # fmt: skip
        wide, cautions = side_by_side(markers, participants)
        wide = wide.reindex(columns=pd.MultiIndex.from_tuples([(m, k, r) for m, r, k in keys]))
        return wide.to_numpy(float).reshape(len(participants), len(keys)), cautions


def store_encoder(
    folder: Path,
    encoder: MarkerEncoder,
    columns: Sequence[DesignColumn],
    units: Sequence[str],
    about: Mapping[str, Any],
    digests: Sequence[str] = (),
) -> StoredEncoder:
    """Write an encoder into a folder; the archive first, in one step.

    Parameters
    ----------
    folder
        Gets :data:`ENCODER` and :data:`CARD`.
    encoder, columns, units, about, digests
        As of a :class:`StoredEncoder`.
    """
    card = {
        "format": FORMAT,
        "kind": "markers",
        "version": __version__,
        **about,
        "n_digests": len(digests),
        "columns": [[c.modality, c.region, c.marker] for c in columns],
        "units": list(units),
        "architecture": [list(weight.shape) for weight in encoder.weights],
    }
    arrays = {**encoder.arrays(), "digests": np.array(digests, dtype="U32")}
    write_arrays(folder / ENCODER, arrays, card)
    write_json(card, folder / CARD)
    return StoredEncoder(encoder, tuple(columns), tuple(units), card, tuple(digests))


def load_encoder(path: Path) -> StoredEncoder:
    """Read a stored encoder of markers.

    Parameters
    ----------
    path
        The folder, or the file in it.

    Raises
    ------
    DatasetError
        There is none, it is damaged, of another kind or of a later version.
    """
    file = path / ENCODER if path.is_dir() else path
    arrays, card = read_arrays(file, "an encoder of markers")
    if card.get("kind") != "markers" or card.get("format") != FORMAT:
        raise DatasetError(
            file.name, found=f"it is an encoder of {card.get('kind', 'an unknown kind')}, format "
            f"{card.get('format', 'unknown')}",
            wanted=f"one of markers, format {FORMAT}",
            mend="Name the folder of a pre-training on markers by this version",
        )  # fmt: skip
    try:
        encoder = MarkerEncoder.of_arrays(arrays)
        columns = tuple(DesignColumn(*names) for names in card["columns"])
        units = tuple(card["units"])
        digests = tuple(str(digest) for digest in arrays["digests"])
        if not len(columns) == len(units) == len(encoder.mean):
            raise ValueError("its card names other markers than it takes")
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            file.name, found=f"it is an encoder of another architecture ({error})",
            wanted="an encoder of markers of this version", mend="Learn it anew",
        ) from None  # fmt: skip
    return StoredEncoder(encoder, columns, units, card, digests)
