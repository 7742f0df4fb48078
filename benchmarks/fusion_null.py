"""Null and planted cohorts: what the whole procedure says where the truth is known.

``--cohort plain``: 100 people, 3 sites that differ, 4 modalities, gaps, 20 controls. Others differ
from it: ``held_70_50`` lets one modality be held by 70 % of the positive and 50 % of the negative
people and another by everybody, ``held_60_40`` three modalities by 60 and 40 %, so that who has
what tells the labels apart and the markers do not; ``many_sites`` has 20 sites of 12 people and
one modality.

Each is cross-validated with the folds, intervals and permutation test of any study. Without ``--d`` the labels mean
nothing; wanted are a mean AUC of 0.50, one p in twenty below 0.05, and intervals that hold 0.5
nineteen times of twenty. With ``--d`` the labels differ by so many standard deviations in each
modality, all cohorts come from one population, and intervals are to hold the mean of its AUC.

Standard error and coverage are printed for DeLong's interval as it is and as the permutations widen
it, within site and with the site left out, and for the differences between models. ``--p-only``
runs the permutation test alone, at a third of the cost.

    python benchmarks/fusion_null.py [--cohort plain] [--cohorts 1000] [--first 0]
        [--models late early stacked modalities] [--repeats 1] [--permutation-repeats 1] [--d 0]
        [--combat] [--p-only]
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy.stats import binom

from commissure.evaluation.auc import AucEstimate
from commissure.evaluation.comparisons import difference_to
from commissure.evaluation.out_of_fold import model_aucs, out_of_fold
from commissure.evaluation.permutation import permutation_test
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import FUSED_MODELS, ModelSpec
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.splits import folds, split_table
from commissure.study.study import Study

SIZES = {"anat": 20, "func": 15, "dwi": 10, "mrs": 4}


@dataclass(frozen=True)
class CohortKind:
    """How cohorts are drawn.

    Attributes
    ----------
    people, controls, sites
        How many there are of each; people of ``equal_sites`` are spread evenly over them.
    sizes
        Markers of each modality.
    held
        Share of the positive and of the negative people who have a modality; 0.9 of all others.
    """

    people: int = 100
    controls: int = 20
    sites: int = 3
    equal_sites: bool = False
    sizes: Mapping[str, int] = field(default_factory=lambda: SIZES)
    held: Mapping[str, tuple[float, float]] = field(default_factory=dict)


KINDS_OF_COHORTS = {
    "plain": CohortKind(),
    "held_70_50": CohortKind(
        sizes={"anat": 20, "func": 15}, held={"anat": (1.0, 1.0), "func": (0.7, 0.5)}
    ),
    "held_60_40": CohortKind(
        sizes={"anat": 20, "func": 15, "dwi": 10},
        held=dict.fromkeys(("anat", "func", "dwi"), (0.6, 0.4)),
    ),
    "many_sites": CohortKind(
        people=240, controls=0, sites=20, equal_sites=True, sizes={"anat": 10},
        held={"anat": (1.0, 1.0)},
    ),
}  # fmt: skip
#: Seed of the one population of the planted cohorts.
POPULATION = 177
#: Largest p that counts as small; with 39, 99, 199 permutations a null study has it in one of 20.
LEVEL = 0.05
KINDS = ("within, DeLong", "within, widened", "left out, DeLong", "left out, widened")


def cohort(
    seed: int, kind: CohortKind, combat: bool = False, d: float = 0.0
) -> tuple[Design, np.ndarray]:
    """A design, and labels that differ in it by ``d`` in each modality, along its own direction."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 77]))
    world = np.random.default_rng(POPULATION) if d else rng
    n = kind.people + kind.controls
    site = np.arange(n) % kind.sites if kind.equal_sites else rng.integers(0, kind.sites, n)
    share = np.tile([0.35, 0.5, 0.6], kind.sites)[site]
    y = np.where(np.arange(n) < kind.people, (rng.random(n) < share), -1).astype(int)
    parts, columns, blocks, at = [], [], {}, 0
    first = sum(kind.sizes.values())
    sites = tuple(range(first, first + kind.sites)) if combat else ()
    for name, size in kind.sizes.items():
        mixing = world.normal(size=(size, size)) / np.sqrt(size)
        own = rng.normal(size=(n, size)) + d / np.sqrt(size) * (y == 1)[:, None]
        x = own @ (np.eye(size) + mixing)
        x += 0.6 * world.normal(size=(kind.sites, size))[site]
        x[rng.random(n) < 1 - np.take(kind.held.get(name, (0.9, 0.9)), 1 * (y != 1))] = np.nan
        x[rng.random(x.shape) < 0.01] = np.nan
        parts.append(x)
        blocks[name] = Block(name, tuple(range(at, at + size)), sites=sites)
        columns += [DesignColumn(name, f"r{i}", "marker") for i in range(size)]
        at += size
    names = np.array([f"site {number:02d}" for number in range(kind.sites)])
    columns += [DesignColumn("site", "", name) for name in names]
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    values = np.hstack([*parts, np.eye(kind.sites)[site]])
    return Design(who, names[site], values, tuple(columns), blocks, tuple(kind.sizes)), y


def coverage(areas: list[AucEstimate], truth: float | None) -> str:
    """Mean and SD of the values, mean standard error, and coverage of the truth or of the mean."""
    value = np.array([area.value for area in areas])
    truth = float(value.mean()) if truth is None else truth
    held = np.mean([area.ci_low <= truth <= area.ci_high for area in areas])
    error = float(np.sqrt(np.mean([area.standard_error**2 for area in areas])))
    return f"{value.mean():9.4f}{value.std(ddof=1):8.4f}{error:10.4f}{held:10.3f}"


def table_of(
    asked: argparse.Namespace,
    found: Mapping[str, list[tuple[AucEstimate, ...]]],
    chances: Mapping[tuple[str, str], list[tuple[float, bool]]],
    gaps: Mapping[str, list[AucEstimate]],
) -> str:
    """What the cohorts so far say, as text."""
    count = len(next(iter(found.values())))
    kind = KINDS_OF_COHORTS[asked.cohort]
    low, high = binom.ppf([0.005, 0.995], count, 0.05) / count
    lines = [
        f"{count} cohorts {asked.cohort}, d = {asked.d:g}, n = {kind.people} + {kind.controls} "
        f"controls, {kind.sites} sites, {len(kind.sizes)} modalities; {asked.repeats} x 5 folds, "
        f"{asked.permutations} permutations of {asked.permutation_repeats} x 5{', ComBat in the folds' if asked.combat else ''}",
        f"99 % bands: p < 0.05 in {low:.3f} to {high:.3f}, coverage {1 - high:.3f} to "
        f"{1 - low:.3f}, of {'the mean' if asked.d else '0.5'}",
        f"{'model':10s}{'AUC':26s}{'mean':>9s}{'SD':>8s}{'rms SE':>10s}{'coverage':>10s}"
        f"{'widened by':>12s}{'p <= 0.05':>10s}",
    ]
    for name, rows in found.items():
        for kind, areas in zip(KINDS, zip(*rows, strict=True), strict=True):
            text = coverage(list(areas), None if asked.d else 0.5)
            if (name, kind) in chances:
                by, share = np.mean(chances[name, kind], axis=0)
                text += f"{by:12.3f}{share:10.3f}"
            lines.append(f"{name:10s}{kind:26s}{text}")
    for name, areas in gaps.items():
        text = coverage(areas, None if asked.d else 0.0)
        lines.append(f"{name:10s}{next(iter(found)) + ' minus ' + name:26s}{text}")
    return "\n".join(lines)


def table_of_p(
    asked: argparse.Namespace,
    observed: Mapping[str, list[float]],
    small: Mapping[str, list[bool]],
) -> str:
    """Mean AUC of the reduced procedure and share of small p values, as text."""
    count = len(next(iter(small.values())))
    low, high = binom.ppf([0.005, 0.995], count, 0.05) / count
    lines = [
        f"{count} cohorts {asked.cohort}, {asked.permutations} permutations of "
        f"{asked.permutation_repeats} x 5; 99 % band of p <= 0.05: {low:.3f} to {high:.3f}",
        f"{'model':10s}{'mean AUC':>10s}{'SE':>8s}{'p <= 0.05':>11s}",
    ]
    for name, values in observed.items():
        error = np.std(values, ddof=1) / np.sqrt(count)
        lines.append(f"{name:10s}{np.mean(values):10.4f}{error:8.4f}{np.mean(small[name]):11.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", choices=KINDS_OF_COHORTS, default="plain")
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--permutation-repeats", type=int, default=1)
    parser.add_argument("--d", type=float, default=0.0, help="planted difference in each modality")
    parser.add_argument("--combat", action="store_true", help="ComBat in the folds (slow)")
    parser.add_argument("--models", nargs="+", default=["late", "early", "stacked"],
                        choices=[*FUSED_MODELS, "modalities"])  # fmt: skip
    parser.add_argument("--p-only", action="store_true", help="the permutation test alone")
    asked = parser.parse_args()
    settings = FusionSettings(
        repeats=asked.repeats, permutations=asked.permutations, inner_folds=3,
        permutation_repeats=asked.permutation_repeats, penalties=[0.1, 1.0, 10.0, 100.0],
    )  # fmt: skip
    kind = KINDS_OF_COHORTS[asked.cohort]
    fused = [name for name in asked.models if name in FUSED_MODELS]
    models = [*fused, *(kind.sizes if "modalities" in asked.models else ())]
    found: dict[str, list[tuple[AucEstimate, ...]]] = {name: [] for name in models}
    gaps: dict[str, list[AucEstimate]] = {name: [] for name in fused[1:]}
    chances: defaultdict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    observed: dict[str, list[float]] = {name: [] for name in models}
    small: dict[str, list[bool]] = {name: [] for name in models}
    start = time.process_time()
    for seed in range(asked.first, asked.first + asked.cohorts):
        design, y = cohort(seed, kind, asked.combat, asked.d)
        specs = [
            ModelSpec(name, "modality", "", (name,), (design.blocks[name],))
            if name in design.blocks
            else ModelSpec(name, "fusion", "", tuple(kind.sizes), tuple(design.blocks.values()))
            for name in models
        ]
        seeded = settings.model_copy(update={"seed": seed})
        study = Study(settings, design, y)
        nulls = permutation_test(replace(study, settings=seeded), specs)
        done = seed - asked.first + 1
        last = done == asked.cohorts
        if asked.p_only:
            for name in models:
                observed[name].append(nulls[name].observed)
                small[name].append(nulls[name].p <= LEVEL)
            if done % 100 == 0 or last:
                print(table_of_p(asked, observed, small))
                print(f"{time.process_time() - start:.0f} CPU s\n", flush=True)
            continue
        people = pd.DataFrame({"participant_id": design.participants, "site": design.sites,
                               "label": y.astype(str)})  # fmt: skip
        table = split_table(people, outer_folds=5, repeats=asked.repeats, seed=seed)
        divisions = list(folds(table, design.participants))
        scores, _ = out_of_fold(study, specs, divisions, lambda line: None)
        for name in models:
            plain = model_aucs(study, scores[name])
            wide = model_aucs(study, scores[name], nulls[name])
            null = nulls[name]
            assert null.left_out is not None
            found[name].append((plain["within"], wide["within"], plain["left_out"],
                                wide["left_out"]))  # fmt: skip
            factor = null.widening_of_mean(asked.repeats) or null.widening(asked.repeats)
            chances[name, "within, widened"].append((factor, null.p <= LEVEL))
            chances[name, "left out, widened"].append(
                (null.left_out.widening(1), null.left_out.p <= LEVEL)
            )
        for name, rows in gaps.items():
            gap = difference_to(name, study, models[0], scores)
            assert gap is not None
            rows.append(gap)
        if done % 100 == 0 or last:
            print(table_of(asked, found, chances, gaps))
            print(f"{time.process_time() - start:.0f} CPU s\n", flush=True)


if __name__ == "__main__":
    main()
