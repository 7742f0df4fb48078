"""What a site lets be told of a person in all: it keeps its own account of what leaves with noise.

The accountant is that of dp-accounting, by Rényi differential privacy (Mironov 2017, CSF), which
never says too little. Needs the extra ``federated``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from commissure.errors import ConfigError, DatasetError
from commissure.federated.allowed import ALLOWED, MIN_SITES

if TYPE_CHECKING:
    from commissure.federated.site import Request

#: A whole difference is never shortened to less than so many longest steps: shortening a site's
#: noise would leave too little in the sum over sites.
UNSHORTENED = 1e3


@dataclass(frozen=True)
class Spent:
    """Steps with noise: each a Gaussian mechanism.

    Attributes
    ----------
    noise
        Standard deviation of the noise of a step, in the norm that each person is clipped to.
    steps
        How many.
    """

    noise: float
    steps: int


class PrivacyBudget:
    """How much of a person a site tells at most, and what it has told.

    Parameters
    ----------
    name
        The site's name.
    epsilon
        What may be spent.
    before
        What left with noise in earlier runs.
    """

    def __init__(self, name: str, epsilon: float, before: Sequence[Spent] = ()) -> None:
        need_accountant()
        self._name, self._epsilon = name, epsilon
        self._spent = list(before)

    def spend(self, request: Request, people: int) -> Spent | None:
        """Enter a request into the account before it is answered; None where it costs nothing.

        Parameters
        ----------
        request
            The request.
        people
            People of the site, over whom delta is at most one.

        Raises
        ------
        DatasetError
            It asks for a sum without noise, for people who are not clipped, or for more than may
            be spent.
        """
        if request.kind in ALLOWED and ALLOWED[request.kind].clear:
            return None
        given = {name: float(request.given.get(name, 0.0)) for name in _SAID}
        if request.kind != "difference" or not given["noise"] or not given["person_clip"]:
            raise self._refused(
                f"{request.kind} without noise, or of people who are not clipped",
                "differences of a model with both",
            )
        if not 0 < given["delta"] <= 1 / max(people, 1):
            raise self._refused(f"delta {given['delta']:g}", f"at most 1 over {people} people")
        shared = int(given["shared_between"])
        if shared > 1:
            together = () if request.together is None else set(request.together.sites)
            if len(together) != shared or shared < MIN_SITES or given["steps"] != 1:
                raise self._refused(
                    f"a {shared}th of the noise, {given['steps']:.0f} steps and "
                    f"{len(together)} sites under one mask",
                    "one step a round, and as many sites under the mask as share the noise",
                )
            if given["most_change"] < UNSHORTENED * given["rate"] * given["person_clip"]:
                raise self._refused("noise that is shortened", "the whole noise of each site")
        spent = Spent(given["noise"], int(given["steps"]))
        epsilon = epsilon_of([*self._spent, spent], given["delta"])
        if epsilon > self._epsilon * (1 + 1e-9):
            raise self._refused(
                f"more of its people: epsilon {epsilon:.3g} with what left before, at delta "
                f"{given['delta']:.2g}",
                f"at most {self._epsilon:g}",
            )
        self._spent.append(spent)
        return spent

    def _refused(self, found: str, wanted: str) -> DatasetError:
        return DatasetError(
            f"site {self._name}, privacy", found=f"it was asked for {found}", wanted=wanted,
            mend="Agree on more noise, fewer rounds or a larger --epsilon",
        )  # fmt: skip


_SAID = ("noise", "person_clip", "steps", "rate", "most_change", "shared_between", "delta")


def spent_before(log: Path) -> list[Spent]:
    """What left with noise, as the log of a site has it."""
    if not log.exists():
        return []
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [Spent(**line["private"]) for line in lines if "private" in line]


def epsilon_of(spent: Sequence[Spent], delta: float) -> float:
    """Epsilon of steps with noise, whichever in whatever order.

    Parameters
    ----------
    spent
        The steps.
    delta
        Chance that the guarantee does not hold.

    Raises
    ------
    ConfigError
        The accountant (dp-accounting) is not installed.
    """
    need_accountant()
    from dp_accounting import dp_event
    from dp_accounting.rdp.rdp_privacy_accountant import RdpAccountant

    accountant = RdpAccountant()
    for each in spent:
        step = dp_event.GaussianDpEvent(each.noise)
        accountant.compose(dp_event.SelfComposedDpEvent(step, each.steps))
    return float(accountant.get_epsilon(delta))


def needed_noise(epsilon: float, steps: int, delta: float) -> float:
    """The least noise, in clipping norms, with which so many steps spend no more than epsilon.

    Raises
    ------
    ConfigError
        The accountant (dp-accounting) is not installed.
    """
    need_accountant()
    from dp_accounting import dp_event
    from dp_accounting.mechanism_calibration import ExplicitBracketInterval, calibrate_dp_mechanism
    from dp_accounting.rdp.rdp_privacy_accountant import RdpAccountant

    # So many steps with noise are one with a root of that many times less.
    of_one = calibrate_dp_mechanism(
        RdpAccountant, dp_event.GaussianDpEvent, epsilon, delta,
        bracket_interval=ExplicitBracketInterval(0.1, 1000.0), tol=1e-3,
    )  # fmt: skip
    return float(of_one * steps**0.5)


def need_accountant() -> None:
    """Refuse to call anything private without an accountant.

    Raises
    ------
    ConfigError
        dp-accounting is not installed.
    """
    if find_spec("dp_accounting") is None:
        raise ConfigError(
            "differential privacy", found="its accountant (dp-accounting) is not installed",
            wanted="the extra federated", mend='Install it: make env EXTRAS="federated"',
        )  # fmt: skip
