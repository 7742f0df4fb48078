"""Training of an encoder that stops to be averaged with others', and goes on from the average.

Federated averaging (McMahan et al. 2017, AISTATS) and FedProx (Li et al. 2020, MLSys), in which a
site is held near to where all began. The optimiser keeps its state between averages: with one site
this is training without a stop.
"""

from __future__ import annotations

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.networks import arrays_of
from commissure.models.encoders.pretraining import MarkerPeople, Pull, initial_network, one_epoch
from commissure.models.encoders.settings import PretrainingSettings
from commissure.torch_device import Device, prepared_torch, require_packages

_WHO = "pre-training at a site"


class LocalTraining:
    """One site's training of an encoder of markers.

    Parameters
    ----------
    z
        Standardised markers of the site's healthy people, (people, markers), without gaps.
    ages
        (people,), years.
    settings
        How it is learnt; its epochs are those of all rounds together.
    device
        ``auto`` takes a graphics processor where there is one.

    Raises
    ------
    ConfigError
        torch is not installed, or a graphics processor is asked for where there is none.
    DatasetError
        Fewer people than a batch.
    """

    def __init__(
        self,
        z: np.ndarray,
        ages: np.ndarray,
        settings: PretrainingSettings,
        device: Device = "auto",
    ) -> None:
        require_packages(_WHO)
        import torch

        if len(z) < settings.batch:
            raise DatasetError(
                _WHO, found=f"{len(z)} healthy people", wanted=f"{settings.batch}, a batch",
                mend="Take a smaller --batch",
            )  # fmt: skip
        place = prepared_torch(device)
        self._settings = settings
        self._people = MarkerPeople(z.astype(np.float32))
        self._network = initial_network(self._people, settings)
        self._layers = self._network.layers.to(place)
        self._optimiser = torch.optim.Adam(
            self._layers.parameters(), lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )  # fmt: skip
        self._ages = torch.as_tensor(np.asarray(ages, np.float32), device=place)

    def difference(
        self, weights: np.ndarray, *, first: int, epochs: int, proximal: float = 0.0
    ) -> np.ndarray:
        """What some epochs change in the weights.

        Parameters
        ----------
        weights
            Where all sites begin, (parameters,), as :func:`flat_weights` orders them.
        first, epochs
            Number of the first epoch, and how many.
        proximal
            FedProx: penalty on half the squared way from where all began; 0 is federated averaging.

        Returns
        -------
        numpy.ndarray
            (parameters,), in double precision.
        """
        import torch

        state, at = {}, 0
        for name, value in self._layers.state_dict().items():
            part = weights[at : at + value.numel()].reshape(tuple(value.shape))
            state[name], at = (
                torch.as_tensor(part.astype(np.float32), device=value.device),
                (at + value.numel()),
            )
        self._layers.load_state_dict(state)
        begun = flat_weights(arrays_of(self._layers))
        pull = Pull(proximal, [value.clone() for value in self._layers.parameters()])
        for epoch in range(first, first + epochs):
            one_epoch(
                self._people, self._network, self._optimiser, self._ages, self._settings, epoch,
                mixed=False, pull=pull,
            )  # fmt: skip
        return flat_weights(arrays_of(self._layers)) - begun


def drawn_weights(markers: int, settings: PretrainingSettings) -> dict[str, np.ndarray]:
    """Weights that all sites begin with, as the seed draws them.

    Raises
    ------
    ConfigError
        torch is not installed.
    """
    drawn = settings.model_copy(update={"start": "drawn"})
    people = MarkerPeople(np.zeros((0, markers), np.float32))
    return arrays_of(initial_network(people, drawn).layers)


def flat_weights(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The weights of a network as one vector, in double precision."""
    return np.concatenate([np.ravel(value).astype(float) for value in arrays.values()])


def shaped_weights(vector: np.ndarray, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A vector as the weights of a network; the inverse of :func:`flat_weights`."""
    parts = np.split(vector, np.cumsum([value.size for value in like.values()])[:-1])
    return {
        name: part.reshape(value.shape).astype(np.float32)
        for (name, value), part in zip(like.items(), parts, strict=True)
    }
