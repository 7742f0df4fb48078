"""Federated averaging and FedProx, with differential privacy where it is asked for.

The guarantee is for a person of a site, against everybody who sees what leaves, the coordinator
included: each step of a site is a Gaussian mechanism on a sum of clipped gradients. Sites have
different people, so that the guarantee of all is that of one. It covers this learning and nothing
else that is computed of the same people; the scale of the markers has to come from elsewhere. Where
sums are masked the noise can be shared between the sites: what is seen has the noise of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from commissure.federated.federation import Federation, added
from commissure.federated.privacy_budget import Spent, epsilon_of
from commissure.federated.site_learning import LEARNERS, LocalSteps, flattened, shaped


@dataclass(frozen=True)
class Averaged:
    """A model that was learnt by averaging.

    Attributes
    ----------
    weights
        Its arrays.
    differences
        What each site sent in each round, over its people, shape (rounds, sites, parameters); of
        masked sums that of all sites together, shape (rounds, 1, parameters). It is all that a
        curious coordinator has.
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
        spent = [Spent(how.local.noise, how.rounds * how.local.steps)]
        epsilon = epsilon_of(spent, how.delta)
    told = []
    for _ in range(how.rounds):
        answers = federation.ask(
            "difference", of=of, weights=flattened(weights), learner=how.learner, centre=centre,
            scale=scale, delta=how.delta, **asdict(how.local),
        )  # fmt: skip
        people = sum(message.people for message in answers)
        weights = shaped(flattened(weights) + added(answers, "weighted") / people, weights)
        told.append([message.arrays["weighted"] / message.people for message in answers])
    return Averaged(weights, np.array(told), epsilon, how.delta if how.local.noise else 0.0)
