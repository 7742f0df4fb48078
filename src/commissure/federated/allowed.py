"""What may leave a site: a list with a version, checked before anything goes, and a log.

Nothing leaves that is not on the list: no image, no row of a table, no identifier, no score of a
person. Every kind is a sum over people, over :data:`MIN_PEOPLE` of them at least. A masked answer
has the kind and the shapes of a clear one, and numbers that mean nothing until those of all sites
are added (:mod:`commissure.federated.masks`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.exact_sums import BYTES

#: Changes whenever a kind is added or changed: sites of different versions do not compute together.
ALLOW_LIST_VERSION = "4"
#: A sum over fewer people is too near to a person.
MIN_PEOPLE = 10
#: With fewer sites the sum of all tells one what the other sent.
MIN_SITES = 3
#: No sum is asked of fewer sites: where one is left out of three, the other two answer.
MIN_TOGETHER = 2


@dataclass(frozen=True)
class Kind:
    """One kind of message.

    Attributes
    ----------
    what
        In words.
    arrays
        Its arrays, each with names of its dimensions: ``markers``, ``columns``, ``labellings``. No
        dimension is people.
    words
        Names of its words, which are of markers and never of people.
    alone
        Whether a single site may be asked: what it says is meant to be known of that site.
    clear
        Whether it is never masked: it is no sum over sites.
    """

    what: str
    arrays: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...] = ()
    alone: bool = False
    clear: bool = False


#: All that may leave.
ALLOWED: Mapping[str, Kind] = MappingProxyType(
    {
        "sums": Kind(
            "people, sum and sum of squares of each marker",
            {"people": ("markers",), "total": ("markers",), "squares": ("markers",)},
        ),
        "products": Kind(
            "for each marker the cross-products of the columns of a design and of the marker with "
            "them, among the people who have it, and whether enough have it",
            {
                "people": ("markers",),
                "sites": ("markers",),
                "columns": ("markers", "columns", "columns"),
                "with_marker": ("markers", "columns"),
                "squares": ("markers",),
            },
        ),
        "covariance": Kind(
            "sums and cross-products of all markers, among the people who have all of them",
            {"people": (), "total": ("markers",), "products": ("markers", "markers")},
        ),
        "gradient": Kind(
            "log likelihood of a logistic model, its gradient and Hessian",
            {
                "people": (),
                "value": (),
                "gradient": ("columns",),
                "hessian": ("columns", "columns"),
            },
        ),
        "difference": Kind(
            "what a site's steps change in the weights of a model, clipped, with noise where the "
            "model is to be private, times its people",
            {"people": (), "weighted": ("parameters",)},
        ),
        "wins": Kind(
            "how many pairs of people a model puts in order, of how many: for the labels as they "
            "are and shuffled",
            {"won": ("labellings",), "compared": ()},
            alone=True,
        ),
        "catalogue": Kind(
            "names and units of the markers that enough people have",
            {"people": ()},
            ("markers",),
            alone=True,
            clear=True,
        ),
        "done": Kind(
            "that something was done which stays at the site",
            {"people": ()},
            alone=True,
            clear=True,
        ),
        "count": Kind(
            "how many people stand behind an answer", {"people": ()}, alone=True, clear=True
        ),
        "key": Kind(
            "a public key of a session, and whose it is",
            {"people": ()},
            ("public", "certificate", "signature"),
            alone=True,
            clear=True,
        ),
        "encoder_line": Kind(
            "cross-products of age with embeddings and with markers, over controls",
            {
                "people": (),
                "columns": ("columns", "columns"),
                "embedding": ("columns", "dimensions"),
                "markers": ("columns", "markers"),
            },
        ),
        "encoder_spread": Kind(
            "cross-products of embeddings about their line on age, and fourth powers of their "
            "lengths, over controls",
            {"people": (), "products": ("dimensions", "dimensions"), "fourth": ()},
        ),
        "ages": Kind(
            "how many controls are younger than each of a row of ages, in steps of enough people",
            {"people": (), "younger": ("ages",)},
        ),
        "age_products": Kind(
            "cross-products of the columns of age of a chart, over controls",
            {"people": (), "products": ("columns", "columns")},
        ),
        "chart_sums": Kind(
            "weighted cross-products of the columns of a chart, and of each marker with them",
            {
                "people": ("markers",),
                "information": ("markers", "columns", "columns"),
                "response": ("markers", "columns"),
            },
        ),
        "chart_level": Kind(
            "squared residuals of each marker from a chart",
            {"people": ("markers",), "squares": ("markers",)},
        ),
        "chart_shape": Kind(
            "log likelihood of the shape of each marker's residuals, its derivatives and their "
            "products",
            {
                "people": ("markers",),
                "likelihood": ("markers",),
                "gradient": ("parameters", "markers"),
                "curvature": ("markers", "parameters", "parameters"),
            },
        ),
    }
)


class TooFewPeople(DatasetError):
    """An answer does not leave, because too few people stand behind it."""


@dataclass(frozen=True)
class Message:
    """What one site answers.

    Attributes
    ----------
    site
        Name of the site.
    kind
        One of :data:`ALLOWED`.
    round
        Number of the request that it answers: no number comes twice.
    people
        People behind it.
    arrays
        Its content.
    version
        Of the list of what may leave.
    words
        Names of markers.
    masked
        Whether its arrays are bytes, :data:`~commissure.federated.exact_sums.BYTES` a number, that
        say nothing before those of all sites are added.
    """

    site: str
    kind: str
    round: int
    people: int
    arrays: Mapping[str, np.ndarray]
    version: str = ALLOW_LIST_VERSION
    words: Mapping[str, Any] = field(default_factory=dict)
    masked: bool = False

    @property
    def sites(self) -> tuple[str, ...]:
        """Whose sum it is."""
        return (self.site,)


@dataclass(frozen=True)
class Total(Message):
    """The sum of masked answers, which nobody sent: all that is known of them.

    Attributes
    ----------
    behind
        The sites whose sum it is.
    """

    behind: tuple[str, ...] = ()

    @property
    def sites(self) -> tuple[str, ...]:
        """Whose sum it is."""
        return self.behind


def refuse_unless_allowed(message: Message, *, min_people: int = MIN_PEOPLE) -> None:
    """Let a message pass, or say why not. Asked by the site before it sends, and on arrival.

    Raises
    ------
    DatasetError
        Its kind, an array or the shape of one is not on the list, the list has another version, a
        value is not finite, or too few people stand behind it.
    """
    who = f"site {message.site}, {message.kind}"

    def refuse(found: str, wanted: str, mend: str) -> DatasetError:
        return DatasetError(who, found=found, wanted=wanted, mend=mend)

    if message.version != ALLOW_LIST_VERSION:
        raise refuse(
            f"version {message.version} of the list of what may leave",
            f"version {ALLOW_LIST_VERSION}", "Install one version of commissure at all sites",
        )  # fmt: skip
    kind = ALLOWED.get(message.kind)
    if (
        kind is None
        or set(message.arrays) != set(kind.arrays)
        or set(message.words) != set(kind.words)
    ):
        raise refuse(
            f"the arrays and words {sorted([*message.arrays, *message.words])}",
            f"one of the kinds {sorted(ALLOWED)} with its arrays",
            "Nothing else may leave a site",
        )
    if message.people < min_people:
        raise TooFewPeople(
            who, found=f"{message.people} people stand behind it", wanted=f"at least {min_people}",
            mend="Leave this site out, or agree on a smaller --min-people",
        )  # fmt: skip
    if message.masked and kind.clear:
        raise refuse("it is masked", "an answer in the clear", "Report this as a fault")
    sizes: dict[str, int] = {"bytes": BYTES}
    for name, dimensions in kind.arrays.items():
        array = np.asarray(message.arrays[name])
        if message.masked:
            dimensions = (*dimensions, "bytes")
        fits = array.ndim == len(dimensions) and all(
            sizes.setdefault(label, size) == size
            for label, size in zip(dimensions, array.shape, strict=True)
        )
        if not fits or not np.isfinite(array).all():
            raise refuse(
                f"{name} has the shape {array.shape}, or values that are not finite",
                f"finite numbers over {list(dimensions) or 'nothing'}", "Report this as a fault",
            )  # fmt: skip


def log_entry(message: Message) -> dict[str, Any]:
    """A line of the log of what left: who, what, over how many people, and its digest."""
    digest = hashlib.sha256()
    number = np.uint8 if message.masked else float
    for name in sorted(message.arrays):
        array = np.ascontiguousarray(message.arrays[name], number)
        digest.update(name.encode() + array.tobytes())
    digest.update(json.dumps(dict(message.words), sort_keys=True).encode())
    shapes = {name: list(np.shape(array)) for name, array in sorted(message.arrays.items())}
    return {
        "site": message.site, "round": message.round, "kind": message.kind,
        "people": message.people, "masked": message.masked, "shapes": shapes,
        "sha256": digest.hexdigest(), "allow_list": message.version,
    }  # fmt: skip


def append_log(message: Message, path: Path, more: Mapping[str, Any] | None = None) -> None:
    """Write down what leaves, and what else a site notes of it, before it leaves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(log_entry(message) | dict(more or {})) + "\n")
