"""Requests and answers as bytes: all that passes between a site and the coordinator.

A length, a header in JSON, and the arrays as little-endian doubles (masked ones as bytes), with
nothing before, between or after. Whoever carries them (a function call here, the engine over a
network) sees bytes only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.allowed import Message
from commissure.federated.site import Request, Together

_LENGTH, _NUMBER, _MASKED = 8, np.dtype("<f8"), np.dtype("u1")
#: What the header of both says.
_SAID = {"kind", "round", "words"}


def message_bytes(message: Message) -> bytes:
    """An answer as it leaves a site."""
    head = {
        "site": message.site, "kind": message.kind, "round": message.round,
        "people": message.people, "version": message.version, "words": dict(message.words),
        "masked": message.masked,
    }  # fmt: skip
    return _packed(head, message.arrays)


def message_of(data: bytes) -> Message:
    """An answer as it arrives.

    Raises
    ------
    DatasetError
        It is not what :func:`message_bytes` makes, to the last byte.
    """
    head, arrays = _unpacked(data, {*_SAID, "people", "version", "site", "masked"})
    return Message(
        str(head["site"]), str(head["kind"]), int(head["round"]), int(head["people"]), arrays,
        str(head["version"]), head["words"], bool(head["masked"]),
    )  # fmt: skip


def request_bytes(request: Request) -> bytes:
    """A request as it goes to the sites: numbers as arrays, everything else in the header."""
    numbers = {
        name: np.asarray(value, float)
        for name, value in request.given.items()
        if isinstance(value, (int, float, np.ndarray, np.generic))
    }
    head = {
        "kind": request.kind, "round": request.round, "view": request.view,
        "taking_part": request.taking_part,
        "together": None if request.together is None else asdict(request.together),
        "words": {name: value for name, value in request.given.items() if name not in numbers},
    }  # fmt: skip
    return _packed(head, numbers)


def request_of(data: bytes) -> Request:
    """A request as it arrives.

    Raises
    ------
    DatasetError
        It is not what :func:`request_bytes` makes.
    """
    head, arrays = _unpacked(data, {*_SAID, "view", "taking_part", "together"})
    said = head["together"]
    together = said and Together(str(said["session"]), tuple(map(str, said["sites"])))
    given = {name: value if value.ndim else float(value) for name, value in arrays.items()}
    return Request(
        str(head["kind"]), int(head["round"]), {**given, **head["words"]}, str(head["view"]),
        int(head["taking_part"]), together,
    )  # fmt: skip


def _packed(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    shapes = {name: list(np.shape(array)) for name, array in arrays.items()}
    text = json.dumps({**head, "shapes": shapes}, sort_keys=True).encode()
    number = _MASKED if head.get("masked") else _NUMBER
    parts = [np.ascontiguousarray(arrays[name], number).tobytes() for name in sorted(shapes)]
    return len(text).to_bytes(_LENGTH, "little") + text + b"".join(parts)


def _unpacked(data: bytes, wanted: set[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        at = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        head = json.loads(data[_LENGTH:at])
        shapes = head.pop("shapes")
        if set(head) != wanted or not isinstance(head["words"], dict):
            raise ValueError("another header")
        arrays = {}
        number, plain = (_MASKED, np.uint8) if head.get("masked") else (_NUMBER, float)
        for name in sorted(shapes):
            count = int(np.prod(shapes[name], dtype=int))
            numbers = np.frombuffer(data, number, count, at)
            arrays[name] = numbers.reshape(shapes[name]).astype(plain)
            at += numbers.nbytes
        if at != len(data):
            raise ValueError("bytes are left over")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            "a message between sites", found=f"{len(data)} bytes that cannot be read ({error})",
            wanted="a message of this version of commissure",
            mend="Install one version of commissure at all sites",
        ) from error  # fmt: skip
    return head, arrays
