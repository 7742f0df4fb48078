"""Prediction from thousands of radiomic features, where the truth is known.

``null``: cohorts whose outcome means nothing; wanted is a mean AUC of 0.50 +- 0.02, whatever the
model. ``planted``: ten of the features tell the outcome, volume and clinical columns do not; beside
the models stands what can be had at most. ``leak``: the features are selected over everybody, and
not in the folds; wanted is that the audit says so each time, and never of the models. ``time``: the
same as null and planted for the time to progression.

    python benchmarks/lesion_prediction.py null [--cohorts 100] [--first 0] [--people 100]
        [--features 5000] [--only svm logistic]
    python benchmarks/lesion_prediction.py planted | leak | time [the same]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.feature_selection import f_classif

from commissure.evaluation.measures.registry import MEASURES
from commissure.evaluation.out_of_fold import out_of_fold
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.settings import FusionSettings
from commissure.models.fitting import fit_models
from commissure.models.registry import ModelSpec, model_specs
from commissure.study.design import CLINICAL, Block, Design, DesignColumn
from commissure.study.splits import Fold, folds, split_table
from commissure.study.study import Study

MODELS = [
    "late", "early", "modalities", "clinical",
    {"name": "svm", "estimator": "sklearn.svm.SVC", "grid": {"C": [0.3, 3.0]},
     "blocks": ["radiomics"], "select": [20]},
    {"name": "forest", "estimator": "sklearn.ensemble.RandomForestClassifier",
     "options": {"n_estimators": 50, "min_samples_leaf": 3}, "blocks": ["radiomics"],
     "select": [50]},
    {"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression",
     "options": {"C": 0.1}, "blocks": ["radiomics"], "select": [10, 50]},
    {"name": "with_clinical", "estimator": "sklearn.linear_model.LogisticRegression",
     "options": {"C": 0.1}, "blocks": ["radiomics", "clinical"], "select": [10, 50]},
]  # fmt: skip
#: Features that tell the outcome where something is planted, and by how much each (d, log hazard).
TELLING, EFFECT = 10, 1.0
#: What a feature has in common with the others of its family, of which there are so many.
SHARED, FAMILIES = 0.6, 40


def cohort(rng: np.random.Generator, n: int, features: int) -> Design:
    """Radiomic features, sizes of lesions and clinical columns of two sites; some lack a visit."""
    shared = rng.normal(size=(n, FAMILIES))[:, np.arange(features) % FAMILIES]
    radiomics = SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * rng.normal(size=(n, features))
    # The features that may tell are alone: what can be had at most is then known.
    radiomics[:, :TELLING] = rng.normal(size=(n, min(TELLING, features)))
    sizes = np.exp(rng.normal(1, 0.8, (n, 1))) * np.exp(0.2 * rng.normal(size=(n, 3)))
    radiomics[rng.random(n) < 0.1] = np.nan
    clinical = np.column_stack([rng.normal(60, 10, n), rng.integers(0, 3, n)])
    parts = {"lesion": sizes, "radiomics": radiomics, CLINICAL: clinical}
    blocks, at = {}, 0
    columns: list[DesignColumn] = []
    for name, part in parts.items():
        blocks[name] = Block(name, tuple(range(at, at + part.shape[1])))
        columns += [DesignColumn(name, f"r{i}", "marker") for i in range(part.shape[1])]
        at += part.shape[1]
    who = np.array([f"sub-{i:04d}" for i in range(n)])
    sites = np.array(["a", "b"])[np.arange(n) % 2]
    values = np.hstack(list(parts.values()))
    return Design(who, sites, values, tuple(columns), blocks, ("lesion", "radiomics"))


def telling(design: Design) -> np.ndarray:
    """(people, TELLING): the features that may tell, the mean where there is none."""
    return np.nan_to_num(design.values[:, list(design.blocks["radiomics"].columns[:TELLING])])


def labelled(seed: int, n: int, features: int, *, planted: bool) -> Study[FusionSettings]:
    """A study of two labels."""
    rng = np.random.default_rng([21, seed])
    design = cohort(rng, n, features)
    y = rng.permutation(np.arange(n) // 2 % 2)
    if planted:
        columns = list(design.blocks["radiomics"].columns[:TELLING])
        design.values[:, columns] += EFFECT * y[:, None]
    settings = FusionSettings(repeats=1, inner_folds=3, models=MODELS, seed=seed)
    return Study(settings, design, y)


def followed(seed: int, n: int, features: int, *, planted: bool) -> Study[FusionSettings]:
    """A study of the time to progression: minus the time where observation ended before it."""
    rng = np.random.default_rng([22, seed])
    design = cohort(rng, n, features)
    hazard = np.exp(EFFECT * telling(design).sum(axis=1) if planted else np.zeros(n))
    until = np.ceil(rng.exponential(200, n) / hazard)
    end = np.ceil(rng.uniform(50, 400, n))
    settings = FusionSettings(
        repeats=1, inner_folds=3, seed=seed, models=["late", "early", "modalities", "clinical"],
        outcome={"kind": "time_to_event", "column": "y", "event_column": "e"},
    )  # fmt: skip
    return Study(settings, design, np.where(until <= end, until, -end))


def within(study: Study[FusionSettings], only: list[str]) -> dict[str, float]:
    """AUC (or C) within site of the models of the study (of all without names), out of fold."""
    specs, _ = model_specs(study)
    specs = [spec for spec in specs if not only or spec.name in only]
    scores, _ = out_of_fold(study, specs, divisions(study), lambda line: None)
    measure = MEASURES[study.settings.outcome.kind]
    return {
        spec.name: measure.estimates(study, scores[spec.name], None)["within"].value
        for spec in specs
    }


def divisions(study: Study[FusionSettings]) -> list[Fold]:
    """The folds of any study."""
    design, settings = study.design, study.settings
    people = pd.DataFrame(
        {
            "participant_id": design.participants,
            "site": design.sites,
            "label": study.kind.strata(study.text, study.y),
        }
    )
    table = split_table(
        people, outer_folds=settings.outer_folds, repeats=settings.repeats, seed=settings.seed
    )
    return [fold for fold in folds(table, design.participants) if fold.scheme == "cv"]


def selected_before(spec: ModelSpec, settings: FusionSettings) -> audit.Procedure:
    """The leak: features are selected over everybody, then the model is fitted in the fold."""

    def procedure(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
        columns = np.array(spec.blocks[0].columns)
        filled = values[:, columns]
        filled = np.where(np.isfinite(filled), filled, np.nanmean(filled, axis=0))
        best = columns[np.argsort(-f_classif(filled, labels)[0])[:20]]
        few = ModelSpec("radiomics", "modality", "", ("radiomics",),
                        (Block("radiomics", tuple(sorted(best))),))  # fmt: skip
        model = fit_models([few], values[fold.train], labels[fold.train], settings=settings)
        return model["radiomics"].logits(values[fold.test])[:, 0]

    return procedure


def leak(seed: int, n: int, features: int) -> dict[str, float]:
    """AUC of a null cohort with the leak, and what the audit says of it and of a model."""
    study = labelled(seed, n, features, planted=False)
    specs, _ = model_specs(study)
    spec = next(spec for spec in specs if spec.name == "svm")
    first, *_ = cv = divisions(study)
    leaking = selected_before(spec, study.settings)
    areas = []
    for fold in cv:
        said, y = leaking(study.design.values, study.y, fold), study.y[fold.test]
        known = np.isfinite(said)
        pairs = said[known & (y == 1)][:, None] - said[known & (y == 0)][None]
        areas.append(float(((pairs > 0) + 0.5 * (pairs == 0)).mean()))
    alarms = {
        name: float(audit.sees_test_labels(way, study.design.values, study.y, first, trials=2) > 0)
        for name, way in (
            ("leak", leaking), ("svm", audit.study_procedure(spec, study.settings))
        )
    }  # fmt: skip
    return {
        "AUC with the leak": float(np.mean(areas)),
        "audit finds the leak": alarms["leak"],
        "audit alarms of the svm": alarms["svm"],
    }


def at_most(n: int, features: int) -> str:
    """What can be had of what is planted."""
    area = norm.cdf(EFFECT * np.sqrt(min(TELLING, features)) / np.sqrt(2))
    return f"planted: an AUC of {area:.2f} in those who have the features"


def means(found: dict[str, list[float]]) -> list[str]:
    """Mean and half its interval of 95 % of each model."""
    lines = []
    for model, values in found.items():
        spread = np.nanstd(values, ddof=1) if len(values) > 1 else np.nan
        half = 1.96 * spread / np.sqrt(len(values))
        lines.append(f"{model} {np.nanmean(values):.3f} +- {half:.3f}")
    return lines


def run(name: str, one: Callable[[int], dict[str, float]], asked: argparse.Namespace) -> None:
    """Means over cohorts, printed as they come."""
    begun = time.process_time()
    found: dict[str, list[float]] = {}
    for seed in range(asked.first, asked.first + asked.cohorts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for model, value in one(seed).items():
                found.setdefault(model, []).append(value)
        done = seed - asked.first + 1
        if done % 10 == 0 and done < asked.cohorts:
            print(f"{done} cohorts: {'; '.join(means(found))}", flush=True)
    print(f"{name}: {asked.cohorts} cohorts of {asked.people} people, {asked.features} features")
    print("\n".join(f"  {line}" for line in means(found)))
    print(f"{time.process_time() - begun:.0f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["null", "planted", "leak", "time"])
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--features", type=int, default=5000)
    parser.add_argument("--only", nargs="*", default=[], help="Models; all where none is named.")
    asked = parser.parse_args()
    size = asked.people, asked.features
    if asked.what in ("null", "planted"):
        planted = asked.what == "planted"
        if planted:
            print(at_most(*size))
        run(
            asked.what,
            lambda seed: within(labelled(seed, *size, planted=planted), asked.only),
            asked,
        )
    elif asked.what == "leak":
        run("leak", lambda seed: leak(seed, *size), asked)
    else:
        for planted in (False, True):
            title = "time to progression, " + ("planted" if planted else "null")
            run(
                title,
                lambda seed, p=planted: within(followed(seed, *size, planted=p), asked.only),
                asked,
            )


if __name__ == "__main__":
    main()
