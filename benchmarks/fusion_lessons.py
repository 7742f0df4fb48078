"""The lessons on which the classifier rests, as studies that print what they assume.

1. How far the AUC of a null study scatters, by its number of people.
2. What AUC a planted difference gives, and what it must give: Phi(d / sqrt 2).
3. Two sites with unlike class ratios: pooled and within-site AUC, without and with harmonisation of
   location and scale in five places, with and without a true effect.
4. Selection outside the folds, and two sessions of a person in different folds.

    python benchmarks/fusion_lessons.py [--repeats 40]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy.stats import norm

from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.nested import Division, nested_auc, prepared
from commissure.study.splits import stratified_folds

FOLDS = 5
#: Ridge penalty in multiples of the number of columns.
PENALTY = 1.0


def divisions(fold: np.ndarray) -> list[Division]:
    return [
        Division(np.flatnonzero(fold != k), np.flatnonzero(fold == k), ()) for k in range(FOLDS)
    ]


def ridge_scores(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Ridge regression on -1 and 1, scaled in the training people."""
    one = prepared(x, train, test)
    signs = 2.0 * y[train] - 1
    strength = (one.axes.scores**2).sum(axis=0)
    wanted = one.axes.scores.T @ (signs - signs.mean())
    return one.scores @ (wanted / (strength + PENALTY * x.shape[1])) + signs.mean()


def null_spread(repeats: int) -> None:
    print(f"1. Null AUC by n: p = 100 columns of noise, 5 folds, ridge, penalty {PENALTY:g} p")
    print(
        f"{'n':>6s}{'studies':>9s}{'mean':>8s}{'SE':>8s}{'SD':>8s}{'SE':>8s}{'95 %':>8s}{'SD of the methods':>20s}"
    )
    for n, expected in ((40, 0.125), (80, 0.092), (150, 0.066), (300, 0.046)):
        found = []
        for seed in range(repeats):
            rng = np.random.default_rng([seed, n])
            x = rng.normal(size=(n, 100))
            fold = stratified_folds(np.zeros(n), FOLDS, (seed,))
            labels = np.array([rng.permutation(np.arange(n) % 2) for _ in range(10)]).T
            # Pooled over the folds, as the figures of the methods are.
            for y in labels.T:
                scores = np.empty(n)
                for k in range(FOLDS):
                    train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
                    scores[test] = ridge_scores(x, y, train, test)
                found.append(auc([pairwise_comparisons(y, scores, fold)]).value)
        own = np.array(found)
        print(
            f"{n:6d}{len(own):9d}{own.mean():8.3f}{own.std() / np.sqrt(len(own)):8.3f}{own.std():8.3f}"
            f"{own.std() / np.sqrt(2 * len(own)):8.3f}{np.quantile(own, 0.95):8.2f}{expected:20.3f}"
        )


def planted(repeats: int) -> None:
    runs = max(4, repeats // 5)
    print(
        f"\n2. Planted d: n = 2000, p = 20 columns, {runs} studies each, ridge, penalty chosen of 3"
    )
    print(f"{'d':>6s}{'AUC':>8s}{'SE':>8s}{'Phi(d / sqrt 2)':>18s}")
    for d in (0.2, 0.5, 0.8, 1.0, 1.35, 1.5):
        found = []
        for seed in range(runs):
            rng = np.random.default_rng([seed, int(100 * d)])
            y = np.arange(2000) % 2
            x = rng.normal(size=(2000, 20)) + d / np.sqrt(20) * y[:, None]
            fold = stratified_folds(y, FOLDS, (seed,))
            parts = []
            for k in range(FOLDS):
                train = np.flatnonzero(fold != k)
                inner = tuple((train[fold[train] != j], train[fold[train] == j])
                              for j in range(FOLDS) if j != k)  # fmt: skip
                parts.append(Division(train, np.flatnonzero(fold == k), inner))
            found.append(nested_auc(x, y[:, None], parts, [2.0, 20.0, 200.0])[0])
        print(
            f"{d:6.2f}{np.mean(found):8.3f}{np.std(found) / np.sqrt(runs):8.3f}{norm.cdf(d / np.sqrt(2)):18.3f}"
        )


def harmonised(
    x: np.ndarray, site: np.ndarray, fit: np.ndarray, target: np.ndarray | None, give_back: bool
) -> np.ndarray:
    """Location and scale of each site aligned, learnt in ``fit``.

    With ``target`` the labels stand in the design; ``give_back`` adds their effect to everybody,
    which uses the labels of test people.
    """
    design = np.column_stack([site == 0, site == 1]).astype(float)
    full = design if target is None else np.column_stack([design, target - target.mean()])
    beta = np.linalg.lstsq(full[fit], x[fit], rcond=None)[0]
    effect = np.zeros_like(x) if target is None else np.outer(full[:, 2], beta[2])
    rest = x - design @ beta[:2] - (effect if give_back else 0.0)
    learnt = x[fit] - full[fit] @ beta
    scale = np.array([learnt[site[fit] == s].std(axis=0) for s in (0, 1)])
    out = rest / scale[site] * learnt.std(axis=0) + beta[:2].mean(axis=0)
    return out + (effect if give_back else 0.0)


WAYS = ("none", "all data, with the label", "all data, no label", "in fold, no label",
        "in fold, label in training", "site only")  # fmt: skip


def imbalance(repeats: int) -> None:
    print(
        f"\n3. Two sites of 100, p = 100, site shift SD 0.8 a column, {repeats} studies, ridge, penalty "
        f"{PENALTY:g} p, 5 folds; harmonisation of location and scale"
    )
    print(
        f"{'effect':22s}{'ratio':>8s}  {'harmonisation':28s}{'pooled AUC':>11s}{'SE':>7s}{'within':>8s}{'SE':>7s}"
    )
    for d, share, ways in (
        (0.0, 0.5, ("none",)), (0.0, 0.8, WAYS),
        (0.4, 0.5, ("none", "in fold, no label")), (0.4, 0.8, ("none", "in fold, no label")),
    ):  # fmt: skip
        for way in ways:
            pooled, within = [], []
            for seed in range(repeats):
                rng = np.random.default_rng([seed, 3])
                site = np.arange(200) % 2
                y = (rng.random(200) < np.where(site, share, 1 - share)).astype(int)
                x = rng.normal(size=(200, 100)) + 0.8 * rng.normal(size=(2, 100))[site]
                x[:, :10] += d * y[:, None]
                fold = stratified_folds(2 * y + site, FOLDS, (seed,))
                everyone = np.arange(200)
                scores = np.empty(200)
                if way.startswith("all data"):
                    label = y.astype(float) if way.endswith("with the label") else None
                    x = harmonised(x, site, everyone, label, give_back=True)
                for k in range(FOLDS):
                    train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
                    own = x
                    if way == "site only":
                        own = site[:, None].astype(float)
                    elif way == "in fold, no label":
                        own = harmonised(x, site, train, None, give_back=False)
                    elif way == "in fold, label in training":
                        own = harmonised(x, site, train, y.astype(float), give_back=False)
                    scores[test] = ridge_scores(own, y, train, test)
                pooled.append(auc([pairwise_comparisons(y, scores, np.zeros(200))]).value)
                within.append(auc([pairwise_comparisons(y, scores, site)]).value)
            told = "none" if d == 0 else f"d = {d:g} x 10 columns"
            ratio = f"{100 * share:.0f}/{100 - 100 * share:.0f}"
            root = np.sqrt(repeats)
            print(
                f"{told:22s}{ratio:>8s}  {way:28s}{np.mean(pooled):11.3f}{np.std(pooled) / root:7.3f}"
                f"{np.mean(within):8.3f}{np.std(within) / root:7.3f}",
                flush=True,
            )


def outside_the_folds(repeats: int) -> None:
    print(f"\n4. Leaks in noise, {repeats} studies, ridge, penalty {PENALTY:g} p")
    found: dict[str, list[float]] = {}
    for seed in range(repeats):
        rng = np.random.default_rng([seed, 4])
        y = np.arange(100) % 2
        x = rng.normal(size=(100, 1000))
        fold = stratified_folds(y, FOLDS, (seed,))
        gap = np.abs(x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0))
        for name, own in (
            ("10 of 1000 markers selected on everybody (n = 100)", x[:, np.argsort(-gap)[:10]]),
            ("the same markers, none selected", x),
        ):
            found.setdefault(name, []).append(
                nested_auc(own, y[:, None], divisions_with(fold), [own.shape[1]])[0]
            )
        people = np.repeat(np.arange(50), 2)
        label = np.repeat(np.arange(50) % 2, 2)
        twice = rng.normal(size=(50, 100))[people] + 0.7 * rng.normal(size=(100, 100))
        by_person = stratified_folds(np.arange(50) % 2, FOLDS, (seed,))[people]
        for name, own in (
            (
                "two sessions of 50 people, in different folds",
                stratified_folds(label, FOLDS, (seed,)),
            ),
            ("two sessions of 50 people, in one fold", by_person),
        ):
            found.setdefault(name, []).append(
                nested_auc(twice, label[:, None], divisions_with(own), [100.0])[0]
            )
    for name, areas in found.items():
        print(f"{name:56s}{np.mean(areas):8.3f}  SE {np.std(areas) / np.sqrt(repeats):.3f}")


def divisions_with(fold: np.ndarray) -> list[Division]:
    """Divisions whose single inner fold is idle: one penalty leaves nothing to choose."""
    return [Division(d.train, d.test, ((d.train, d.train[:2]),)) for d in divisions(fold)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    asked = parser.parse_args()
    start = time.process_time()
    null_spread(asked.repeats)
    planted(asked.repeats)
    imbalance(asked.repeats)
    outside_the_folds(asked.repeats)
    print(f"{time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
