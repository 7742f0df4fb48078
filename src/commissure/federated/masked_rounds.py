"""Masked sums as the coordinator sees them: it adds what it cannot read."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.allowed import Message, Total
from commissure.federated.exact_sums import numbers_of
from commissure.federated.site import Request, Together


@dataclass
class MaskedRounds:
    """Sessions of masked sums.

    Attributes
    ----------
    session
        Name of the present one.
    sums
        How many sums were asked in it.
    """

    session: str = ""
    sums: int = 0

    def begin(self) -> str:
        """Begin a session, by a name that nobody has had."""
        self.session, self.sums = secrets.token_hex(16), 0
        return self.session

    def request(self, request: Request, names: Sequence[str]) -> Request:
        """The request, of the sites whose masks cancel."""
        self.sums += 1
        return replace(request, together=Together(self.session, tuple(names)))

    def total(self, request: Request, answers: Sequence[Message]) -> Total:
        """Add masked answers of all sites of a round.

        Raises
        ------
        DatasetError
            Sites send arrays of other shapes.
        """
        names = sorted(answers[0].arrays)
        shapes = [[np.shape(answer.arrays[name])[:-1] for name in names] for answer in answers]
        if any(shape != shapes[0] for shape in shapes):
            raise DatasetError(
                f"masked {request.kind}", found="arrays of other shapes at other sites",
                wanted="one shape", mend="Install one version of commissure at all sites",
            )  # fmt: skip
        sums = {}
        for name, shape in zip(names, shapes[0], strict=True):
            sums[name] = np.prod(shape, dtype=int), shape
        count = sum(int(size) for size, _ in sums.values())
        whole = 0
        for answer in answers:
            data = b"".join(np.ascontiguousarray(answer.arrays[name]).tobytes() for name in names)
            whole += int.from_bytes(data, "little")
        parts = np.split(numbers_of(whole, count), np.cumsum([size for size, _ in sums.values()]))
        arrays = {
            name: part.reshape(shape)
            for (name, (_, shape)), part in zip(sums.items(), parts, strict=False)
        }
        people = sum(answer.people for answer in answers)
        total = Total("", request.kind, request.round, people, arrays,
                      behind=tuple(answer.site for answer in answers))  # fmt: skip
        self._refuse_foreign(total)
        return total

    def refuse_to_go_on(self, lost: str) -> None:
        """Refuse to begin again without a site that has already sent sums.

        Raises
        ------
        DatasetError
            It has.
        """
        if self.sums:
            raise DatasetError(
                f"site {lost}", found=f"it was lost in masked sum {self.sums} of a session",
                wanted="all sites to the end: the same sums without it, taken from those with it, "
                "are what it sent",
                mend="Begin again with it; begin without it only if its sums may be known",
            )  # fmt: skip

    def _refuse_foreign(self, total: Total) -> None:
        """People are whole numbers, and as many as the sites say: else masks did not cancel."""
        people = total.arrays["people"] if "people" in total.arrays else np.zeros(0)
        whole = (people == np.round(people)).all() and (people >= 0).all()
        if not whole or (np.ndim(people) == 0 and float(people) != total.people):
            raise DatasetError(
                f"masked {total.kind} of {', '.join(total.sites)}",
                found="the masks do not cancel, or other people were added than the sites say",
                wanted="one session at all sites", mend="Begin again",
            )  # fmt: skip


def whose_sum(given: Mapping[str, Any]) -> str:
    """Whose sum is asked for: of whom at each site."""
    ages = "of the ages of charts" if "knots" in given else "of all ages"
    return f"{given.get('among', 'everybody')} {ages}"
