"""``commissure federate``: hospitals compute together from sums, and no person's value leaves."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commissure.cli.errors import readable
from commissure.errors import ConfigError

if TYPE_CHECKING:
    from commissure.federated.question import Question
    from commissure.federated.records import Options


def federate(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    sites: Annotated[
        list[Path] | None,
        typer.Argument(help="Output folder of a run at each site, three or more; of a kit, one."),
    ] = None,
    label: Annotated[str, typer.Option(help="Column of the people with the group.")] = "group",
    positive: Annotated[str, typer.Option(help="Its one value.")] = "resistant",
    negative: Annotated[str, typer.Option(help="Its other value.")] = "responsive",
    covariates: Annotated[
        str, typer.Option(help="Columns that groups are compared at equal values of.")
    ] = "age,sex",
    disorder: Annotated[
        str, typer.Option(help="Whose pattern the vulnerability index compares people with.")
    ] = "schizophrenia",
    ridge: Annotated[float, typer.Option(min=0, help="Penalty of the logistic model.")] = 1.0,
    permutations: Annotated[int, typer.Option(min=0, help="Of the labels, within sites.")] = 999,
    seed: Annotated[int, typer.Option(help="Of the permutations.")] = 0,
    combat: Annotated[
        bool,
        typer.Option("--combat", help="Write each site's markers without its scanner's part."),
    ] = False,
    masked: Annotated[
        bool,
        typer.Option("--masked", help="Show the coordinator sums over all sites, never a site's."),
    ] = False,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Learn a model alone, which tells no more than this of a person."),
    ] = None,
    scale: Annotated[
        Path | None,
        typer.Option(help="With --epsilon: mean and SD of the markers in other people."),
    ] = None,
    delta: Annotated[
        float, typer.Option(min=0, max=1, help="Of --epsilon; default: at most 1 over the people.")
    ] = 0.0,
    clip: Annotated[
        float, typer.Option(min=1e-6, help="Norm of a person's gradient, with --epsilon.")
    ] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Steps of the private model.")] = 20,
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Learn an encoder of the controls by averaging.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Of --encoder, in all rounds.")] = 100,
    local_epochs: Annotated[
        int, typer.Option(min=1, help="Of --encoder at each site between two averages.")
    ] = 5,
    proximal: Annotated[
        float, typer.Option(min=0, help="Of --encoder: FedProx; 0 is federated averaging.")
    ] = 0.0,
    batch: Annotated[
        int, typer.Option(min=2, help="Of --encoder: controls of a batch; a site needs as many.")
    ] = 64,
    min_people: Annotated[
        int, typer.Option(min=2, help="No sum over fewer people leaves a site.")
    ] = 10,
    kit: Annotated[
        Path | None,
        typer.Option(help="Folder that nvflare provision made for this site, or the coordinator."),
    ] = None,
    admin: Annotated[
        Path | None, typer.Option(help="With a coordinator's kit: the kit of who starts jobs.")
    ] = None,
    expect: Annotated[
        int, typer.Option(min=3, help="How many sites the coordinator waits for.")
    ] = 3,
    patience: Annotated[
        int, typer.Option(min=1, help="Seconds after which a site that is silent is lost.")
    ] = 60,
) -> None:
    """Compute means, group differences and a model over sites from what may leave them."""
    with readable():
        from commissure.federated.encoders import EncoderPlan
        from commissure.federated.private import Privacy, read_scale
        from commissure.federated.question import Question
        from commissure.federated.records import Options
        from commissure.federated.study import federate as together
        from commissure.models.encoders.settings import PretrainingSettings
        from commissure.settings import validated
        from commissure.torch_device import require_packages

        names = tuple(name.strip() for name in covariates.split(",") if name.strip())
        question = Question(label, positive, negative, names, disorder)
        privacy = None
        # A site that is started from a kit knows its limit alone, and the coordinator the rest.
        of_site = kit is not None and (kit / "startup" / "fed_client.json").exists()
        if epsilon is not None and (scale is not None or not of_site):
            if scale is None:
                raise ConfigError(
                    "commissure federate --epsilon", found="no --scale",
                    wanted="a table with modality, region, marker, unit, mean, sd of other people",
                    mend="Name federated_markers.tsv of other people: means of these would tell "
                    "of them",
                )  # fmt: skip
            privacy = Privacy(epsilon, read_scale(scale), delta, clip, rounds)
        plan = None
        if encoder and privacy is not None:
            raise ConfigError(
                "commissure federate", found="--encoder with --epsilon", wanted="one of them",
                mend="Its loss compares people with each other: nobody has a gradient of their own "
                "that could be clipped",
            )  # fmt: skip
        if encoder:
            asked = {"epochs": epochs, "batch": batch, "seed": seed}
            settings = validated(PretrainingSettings, asked, who="commissure federate --encoder")
            require_packages("commissure federate --encoder")
            plan = EncoderPlan(settings.model_dump(mode="json"), local_epochs, proximal)
        options = Options(
            ridge,
            permutations,
            seed,
            min_people,
            combat=combat,
            masked=masked,
            privacy=privacy,
            encoder=plan,
        )
        if kit is not None:
            _over_network(
                kit, admin, sites or [], question, options, expect, patience, out, epsilon
            )
        elif not sites:
            raise ConfigError(
                "commissure federate", found="no folder of a site", wanted="three or more",
                mend="Name them, or a site's own with its --kit",
            )  # fmt: skip
        else:
            together(sites, question, out=out, options=options, say=typer.echo)


def _over_network(
    kit: Path, admin: Path | None, folders: list[Path], question: Question, options: Options,
    expect: int, patience: int, out: Path, epsilon: float | None,
) -> None:  # fmt: skip
    """Start this site, or the coordinator and what is asked, from a kit."""
    if find_spec("nvflare") is None:
        raise ConfigError(
            "commissure federate --kit", found="NVIDIA FLARE is not installed",
            wanted="the extra federated", mend='Install it: make env EXTRAS="federated"',
        )  # fmt: skip
    from commissure.federated import kits

    if (kit / "startup" / "fed_client.json").exists():
        if len(folders) != 1 or admin is not None:
            raise ConfigError(
                "commissure federate --kit", found=f"a site's kit and {len(folders)} folders",
                wanted="the folder of this site's run, and no --admin",
            )  # fmt: skip
        process = kits.start_site(
            kit,
            folders[0],
            out=out,
            min_people=options.min_people,
            only_masked=options.masked,
            epsilon=epsilon,
        )
        kits.serve(process)
        return
    if folders or admin is None:
        raise ConfigError(
            "commissure federate --kit", found="a coordinator's kit without --admin, or folders",
            wanted="--admin, and no folders: each is named where its site is started",
        )  # fmt: skip
    process = kits.start_coordinator(kit)
    kits.stop_when_asked()
    try:
        kits.asked_over_network(
            kit, admin, question, options, sites=expect, out=out, timeout_s=patience,
            say=typer.echo,
        )  # fmt: skip
    finally:
        kits.stop(process)
    table = "" if options.privacy else " and federated_markers.tsv"
    typer.echo(f"{out}: federated.json{table}")
