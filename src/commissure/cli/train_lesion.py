"""``commissure train-lesion``: a network that marks lesions, trained on masks of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commissure.cli.errors import readable


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no list of whole numbers, as 8,16,32,64") from None


def train_lesion(
    dataset: Annotated[
        Path, typer.Argument(help="BIDS dataset with images and masks (label-lesion).")
    ],
    out: Annotated[Path, typer.Argument(help="Folder of the network.")],
    image: Annotated[
        str | None, typer.Option(help="ct, T1w, FLAIR or T2w; needed where masks are of several.")
    ] = None,
    voxel_mm: Annotated[
        float | None, typer.Option(help="Edge of the voxels that it sees; default: the images'.")
    ] = None,
    patch: Annotated[int, typer.Option(help="Edge of the cubes that it sees, in voxels.")] = 48,
    channels: Annotated[str, typer.Option(help="Channels of each level.")] = "8,16,32,64",
    steps: Annotated[int, typer.Option(help="Steps of gradient descent.")] = 1500,
    batch: Annotated[int, typer.Option(help="Patches of a step.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="At the first step.")] = 1e-2,
    held_out: Annotated[
        float, typer.Option(help="Share of the people on whom it is tried, not trained.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 1,
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Steps; the same command goes on after an interruption.")
    ] = 50,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads on the processor.")] = 1,
) -> None:
    """Train a 3-D U-Net on the masks of a dataset, or go on with a training."""
    from commissure.lesion.network.card import PACKAGES
    from commissure.lesion.network.settings import TrainingSettings, checked_choices
    from commissure.settings import validated
    from commissure.torch_device import require_packages

    levels = _whole_numbers(channels)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with readable():
        require_packages("train-lesion", PACKAGES)
        chosen: Any = checked_choices("train-lesion", image=image, device=device)
        settings = validated(
            TrainingSettings,
            {"steps": steps, "batch": batch, "learning_rate": learning_rate,
             "held_out": held_out, "seed": seed},
            who="train-lesion",
        )  # fmt: skip
        from commissure.lesion.network.train import Training, train

        with Progress(*columns, TimeElapsedColumn()) as bar:
            task = bar.add_task("training", total=steps)
            card = train(
                Training(
                    dataset, out, voxel_mm=voxel_mm, patch=patch, channels=levels,
                    settings=settings, checkpoint_every=checkpoint_every, threads=threads,
                    **chosen,
                ),
                say=bar.console.print,
                progress=lambda step, loss: bar.update(
                    task, completed=step, description=f"loss {loss:.3f}"
                ),
            )  # fmt: skip
        tried = card.about.get("held_out")
        if tried:
            typer.echo(
                f"on {tried['people']} people who were held out: Dice {tried['dice_mean']}, "
                f"{tried['lesion_recall']} of {tried['lesions']} lesions seen, "
                f"{tried['false_lesions_per_image']} false ones an image"
            )
        typer.echo(f"written to {out}")
