"""Arrays with a card in one file: an archive of NumPy without pickle, written in one step."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.files import as_json, atomic

#: Name of the array that holds the text of the card.
_CARD = "card.json"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write arrays and their card; the same bytes for the same content.

    Parameters
    ----------
    path
        The file, ``.npz``.
    arrays
        Numbers and text; objects are refused.
    card
        What they are, as JSON holds it.
    """
    text = np.frombuffer(as_json(card).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{_CARD: text, **arrays})
    with atomic(path) as draft:
        draft.write_bytes(content.getvalue())


def read_arrays(path: Path, what: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and their card.

    Parameters
    ----------
    path
        The file.
    what
        What it should hold, in words: "an encoder".

    Raises
    ------
    DatasetError
        There is no such file, it is damaged, or it holds objects, which are never opened.
    """
    if not path.is_file():
        raise DatasetError(str(path), found="there is no such file", wanted=f"{what}, as .npz")
    try:
        # Of a damaged archive NumPy would leave the file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        card = json.loads(arrays.pop(_CARD).tobytes())
        if not isinstance(card, dict):
            raise ValueError("its card is no list of names")
    except (
        AttributeError,
        ValueError,
        TypeError,
        KeyError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise DatasetError(
            path.name, found=f"it cannot be read ({error})",
            wanted=f"{what} that commissure stored", mend="Make it anew",
        ) from None  # fmt: skip
    return arrays, card
