"""One network, learnt from the training people of one fold, and what it says of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError
from commissure.image_sequence.crops import IMAGE, LESION, VisitSequence
from commissure.image_sequence.network import TIME_NUMBERS, new_network
from commissure.image_sequence.settings import SequenceSettings
from commissure.lesion.network.checkpoint import read_checkpoint, write_checkpoint
from commissure.lesion.network.unet import arrays_of, load_arrays

#: Changes of the image of a person: standard deviations of the factor and of the shift.
_FACTOR_SD, _SHIFT_SD = 0.1, 0.1
#: Length to which gradients are cut.
_LONGEST = 1.0
_WHO = "predict-visits"


@dataclass(frozen=True)
class Scale:
    """By what images and days are standardised: learnt in training people only.

    Attributes
    ----------
    image
        Mean and standard deviation of the voxels of their images.
    days
        The same of the days of their visits; 0 and 1 where none are known.
    """

    image: tuple[float, float]
    days: tuple[float, float]


@dataclass(frozen=True)
class TrainedSequence:
    """A network of one fold.

    Attributes
    ----------
    weights
        By name, float32.
    scale
        How its input is standardised.
    losses
        Mean loss of each epoch.
    """

    weights: dict[str, np.ndarray]
    scale: Scale
    losses: tuple[float, ...]


def scale_of(people: Sequence[VisitSequence]) -> Scale:
    """Learn the scale from people: every person weighs alike, however many visits they have."""
    means, squares, days = [], [], []
    for person in people:
        image = person.cubes[:, :, IMAGE]
        seen = image[np.isfinite(image)].astype(float)
        if seen.size:
            means.append(float(seen.mean()))
            squares.append(float((seen**2).mean()))
        days += [day for day in person.days if math.isfinite(day)]
    mean = float(np.mean(means)) if means else 0.0
    spread = math.sqrt(max(float(np.mean(squares)) - mean**2, 0.0)) if squares else 0.0
    of_days = (float(np.mean(days)), float(np.std(days))) if days else (0.0, 0.0)
    return Scale((mean, spread or 1.0), (of_days[0], of_days[1] or 1.0))


def train_sequence(
    people: Sequence[VisitSequence],
    labels: np.ndarray,
    settings: SequenceSettings,
    *,
    draws: Sequence[int],
    device: str = "cpu",
    checkpoint: Path | None = None,
    request: dict[str, Any] | None = None,
    checkpoint_every: int = 10,
    progress: Callable[[int], object] = lambda epoch: None,
) -> TrainedSequence:
    """Learn a network from people with labels.

    Parameters
    ----------
    people
        Those in training.
    labels
        (people,), 1 or 0; both occur.
    settings
        How long and by which draws.
    draws
        Beside the seed, what everything drawn depends on: each fold draws for itself.
    device
        ``cpu`` or ``cuda``, as :func:`commissure.torch_device.prepared_torch` says.
    checkpoint, request
        File from which a training that was killed goes on, and what belongs to it. Without a file
        nothing is kept.
    checkpoint_every
        Epochs from one to the next.
    progress
        Called after each epoch with its number, from 1.

    Raises
    ------
    ConfigError
        The loss is no number, or the checkpoint is of something else.
    """
    import torch

    scale = scale_of(people)
    network = new_network(settings, seed=_drawn(settings, draws, 0)).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    losses: list[float] = []
    if checkpoint is not None:
        losses = list(read_checkpoint(checkpoint, request or {}, network, optimiser).losses)
    weight = torch.tensor(float((labels == 0).sum() / (labels == 1).sum()), device=device)
    wrong = torch.nn.BCEWithLogitsLoss(pos_weight=weight)
    places = [torch.cuda.current_device()] if device == "cuda" else []
    for epoch in range(len(losses), settings.epochs):
        rng = np.random.default_rng([settings.seed, *draws, epoch + 1])
        rate = 0.5 * settings.learning_rate * (1 + math.cos(math.pi * epoch / settings.epochs))
        for group in optimiser.param_groups:
            group["lr"] = rate
        network.train()
        of_epoch = []
        order = rng.permutation(len(people))
        with torch.random.fork_rng(devices=places):
            torch.manual_seed(_drawn(settings, draws, epoch + 1))
            for start in range(0, len(order), settings.batch):
                rows = order[start : start + settings.batch]
                seen = [_changed(people[row], scale, rng) for row in rows]
                truth = torch.as_tensor(labels[rows].astype(np.float32), device=device)
                optimiser.zero_grad()
                loss = wrong(network(*_batch(seen, scale, device)), truth)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), _LONGEST)
                optimiser.step()
                of_epoch.append((float(loss.detach()), len(rows)))
        values, counts = zip(*of_epoch, strict=True)
        losses.append(float(np.average(values, weights=counts)))
        if not math.isfinite(losses[-1]):
            raise ConfigError(
                _WHO, found=f"the loss of epoch {epoch + 1} is no number",
                wanted="a training that converges",
                mend="Give a smaller --learning-rate and another folder",
            )  # fmt: skip
        done = epoch + 1
        if checkpoint is not None and done % checkpoint_every == 0 and done < settings.epochs:
            write_checkpoint(checkpoint, request or {}, network, optimiser, losses)
        progress(done)
    return TrainedSequence(arrays_of(network), scale, tuple(losses))


def logits_of(
    trained: TrainedSequence,
    people: Sequence[VisitSequence],
    settings: SequenceSettings,
    *,
    device: str = "cpu",
) -> np.ndarray:
    """Logit of label 1 of people, (people,); of each the same whoever else is asked about."""
    import torch

    network = new_network(settings, seed=0)
    load_arrays(network, trained.weights, who=_WHO)
    network = network.to(device).eval()
    with torch.no_grad():
        said = [network(*_batch([person], trained.scale, device)) for person in people]
    return np.array([float(logit[0]) for logit in said])


def _drawn(settings: SequenceSettings, draws: Sequence[int], epoch: int) -> int:
    state = np.random.SeedSequence([settings.seed, *draws, epoch, 7])
    return int(state.generate_state(1, np.uint64)[0] >> 1)


def _changed(person: VisitSequence, scale: Scale, rng: np.random.Generator) -> VisitSequence:
    """A person mirrored and changed in contrast and brightness, at all visits alike."""
    axes = tuple(int(axis) - 3 for axis in np.flatnonzero(rng.random(3) < 0.5))
    cubes = np.flip(person.cubes, axes).copy()
    mean, spread = scale.image
    factor, shift = 1 + _FACTOR_SD * rng.standard_normal(), _SHIFT_SD * rng.standard_normal()
    cubes[:, :, IMAGE] = np.float32(factor) * (cubes[:, :, IMAGE] - np.float32(mean)) + np.float32(
        mean + shift * spread
    )
    return VisitSequence(person.participant_id, person.sessions, person.days, cubes, person.lesions)


def _batch(people: Sequence[VisitSequence], scale: Scale, device: str) -> tuple[Any, ...]:
    """What the network takes: only cubes that are there; what is beyond an image is the mean.

    The third channel is the image in the lesions alone: without it a lesion that fills a tenth of
    its cube hardly weighs in the means.
    """
    import torch

    visits = max(len(person.days) for person in people)
    cubes = [person.cubes.reshape(-1, *person.cubes.shape[2:]) for person in people]
    mean_of = np.zeros((len(people) * visits, sum(map(len, cubes))), np.float32)
    times = np.zeros((len(people), visits, TIME_NUMBERS), np.float32)
    at = 0
    for row, person in enumerate(people):
        lesions = person.cubes.shape[1]
        for visit in range(len(person.days)):
            mean_of[row * visits + visit, at : at + lesions] = 1 / lesions
            at += lesions
        known = np.isfinite(person.days)
        days = (np.where(known, person.days, scale.days[0]) - scale.days[0]) / scale.days[1]
        times[row, : len(days), 0], times[row, : len(days), 1] = days, known
    whole = np.concatenate(cubes)
    mean, spread = scale.image
    whole[:, IMAGE] = np.nan_to_num((whole[:, IMAGE] - np.float32(mean)) / np.float32(spread))
    whole = np.concatenate([whole, whole[:, [IMAGE]] * whole[:, [LESION]]], axis=1)
    lengths = np.array([len(person.days) for person in people])
    return tuple(torch.as_tensor(part, device=device) for part in (whole, mean_of, times, lengths))
