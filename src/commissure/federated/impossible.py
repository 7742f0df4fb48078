"""Sums that no people can have, whoever sent them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.allowed import Message
from commissure.federated.site import Request


def refuse_impossible(message: Message, request: Request) -> None:
    """Refuse sums that no people can have: of another number of people than is said, or made up.

    Raises
    ------
    DatasetError
        With the site; of a masked sum all of its sites, among whom nobody can say which it is.
    """
    check = _IMPOSSIBLE.get(message.kind)
    if check is not None and check(message, request):
        raise DatasetError(
            f"site {message.site}" if message.site else f"the sites {', '.join(message.sites)}",
            found=f"{'its' if message.site else 'their'} {message.kind} cannot be those of "
            f"{message.people} people",
            wanted="sums over the people that it speaks of",
            mend="Compare the site's log of what left with what arrived",
        )  # fmt: skip


def _impossible_sums(message: Message, request: Request) -> bool:
    arrays = message.arrays
    possible = arrays["squares"] * arrays["people"] - arrays["total"] ** 2
    scale = np.maximum(arrays["squares"] * arrays["people"], 1e-300)
    return bool((possible < -1e-6 * scale).any())


def _impossible_products(message: Message, request: Request) -> bool:
    """Cauchy's inequality of the marker with each column, and no negative square."""
    arrays = message.arrays
    of_columns = np.einsum("mii->mi", arrays["columns"])
    most = of_columns * arrays["squares"][:, None]
    beyond = arrays["with_marker"] ** 2 - most > 1e-6 * np.maximum(most, 1e-300)
    return bool(beyond.any() or (of_columns < 0).any() or (arrays["squares"] < 0).any())


def _impossible_covariance(message: Message, request: Request) -> bool:
    arrays = message.arrays
    people = float(arrays["people"])
    spread = arrays["products"] - np.outer(arrays["total"], arrays["total"]) / max(people, 1)
    negative = np.linalg.eigvalsh(spread).min() < -1e-6 * max(np.trace(spread), 1e-300)
    return bool(negative or people != message.people)


def _impossible_wins(message: Message, request: Request) -> bool:
    won, compared = message.arrays["won"], message.arrays["compared"]
    return bool((won < 0).any() or (won > compared).any() or compared > message.people**2 / 4)


def _impossible_gradient(message: Message, request: Request) -> bool:
    """At coefficients of 0 each person has the likelihood of a coin, whatever their markers."""
    arrays, people = message.arrays, message.people
    wrong = float(arrays["people"]) != people or float(arrays["value"]) > 0
    wrong |= bool(np.abs(arrays["gradient"][0]) > people * (1 + 1e-9))
    wrong |= bool(arrays["hessian"][0, 0] > people / 4 * (1 + 1e-9))
    if not np.any(request.given["coefficients"]):
        wrong |= not np.isclose(float(arrays["value"]), -people * np.log(2))
        wrong |= not np.isclose(arrays["hessian"][0, 0], people / 4)
    return wrong


def _impossible_difference(message: Message, request: Request) -> bool:
    """Longer than it was to be clipped to: one site would outweigh all others."""
    length = float(np.linalg.norm(message.arrays["weighted"])) / message.people
    wrong = length > float(request.given["most_change"]) * (1 + 1e-9)
    return wrong or len(message.arrays["weighted"]) != len(request.given["weights"])


def _impossible_ages(message: Message, request: Request) -> bool:
    younger = message.arrays["younger"]
    return bool((np.diff(younger) < 0).any() or younger.max(initial=0) > message.people)


_IMPOSSIBLE: Mapping[str, Callable[[Message, Request], bool]] = {
    "sums": _impossible_sums,
    "products": _impossible_products,
    "covariance": _impossible_covariance,
    "wins": _impossible_wins,
    "gradient": _impossible_gradient,
    "ages": _impossible_ages,
    "difference": _impossible_difference,
}
