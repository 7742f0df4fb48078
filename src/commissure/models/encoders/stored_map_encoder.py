"""An encoder of maps that is kept: arrays with a card, and digests of who it was learnt on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.images.map_grid import MapGrid
from commissure.models.encoders.map_encoder import MapEncoder
from commissure.models.encoders.settings import ENCODER
from commissure.models.encoders.stored_encoder import CARD, FORMAT
from commissure.stored_arrays import read_arrays, write_arrays

#: What the card calls an encoder of maps.
MAPS = "maps"


@dataclass(frozen=True)
class StoredMapEncoder:
    """An encoder of maps and what it is of.

    Attributes
    ----------
    encoder
        Learnt on healthy people.
    regions
        Names of the regions by which people are known again.
    mean, sd
        Of the healthy people's grey matter in each region, mm³.
    about
        People, sites, ages, settings, losses, device: the card.
    digests
        Of the people on whom it was learnt; empty where it was stored to leave a hospital.
    """

    encoder: MapEncoder
    regions: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    about: Mapping[str, Any]
    digests: tuple[str, ...] = ()


def store_map_encoder(
    folder: Path,
    encoder: MapEncoder,
    regions: Sequence[str],
    scale: tuple[np.ndarray, np.ndarray],
    about: Mapping[str, Any],
    digests: Sequence[str] = (),
) -> StoredMapEncoder:
    """Write an encoder into a folder; the archive first, in one step.

    Parameters
    ----------
    folder
        Gets the archive and the card.
    encoder, regions, about, digests
        As of a :class:`StoredMapEncoder`.
    scale
        Its ``mean`` and ``sd``.
    """
    card = {
        "format": FORMAT,
        "kind": MAPS,
        "version": __version__,
        **about,
        "n_digests": len(digests),
        "grid": encoder.scale.grid.card(),
        "dimensions": encoder.dimensions,
        "regions": list(regions),
        "architecture": {name: list(value.shape) for name, value in encoder.weights.items()},
    }
    arrays = {
        **encoder.arrays(), "region.mean": scale[0], "region.sd": scale[1],
        "digests": np.array(digests, dtype="U32"),
    }  # fmt: skip
    write_arrays(folder / ENCODER, arrays, card)
    write_json(card, folder / CARD)
    return StoredMapEncoder(encoder, tuple(regions), *scale, card, tuple(digests))


def is_of_maps(path: Path) -> bool:
    """Whether a stored encoder, by its folder or file, is one of maps.

    Raises
    ------
    DatasetError
        There is none, or it is damaged.
    """
    file = path / ENCODER if path.is_dir() else path
    return read_arrays(file, "an encoder")[1].get("kind") == MAPS


def load_map_encoder(path: Path) -> StoredMapEncoder:
    """Read a stored encoder of maps.

    Parameters
    ----------
    path
        The folder, or the file in it.

    Raises
    ------
    DatasetError
        There is none, it is damaged, of another kind, architecture or version.
    """
    file = path / ENCODER if path.is_dir() else path
    arrays, card = read_arrays(file, "an encoder of maps")
    if card.get("kind") != MAPS or card.get("format") != FORMAT:
        raise DatasetError(
            file.name, found=f"it is an encoder of {card.get('kind', 'an unknown kind')}, format "
            f"{card.get('format', 'unknown')}",
            wanted=f"one of maps, format {FORMAT}",
            mend="Name the folder of a pre-training on maps by this version",
        )  # fmt: skip
    try:
        dimensions = int(card["dimensions"])
        encoder = MapEncoder.of_arrays(arrays, MapGrid.of_card(card["grid"]), dimensions)
        regions, mean, sd = tuple(card["regions"]), arrays["region.mean"], arrays["region.sd"]
        if not len(regions) == len(mean) == len(sd):
            raise ValueError("its card names other regions than it holds")
        stated = {name: tuple(shape) for name, shape in card["architecture"].items()}
        if stated != {name: value.shape for name, value in encoder.weights.items()}:
            raise ValueError("its card states other layers than it holds")
        digests = tuple(str(digest) for digest in arrays["digests"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            file.name, found=f"it is an encoder of another architecture ({error})",
            wanted="an encoder of maps of this version", mend="Learn it anew",
        ) from None  # fmt: skip
    return StoredMapEncoder(encoder, regions, mean, sd, card, digests)
