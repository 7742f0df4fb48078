"""A nested permutation test, side by side with scikit-learn's.

The peer is ``permutation_test_score`` around ``GridSearchCV`` around a scaled RidgeClassifier or
LogisticRegression: 5 outer and 5 inner folds, 6 penalties, labels permuted within site. Both get
one explicit list of outer folds and the same inner folds, none of which depends on the labels. The
peer's time is that of a few permutations, scaled to all of them; ours is that of all, set-up
included. Time is CPU time of one thread.

    python benchmarks/fusion_permutation.py [--permutations 1000] [--peer 3] [--people 160]
        [--columns 6000]
"""

from __future__ import annotations

import argparse
import os
import resource
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from commissure.evaluation.permutation import permuted_labels
from commissure.models.nested import Division, nested_auc

#: Ridge penalties in multiples of the number of columns: a scaled person has that square norm.
RELATIVE = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
FAMILIES = {"ridge": 2000, "logistic": 20}


def inner_folds() -> KFold:
    return KFold(5, shuffle=True, random_state=1)


def divisions_of(people: int) -> list[Division]:
    """Five folds of five folds, by person number only."""
    found = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(np.zeros(people)):
        inner = tuple((train[a], train[b]) for a, b in inner_folds().split(train))
        found.append(Division(train, test, inner))
    return found


def squared_error(model, X: np.ndarray, y: np.ndarray) -> float:
    return -float(np.mean((model.decision_function(X) - (2 * y - 1)) ** 2))


def peer(family: str, penalties: np.ndarray, exact: bool = False) -> GridSearchCV:
    """The peer's estimator; ``exact`` solves the logistic regression to 1e-10."""
    if family == "ridge":
        model, grid = RidgeClassifier(), {"ridgeclassifier__alpha": penalties}
        scoring = squared_error
    else:
        model = LogisticRegression(max_iter=20_000, tol=1e-10 if exact else 1e-4)
        grid, scoring = {"logisticregression__C": 1 / penalties}, "neg_log_loss"
    pipeline = make_pipeline(StandardScaler(), model)
    return GridSearchCV(pipeline, grid, scoring=scoring, cv=inner_folds())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--peer", type=int, default=3, help="permutations of the peer")
    parser.add_argument("--people", type=int, default=160)
    parser.add_argument("--columns", type=int, default=6000)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    rng = np.random.default_rng(0)
    sites = np.array(["N", "S"])[np.arange(asked.people) % 2]
    y = (rng.random(asked.people) < np.where(sites == "N", 0.4, 0.55)).astype(int)
    X = rng.normal(size=(asked.people, asked.columns))
    X[:, :60] += 0.35 * y[:, None]
    penalties = asked.columns * np.array(RELATIVE)
    divisions = divisions_of(asked.people)
    outer = [(one.train, one.test) for one in divisions]
    table = permuted_labels(y, sites, asked.permutations, seed=0)
    nested_auc(X[:, :50], table[:, :3], divisions, penalties)  # libraries are loaded
    print(
        f"n = {asked.people}, p = {asked.columns}, 5 x 5 folds, 6 penalties, "
        f"{asked.permutations} permutations within site, CPU s of one thread\n"
    )
    print(
        f"{'family':10s}{'peer a permutation':>20s}{'peer, all (scaled)':>20s}{'here, all':>12s}"
        f"{'times':>8s}{'wanted':>8s}{'largest difference':>20s}{'peak GB':>9s}"
    )
    for family, wanted in FAMILIES.items():
        start = time.process_time()
        found = nested_auc(X, table, divisions, penalties, family=family)
        own = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        start = time.process_time()
        observed, _, _ = permutation_test_score(
            peer(family, penalties), X, y, groups=sites, cv=outer, scoring="roc_auc",
            n_permutations=asked.peer, random_state=0,
        )  # fmt: skip
        # It scores the observed labels too, so it ran once more than it was asked for.
        each = (time.process_time() - start) / (asked.peer + 1)
        exact = peer(family, penalties, exact=True)
        same = [
            cross_val_score(exact, X, table[:, b], cv=outer, scoring="roc_auc").mean()
            for b in range(asked.peer + 1)
        ]
        apart = float(np.abs(found[: asked.peer + 1] - same).max())
        print(
            f"{family:10s}{each:20.2f}{each * asked.permutations:20.0f}{own:12.2f}"
            f"{each * asked.permutations / own:8.0f}{wanted:8d}{apart:20.1e}{peak:9.2f}"
        )
        p = (1 + (found[1:] >= found[0] - 1e-12).sum()) / (asked.permutations + 1)
        print(f"{'':10s}AUC {found[0]:.4f} (peer {observed:.4f}), p = {p:.4f}")
        lengths = []
        for count in (asked.permutations // 4, asked.permutations // 2):
            start = time.process_time()
            nested_auc(X, table[:, : count + 1], divisions, penalties, family=family)
            lengths.append(f"{count}: {time.process_time() - start:.2f}")
        print(f"{'':10s}CPU s by permutations: {', '.join(lengths)}, "
              f"{asked.permutations}: {own:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
