"""What privacy costs, and what it buys, when a model is averaged over hospitals.

``python benchmarks/federated_privacy.py [PART ...] [--data ../shared/data/tables]``; needs the extra
``federated`` (its accountant). Parts:

``simulated``
    invented people at 3 to 20 sites; half of each site is in training. AUC of people of the same
    sites who are not, and how well somebody who sees all that leaves tells who is in training.
``impac``
    the same with autism and controls at the sites of IMPAC.

With ``--masked`` the sites share the noise, and what is seen is the sum over all of them.

Two attacks, both by the AUC of members against people of the same sites who are none: the loss of the
final model, and how far each site's differences point along a person's own (clipped) gradients,
summed over the rounds, which is what a curious coordinator has.
"""

from __future__ import annotations

import argparse
import functools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.federated_masks import federation_of

from commissure.federated.averaging import Averaged, Averaging, averaged
from commissure.federated.privacy_budget import needed_noise
from commissure.federated.site import Site
from commissure.federated.site_learning import LEARNERS, LocalSteps, clipped, shaped

ROUNDS, CLIP = 20, 1.0


def simulated(count: int, markers: int, seed: int) -> list[Site]:
    """People whose labels follow 10 of the markers (d about .35 each)."""
    rng = np.random.default_rng(seed)
    sites = []
    for number in range(count):
        n = int(rng.integers(60, 200))
        labels = (rng.random(n) < rng.uniform(0.3, 0.7)).astype(float)
        values = rng.normal(size=(n, markers))
        values[:, :10] += 0.35 * labels[:, None]
        sites.append(Site(f"site{number}", values, labels[:, None], labels, noise_seed=seed))
    return sites


def impac(data: Path, markers: int, seed: int) -> list[Site]:
    """Standardised by people of other sites would be better: here by everybody, which is said."""
    folder = data / "impac-autism-freesurfer"
    people = pd.read_csv(folder / "participants.csv", dtype={"subject_id": str})
    anatomy = pd.read_csv(folder / "anatomy.csv", dtype={"subject_id": str})
    joined = people.merge(anatomy, on="subject_id")
    names = list(anatomy.select_dtypes("number").columns)[:markers]
    values = joined[names].to_numpy(float)
    values = np.nan_to_num((values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0))
    labels, place = joined["asd"].to_numpy(float), joined["site"].to_numpy()
    return [
        Site(
            f"site{name}", values[place == name], labels[place == name, None],
            labels[place == name], noise_seed=seed,
        )
        for name in sorted(set(place))
        if (place == name).sum() >= 24
    ]  # fmt: skip


def halves(sites: list[Site], seed: int) -> tuple[list[Site], list[Site]]:
    """Half of each site's people for training, the rest for judging."""
    rng = np.random.default_rng([seed, 7])
    parts: tuple[list[Site], list[Site]] = ([], [])
    for site in sites:
        order = rng.permutation(len(site.labels))
        for part, rows in zip(parts, np.array_split(order, 2), strict=True):
            part.append(
                replace(
                    site,
                    markers=site.markers[rows],
                    design=site.design[rows],
                    labels=site.labels[rows],
                )
            )
    return parts


@functools.cache
def noise_of(epsilon: float, delta: float) -> float:
    return 0.0 if np.isinf(epsilon) else needed_noise(epsilon, ROUNDS, delta)


def learnt(sites: list[Site], epsilon: float, masked: bool) -> Averaged:
    """A model of the sites whose people spend no more than epsilon, delta at most 1 over the people."""
    markers = sites[0].markers.shape[1]
    # One over the people, rounded down to a power of two: calibrating the noise costs seconds.
    delta = 2.0 ** -np.ceil(np.log2(sum(len(site.labels) for site in sites)))
    noise = noise_of(epsilon, delta)
    local = LocalSteps(
        steps=1, rate=1.0, ridge=0.01, person_clip=CLIP, noise=noise, most_change=2e3,
        shared_between=len(sites) if masked else 0,
    )  # fmt: skip
    federation = federation_of(sites, masked, [])
    how = Averaging(rounds=ROUNDS, local=local, delta=delta)
    return averaged(federation, np.zeros(markers), np.ones(markers), how)


def attacks(
    model: Averaged, inside: list[Site], outside: list[Site]
) -> tuple[list[float], list[float], list[int]]:
    """Scores of both attacks, larger for who is thought to be in training, and who is."""
    learner, by_loss, by_differences, member = LEARNERS["logistic"], [], [], []
    like = learner.start(inside[0].markers.shape[1], 0)
    sizes = np.array([len(site.labels) for site in inside], float)
    # Of masked sums there is one, over everybody.
    sizes = sizes if model.differences.shape[1] > 1 else np.ones(1)
    steps = np.einsum("rsp,s->rp", model.differences, sizes / sizes.sum())
    begun = np.vstack([np.zeros(steps.shape[1]), np.cumsum(steps, axis=0)[:-1]])
    for number, pair in enumerate(zip(inside, outside, strict=True)):
        for is_member, site in zip((1, 0), pair, strict=True):
            x, y = site.markers, site.labels
            logits = x @ model.weights[0] + model.weights[1]
            by_loss += list(y * logits - np.logaddexp(0, logits))
            along = np.zeros(len(y))
            seen = model.differences[:, min(number, model.differences.shape[1] - 1)]
            for at, difference in zip(begun, seen, strict=True):
                parts = learner.gradients(shaped(at, like), x, y)
                own = clipped(np.concatenate([p.reshape(len(x), -1) for p in parts], axis=1), CLIP)
                along -= own @ difference
            by_differences += list(along)
            member += [is_member] * len(y)
    return by_loss, by_differences, member


def rows_of(name: str, make, seeds: int, epsilons: list[float], masked: bool, table: Table) -> None:
    for epsilon in epsilons:
        auc, by_loss, by_differences, member, sizes = [], [], [], [], []
        for seed in range(seeds):
            inside, outside = halves(make(seed), seed)
            model = learnt(inside, epsilon, masked)
            sizes.append(sum(len(site.labels) for site in inside))
            scores = np.concatenate([site.markers @ model.weights[0] for site in outside])
            auc.append(roc_auc_score(np.concatenate([site.labels for site in outside]), scores))
            found = attacks(model, inside, outside)
            by_loss.append(roc_auc_score(found[2], found[0]))
            by_differences.append(roc_auc_score(found[2], found[1]))
            member.append(len(found[2]))
        spread = [np.std(values) / np.sqrt(seeds) for values in (auc, by_loss, by_differences)]
        table.add_row(
            name, f"{np.mean(sizes):.0f}", "none" if np.isinf(epsilon) else f"{epsilon:g}",
            *(
                f"{np.mean(values):.3f} ± {error:.3f}"
                for values, error in zip((auc, by_loss, by_differences), spread, strict=True)
            ),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["simulated", "impac"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--sites", type=int, nargs="*", default=[3, 8, 20])
    parser.add_argument("--markers", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--masked", action="store_true")
    parser.add_argument(
        "--epsilons", type=float, nargs="*", default=[0.25, 1.0, 3.0, 8.0, float("inf")]
    )
    arguments = parser.parse_args()
    table = Table(
        "people", "in training", "epsilon", "AUC", "who was in training, by loss", "by differences",
        title="privacy of a person, delta at most 1 / people; mean over seeds ± its standard error",
    )  # fmt: skip
    if "simulated" in arguments.parts:
        for count in arguments.sites:
            rows_of(
                f"simulated, {count} sites",
                lambda seed, count=count: simulated(count, arguments.markers, seed),
                arguments.seeds, arguments.epsilons, arguments.masked, table,
            )  # fmt: skip
    if "impac" in arguments.parts:
        if not (arguments.data / "impac-autism-freesurfer").is_dir():
            sys.exit(f"{arguments.data}: impac-autism-freesurfer is not there")
        rows_of(
            "IMPAC",
            lambda seed: impac(arguments.data, arguments.markers, seed),
            arguments.seeds,
            arguments.epsilons,
            arguments.masked,
            table,
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
