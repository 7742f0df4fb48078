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
    content = packed({_CARD: text, **arrays})
    with atomic(path) as draft:
        draft.write_bytes(content)


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
    arrays = unpacked(path.read_bytes(), who=path.name, what=what)
    try:
        card = json.loads(arrays.pop(_CARD).tobytes())
        if not isinstance(card, dict):
            raise ValueError("its card is no list of names")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path.name, what, error) from None
    return arrays, card


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an ``npz`` file; the same arrays give the same bytes.

    Raises
    ------
    ValueError
        One holds objects.
    """
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def unpacked(content: bytes, *, who: str, what: str) -> dict[str, np.ndarray]:
    """Arrays of the bytes of an ``npz`` file.

    Parameters
    ----------
    content
        All bytes: of a damaged archive NumPy would leave the file open.
    who, what
        Name of the file, and what it should hold, in words.

    Raises
    ------
    DatasetError
        It is damaged, or holds objects, which are never opened.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (AttributeError, ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(who, what, error) from None


def _unreadable(who: str, what: str, error: Exception) -> DatasetError:
    return DatasetError(
        who, found=f"it cannot be read ({error})", wanted=f"{what} that commissure stored",
        mend="Make it anew",
    )  # fmt: skip
