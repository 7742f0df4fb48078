"""An encoder of markers, learnt on the controls of several sites by averaging.

Each site trains for some epochs on its own controls, and the sites' weights are averaged by their
people: federated averaging (McMahan et al. 2017, AISTATS), or FedProx (Li et al. 2020, MLSys). What
healthy people look like in it, by which deviations are judged, is that of pooled controls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg

from commissure.errors import DatasetError
from commissure.federated.charts import age_knots
from commissure.federated.coordinator import moments
from commissure.federated.federation import Federation, added, names_of
from commissure.models.encoders.encoder import HealthyReference, MarkerEncoder, weights_of
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.stored_encoder import store_encoder
from commissure.study.design import DesignColumn

#: Folder of the encoder.
ENCODER_FOLDER = "encoder"
#: Share of the controls who must have a marker, as in pre-training at one site.
FEWEST_MEASURED = 0.8
_WHO = "the encoder over sites"


@dataclass(frozen=True)
class EncoderPlan:
    """How an encoder is learnt over sites.

    Attributes
    ----------
    settings
        Fields of :class:`~commissure.models.encoders.settings.PretrainingSettings`; epochs are
        those of all rounds together.
    local_epochs
        Epochs of a site between two averages.
    proximal
        FedProx: penalty on half the squared way from where all began; 0 is federated averaging.
    most_change
        Norm to which what a site changes in a round is clipped.
    """

    settings: Mapping[str, Any]
    local_epochs: int = 5
    proximal: float = 0.0
    most_change: float = 100.0

    @property
    def learning(self) -> PretrainingSettings:
        """The settings, checked."""
        return PretrainingSettings.model_validate(dict(self.settings))


def federated_encoder(
    federation: Federation, plan: EncoderPlan
) -> tuple[MarkerEncoder, np.ndarray, list[str], int]:
    """Learn an encoder of the controls of all sites that have a batch of them.

    Parameters
    ----------
    federation
        The sites.
    plan
        How it is learnt.

    Returns
    -------
    encoder, kept, sites, people
        The encoder, numbers of its markers, the sites, and how many controls it is of.

    Raises
    ------
    ConfigError
        torch is not installed.
    DatasetError
        No marker is of most controls and varies, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    from commissure.models.encoders.local_training import (
        drawn_weights,
        flat_weights,
        shaped_weights,
    )

    settings = plan.learning
    of_controls = moments(federation, among="controls")
    counts = of_controls.people
    sd = of_controls.sd * np.sqrt((counts - 1) / np.maximum(counts, 1))
    usable = (counts >= FEWEST_MEASURED * counts.max(initial=1)) & (sd > 0)
    if not usable.any():
        raise DatasetError(
            _WHO, found=f"no marker is of {FEWEST_MEASURED:.0%} of the controls and varies",
            wanted="markers that most controls have",
        )  # fmt: skip
    kept = np.flatnonzero(usable)
    weights = drawn_weights(len(kept), settings)
    flat = flat_weights(weights)
    given: dict[str, Any] = {
        "kept": kept.astype(float), "centre": of_controls.mean[kept], "scale": sd[kept],
        "batch": settings.batch,
    }  # fmt: skip
    steps = {
        "learner": "encoder", "proximal": plan.proximal, "most_change": plan.most_change,
        "settings": settings.model_dump(mode="json"), **given,
    }  # fmt: skip
    counted = federation.ask(
        "count", of_kind="difference", few_are_left_out=True, weights=flat, first=0, epochs=0,
        **steps,
    )  # fmt: skip
    sites, people = names_of(counted), sum(message.people for message in counted)
    for first in range(0, settings.epochs, plan.local_epochs):
        epochs = min(plan.local_epochs, settings.epochs - first)
        answers = federation.ask(
            "difference", of=sites, weights=flat, first=first, epochs=epochs, **steps
        )
        flat = flat + added(answers, "weighted") / people
    layers = weights_of(shaped_weights(flat, weights))
    encoder = MarkerEncoder(given["centre"], given["scale"], layers)
    return with_healthy(federation, encoder, sites, given), kept, sites, people


def with_healthy(
    federation: Federation, encoder: MarkerEncoder, sites: Sequence[str], given: Mapping[str, Any]
) -> MarkerEncoder:
    """The encoder that knows what the sites' controls look like.

    As :meth:`~commissure.models.encoders.encoder.MarkerEncoder.with_healthy` of pooled controls;
    the covariance is shrunk by Ledoit and Wolf (2004), of whose sums the fourth powers are one.
    """
    asked = dict(given) | {
        f"layer{number}": np.asarray(layer, float) for number, layer in enumerate(encoder.weights)
    }
    answers = federation.ask("encoder_line", of=sites, **asked)
    columns = added(answers, "columns")
    line = linalg.solve(columns, added(answers, "embedding"), assume_a="pos")
    marker_line = linalg.solve(columns, added(answers, "markers"), assume_a="pos")
    answers = federation.ask("encoder_spread", of=sites, line=line, **asked)
    people, products = float(added(answers, "people")), added(answers, "products")
    precision = _shrunk_precision(products, float(added(answers, "fourth")), people)
    healthy = HealthyReference(line, precision, marker_line)
    return MarkerEncoder(encoder.mean, encoder.sd, encoder.weights, healthy)


def _shrunk_precision(products: np.ndarray, fourth: float, people: float) -> np.ndarray:
    """Inverse of the covariance that Ledoit and Wolf (2004, J Multivar Anal) shrink.

    It is scaled so that the mean distance of these people is 1, as :func:`~.healthy_reference` is.
    """
    width = len(products)
    covariance = products / people
    mean = np.trace(covariance) / width
    spread = float((covariance**2).sum())
    beta = (fourth / people - spread) / (width * people)
    delta = (spread - 2 * mean * np.trace(covariance) + width * mean**2) / width
    beta = min(beta, delta)
    share = 0.0 if beta == 0 else beta / delta
    shrunk = (1 - share) * covariance + share * mean * np.eye(width)
    precision = np.asarray(linalg.pinvh(shrunk))
    distance = float(np.trace(precision @ covariance)) / width
    return precision / distance if distance > 0 else precision


def encoder_record(
    federation: Federation,
    plan: EncoderPlan,
    columns: Sequence[tuple[str, ...]],
    units: Mapping[tuple[str, ...], str],
    out: Path,
) -> dict[str, Any]:
    """The encoder, stored as that of pre-training is, without digests of anybody."""
    encoder, kept, sites, people = federated_encoder(federation, plan)
    knots, _ = age_knots(federation)
    named = [DesignColumn(*columns[n]) for n in kept]
    about = {
        "n": people, "n_sites": len(sites), "ages": [float(knots[0]), float(knots[-1])],
        "settings": plan.learning.model_dump(mode="json"), "local_epochs": plan.local_epochs,
        "proximal": plan.proximal, "averaged_over": sites,
    }  # fmt: skip
    folder = out / ENCODER_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    store_encoder(folder, encoder, named, [units[tuple(columns[n])] for n in kept], about)
    return about | {"markers": len(kept), "folder": ENCODER_FOLDER}
