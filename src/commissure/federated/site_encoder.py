"""What a site computes where an encoder of markers is learnt over sites: of its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import ConfigError
from commissure.federated.allowed import TooFewPeople
from commissure.federated.site_charts import chart_controls
from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.settings import PretrainingSettings

if TYPE_CHECKING:
    from commissure.federated.site import Site

Answer = tuple[int, dict[str, np.ndarray]]


def encoder_controls(
    site: Site, given: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, MarkerEncoder]:
    """Controls with an age and any of the encoder's markers: values, ages, and the common scale.

    Raises
    ------
    TooFewPeople
        They are fewer than a batch.
    """
    values, people = chart_controls(site, {})
    values = values[:, np.asarray(given["kept"], int)]
    some = np.isfinite(values).any(axis=1)
    batch = int(given["batch"])
    if some.sum() < batch:
        raise TooFewPeople(
            f"site {site.name}", found=f"{int(some.sum())} controls with an age and markers",
            wanted=f"{batch} at least, which is a batch", mend="Take a smaller --batch",
        )  # fmt: skip
    return values[some], people.age[some], MarkerEncoder(given["centre"], given["scale"], ())


def encoder_difference(site: Site, given: Mapping[str, Any]) -> Answer:
    """What some epochs on this site's controls change in the weights, clipped."""
    values, ages, scale = encoder_controls(site, given)
    epochs, weights = int(given["epochs"]), np.asarray(given["weights"])
    if not epochs:
        return len(values), {"people": np.array(float(len(values))), "weighted": 0.0 * weights}
    from commissure.federated.site_learning import clipped
    from commissure.models.encoders.local_training import LocalTraining

    if site.budget is not None:
        raise ConfigError(
            f"site {site.name}, privacy", found="an encoder was asked for",
            wanted="a model of which each person has a gradient of their own",
            mend="Leave out --encoder, or --epsilon",
        )  # fmt: skip
    if int(given["first"]) == 0:
        settings = PretrainingSettings.model_validate(given["settings"])
        z = scale.standardised(values)
        site.trainings["encoder"] = LocalTraining(z, ages, settings, device="cpu")
    training = site.trainings["encoder"]
    change = training.difference(
        weights, first=int(given["first"]), epochs=epochs, proximal=float(given["proximal"])
    )
    change = clipped(change, float(given["most_change"]))
    return len(values), {"people": np.array(float(len(values))), "weighted": len(values) * change}


def _encoder(given: Mapping[str, Any]) -> MarkerEncoder:
    weights = tuple(given[f"layer{number}"] for number in range(4))
    return MarkerEncoder(given["centre"], given["scale"], weights)


def _encoder_line(site: Site, given: Mapping[str, Any]) -> Answer:
    """Cross-products of age with embeddings and markers."""
    values, ages, _ = encoder_controls(site, given)
    encoder = _encoder(given)
    z = encoder.standardised(values)
    design = np.column_stack([np.ones(len(ages)), ages])
    return len(ages), {
        "people": np.array(float(len(ages))), "columns": design.T @ design,
        "embedding": design.T @ encoder.embed_standardised(z), "markers": design.T @ z,
    }  # fmt: skip


def _encoder_spread(site: Site, given: Mapping[str, Any]) -> Answer:
    """Cross-products of embeddings about their line on age, and fourth powers of their lengths."""
    values, ages, _ = encoder_controls(site, given)
    encoder = _encoder(given)
    line = given["line"]
    away = encoder.embed_standardised(encoder.standardised(values)) - (
        line[0] + ages[:, None] * line[1]
    )
    return len(ages), {
        "people": np.array(float(len(ages))), "products": away.T @ away,
        "fourth": np.array(float(((away**2).sum(axis=1) ** 2).sum())),
    }  # fmt: skip


ENCODER_ANSWERS: dict[str, Callable[[Site, Mapping[str, Any]], Answer]] = {
    "encoder_line": _encoder_line,
    "encoder_spread": _encoder_spread,
}
