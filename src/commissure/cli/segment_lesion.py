"""``commissure segment-lesion``: a trained network marks lesions in the images of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commissure.cli.errors import readable


def segment_lesion(
    network: Annotated[Path, typer.Argument(help="Folder that train-lesion left.")],
    dataset: Annotated[Path, typer.Argument(help="BIDS dataset with images of its kind.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the masks; default: derivatives/lesions of the dataset."),
    ] = None,
    least_volume_mm3: Annotated[
        float, typer.Option(min=0, help="Smaller parts are left out.")
    ] = 30.0,
    passes: Annotated[
        int, typer.Option(min=1, max=8, help="Mirrored images whose mean is taken; 1: no doubt.")
    ] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads on the processor.")] = 1,
) -> None:
    """Mark lesions, with a map of doubt, where a study that names this dataset finds them."""
    from commissure.lesion.network.card import PACKAGES
    from commissure.lesion.network.settings import checked_choices
    from commissure.torch_device import require_packages

    with readable():
        require_packages("segment-lesion", PACKAGES)
        chosen: Any = checked_choices("segment-lesion", device=device)
        from commissure.lesion.network.apply import mark_dataset

        mark_dataset(
            network, dataset, out=out, floor_mm3=least_volume_mm3, passes=passes, threads=threads,
            say=typer.echo, **chosen,
        )  # fmt: skip
