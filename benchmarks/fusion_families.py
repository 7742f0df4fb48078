"""Siblings on noise: how often a study of relatives finds something where nothing is.

Thirty pairs of siblings share most of each marker, and the markers know nothing of the labels.
``alike``: both carry one label. ``apart``: one carries each. ``mixed``: pairs of both kinds and
people without relatives, at two sites, some families at both. Each cohort is analysed as if nobody
were related, and with the families declared (``participants.family``). Wanted with families: a mean
AUC of 0.50 and one p in twenty at or below 0.05.

    python benchmarks/fusion_families.py [--cohorts 400] [--permutations 99]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy.stats import binom

from commissure.evaluation.permutation import permutation_test
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import model_specs
from commissure.study.design import FAMILY, SITE, Block, Design, DesignColumn
from commissure.study.study import Study

PAIRS, MARKERS = 30, 20
#: Share of a marker's variance that siblings have in common.
SHARED = 0.9


def cohort(seed: int, kind: str, *, declared: bool, permutations: int) -> Study[FusionSettings]:
    """A study of noise."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 78]))
    family = np.repeat(np.arange(PAIRS), 2)
    label = rng.permutation(np.arange(PAIRS) % 2)[family]
    apart = np.isin(family, np.arange(PAIRS)) if kind == "apart" else family % 3 == 0
    if kind != "alike":
        label = np.where(apart, np.arange(len(family)) % 2, label)
    site = np.zeros(len(family), dtype=int)
    if kind == "mixed":
        site = np.where(family % 5 == 0, np.arange(len(family)) % 2, family % 2)
        family = np.concatenate([family, PAIRS + np.arange(20)])
        label = np.concatenate([label, np.arange(20) % 2])
        site = np.concatenate([site, np.arange(20) // 2 % 2])
    n = len(family)
    common = rng.normal(size=(n, MARKERS))[family]
    values = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=(n, MARKERS))
    order = rng.permutation(n)
    names = np.array(["north", "south"])[site]
    marks = np.column_stack([names == name for name in np.unique(names)]).astype(float)
    columns = [DesignColumn("anat", f"r{marker}", "volume") for marker in range(MARKERS)]
    columns += [DesignColumn(SITE, "", str(name)) for name in np.unique(names)]
    columns.append(DesignColumn(FAMILY, "", FAMILY))
    block = Block("anat", tuple(range(MARKERS)), family=len(columns) - 1 if declared else None)
    design = Design(
        np.array([f"sub-{person:03d}" for person in range(n)]),
        names[order],
        np.column_stack([values, marks, family.astype(float)])[order],
        tuple(columns),
        {"anat": block},
        ("anat",),
    )
    settings = FusionSettings(
        permutations=permutations, permutation_repeats=2, models=["modalities"], seed=seed
    )
    return Study(settings, design, label[order])


def main() -> None:
    """Analyse the cohorts and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--permutations", type=int, default=99)
    asked = parser.parse_args()
    low, high = binom.interval(0.95, asked.cohorts, 0.05)
    print(f"{asked.cohorts} cohorts; p <= 0.05 is right in {low:.0f} to {high:.0f} of them")
    print("cohort  families  mean AUC  p <= .05  CPU s each")
    for kind in ("alike", "apart", "mixed"):
        for declared in (False, True):
            start = time.process_time()
            results = []
            for seed in range(asked.cohorts):
                study = cohort(seed, kind, declared=declared, permutations=asked.permutations)
                null = permutation_test(study, model_specs(study)[0])["anat"]
                results.append((null.observed, null.p))
            aucs, ps = np.array(results).T
            spent = (time.process_time() - start) / asked.cohorts
            print(
                f"{kind:<8}{'declared' if declared else 'not':<10}{aucs.mean():.3f}     "
                f"{(ps <= 0.05).mean():6.1%}    {spent:.2f}"
            )


if __name__ == "__main__":
    main()
