"""Training: from a dataset with masks to a stored network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.files import remove_drafts, write_table
from commissure.lesion.marked_image import image_suffix
from commissure.lesion.network.card import CARD, PACKAGES, NetworkCard, read_card
from commissure.lesion.network.checkpoint import (
    CHECKPOINT,
    check_request,
    read_checkpoint,
    write_checkpoint,
)
from commissure.lesion.network.examples import (
    Example,
    digest_of,
    drawn_patches,
    marked_scans,
    read_examples,
    split_people,
    usual_voxel_mm,
)
from commissure.lesion.network.settings import ImageSuffix, NetworkShape, TrainingSettings
from commissure.lesion.network.trial import trial_on
from commissure.lesion.network.unet import (
    arrays_of,
    new_unet,
    software,
    write_network,
)
from commissure.names import Scan
from commissure.settings import validated
from commissure.torch_device import Device, prepared_torch, require_packages

#: Steps whose mean loss is a row of the table of losses.
_ROW_STEPS = 25

#: How the learning rate falls to the end: (1 - step / steps) to this power.
_DECAY = 0.9


@dataclass(frozen=True)
class Training:
    """What is trained, as the command asks.

    Attributes
    ----------
    bids
        The dataset with images and masks.
    out
        Folder of the network.
    image
        BIDS suffix of the images; None where all are of one kind.
    voxel_mm
        Edge of the voxels that the network sees; None for that of the images.
    patch, channels
        See :class:`commissure.lesion.network.settings.NetworkShape`.
    settings
        How long and by which draws.
    checkpoint_every
        Steps from one checkpoint to the next.
    device, threads
        Where it is computed.
    """

    bids: Path
    out: Path
    image: ImageSuffix | None = None
    voxel_mm: float | None = None
    patch: int = 48
    channels: Sequence[int] = (8, 16, 32, 64)
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    checkpoint_every: int = 50
    device: Device = "auto"
    threads: int = 1


def train(
    asked: Training,
    *,
    say: Callable[[str], object] = lambda message: None,
    progress: Callable[[int, float], object] = lambda step, loss: None,
) -> NetworkCard:
    """Train a network, or go on with a training that was interrupted.

    Two trainings with the same images, options, device, number of threads and versions give the
    same weights, bit for bit on the processor, also where one was interrupted.

    Parameters
    ----------
    asked
        What is trained.
    say
        Told in sentences what is done.
    progress
        Called after each step with its number, from 1, and its loss.

    Returns
    -------
    NetworkCard
        Of the stored network. One that was trained by the same request is left as it is.

    Raises
    ------
    ConfigError
        The extra ``deep`` is not installed, or the folder holds another network or a checkpoint of
        another request.
    DatasetError
        There are no images with masks, or one cannot be used.
    """
    require_packages("train-lesion", PACKAGES)
    device = prepared_torch(asked.device, threads=asked.threads)
    scans = marked_scans(asked.bids, asked.image)
    shape = _shape(asked, scans)
    train_scans, aside = split_people(scans, asked.settings.held_out, asked.settings.seed)
    examples = read_examples(train_scans, shape)
    request = {
        "shape": shape.model_dump(mode="json"),
        "training": {**asked.settings.model_dump(mode="json"), "device": device,
                     "threads": asked.threads},
        "images_sha256": digest_of(examples),
    }  # fmt: skip
    if (asked.out / CARD).exists():
        card = read_card(asked.out)
        check_request(card.about, request, who=f"network {asked.out}")
        say(f"{asked.out} holds this network already")
        return card
    people = {scan.participant_id for scan in train_scans}
    lesions = sum(len(example.parts) for example in examples)
    say(
        f"{len(examples)} {shape.image} images of {len(people)} people with {lesions} lesions; "
        f"{len({scan.participant_id for scan in aside})} people are held out"
    )
    begun = time.process_time()
    module, losses, earlier = _descended(asked, shape, examples, request, device, say, progress)
    cpu_s = time.process_time() - begun
    module = module.to("cpu").eval()
    about = {
        **request,
        "people": len(people),
        "images": len(examples),
        "lesions": lesions,
        "trained_in": {"cpu_s": round(cpu_s, 1), "steps": len(losses) - earlier, "device": device},
        "held_out": trial_on(module, shape, aside, device=device),
        "versions": software(),
    }
    write_network(asked.out, arrays_of(module), shape, about)
    write_table(_table(losses), asked.out / "losses.tsv")
    (asked.out / CHECKPOINT).unlink(missing_ok=True)
    return read_card(asked.out)


def _shape(asked: Training, scans: Sequence[Scan]) -> NetworkShape:
    return validated(
        NetworkShape,
        {
            "image": image_suffix(scans[0]),
            "voxel_mm": asked.voxel_mm or usual_voxel_mm(scans),
            "patch": asked.patch,
            "channels": tuple(asked.channels),
        },
        who="train-lesion",
    )


def _descended(
    asked: Training,
    shape: NetworkShape,
    examples: Sequence[Example],
    request: dict[str, Any],
    device: str,
    say: Callable[[str], object],
    progress: Callable[[int, float], object],
) -> tuple[Any, list[float], int]:
    """The trained module, the loss of every step, and how many steps were done before."""
    import torch
    from monai.losses import DiceCELoss

    settings, checkpoint = asked.settings, asked.out / CHECKPOINT
    module = new_unet(shape, seed=settings.seed).to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate)
    remove_drafts(asked.out)
    before = read_checkpoint(checkpoint, request, module, optimiser)
    if before.step:
        say(f"going on from step {before.step}")
    # Over the whole batch: a patch without a lesion has no Dice of its own.
    difference = DiceCELoss(sigmoid=True, batch=True)
    losses = list(before.losses)
    module.train()
    for step in range(before.step, settings.steps):
        images, lesions = drawn_patches(
            examples, edge=shape.patch, batch=settings.batch, seed=settings.seed, step=step
        )
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 - step / settings.steps) ** _DECAY
        optimiser.zero_grad()
        loss = difference(
            module(torch.from_numpy(images).to(device)), torch.from_numpy(lesions).to(device)
        )
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if not np.isfinite(losses[-1]):
            raise ConfigError(
                "train-lesion",
                found=f"the loss of step {step + 1} is no number",
                wanted="a training that converges",
                mend="Give a smaller --learning-rate and another folder",
            )
        if (step + 1) % asked.checkpoint_every == 0 and step + 1 < settings.steps:
            write_checkpoint(checkpoint, request, module, optimiser, losses)
        progress(step + 1, losses[-1])
    return module, losses, before.step


def _table(losses: Sequence[float]) -> pd.DataFrame:
    starts = range(0, len(losses), _ROW_STEPS)
    return pd.DataFrame(
        {
            "step": [min(start + _ROW_STEPS, len(losses)) for start in starts],
            "loss": [round(float(np.mean(losses[s : s + _ROW_STEPS])), 5) for s in starts],
        }
    )
