"""Federated averaging and FedProx, with differential privacy where it is asked for.

The guarantee is for a person of a site, against everybody who sees what leaves, the coordinator
included: each step of a site is a Gaussian mechanism on a sum of clipped gradients. Sites have
different people, so that the guarantee of all is that of one. It covers this learning and nothing
else that is computed of the same people; the scale of the markers has to come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec

import numpy as np

from commissure.errors import ConfigError
from commissure.federated.federation import Federation
from commissure.federated.site_learning import LEARNERS, LocalSteps, flattened, shaped


@dataclass(frozen=True)
class Averaged:
    """A model that was learnt by averaging.

    Attributes
    ----------
    weights
        Its arrays.
    differences
        What each site sent in each round, shape (rounds, sites, parameters); all that a curious
        coordinator has.
    epsilon, delta
        Privacy of a person; infinite without noise.
    """

    weights: list[np.ndarray]
    differences: np.ndarray
    epsilon: float = float("inf")
    delta: float = 0.0


@dataclass(frozen=True)
class Averaging:
    """How a model is learnt.

    Attributes
    ----------
    learner
        One of :data:`commissure.federated.site_learning.LEARNERS`.
    rounds
        How often sites are averaged.
    local
        How each site trains in between.
    delta
        Chance that the guarantee does not hold; at most one over the people.
    seed
        Of the weights that all begin with.
    """

    learner: str = "logistic"
    rounds: int = 30
    local: LocalSteps = field(default_factory=LocalSteps)
    delta: float = 1e-4
    seed: int = 0


def averaged(
    federation: Federation,
    centre: np.ndarray,
    scale: np.ndarray,
    how: Averaging,
    *,
    of: Sequence[str] | None = None,
) -> Averaged:
    """Learn a model: each round the sites' differences, averaged by their people, are added.

    Parameters
    ----------
    federation
        The sites.
    centre, scale
        What markers are standardised by, shape (markers,); agreed on beforehand where the model is
        to be private.
    how
        How it is learnt.
    of
        Sites that take part; all by default.

    Raises
    ------
    ConfigError
        There is noise, and no accountant is installed.
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    weights = LEARNERS[how.learner].start(len(centre), how.seed)
    epsilon = float("inf")
    if how.local.noise:
        epsilon = spent_epsilon(how.local.noise, how.rounds * how.local.steps, how.delta)
    told = []
    for _ in range(how.rounds):
        answers = federation.ask(
            "difference", of=of, weights=flattened(weights), learner=how.learner, centre=centre,
            scale=scale, **asdict(how.local),
        )  # fmt: skip
        differences = np.array([message.arrays["difference"] for message in answers])
        people = np.array([message.people for message in answers], float)
        mean = people @ differences / people.sum()
        weights = shaped(flattened(weights) + mean, weights)
        told.append(differences)
    return Averaged(weights, np.array(told), epsilon, how.delta if how.local.noise else 0.0)


def spent_epsilon(noise: float, steps: int, delta: float) -> float:
    """Epsilon of so many steps with noise of so many clipping norms.

    By Rényi differential privacy (Mironov 2017, CSF), which never says too little.

    Parameters
    ----------
    noise
        Standard deviation of the noise, in the norm that a person's gradient is clipped to.
    steps
        Of one site in all rounds.
    delta
        Chance that the guarantee does not hold.

    Raises
    ------
    ConfigError
        The accountant (dp-accounting) is not installed.
    """
    _need_accountant()
    from dp_accounting import dp_event
    from dp_accounting.rdp.rdp_privacy_accountant import RdpAccountant

    accountant = RdpAccountant()
    accountant.compose(dp_event.SelfComposedDpEvent(dp_event.GaussianDpEvent(noise), steps))
    return float(accountant.get_epsilon(delta))


def needed_noise(epsilon: float, steps: int, delta: float) -> float:
    """The least noise, in clipping norms, with which so many steps spend no more than epsilon.

    Raises
    ------
    ConfigError
        The accountant (dp-accounting) is not installed.
    """
    _need_accountant()
    from dp_accounting import dp_event
    from dp_accounting.mechanism_calibration import ExplicitBracketInterval, calibrate_dp_mechanism
    from dp_accounting.rdp.rdp_privacy_accountant import RdpAccountant

    # So many steps with noise are one with a root of that many times less.
    of_one = calibrate_dp_mechanism(
        RdpAccountant, dp_event.GaussianDpEvent, epsilon, delta,
        bracket_interval=ExplicitBracketInterval(0.2, 100.0), tol=1e-3,
    )  # fmt: skip
    return float(of_one * np.sqrt(steps))


def _need_accountant() -> None:
    if find_spec("dp_accounting") is None:
        raise ConfigError(
            "differential privacy", found="its accountant (dp-accounting) is not installed",
            wanted="the extra federated", mend='Install it: make env EXTRAS="federated"',
        )  # fmt: skip
