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
from commissure.federated.exact_sums import added_exactly
from commissure.federated.impossible import refuse_impossible
from commissure.federated.masked_rounds import MaskedRounds, whose_sum
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
    masked
        Masks the sums: what is seen is the sum over all sites. None for sums in the clear.
    """

    sites: dict[str, Answerer]
    min_people: int = MIN_PEOPLE
    min_sites: int = MIN_SITES
    lost: dict[str, str] = field(default_factory=dict)
    view: str = "markers"
    at_once: Exchange | None = None
    masked: MaskedRounds | None = None
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
            In the order of the sites; of masked answers their sum alone.

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
        masked = None if kind in ALLOWED and ALLOWED[kind].clear else self.masked
        if masked is not None and few_are_left_out:
            counts = self.ask("count", of=names, few_are_left_out=True, of_kind=kind, **given)
            names, few_are_left_out = [message.site for message in counts], False
        self._refuse_alone(kind, names)
        request = Request(kind, number, given, self.view, len(names))
        if masked is not None:
            request = masked.request(request, names)
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
        if masked is not None:
            total = masked.total(request, answers)
            refuse_impossible(total, request)
            return [total]
        self._refuse_alone(kind, [message.site for message in answers])
        return answers

    def meet(self) -> None:
        """Let the sites agree on masks, where sums are to be masked: once a session.

        Raises
        ------
        DatasetError, SiteLost
            As :meth:`ask` says.
        """
        if self.masked is None:
            return
        session = self.masked.begin()
        keys = {message.site: message.words for message in self.ask("key", session=session)}
        self.ask("done", task="meet", keys=keys)

    def _refuse_alone(self, kind: str, names: Sequence[str]) -> None:
        masked = self.masked is not None and kind in ALLOWED and not ALLOWED[kind].clear
        least = MIN_SITES if masked else MIN_TOGETHER
        free = kind not in ALLOWED or (ALLOWED[kind].alone and not masked)
        if not free and len(names) < least:
            raise DatasetError(
                "the federation",
                found=f"{len(names)} site{'s' * (len(names) != 1)} in a round of {kind}",
                wanted=f"at least {least}: a sum over few sites is that of each",
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
        if message.masked != (request.together is not None):
            raise DatasetError(
                f"site {name}", found=f"an answer {'with' if message.masked else 'without'} a mask",
                wanted="masks of all sites or of none",
                mend="Start coordinator and sites with --masked, or none of them",
            )  # fmt: skip
        if (message.site, message.kind, message.round) != (name, request.kind, request.round):
            raise DatasetError(
                f"site {name}",
                found=f"an answer of {message.site} to round {message.round} ({message.kind})",
                wanted=f"an answer to round {request.round} ({request.kind})",
                mend="An old answer was sent again, or another site answered: check who did",
            )  # fmt: skip
        given = request.given
        group = str([whose_sum(given), "slopes" in given, *map(given.get, ("without", "of_kind"))])
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
        if not message.masked:
            refuse_impossible(message, request)


class SiteLost(Exception):
    """A site no longer answers."""


def _most_people(message: Message) -> float:
    """The largest number of people that a message speaks of."""
    told = 0 if message.masked else message.arrays.get("people", 0)
    return max(float(message.people), float(np.max(told, initial=0)))


def restarted(federation: Federation, analysis: Callable[[], Any]) -> Any:
    """An analysis, begun again without a site that is lost on the way.

    Raises
    ------
    DatasetError
        The site has sent masked sums: with and without it they would tell what it sent.
    """
    while True:
        try:
            return analysis()
        except SiteLost as lost:
            if federation.masked is not None:
                federation.masked.refuse_to_go_on(str(lost))


def added(answers: Sequence[Message], name: str) -> np.ndarray:
    """One array, added over the sites; rounded once, as a masked sum is."""
    return added_exactly([message.arrays[name] for message in answers])


def names_of(answers: Sequence[Message]) -> list[str]:
    """The sites behind answers, whether each is seen or their sum alone."""
    return [name for message in answers for name in message.sites]
