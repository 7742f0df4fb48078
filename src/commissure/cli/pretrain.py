"""``commissure pretrain``: a representation of markers, learnt on healthy people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable
from commissure.models.encoders.settings import PretrainingSettings

_DEFAULT = PretrainingSettings()


def pretrain(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Output folder of a run, of which the controls are taken, or the markers.tsv of "
            "healthy people."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the encoder.")] = Path("representation"),
    participants: Annotated[
        Path | None, typer.Option(help="People's table; default: beside the markers.")
    ] = None,
    site: Annotated[str, typer.Option(help="Column of the people with the site.")] = "site",
    sigma: Annotated[
        float, typer.Option(min=0, help="Years over which people are alike; 0: SimCLR.")
    ] = _DEFAULT.sigma,
    normalisation: Annotated[
        str, typer.Option(help="Of the weights of pairs: rows, or columns as the published code.")
    ] = _DEFAULT.normalisation,
    epochs: Annotated[int, typer.Option(min=1, help="Times everybody is seen.")] = _DEFAULT.epochs,
    batch: Annotated[int, typer.Option(min=2, help="People of a batch.")] = _DEFAULT.batch,
    seed: Annotated[int, typer.Option(min=0, help="Of everything drawn.")] = _DEFAULT.seed,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    digests: Annotated[
        bool,
        typer.Option(help="Keep digests of the people, by which an encoder knows them again."),
    ] = True,
) -> None:
    """Learn an encoder on healthy people; the same command goes on after it was killed."""
    with readable():
        from commissure.representation.pretrain import pretrain as learn
        from commissure.settings import validated
        from commissure.torch_device import device_named

        asked = {"sigma": sigma, "normalisation": normalisation, "epochs": epochs,
                 "batch": batch, "seed": seed}  # fmt: skip
        settings = validated(PretrainingSettings, asked, who="commissure pretrain")
        learn(
            dataset, out=out, settings=settings, participants=participants, site_column=site,
            device=device_named(device), digests=digests, say=typer.echo,
        )  # fmt: skip
