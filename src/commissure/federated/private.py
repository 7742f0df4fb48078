"""A model of people at several sites that is differentially private, and nothing else of them.

Each round every site adds the clipped gradients of its people and noise; their sum moves the model.
What is stated is what the accountant says of the noise that was sent, for one person more or less
at any site. The scale of the markers comes from other people: means of these would tell of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.federated.averaging import Averaging, averaged
from commissure.federated.federation import Federation
from commissure.federated.privacy_budget import UNSHORTENED, need_accountant, needed_noise
from commissure.federated.site_learning import LocalSteps

Column = tuple[str, ...]
#: A row of a scale: modality, region, marker, unit, mean, standard deviation.
ScaleRow = tuple[str, str, str, str, float, float]
_SCALE = ["modality", "region", "marker", "unit", "mean", "sd"]
#: Epsilon beyond these is no privacy, or no model.
LEAST, MOST = 0.01, 50.0
_WHO = "privacy"


@dataclass(frozen=True)
class Privacy:
    """What is asked for of a private model.

    Attributes
    ----------
    epsilon
        What may be told of a person.
    scale
        Mean and standard deviation of markers in other people.
    delta
        Chance that the guarantee does not hold; 0 for a power of two that is at most one over the
        people.
    clip
        Norm to which each person's gradient is clipped before people are added.
    rounds
        Steps of the model.
    rate, ridge
        Length of a step, and the penalty as a share of a person's loss.
    """

    epsilon: float
    scale: tuple[ScaleRow, ...]
    delta: float = 0.0
    clip: float = 1.0
    rounds: int = 20
    rate: float = 1.0
    ridge: float = 0.01

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Privacy:
        """From what a job says."""
        return cls(**{**said, "scale": tuple(tuple(row) for row in said["scale"])})


def read_scale(path: Path) -> tuple[ScaleRow, ...]:
    """Mean and SD of markers, as ``federated_markers.tsv`` of other people has them.

    Raises
    ------
    ConfigError
        A column is not there, or a value is not a finite number.
    """
    rows = pd.read_csv(path, sep="\t", dtype=dict.fromkeys(_SCALE[:4], str))
    missing = [name for name in _SCALE if name not in rows]
    if missing:
        raise ConfigError(
            str(path), found=f"there is no column '{missing[0]}'", wanted=", ".join(_SCALE),
            mend="Write mean and SD of each marker in other people",
        )  # fmt: skip
    rows = rows[_SCALE].fillna(dict.fromkeys(_SCALE[:4], ""))
    numbers = rows[["mean", "sd"]].to_numpy(float)
    if not np.isfinite(numbers).all() or not (numbers[:, 1] > 0).all():
        raise ConfigError(
            str(path), found="a mean or SD that is no number, or an SD of 0",
            wanted="numbers, and SDs above 0", mend="Leave these markers out",
        )  # fmt: skip
    return tuple(rows.itertuples(index=False, name=None))


def private_result(
    federation: Federation,
    privacy: Privacy,
    shared: Sequence[Column],
    units: Mapping[Column, str],
) -> dict[str, Any]:
    """Learn a logistic model with noise, and state what of a person is told.

    Parameters
    ----------
    federation
        The sites, which have met where sums are masked.
    privacy
        What is asked for.
    shared, units
        Markers that all sites have, and their units.

    Raises
    ------
    ConfigError
        No accountant, no noise for this epsilon, or a scale of other markers or units.
    DatasetError
        So few people that the noise would be all there is, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    need_accountant()
    columns, centre, scale = _scaled(privacy, shared, units)
    federation.ask("done", task="build", columns=[list(column) for column in columns])
    like: dict[str, Any] = {"weights": np.zeros(len(columns) + 1), "learner": "logistic",
                            "centre": centre, "scale": scale, "steps": 0}  # fmt: skip
    counts = federation.ask("count", of_kind="difference", **like)
    people = sum(message.people for message in counts)
    delta = _delta(privacy, people)
    noise = _noise(privacy, delta)
    sites = len(federation.sites)
    shared_between = sites if federation.masked is not None else 0
    seen = sites / (sites - 1) if shared_between else sites
    length = float(noise * np.sqrt((len(columns) + 1) * seen) / people)
    if length > 1:
        raise DatasetError(
            _WHO,
            found=f"the noise of epsilon {privacy.epsilon:g} would be {length:.1f} times as "
            f"long as the longest step that {people} people can agree on",
            wanted="noise that is shorter",
            mend="Take more people, fewer markers (--scale), fewer --rounds, a larger --epsilon"
            + ("" if shared_between else ", or share the noise (--masked)"),
        )  # fmt: skip
    local = LocalSteps(
        steps=1, rate=privacy.rate, ridge=privacy.ridge, person_clip=privacy.clip, noise=noise,
        most_change=2 * UNSHORTENED * privacy.rate * privacy.clip, shared_between=shared_between,
    )  # fmt: skip
    how = Averaging(rounds=privacy.rounds, local=local, delta=delta)
    model = averaged(federation, centre, scale, how)
    names = ("intercept", *(" ".join(part for part in column if part) for column in columns))
    slopes, intercept = model.weights
    weights = dict(zip(names, [float(intercept[0]), *map(float, slopes)], strict=True))
    return {
        "markers": len(columns),
        "privacy": {
            "epsilon_asked": privacy.epsilon, "epsilon": model.epsilon, "delta": model.delta,
            "accountant": "Renyi (dp-accounting), Gaussian noise on sums of clipped gradients",
            "neighbours": "one person more or less at one site; the number of people is told",
            "against": "the coordinator, and one site that works with it" if shared_between
            else "everybody who sees what leaves the sites",
            "covers": "this run; sums of the same people that leave otherwise are not covered",
            "told_without_noise": "people of each site, names of markers that enough of them have",
            "people": people, "rounds": privacy.rounds, "clip": privacy.clip, "noise": noise,
            "noise_of_a_site": local.own_noise, "noise_over_longest_step": length,
        },
        "model": {"ridge": privacy.ridge, "coefficients": weights},
    }  # fmt: skip


def _scaled(
    privacy: Privacy, shared: Sequence[Column], units: Mapping[Column, str]
) -> tuple[list[Column], np.ndarray, np.ndarray]:
    """The markers that have a scale, and it."""
    known: dict[Column, ScaleRow] = {row[:3]: row for row in privacy.scale}
    columns = [column for column in shared if column[:3] in known]
    if not columns:
        raise ConfigError(
            _WHO, found="the scale has none of the sites' markers", wanted="mean and SD of some",
            mend="Name a table of the same markers in other people (--scale)",
        )  # fmt: skip
    for column in columns:
        unit = known[column[:3]][3]
        if unit != units[column]:
            raise ConfigError(
                f"{_WHO}, {' '.join(column)}", found=f"the scale is in {unit or 'no unit'}",
                wanted=units[column], mend="Convert the table of --scale",
            )  # fmt: skip
    rows = [known[column[:3]] for column in columns]
    return columns, np.array([row[4] for row in rows]), np.array([row[5] for row in rows])


def _delta(privacy: Privacy, people: int) -> float:
    if privacy.delta > 1 / people:
        raise ConfigError(
            _WHO, found=f"delta {privacy.delta:g}",
            wanted=f"at most 1 over the {people} people: else one may be told in full",
            mend="Take a smaller --delta, or leave it out",
        )  # fmt: skip
    return privacy.delta or float(2.0 ** -np.ceil(np.log2(people)))


def _noise(privacy: Privacy, delta: float) -> float:
    if not LEAST <= privacy.epsilon <= MOST:
        raise ConfigError(
            _WHO, found=f"epsilon {privacy.epsilon:g}",
            wanted=f"{LEAST:g} to {MOST:g}: less leaves no model, more is no privacy",
            mend="Take another --epsilon",
        )  # fmt: skip
    return needed_noise(privacy.epsilon, privacy.rounds, delta)


def tell_privacy(result: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Say what of a person was told, by the accountant's own number."""
    told = result["privacy"]
    say(
        f"A model of {result['markers']} markers, {len(result['sites'])} sites and "
        f"{told['people']} people. By the accountant it tells epsilon {told['epsilon']:.3g} of a "
        f"person at delta {told['delta']:.2g} ({told['neighbours']}), against {told['against']}."
    )
    say(
        f"Each person was clipped to {told['clip']:g} before people were added; noise of "
        f"{told['noise']:.3g} of that in each of {told['rounds']} rounds, "
        f"{told['noise_over_longest_step']:.2f} of the longest step."
    )
    say(f"Told without noise: {told['told_without_noise']}. How good the model is on these people "
        "is not computed: that would tell of them too.")  # fmt: skip
