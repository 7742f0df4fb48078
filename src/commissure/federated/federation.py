"""The sites as the coordinator sees them: it asks, and checks what it is told.

It sees no person. What is lost, repeated, made up or of too few sites is refused in words, or what
was begun is begun again without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from commissure.errors import CommissureError, DatasetError
from commissure.federated.allowed import (
    ALLOWED,
    MIN_PEOPLE,
    MIN_SITES,
    MIN_TOGETHER,
    Message,
    TooFewPeople,
    refuse_unless_allowed,
)
from commissure.federated.site import Request

#: Answers a request, here or far away.
Answerer = Callable[[Request], Message]
#: Asks sites at the same time: what each says, or why it says nothing.
Exchange = Callable[[Request, Sequence[str]], Mapping[str, Message | Exception]]


@dataclass
class Federation:
    """Sites that compute together.

    Attributes
    ----------
    sites
        What answers for each site, by name.
    min_people, min_sites
        Fewer people of a site, or fewer sites, and nothing is computed.
    lost
        Sites that no longer answer, with the cause; they are in no result.
    view
        Which of the sites' tables is asked about.
    at_once
        Asks several sites at the same time, each by its name, where a network can.
    """

    sites: dict[str, Answerer]
    min_people: int = MIN_PEOPLE
    min_sites: int = MIN_SITES
    lost: dict[str, str] = field(default_factory=dict)
    view: str = "markers"
    at_once: Exchange | None = None
    _rounds: Iterator[int] = field(default_factory=lambda: count(1))
    _people: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _most: dict[str, int] = field(default_factory=dict)

    def of_view(self, view: str) -> Federation:
        """The same sites, asked about another of their tables, or once more about a smaller one."""
        return replace(self, view=view, _people={}, _most={})

    def ask(
        self,
        kind: str,
        *,
        of: Sequence[str] | None = None,
        few_are_left_out: bool = False,
        **given: Any,
    ) -> list[Message]:
        """Ask the sites, and check what they say.

        Parameters
        ----------
        kind
            Kind of the answer.
        of
            Whom to ask; all by default.
        few_are_left_out
            Whether a site with too few people for this answer is left out of the round.

        Returns
        -------
        list of Message
            In the order of the sites.

        Raises
        ------
        SiteLost
            A site no longer answers: what was begun with it begins again without it.
        DatasetError
            An answer is not allowed, belongs to another round or site, or contradicts what the
            site said before of its people; or too few sites are left.
        """
        number = next(self._rounds)
        names = list(self.sites if of is None else of)
        if len(self.sites) < self.min_sites:
            lost = "".join(f"; {name} was lost: {why}" for name, why in self.lost.items())
            raise DatasetError(
                "the federation", found=f"{len(self.sites)} sites are left{lost}",
                wanted=f"at least {self.min_sites}: the sum of few tells what another sent",
                mend="Wait for more sites",
            )  # fmt: skip
        self._refuse_alone(kind, names)
        request = Request(kind, number, given, self.view, len(names))
        answers = []
        for name, message in self._exchanged(request, names).items():
            if few_are_left_out and isinstance(message, TooFewPeople):
                continue
            if isinstance(message, (OSError, TimeoutError)):
                self.lost[name] = str(message) or type(message).__name__
                del self.sites[name]
                raise SiteLost(name) from message
            if isinstance(message, Exception):
                raise message
            self._check(message, name, request)
            answers.append(message)
        self._refuse_alone(kind, [message.site for message in answers])
        return answers

    def _refuse_alone(self, kind: str, names: Sequence[str]) -> None:
        if kind in ALLOWED and not ALLOWED[kind].alone and len(names) < MIN_TOGETHER:
            raise DatasetError(
                "the federation", found=f"{len(names)} site in a round of {kind}",
                wanted=f"at least {MIN_TOGETHER}: a sum over one site is that site's",
                mend="Wait for more sites",
            )  # fmt: skip

    def _exchanged(
        self, request: Request, names: Sequence[str]
    ) -> Mapping[str, Message | Exception]:
        """What each site says, or why it says nothing."""
        if self.at_once is not None:
            return self.at_once(request, names)
        said: dict[str, Message | Exception] = {}
        for name in names:
            try:
                said[name] = self.sites[name](request)
            except (OSError, CommissureError) as error:
                said[name] = error
                if not isinstance(error, TooFewPeople):
                    break
        return said

    def _check(self, message: Message, name: str, request: Request) -> None:
        refuse_unless_allowed(message, min_people=self.min_people)
        if (message.site, message.kind, message.round) != (name, request.kind, request.round):
            raise DatasetError(
                f"site {name}",
                found=f"an answer of {message.site} to round {message.round} ({message.kind})",
                wanted=f"an answer to round {request.round} ({request.kind})",
                mend="An old answer was sent again, or another site answered: check who did",
            )  # fmt: skip
        given = request.given
        group = str(given.get("among", "knots" in given)) + str("slopes" in given)
        before = self._people.setdefault((name, request.kind, group), message.people)
        if before != message.people:
            raise DatasetError(
                f"site {name}",
                found=f"it speaks of {message.people} people, and of {before} before",
                wanted="the same people in every round",
                mend="Begin again once the site's table is settled",
            )  # fmt: skip
        everybody = self._most.get(name)
        if request.kind == "done":
            self._most[name] = message.people
        elif everybody is not None and _most_people(message) > everybody:
            raise DatasetError(
                f"site {name}",
                found=f"{request.kind} of {_most_people(message):.0f} people, and {everybody} "
                "are in its table",
                wanted="no more people than the site has",
                mend="Compare the site's log of what left with what arrived",
            )  # fmt: skip
        _refuse_impossible(message, request)


class SiteLost(Exception):
    """A site no longer answers."""


def _most_people(message: Message) -> float:
    """The largest number of people that a message speaks of."""
    return max(float(message.people), float(np.max(message.arrays.get("people", 0), initial=0)))


def _refuse_impossible(message: Message, request: Request) -> None:
    """Sums that no people can have: of another number of people than is said, or made up."""
    check = _IMPOSSIBLE.get(message.kind)
    if check is not None and check(message, request):
        raise DatasetError(
            f"site {message.site}",
            found=f"its {message.kind} cannot be those of {message.people} people",
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
    length = float(np.linalg.norm(message.arrays["difference"]))
    wrong = length > float(request.given["most_change"]) * (1 + 1e-9)
    return wrong or len(message.arrays["difference"]) != len(request.given["weights"])


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


def restarted(federation: Federation, analysis: Callable[[], Any]) -> Any:
    """An analysis, begun again without a site that is lost on the way."""
    while True:
        try:
            return analysis()
        except SiteLost:
            continue


def added(answers: Sequence[Message], name: str) -> np.ndarray:
    """One array, added over the sites."""
    return np.sum([message.arrays[name] for message in answers], axis=0)
