"""Outcomes that are no pair of labels, where the truth is known, and age on a real table.

``null``: cohorts whose outcome means nothing; wanted are chance on average and one p in twenty
below 0.05. ``planted``: a number whose correlation with what the markers say is known; classes and
hazards whose answer is analytic. ``change``: markers that change by d = 0.8, and retest noise alone.
``fcon1000``: age from FreeSurfer's regions of controls of 22 sites, in five folds and with the site
left out (needs the table fcon1000-freesurfer; says so and stops where it is absent).

    python benchmarks/fusion_outcomes.py null [--kind continuous classes time_to_event]
        [--cohorts 1000] [--permutations 199]
    python benchmarks/fusion_outcomes.py planted [--people 2000] [--cohorts 5]
    python benchmarks/fusion_outcomes.py change [--people 400] [--cohorts 40]
    python benchmarks/fusion_outcomes.py fcon1000 [--data ../shared/data/tables]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from commissure.evaluation.measures.registry import MEASURES, permuted_measure
from commissure.evaluation.out_of_fold import out_of_fold
from commissure.evaluation.permutation import permutation_test
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.models.responses import response_of
from commissure.models.settings import EstimatorSettings
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.splits import folds, split_table
from commissure.study.study import Study

SIZES = {"anat": 20, "func": 15, "dwi": 10, "mrs": 4}
KINDS = ("continuous", "classes", "time_to_event")
OUTCOMES = {
    "continuous": {"kind": "continuous", "column": "y"},
    "classes": {"kind": "classes", "column": "y", "classes": ["a", "b", "c"]},
    "time_to_event": {"kind": "time_to_event", "column": "y", "event_column": "e"},
}


def markers(rng: np.random.Generator, n: int, gaps: float = 0.1) -> Design:
    """Four modalities of correlated markers at three sites that differ, with gaps."""
    site = rng.integers(0, 3, n)
    parts, columns, blocks, at = [], [], {}, 0
    for name, size in SIZES.items():
        x = rng.normal(size=(n, size)) @ (np.eye(size) + rng.normal(size=(size, size)) / size**0.5)
        x += 0.6 * rng.normal(size=(3, size))[site]
        x[rng.random(n) < gaps] = np.nan
        x[rng.random(x.shape) < gaps / 10] = np.nan
        parts.append(x)
        blocks[name] = Block(name, tuple(range(at, at + size)))
        columns += [DesignColumn(name, f"r{i}", "marker") for i in range(size)]
        at += size
    who = np.array([f"sub-{i:05d}" for i in range(n)])
    names = np.array(list("abc"))[site]
    return Design(who, names, np.hstack(parts), tuple(columns), blocks, tuple(SIZES))


def specs_of(study: Study[FusionSettings], names: list[str]) -> list[ModelSpec]:
    """The fused models on all modalities."""
    design = study.design
    blocks = tuple(design.blocks[name] for name in design.modalities)
    response = response_of(design, study.settings)
    return [ModelSpec(name, "fusion", "", design.modalities, blocks, response) for name in names]


def cross_validated(study: Study[FusionSettings], specs: list[ModelSpec]):
    """Out-of-fold predictions of the models, in the folds of any study."""
    people = pd.DataFrame({
        "participant_id": study.design.participants, "site": study.design.sites,
        "label": study.kind.strata(study.text, study.y),
    })  # fmt: skip
    table = split_table(
        people, outer_folds=study.settings.outer_folds, repeats=study.settings.repeats,
        seed=study.settings.seed,
    )  # fmt: skip
    divisions = [
        fold for fold in folds(table, study.design.participants)
        if study.kind.enough_to_train(study.y[fold.train])
    ]  # fmt: skip
    scores, _ = out_of_fold(study, specs, divisions, lambda line: None)
    return scores


def settings_of(kind: str, **options) -> FusionSettings:
    few = {"repeats": 1, "inner_folds": 3, "permutation_repeats": 1,
           "penalties": [0.1, 1.0, 10.0, 100.0]}  # fmt: skip
    return FusionSettings(**{**few, "outcome": OUTCOMES[kind], **options})


def drawn(rng: np.random.Generator, kind: str, site: np.ndarray) -> np.ndarray:
    """An outcome that means nothing, with a level of its own at each site."""
    level = np.array([0.0, 0.8, -0.5])[np.unique(site, return_inverse=True)[1]]
    if kind == "continuous":
        return 50 + 10 * (level + rng.normal(size=len(site)))
    if kind == "classes":
        return np.clip(np.digitize(level + rng.normal(size=len(site)), [-0.5, 0.6]), 0, 2)
    until = np.round(rng.exponential(100 * np.exp(level)), 0) + 1
    end = np.round(rng.exponential(150, len(site)), 0) + 1
    return np.where(until <= end, until, -end)


def null(asked: argparse.Namespace) -> None:
    """Outcomes that mean nothing."""
    for kind in asked.kind:
        measure = MEASURES[kind]
        rows: dict[str, list[tuple[float, bool, bool]]] = {name: [] for name in asked.models}
        start = time.process_time()
        for seed in range(asked.first, asked.first + asked.cohorts):
            rng = np.random.default_rng(np.random.SeedSequence([seed, 78]))
            design = markers(rng, asked.people or 100)
            y = drawn(rng, kind, design.sites)
            settings = settings_of(kind, permutations=asked.permutations, seed=seed)
            study = Study(settings, design, y)
            specs = specs_of(study, asked.models)
            scores = cross_validated(study, specs)
            nulls = permutation_test(study, specs, measure=permuted_measure(kind))
            for name in asked.models:
                within = measure.estimates(study, scores[name], nulls[name])["within"]
                held = within.ci_low <= measure.chance <= within.ci_high
                rows[name].append((within.value, nulls[name].p < 0.05, held))
            done = seed - asked.first + 1
            if done % 100 == 0 or done == asked.cohorts:
                low, high = binom.ppf([0.005, 0.995], done, 0.05) / done
                print(f"{kind}: {done} null cohorts of {asked.people or 100}; 99 % band of p < 0.05: "
                      f"{low:.3f} to {high:.3f}; {time.process_time() - start:.0f} CPU s")  # fmt: skip
                for name, values in rows.items():
                    mean, small, held = np.mean(values, axis=0)
                    error = np.std([value for value, _, _ in values]) / np.sqrt(done)
                    print(f"  {name:8s} {measure.name} {mean:7.4f} +- {error:.4f}   p < 0.05 in "
                          f"{small:.3f}   interval holds chance in {held:.3f}", flush=True)  # fmt: skip


def planted(asked: argparse.Namespace) -> None:
    """Outcomes whose answer is known."""
    n = asked.people or 2000
    for r in (0.3, 0.5):
        values = []
        for seed in range(asked.cohorts):
            rng = np.random.default_rng(np.random.SeedSequence([seed, 79]))
            design = markers(rng, n, gaps=0.0)
            x = design.values
            said = (x - x.mean(axis=0)) @ rng.normal(size=x.shape[1])
            # What the sites add to the markers is no part of the signal within them.
            for site in np.unique(design.sites):
                said[design.sites == site] -= said[design.sites == site].mean()
            said /= said.std()
            y = r * said + np.sqrt(1 - r**2) * rng.normal(size=n)
            values.append(within(settings_of("continuous", seed=seed), design, y, asked.models))
        report(f"a number, r = {r}", np.array(values), r, asked.models)
    for d in (0.8, 1.6):
        values = []
        for seed in range(asked.cohorts):
            rng = np.random.default_rng(np.random.SeedSequence([seed, 80]))
            design = markers(rng, n, gaps=0.0)
            y = rng.integers(0, 3, n)
            corners = d / np.sqrt(3) * np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
            x = rng.normal(size=design.values.shape)
            x[:, :2] += corners[y]
            study = replace_values(design, x)
            values.append(within(settings_of("classes", seed=seed), study, y, asked.models))
        report(f"three classes, d = {d}", np.array(values), bayes_of_triangle(d), asked.models)
    for beta in (0.5, 1.0):
        values = []
        for seed in range(asked.cohorts):
            rng = np.random.default_rng(np.random.SeedSequence([seed, 81]))
            design = markers(rng, n, gaps=0.0)
            x = rng.normal(size=design.values.shape)
            until = rng.exponential(np.exp(-beta * x[:, 0])) + 1e-9
            end = rng.exponential(2, n) + 1e-9
            y = np.where(until <= end, until, -end)
            study = replace_values(design, x)
            values.append(within(settings_of("time_to_event", seed=seed), study, y, asked.models))
        expected = concordance_of(beta)
        report(f"a time, log hazard ratio {beta} a SD", np.array(values), expected, asked.models)


def replace_values(design: Design, values: np.ndarray) -> Design:
    return Design(design.participants, design.sites, values, design.columns, design.blocks,
                  design.modalities)  # fmt: skip


def within(
    settings: FusionSettings, design: Design, y: np.ndarray, names: list[str]
) -> list[float]:
    """The measure within site of each model."""
    study = Study(settings, design, y)
    scores = cross_validated(study, specs_of(study, names))
    measure = MEASURES[settings.outcome.kind]
    return [measure.estimates(study, scores[name])["within"].value for name in names]


def report(what: str, values: np.ndarray, expected: float, names: list[str]) -> None:
    means = ", ".join(
        f"{name} {mean:.3f}" for name, mean in zip(names, values.mean(axis=0), strict=True)
    )
    print(f"{what}: expected {expected:.3f}; within site {means}", flush=True)


def bayes_of_triangle(d: float, draws: int = 400_000) -> float:
    """Hand and Till's M of who knows the densities of three classes, all d apart."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    corners = d / np.sqrt(3) * np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    y = np.repeat([0, 1, 2], draws // 3)
    x = corners[y] + rng.normal(size=(len(y), 2))
    density = norm.pdf(x[:, None, :] - corners).prod(axis=2)
    p = density / density.sum(axis=1, keepdims=True)
    return float(roc_auc_score(y, p, multi_class="ovo"))


def concordance_of(beta: float, draws: int = 400_000) -> float:
    """C of who knows the hazards among pairs that censoring lets compare.

    Of two people, censored alike, the earlier time that is seen is an event of the first with a
    probability in proportion to the hazards; a pair counts by the hazards of both against that of
    the censoring.
    """
    rng = np.random.default_rng(0)
    first, second = np.exp(beta * rng.normal(size=(2, draws)))
    seen = (first + second) / (first + second + 2 * 0.5)
    right = np.maximum(first, second) / (first + second)
    return float((seen * right).sum() / seen.sum())


def change(asked: argparse.Namespace) -> None:
    """Two visits, of which only the change differs between the labels, or nothing but noise."""
    n, size, retest = asked.people or 400, 10, 1.0
    for d in (0.8, 0.0):
        values = []
        for seed in range(asked.cohorts):
            rng = np.random.default_rng(np.random.SeedSequence([seed, 82]))
            y, site = rng.integers(0, 2, n), rng.integers(0, 3, n)
            level = rng.normal(0, 3, (n, size)) + rng.normal(size=(3, size))[site]
            # Without a difference the second visit is the first, measured again.
            truth = rng.normal(0, 1.0 if d else 0.0, (n, size))
            spread = np.sqrt((1.0 if d else 0.0) + 2 * retest**2)
            truth += d * spread / np.sqrt(size) * y[:, None]
            first = level + rng.normal(0, retest, (n, size))
            second = level + truth + rng.normal(0, retest, (n, size))
            at = np.arange(size)
            blocks = {
                "baseline": Block("baseline", tuple(at)),
                "change": Block("change", tuple(at + size)),
                "residual": Block("residual", tuple(at + 2 * size), before=tuple(at)),
            }
            columns = tuple(DesignColumn("anat", f"r{i}", "marker") for i in range(3 * size))
            who = np.array([f"sub-{i:05d}" for i in range(n)])
            design = Design(who, np.array(list("abc"))[site],
                            np.hstack([first, second - first, second]), columns, blocks,
                            tuple(blocks))  # fmt: skip
            settings = FusionSettings(repeats=1, inner_folds=3, seed=seed)
            study = Study(settings, design, y)
            specs = [ModelSpec(name, "modality", "", (name,), (block,))
                     for name, block in blocks.items()]  # fmt: skip
            scores = cross_validated(study, specs)
            measure = MEASURES["binary"]
            values.append([measure.estimates(study, scores[name])["within"].value
                           for name in blocks])  # fmt: skip
        mean, error = np.mean(values, axis=0), np.std(values, axis=0) / np.sqrt(asked.cohorts)
        print(f"change of d = {d} in {n} people ({asked.cohorts} cohorts), best AUC "
              f"{norm.cdf(d / np.sqrt(2)):.3f}: " + ", ".join(
                  f"{name} {m:.3f} +- {e:.3f}"
                  for name, m, e in zip(blocks, mean, error, strict=True)), flush=True)  # fmt: skip


def fcon1000(asked: argparse.Namespace) -> None:
    """Age of the controls of FCON1000."""
    path = asked.data / "fcon1000-freesurfer/fcon1000.csv"
    if not path.is_file():
        sys.exit(f"{path} is not there: this benchmark needs the table.")
    table = pd.read_csv(path)
    table = table[~table["sub_id"].str.startswith("NewYork_a_ADHD")]
    site = table["sub_id"].str.extract(r"^(.*)_sub")[0].to_numpy(str)
    regions = table.drop(columns=["sub_id", "age", "sex", "site"]).apply(pd.to_numeric)
    values = regions.loc[:, regions.nunique() > 5].to_numpy(float)
    kinds = {
        "thickness": [i for i, n in enumerate(regions.loc[:, regions.nunique() > 5]) if
                      n.endswith("thickness")],
    }  # fmt: skip
    kinds["volumes"] = [i for i in range(values.shape[1]) if i not in kinds["thickness"]]
    blocks = {name: Block(name, tuple(columns)) for name, columns in kinds.items()}
    columns = tuple(DesignColumn("table", f"r{i}", "marker") for i in range(values.shape[1]))
    who = table["sub_id"].to_numpy(str)
    design = Design(who, site, values, columns, blocks, tuple(blocks))
    settings = settings_of(
        "continuous", repeats=asked.repeats, inner_folds=5, penalties=[0.1, 0.3, 1.0, 3.0, 10.0]
    )
    study = Study(settings, design, table["age"].to_numpy(float))
    everything = Block("all", tuple(range(values.shape[1])))
    specs = [
        *specs_of(study, ["late", "early", "stacked"]),
        ModelSpec("all", "modality", "", ("all",), (everything,), response_of(design, settings)),
        # Any scikit-learn estimator by its path: markers come in with unit mean square norm.
        ModelSpec(
            "svr", "fusion", "", ("all",), (everything,), response_of(design, settings),
            EstimatorSettings(
                name="svr", estimator="sklearn.svm.SVR", options={"gamma": 0.3},
                grid={"C": [30.0, 100.0]},
            ),
        ),
    ]  # fmt: skip
    start = time.process_time()
    scores = cross_validated(study, specs)
    measure = MEASURES["continuous"]
    print(f"{len(who)} controls, {len(set(site))} sites, {values.shape[1]} regions; age "
          f"{study.y.min():.0f} to {study.y.max():.0f}; {asked.repeats} x 5 folds")  # fmt: skip
    for spec in specs:
        areas = measure.estimates(study, scores[spec.name])
        more = measure.details(study, scores[spec.name])
        print(
            f"  {spec.name:8s} MAE {more['mae']:.2f} (mean {more['mae_mean']:.2f}, site's mean "
            f"{more['mae_site_mean']:.2f}), site left out {more['mae_leave_site_out']:.3f}; r within "
            f"{areas['within'].value:.3f} ({areas['within'].ci_low:.3f} to "
            f"{areas['within'].ci_high:.3f}), pooled {areas['pooled'].value:.3f}, left out "
            f"{areas['left_out'].value:.3f}; R2 within {more['r2_within_site']:.3f}; slope "
            f"{more['calibration_slope']:.2f}"
        )
    print(f"{time.process_time() - start:.0f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["null", "planted", "change", "fcon1000"])
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--models", nargs="+", default=["late", "early", "stacked"])
    parser.add_argument("--cohorts", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--people", type=int)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    asked = parser.parse_args()
    asked.cohorts = asked.cohorts or {"null": 1000, "planted": 5, "change": 40}.get(asked.what, 1)
    {"null": null, "planted": planted, "change": change, "fcon1000": fcon1000}[asked.what](asked)


if __name__ == "__main__":
    main()
