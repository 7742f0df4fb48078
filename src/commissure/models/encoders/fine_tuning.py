"""Fine-tuning: encoder and a linear head together, on people with an outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.settings import PretrainingSettings
from commissure.torch_device import prepared_torch, require_packages

#: As published: people of a batch, and the learning rate.
BATCH, LEARNING_RATE = 8, 1e-4
Kind = Literal["labels", "number"]


@dataclass(frozen=True)
class FineTuned:
    """An encoder that was moved by an outcome, and its head.

    Attributes
    ----------
    encoder
        The moved encoder; it no longer knows what healthy people look like.
    weights, intercept
        Of the head on the embedding.
    centre, scale
        Of a number the mean and standard deviation in training; 0 and 1 of two labels.
    """

    encoder: MarkerEncoder
    weights: np.ndarray
    intercept: float
    centre: float
    scale: float

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Logits of two labels, or the number, of any people, (people,)."""
        said = self.encoder.embed(values) @ self.weights + self.intercept
        return np.asarray(said * self.scale + self.centre)


def fine_tune(
    encoder: MarkerEncoder,
    values: np.ndarray,
    outcome: np.ndarray,
    *,
    kind: Kind,
    epochs: int = 30,
    seed: int = 0,
    weight_decay: float = PretrainingSettings().weight_decay,
) -> FineTuned:
    """Move an encoder by the outcome of its people; the head begins at 0.

    Parameters
    ----------
    encoder
        Learnt without the outcome.
    values
        (people, markers), who must not be among those who are tested.
    outcome
        (people,): 1 and 0, or a number.
    kind
        Which of the two.
    epochs, seed, weight_decay
        Times everybody is seen; of the order; of Adam.

    Raises
    ------
    ConfigError
        torch is not installed.
    DatasetError
        Fewer people than a batch.
    """
    require_packages("fine-tuning")
    import torch

    if len(values) < BATCH:
        raise DatasetError(
            "fine-tuning", found=f"{len(values)} people have an outcome",
            wanted=f"{BATCH} at least, which is a batch",
        )  # fmt: skip
    prepared_torch("cpu")
    number = kind == "number"
    centre, scale = (float(outcome.mean()), float(outcome.std()) or 1.0) if number else (0.0, 1.0)
    z = torch.as_tensor(encoder.standardised(values), dtype=torch.float32)
    y = torch.as_tensor((outcome - centre) / scale, dtype=torch.float32)
    sizes = [weight.shape for weight in encoder.weights]
    layers = torch.nn.Sequential(
        torch.nn.Linear(sizes[0][1], sizes[0][0]), torch.nn.ReLU(),
        torch.nn.Linear(sizes[2][1], sizes[2][0]), torch.nn.Linear(sizes[2][0], 1),
    )  # fmt: skip
    state = dict(zip(("0.weight", "0.bias", "2.weight", "2.bias"), encoder.weights, strict=True))
    state |= {"3.weight": np.zeros((1, sizes[2][0])), "3.bias": np.zeros(1)}
    layers.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    optimiser = torch.optim.Adam(layers.parameters(), lr=LEARNING_RATE, weight_decay=weight_decay)
    loss_of = torch.nn.MSELoss() if number else torch.nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(values))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = torch.as_tensor(order[start : start + BATCH])
            loss = loss_of(layers(z[rows])[:, 0], y[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    moved = {name: value.detach().numpy() for name, value in layers.state_dict().items()}
    weights = tuple(moved[name] for name in ("0.weight", "0.bias", "2.weight", "2.bias"))
    return FineTuned(
        replace(encoder, weights=weights, healthy=None), moved["3.weight"][0].astype(float),
        float(moved["3.bias"][0]), centre, scale,
    )  # fmt: skip
