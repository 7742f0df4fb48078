"""Learning a representation: batches, views, checkpoints. The same seed gives the same weights."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.encoder import MarkerEncoder, scale_of, weights_of
from commissure.models.encoders.losses import y_aware_infonce
from commissure.models.encoders.networks import (
    arrays_of,
    map_network,
    marker_network,
)
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Adam, Generator, Sequential, Tensor
from commissure.models.encoders.views import map_view, marker_view
from commissure.stored_arrays import read_arrays, write_arrays
from commissure.torch_device import Device, prepared_torch, require_packages

#: Seconds after which the next finished epoch is kept.
KEPT_EVERY = 10.0
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
    learnt = _learn("markers", z, ages, settings, device=device, checkpoint=checkpoint, say=say)
    encoder = MarkerEncoder(mean, sd, weights_of(learnt.arrays))
    return encoder.with_healthy(values, ages), learnt


def pretrain_maps(
    maps: np.ndarray,
    ages: np.ndarray,
    settings: PretrainingSettings,
    *,
    device: Device = "auto",
    checkpoint: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Learnt:
    """Learn an encoder of standardised maps (people, X, Y, Z), as :func:`pretrain_markers`."""
    return _learn(
        "maps", maps[:, None].astype(np.float32), ages, settings, device=device,
        checkpoint=checkpoint, say=say,
    )  # fmt: skip


def random_marker_encoder(
    values: np.ndarray, ages: np.ndarray, settings: PretrainingSettings
) -> MarkerEncoder:
    """The encoder before anything is learnt: what pre-training is compared with."""
    network = initial_network("markers", values.shape[1], settings)
    mean, sd = scale_of(values)
    encoder = MarkerEncoder(mean, sd, weights_of(arrays_of(network)))
    return encoder.with_healthy(values, ages)


def initial_network(
    kind: Literal["markers", "maps"], markers: int, settings: PretrainingSettings
) -> Sequential:
    """A network as its seed draws it."""
    require_packages(_WHO)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        if kind == "maps":
            return map_network(settings)
        return marker_network(markers, settings)


def _learn(
    kind: Literal["markers", "maps"],
    data: np.ndarray,
    ages: np.ndarray,
    settings: PretrainingSettings,
    *,
    device: Device,
    checkpoint: Path | None,
    say: Callable[[str], None] | None,
) -> Learnt:
    require_packages(_WHO)
    import torch

    if len(data) < settings.batch:
        raise DatasetError(
            _WHO, found=f"{len(data)} healthy people have an age and what is learnt of",
            wanted=f"{settings.batch} at least, which is a batch",
            mend="Take a smaller batch, or more people",
        )  # fmt: skip
    place = prepared_torch(device)
    network = initial_network(kind, data.shape[1], settings).to(place)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    kept = _Kept(checkpoint, network, optimiser, _fingerprint(data, ages, settings))
    losses = kept.losses(settings.epochs)
    there = torch.as_tensor(data, device=place)
    years = torch.as_tensor(np.asarray(ages, np.float32), device=place)
    mixed = place == "cuda" and torch.cuda.is_bf16_supported()
    begun, seen = time.monotonic(), 0
    for epoch in range(len(losses), settings.epochs):
        loss = _epoch(kind, network, optimiser, there, years, settings, epoch, mixed)
        if not math.isfinite(loss):
            raise DatasetError(
                _WHO, found=f"the loss is no number in epoch {epoch + 1}", wanted="a number",
                mend="Take a smaller learning rate",
            )  # fmt: skip
        losses.append(loss)
        seen += len(data)
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
    return Learnt(arrays_of(network), losses, record)


def _epoch(
    kind: str,
    network: Sequential,
    optimiser: Adam,
    data: Tensor,
    ages: Tensor,
    settings: PretrainingSettings,
    epoch: int,
    mixed: bool,
) -> float:
    """Everybody once, in batches; what is left after the last whole batch waits for the next."""
    import torch

    # Every epoch draws for itself, so that a run that goes on needs no state of a generator.
    state = np.random.SeedSequence([settings.seed, epoch])
    order = np.random.default_rng(state).permutation(len(data))
    generator = torch.Generator(data.device)
    generator.manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1))
    losses = []
    network.train()
    for start in range(0, len(data) - settings.batch + 1, settings.batch):
        rows = torch.as_tensor(order[start : start + settings.batch], device=data.device)
        people = data[rows]
        first, second = (_view(kind, people, settings, generator) for _ in range(2))
        with torch.autocast(data.device.type, dtype=torch.bfloat16, enabled=mixed):
            compared = network(torch.cat([first, second]))
        one, other = compared.float().chunk(2)
        loss = y_aware_infonce(
            one, other, ages[rows], sigma=settings.sigma, temperature=settings.temperature,
            normalisation=settings.normalisation,
        )  # fmt: skip
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def _view(kind: str, people: Tensor, settings: PretrainingSettings, generator: Generator) -> Tensor:
    view = map_view if kind == "maps" else marker_view
    return view(people, settings.noise, settings.cutout, generator)


def _fingerprint(data: np.ndarray, ages: np.ndarray, settings: PretrainingSettings) -> str:
    """Of people and settings; more epochs only go on."""
    digest = hashlib.sha256(np.ascontiguousarray(data).tobytes())
    digest.update(np.asarray(ages, float).tobytes())
    digest.update(json.dumps(settings.model_dump(exclude={"epochs"}), sort_keys=True).encode())
    return digest.hexdigest()


class _Kept:
    """The state of a run in its checkpoint."""

    def __init__(
        self, path: Path | None, network: Sequential, optimiser: Adam, fingerprint: str
    ) -> None:
        self._path, self._network, self._optimiser = path, network, optimiser
        self._fingerprint = fingerprint
        self._last = time.monotonic()

    def losses(self, epochs: int) -> list[float]:
        """Losses of the epochs that are done, whose state is taken up; none without a file."""
        if self._path is None or not self._path.is_file():
            return []
        arrays, card = read_arrays(self._path, "a checkpoint")
        losses = [float(loss) for loss in arrays.pop("losses", np.zeros(0))]
        self._refuse_other(arrays, card, len(losses), epochs)
        self._take_up(arrays)
        return losses

    def keep(self, losses: list[float]) -> None:
        """Write the state, where the last time is long ago."""
        if self._path is None or time.monotonic() - self._last < KEPT_EVERY:
            return
        arrays = {f"weight.{name}": value for name, value in arrays_of(self._network).items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                arrays[f"adam.{number}.{name}"] = value.detach().cpu().numpy()
        arrays["losses"] = np.array(losses)
        card = {"architecture": self._architecture(), "fingerprint": self._fingerprint}
        write_arrays(self._path, arrays, card)
        self._last = time.monotonic()

    def _architecture(self) -> dict[str, list[int]]:
        return {name: list(value.shape) for name, value in self._network.state_dict().items()}

    def _refuse_other(
        self, arrays: dict[str, np.ndarray], card: dict[str, Any], done: int, epochs: int
    ) -> None:
        assert self._path is not None
        mend = "Remove it, or name another folder"
        if card.get("architecture") != self._architecture():
            raise DatasetError(
                self._path.name, found="it is a checkpoint of another architecture: "
                f"{_shapes(card.get('architecture'))}",
                wanted=_shapes(self._architecture()), mend=mend,
            )  # fmt: skip
        if card.get("fingerprint") != self._fingerprint:
            raise DatasetError(
                self._path.name, found="it is a checkpoint of other people, markers or settings",
                wanted="one of this pre-training", mend=mend,
            )  # fmt: skip
        if done > epochs:
            raise DatasetError(
                self._path.name, found=f"it holds {done} epochs",
                wanted=f"{epochs} at most, as is asked for", mend=mend,
            )  # fmt: skip

    def _take_up(self, arrays: dict[str, np.ndarray]) -> None:
        import torch

        weights = {
            name: torch.as_tensor(arrays[f"weight.{name}"]) for name in self._network.state_dict()
        }
        self._network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in arrays.items():
            if name.startswith("adam."):
                _, number, part = name.split(".", 2)
                state.setdefault(int(number), {})[part] = torch.as_tensor(value)
        whole = self._optimiser.state_dict()
        self._optimiser.load_state_dict({**whole, "state": state})


def _shapes(architecture: object) -> str:
    """The weights of a network in words."""
    if not isinstance(architecture, dict):
        return "an unknown one"
    return ", ".join(
        " x ".join(map(str, shape)) for name, shape in architecture.items() if "weight" in name
    )
