"""``commissure pretrain``: a representation of markers or maps, learnt on healthy people."""

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
    maps: Annotated[
        bool, typer.Option("--maps", help="Learn on maps of grey matter instead of markers.")
    ] = False,
    resolution_mm: Annotated[
        float, typer.Option(help="Edge of the maps' voxels: 3, 4, 6 or 12.")
    ] = 4.0,
    smoothing_mm: Annotated[
        float, typer.Option(min=0, help="Width of the Gaussian that smooths maps; 0: none.")
    ] = 0.0,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder in which maps are kept; default: work/grey_matter of the run."),
    ] = None,
    sigma: Annotated[
        float, typer.Option(min=0, help="Years over which people are alike; 0: SimCLR.")
    ] = _DEFAULT.sigma,
    normalisation: Annotated[
        str, typer.Option(help="Of the weights of pairs: rows, or columns as the published code.")
    ] = _DEFAULT.normalisation,
    start: Annotated[
        str, typer.Option(help="Weights for markers begin as drawn, or as components.")
    ] = _DEFAULT.start,
    reconstruction: Annotated[
        float, typer.Option(min=0, help="Weight of giving people back from their embedding.")
    ] = _DEFAULT.reconstruction,
    cutout: Annotated[
        float, typer.Option(min=0, help="Share that a view of a person lacks.")
    ] = _DEFAULT.cutout,
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
        from commissure.representation.pretrain_maps import pretrain_maps
        from commissure.settings import validated
        from commissure.torch_device import device_named

        asked = {"sigma": sigma, "normalisation": normalisation, "epochs": epochs,
                 "batch": batch, "seed": seed, "start": start, "reconstruction": reconstruction,
                 "cutout": cutout}  # fmt: skip
        settings = validated(PretrainingSettings, asked, who="commissure pretrain")
        if maps:
            pretrain_maps(
                dataset, out=out, settings=settings, resolution_mm=resolution_mm,
                smoothing_mm=smoothing_mm, participants=participants, site_column=site, work=work,
                device=device_named(device), digests=digests, say=typer.echo,
            )  # fmt: skip
            return
        learn(
            dataset, out=out, settings=settings, participants=participants, site_column=site,
            device=device_named(device), digests=digests, say=typer.echo,
        )  # fmt: skip
