"""The card of a stored network: what it takes, how it was trained, the digest of its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.errors import DatasetError
from commissure.lesion.network.settings import NetworkShape
from commissure.lesion.settings import LesionPreprocessSettings
from commissure.names import Scan
from commissure.settings import validated

#: Files of a stored network.
WEIGHTS, CARD = "network.npz", "network.json"

#: What training and marking import.
PACKAGES = ("torch", "monai")

#: Version of what the two files hold.
FORMAT = 2


@dataclass(frozen=True)
class NetworkCard:
    """What is known of a stored network.

    Attributes
    ----------
    folder
        Where it lies.
    shape
        What it takes and how it is built.
    digest
        SHA-256 of the file of its weights.
    about
        Everything that the card says.
    """

    folder: Path
    shape: NetworkShape
    digest: str
    about: Mapping[str, Any]


def read_card(folder: Path | str) -> NetworkCard:
    """Read the card of a network.

    Raises
    ------
    DatasetError
        There is no network, or its card cannot be read or is of another version.
    """
    path = Path(folder) / CARD
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version, shape, digest = about["format"], about["shape"], str(about["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        there = path.exists()
        raise DatasetError(
            str(folder),
            found=f"{CARD} cannot be read ({error})" if there else "there is no network",
            wanted=f"{CARD} and {WEIGHTS}, as commissure train-lesion leaves them",
            mend="Name the folder OUT of a finished training",
        ) from error
    if version != FORMAT:
        raise DatasetError(
            str(folder),
            found=f"a network in format {version}",
            wanted=f"format {FORMAT}",
            mend="Train it again with this version",
        )
    shape = validated(NetworkShape, shape, who=f"{CARD} of {folder} is not valid")
    return NetworkCard(Path(folder), shape, digest, about)


def check_weights(card: NetworkCard) -> bytes:
    """The bytes of the weights that belong to a card.

    Raises
    ------
    DatasetError
        They are not there, or are others than those that the card was written for.
    """
    path = card.folder / WEIGHTS
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card.digest:
        raise DatasetError(
            str(path),
            found="other weights than those of the card" if content else "there are no weights",
            wanted=f"the file that was written with {CARD}",
            mend="Copy both files again, or train the network again",
        )
    return content


def network_sources(scan: Scan, settings: LesionPreprocessSettings) -> str:
    """By which network lesions are marked: a part of what a record is kept for."""
    return "" if settings.masks == "given" else read_card(settings.masks).digest
