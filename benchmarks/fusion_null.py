"""Null cohorts: what the whole procedure says where there is nothing to find.

Cohorts of 100 people, 3 sites that differ, 4 modalities, gaps, 20 controls, labels
without meaning.
Each is cross-validated with the folds, intervals and permutation test of any study. Wanted: mean
AUC 0.50, one p in twenty below 0.05, intervals that hold 0.5 nineteen times of twenty.

    python benchmarks/fusion_null.py [--cohorts 1000] [--models late early stacked] [--first 0]
        [--combat]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy.stats import binom

from commissure.fusion.blocks import Block, Column, Design
from commissure.fusion.panel import ModelSpec
from commissure.fusion.permutation import null_areas
from commissure.fusion.scores import model_areas, out_of_fold
from commissure.fusion.settings import FusionSettings
from commissure.fusion.splits import CV, folds, split_table

PEOPLE, CONTROLS, SIZES = 100, 20, {"anat": 20, "func": 15, "dwi": 10, "mrs": 4}


def cohort(seed: int, combat: bool = False) -> tuple[Design, np.ndarray]:
    """A design and labels that have nothing to do with it."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 77]))
    n = PEOPLE + CONTROLS
    site = rng.integers(0, 3, n)
    y = np.where(np.arange(n) < PEOPLE, (rng.random(n) < np.array([0.35, 0.5, 0.6])[site]), -1)
    y = y.astype(int)
    parts, columns, blocks, at = [], [], {}, 0
    first = sum(SIZES.values())
    sites = (first, first + 1, first + 2) if combat else ()
    for name, size in SIZES.items():
        mixing = rng.normal(size=(size, size)) / np.sqrt(size)
        x = rng.normal(size=(n, size)) @ (np.eye(size) + mixing)
        x += 0.6 * rng.normal(size=(3, size))[site]
        x[rng.random(n) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.01] = np.nan
        parts.append(x)
        blocks[name] = Block(name, tuple(range(at, at + size)), sites=sites)
        columns += [Column(name, f"r{i}", "marker") for i in range(size)]
        at += size
    columns += [Column("site", "", one) for one in "abc"]
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    values = np.hstack([*parts, np.eye(3)[site]])
    return Design(who, np.array(list("abc"))[site], values, tuple(columns), blocks, tuple(SIZES)), y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--combat", action="store_true", help="ComBat in the folds (slow)")
    parser.add_argument("--models", nargs="+", default=["late", "early", "stacked"],
                        choices=["late", "early", "stacked", "kernels"])  # fmt: skip
    asked = parser.parse_args()
    settings = FusionSettings(
        repeats=1, permutations=asked.permutations, permutation_repeats=1, inner_folds=3,
        penalties=[0.1, 1.0, 10.0, 100.0],
    )  # fmt: skip
    found: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in asked.models}
    start = time.process_time()
    for seed in range(asked.first, asked.first + asked.cohorts):
        design, y = cohort(seed, asked.combat)
        specs = [ModelSpec(name, "fusion", "", tuple(SIZES), tuple(design.blocks.values()))
                 for name in asked.models]  # fmt: skip
        people = pd.DataFrame({"participant_id": design.participants, "site": design.sites,
                               "label": y.astype(str)})  # fmt: skip
        table = split_table(people, outer_folds=5, repeats=1, seed=seed)
        own = [one for one in folds(table, design.participants) if one.scheme == CV]
        scored, _ = out_of_fold(design, y, specs, own, settings, lambda line: None)
        nulls = null_areas(design, y, specs, settings.model_copy(update={"seed": seed}))
        for name in asked.models:
            area = model_areas(scored[name], y, design.sites)["within"]
            holds = area.ci_low <= 0.5 <= area.ci_high
            found[name].append((area.value, nulls[name].p, holds))
        if (seed - asked.first) % 20 == 19:
            print(f"{seed - asked.first + 1} cohorts, {time.process_time() - start:.0f} CPU s",
                  flush=True)  # fmt: skip
    count = asked.cohorts
    low, high = binom.ppf([0.005, 0.995], count, 0.05) / count
    print(
        f"\n{count} null cohorts, n = {PEOPLE} + {CONTROLS} controls, 3 sites, 4 modalities, gaps; "
        f"5 folds, {'ComBat in the folds, ' if asked.combat else ''}{asked.permutations} permutations\n"
        f"{'model':10s}{'mean AUC':>10s}{'SE':>8s}{'SD':>8s}{'p < 0.05':>10s}"
        f"{'99 % band':>16s}{'coverage':>10s}{'99 % band':>16s}"
    )
    for name, rows in found.items():
        area, p, holds = (np.array(one, float) for one in zip(*rows, strict=True))
        print(
            f"{name:10s}{area.mean():10.4f}{area.std() / np.sqrt(count):8.4f}{area.std():8.3f}"
            f"{(p < 0.05).mean():10.3f}{f'{low:.3f} to {high:.3f}':>16s}{holds.mean():10.3f}"
            f"{f'{1 - high:.3f} to {1 - low:.3f}':>16s}"
        )
    print(f"{time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
