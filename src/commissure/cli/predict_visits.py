"""``commissure predict-visits``: a network that looks at images of visits, in a fusion's folds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def predict_visits(
    run: Annotated[
        Path, typer.Argument(help="Output folder of a finished run of lesions with a fusion.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("image-sequence"),
    bids: Annotated[
        Path | None, typer.Option(help="The dataset; default: that to which the run has a link.")
    ] = None,
    visits: Annotated[
        str | None,
        typer.Option(help="Sessions, as 1,2; default: baseline and follow-up of the run."),
    ] = None,
    lesions: Annotated[int, typer.Option(help="Lesions of a person, the largest.")] = 3,
    crop_mm: Annotated[float, typer.Option(help="Edge of the cube around each.")] = 48.0,
    voxel_mm: Annotated[float, typer.Option(help="Edge of its voxels.")] = 2.0,
    epochs: Annotated[int, typer.Option(help="Times everybody in training is seen.")] = 60,
    batch: Annotated[int, typer.Option(help="People of a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="At the first step.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Draws weights, the order of people and more.")] = 1,
    repeats: Annotated[
        int, typer.Option(min=0, help="Repeats of the cross-validation; 0: all of the fusion.")
    ] = 1,
    leave_site_out: Annotated[
        bool, typer.Option(help="Leave sites out, too, where the fusion does.")
    ] = True,
    permutations: Annotated[
        int, typer.Option(min=0, help="Permutations of the labels, each as much work as a repeat.")
    ] = 0,
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Epochs; the same command goes on after an interruption.")
    ] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads on the processor.")] = 1,
) -> None:
    """Predict the outcome from the images of several visits, beside the models of a fusion."""
    with readable():
        from commissure.image_sequence.predict import Request, predict_visits, sentence
        from commissure.image_sequence.settings import SequenceSettings
        from commissure.settings import validated
        from commissure.torch_device import device_named

        settings = validated(
            SequenceSettings,
            {"lesions": lesions, "crop_mm": crop_mm, "voxel_mm": voxel_mm, "epochs": epochs,
             "batch": batch, "learning_rate": learning_rate, "seed": seed},
            who="predict-visits",
        )  # fmt: skip
        sessions = None if visits is None else [name for name in visits.split(",") if name]
        request = Request(
            run, out, bids=bids, sessions=sessions, settings=settings, repeats=repeats,
            leave_site_out=leave_site_out, permutations=permutations,
            checkpoint_every=checkpoint_every, device=device_named(device), threads=threads,
        )  # fmt: skip
        typer.echo(sentence(predict_visits(request, say=typer.echo)))
        typer.echo(f"written to {out}")
