"""Learning a representation: batches, views, checkpoints. The same seed gives the same weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.checkpoint import Checkpoint, fingerprint
from commissure.models.encoders.encoder import MarkerEncoder, scale_of, weights_of
from commissure.models.encoders.losses import unexplained, y_aware_infonce
from commissure.models.encoders.map_encoder import MapEncoder, Maps, MapScale
from commissure.models.encoders.networks import (
    Network,
    arrays_of,
    map_network,
    map_targets,
    marker_network,
    start_at_components,
)
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Adam, Generator, Tensor
from commissure.models.encoders.views import map_view, marker_view
from commissure.torch_device import Device, prepared_torch, require_packages

_WHO = "pre-training"


@dataclass(frozen=True)
class Learnt:
    """What came of pre-training.

    Attributes
    ----------
    arrays
        The network's weights by name, projection included.
    losses
        Mean loss of each epoch.
    record
        Device, precision, version of torch, people a second: for the card.
    """

    arrays: dict[str, np.ndarray]
    losses: list[float]
    record: dict[str, Any]


def pretrain_markers(
    values: np.ndarray,
    ages: np.ndarray,
    settings: PretrainingSettings,
    *,
    device: Device = "auto",
    checkpoint: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[MarkerEncoder, Learnt]:
    """Learn an encoder of marker vectors of healthy people.

    Parameters
    ----------
    values
        (people, markers), NaN where one lacks a marker.
    ages
        (people,), years.
    settings
        How it is learnt.
    device
        ``auto`` takes a graphics processor where there is one.
    checkpoint
        File that keeps the state, from which a run that was killed goes on.
    say
        Takes a line on how far the work is.

    Returns
    -------
    encoder, learnt
        The encoder, which knows what these people look like; how it was learnt.

    Raises
    ------
    ConfigError
        torch is not installed, or a graphics processor is asked for where there is none.
    DatasetError
        Fewer people than a batch, or a checkpoint of something else.
    """
    mean, sd = scale_of(values)
    plain = MarkerEncoder(mean, sd, ())
    z = plain.standardised(values).astype(np.float32)
    learnt = _learn(MarkerPeople(z), ages, settings, device=device, checkpoint=checkpoint, say=say)
    encoder = MarkerEncoder(mean, sd, weights_of(learnt.arrays))
    return encoder.with_healthy(values, ages), learnt


def pretrain_maps(
    maps: Maps,
    ages: np.ndarray,
    scale: MapScale,
    settings: PretrainingSettings,
    *,
    device: Device = "auto",
    checkpoint: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[MapEncoder, Learnt]:
    """Learn an encoder of maps of healthy people; of the maps one batch is in memory.

    Parameters
    ----------
    maps
        People's maps, read when they are needed.
    scale
        By which they are standardised, of these people.
    ages, settings, device, checkpoint, say
        As :func:`pretrain_markers` takes them, and raising what it raises.

    Returns
    -------
    encoder, learnt
        The encoder, which knows what these people look like; how it was learnt.
    """
    learnt = _learn(
        _MapPeople(maps, scale), ages, settings, device=device, checkpoint=checkpoint, say=say
    )
    encoder = MapEncoder.of_network(scale, learnt.arrays, settings)
    return encoder.with_healthy(maps, ages), learnt


def random_marker_encoder(
    values: np.ndarray, ages: np.ndarray, settings: PretrainingSettings
) -> MarkerEncoder:
    """The encoder with drawn weights: what pre-training is compared with."""
    mean, sd = scale_of(values)
    drawn = settings.model_copy(update={"start": "drawn"})
    people = MarkerPeople(np.zeros((0, values.shape[1]), np.float32))
    arrays = arrays_of(initial_network(people, drawn).layers)
    return MarkerEncoder(mean, sd, weights_of(arrays)).with_healthy(values, ages)


def random_map_encoder(
    maps: Maps, ages: np.ndarray, scale: MapScale, settings: PretrainingSettings
) -> MapEncoder:
    """The encoder of maps with drawn weights: what pre-training is compared with."""
    arrays = arrays_of(initial_network(_MapPeople(maps, scale), settings).layers)
    return MapEncoder.of_network(scale, arrays, settings).with_healthy(maps, ages)


class MarkerPeople:
    """Standardised marker vectors, (people, markers), all on the device.

    Parameters
    ----------
    values
        (people, markers), without gaps.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self._there: Tensor = None

    def __len__(self) -> int:
        return len(self.values)

    def network(self, settings: PretrainingSettings) -> Network:
        """A network for these people, which begins as the settings say."""
        network = marker_network(self.values.shape[1], settings)
        if settings.start == "components":
            start_at_components(network, self.values)
        return network

    def fingerprint(self, ages: np.ndarray, settings: PretrainingSettings) -> str:
        """Of people and settings."""
        return fingerprint(self.values, ages, settings)

    def batch(self, rows: np.ndarray, device: str) -> Tensor:
        """Some of the people, (rows, markers)."""
        import torch

        if self._there is None:
            self._there = torch.as_tensor(self.values, device=device)
        return self._there[torch.as_tensor(rows, device=device)]

    def view(self, people: Tensor, settings: PretrainingSettings, generator: Generator) -> Tensor:
        """One view of people, by noise and cutting out."""
        return marker_view(people, settings.noise, settings.cutout, generator)

    def targets(self, people: Tensor) -> Tensor:
        """What a decoder gives back."""
        return people


class _MapPeople:
    """Maps that are read, brought to the device and standardised batch by batch."""

    def __init__(self, maps: Maps, scale: MapScale) -> None:
        self.maps, self.scale = maps, scale

    def __len__(self) -> int:
        return len(self.maps)

    def network(self, settings: PretrainingSettings) -> Network:
        return map_network(settings)

    def fingerprint(self, ages: np.ndarray, settings: PretrainingSettings) -> str:
        return fingerprint((self.maps[np.array([n])] for n in range(len(self))), ages, settings)

    def batch(self, rows: np.ndarray, device: str) -> Tensor:
        return self.scale.standardised(self.maps[rows], device)

    def view(self, people: Tensor, settings: PretrainingSettings, generator: Generator) -> Tensor:
        return map_view(people, settings.noise, settings.cutout, generator)

    def targets(self, people: Tensor) -> Tensor:
        return map_targets(people)


_People = MarkerPeople | _MapPeople


def initial_network(people: _People, settings: PretrainingSettings) -> Network:
    """A network as its seed draws it."""
    require_packages(_WHO)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return people.network(settings)


def _learn(
    people: _People,
    ages: np.ndarray,
    settings: PretrainingSettings,
    *,
    device: Device,
    checkpoint: Path | None,
    say: Callable[[str], None] | None,
) -> Learnt:
    require_packages(_WHO)
    import torch

    if len(people) < settings.batch:
        raise DatasetError(
            _WHO, found=f"{len(people)} healthy people have an age and what is learnt of",
            wanted=f"{settings.batch} at least, which is a batch",
            mend="Take a smaller batch, or more people",
        )  # fmt: skip
    place = prepared_torch(device)
    network = initial_network(people, settings)
    layers = network.layers.to(place)
    optimiser = torch.optim.Adam(
        layers.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    kept = Checkpoint(checkpoint, layers, optimiser, people.fingerprint(ages, settings))
    losses = kept.losses(settings.epochs)
    years = torch.as_tensor(np.asarray(ages, np.float32), device=place)
    mixed = place == "cuda" and torch.cuda.is_bf16_supported()
    begun, seen = time.monotonic(), 0
    for epoch in range(len(losses), settings.epochs):
        loss = one_epoch(people, network, optimiser, years, settings, epoch, mixed)
        if not math.isfinite(loss):
            raise DatasetError(
                _WHO, found=f"the loss is no number in epoch {epoch + 1}", wanted="a number",
                mend="Take a smaller learning rate",
            )  # fmt: skip
        losses.append(loss)
        seen += len(people)
        kept.keep(losses)
        if say and (epoch + 1) % max(1, settings.epochs // 10) == 0:
            say(f"{_WHO}: epoch {epoch + 1} of {settings.epochs}, loss {loss:.3f}")
    seconds = time.monotonic() - begun
    record = {
        "device": torch.cuda.get_device_name() if place == "cuda" else "cpu",
        "precision": "bfloat16 where it is safe" if mixed else "single",
        "torch": torch.__version__,
        "people_per_second": round(seen / seconds, 1) if seen else None,
    }
    return Learnt(arrays_of(layers), losses, record)


@dataclass(frozen=True)
class Pull:
    """A penalty on half the squared way from weights: strength, and the weights, layer by layer."""

    strength: float
    origin: list[Tensor]


def one_epoch(
    people: _People,
    network: Network,
    optimiser: Adam,
    ages: Tensor,
    settings: PretrainingSettings,
    epoch: int,
    mixed: bool,
    pull: Pull | None = None,
) -> float:
    """Everybody once, in batches; what is left after the last whole batch waits for the next."""
    import torch

    # Every epoch draws for itself, so that a run that goes on needs no state of a generator.
    state = np.random.SeedSequence([settings.seed, epoch])
    order = np.random.default_rng(state).permutation(len(people))
    device = ages.device
    generator = torch.Generator(device)
    generator.manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1))
    losses = []
    network.layers.train()
    for start in range(0, len(people) - settings.batch + 1, settings.batch):
        rows = order[start : start + settings.batch]
        batch = people.batch(rows, device)
        first, second = (people.view(batch, settings, generator) for _ in range(2))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
            embedded = network.encoder(torch.cat([first, second]))
            compared = network.projection(embedded)
            again = network.decoder(embedded) if network.decoder is not None else None
        one, other = compared.float().chunk(2)
        loss = y_aware_infonce(
            one, other, ages[torch.as_tensor(rows, device=device)], sigma=settings.sigma,
            temperature=settings.temperature, normalisation=settings.normalisation,
        )  # fmt: skip
        if again is not None:
            targets = people.targets(batch)
            loss = loss + settings.reconstruction * unexplained(
                again.float(), torch.cat([targets, targets])
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if pull is not None and pull.strength:
            for layer, begun in zip(network.layers.parameters(), pull.origin, strict=True):
                layer.grad.add_(layer.detach() - begun, alpha=pull.strength)
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())
