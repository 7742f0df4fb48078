"""Thirteen planted leaks, each of which must be found, and clean runs without a false alarm.

Every leak is planted in null cohorts (n = 100, 3 sites, 2 blocks of markers, gaps, controls, no
effect). A leak in a procedure is found by the audit (test labels, other test people), a leak in a
table by the checks of the tables or by a refusal. Clean runs audit the project's own models, with
ComBat in the folds and head size regressed out, by the same checks; whole clean studies go through
every check that a report shows.

    python benchmarks/fusion_leaks.py [--cohorts 20] [--clean 50] [--studies 50]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from commissure.errors import CommissureError
from commissure.files import write_json, write_table
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.falsification.checks import overlap_verdict
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.markers.effect_patterns import effect_pattern
from commissure.markers.vulnerability import published_vulnerability
from commissure.models.nested import column_auc
from commissure.models.registry import ModelSpec
from commissure.models.vulnerability import Traits, VulnerabilityIndex
from commissure.rows import Marker, write_markers
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.predictors import refuse_post_outcome
from commissure.study.splits import Fold, folds, split_table, stratified_folds

PEOPLE, CONTROLS, SIZES = 100, 20, (30, 12)
MARKERS = sum(SIZES)
AGE, SITES = MARKERS, slice(MARKERS + 1, MARKERS + 4)


def cohort(seed: int) -> tuple[Design, np.ndarray, Fold]:
    """A null cohort whose markers differ by site and follow age; 1, 0, and -1 for controls."""
    rng = np.random.default_rng(seed)
    n = PEOPLE + CONTROLS
    labels = np.r_[np.arange(PEOPLE) % 2, np.full(CONTROLS, -1)]
    site = rng.integers(0, 3, n)
    age = rng.normal(40, 10, n)
    x = rng.normal(size=(n, MARKERS)) + 0.6 * rng.normal(size=(3, MARKERS))[site]
    x += 0.03 * (age - 40)[:, None] * rng.normal(size=MARKERS)
    x[rng.random(x.shape) < 0.03] = np.nan
    x[rng.random(n) < 0.08, SIZES[0] : MARKERS] = np.nan
    values = np.column_stack([x, age, np.eye(3)[site]])
    first, second = tuple(range(SIZES[0])), tuple(range(SIZES[0], MARKERS))
    sites = tuple(range(SITES.start, SITES.stop))
    blocks = {
        "anat": Block("anat", first, adjusted=first, head_size=AGE, sites=sites),
        "mrs": Block("mrs", second, sites=sites),
    }
    columns = tuple(
        DesignColumn("anat" if i < SIZES[0] else "mrs", f"r{i}", "marker") for i in range(n)
    )
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    names = np.array(["a", "b", "c"])[site]
    design = Design(who, names, values, columns[: values.shape[1]], blocks, ("anat", "mrs"))
    fold = stratified_folds(np.char.add(labels.astype(str), names), 5, (seed,))
    return design, labels, Fold("cv", 0, "1", np.flatnonzero(fold != 0), np.flatnonzero(fold == 0))


def filled(x: np.ndarray, source: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, np.nanmean(source, axis=0))


def ridge(x: np.ndarray, labels: np.ndarray, fold: Fold, alpha: float = 30.0) -> np.ndarray:
    """Scaled and filled in the training people, as it must be."""
    train = fold.train[labels[fold.train] >= 0]
    scaler = StandardScaler().fit(filled(x[train], x[train]))
    model = RidgeClassifier(alpha=alpha).fit(
        scaler.transform(filled(x[train], x[train])), labels[train]
    )
    return model.decision_function(scaler.transform(filled(x[fold.test], x[train])))


def markers(values: np.ndarray) -> np.ndarray:
    return values[:, :MARKERS]


def selection(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    x = markers(values)
    gap = np.nanmean(x[labels == 1], axis=0) - np.nanmean(x[labels == 0], axis=0)
    return ridge(x[:, np.argsort(-np.abs(gap))[:10]], labels, fold)


def scaling(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    x = markers(values)
    train = fold.train[labels[fold.train] >= 0]
    x = filled(x, x[train])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    return RidgeClassifier(alpha=30.0).fit(z[train], labels[train]).decision_function(z[fold.test])


def imputation(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    return ridge(filled(markers(values), markers(values)), labels, fold)


def combat(values: np.ndarray, labels: np.ndarray, fold: Fold, target: bool = False) -> np.ndarray:
    from combatlearn import ComBat

    x = markers(values)
    train = fold.train[labels[fold.train] >= 0]
    x = filled(x, x[train])
    site = values[:, SITES].argmax(axis=1).astype(str)
    if target:
        model = ComBat(batch=site, discrete_covariates=labels.astype(str)[:, None], method="fortin")
    else:
        model = ComBat(batch=site, method="johnson")
    return ridge(np.asarray(model.fit(x).transform(x)), labels, fold)


def combat_with_label(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    return combat(values, labels, fold, target=True)


def residualisation(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    x = markers(values)
    train = fold.train[labels[fold.train] >= 0]
    x = filled(x, x[train])
    design = np.column_stack([np.ones(len(x)), values[:, AGE]])
    return ridge(x - design @ np.linalg.lstsq(design, x, rcond=None)[0], labels, fold)


def vulnerability_index(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    """RVI and AVI as published: covariates, ranks and standardisation over everybody."""
    pattern = effect_pattern("fa", "schizophrenia")
    x = pd.DataFrame(markers(values)[:, : len(pattern.traits)], columns=list(pattern.traits))
    found = published_vulnerability(x, pattern, controls=labels < 0, covariates=values[:, [AGE]])
    return ridge(np.column_stack([found.rvi, found.avi]), labels, fold)


def index_of_all_controls(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    """The fold-safe index, but learnt on the controls of the test fold as well."""
    index = VulnerabilityIndex(safe_vulnerability().traits[0]).fit(values, labels)
    return ridge(index.transform(values), labels, fold)


def safe_vulnerability() -> ModelSpec:
    """The project's own model of the indices, whose controls are those in training."""
    effects = effect_pattern("fa", "schizophrenia").d
    traits = Traits("fa", tuple((i,) for i in range(len(effects))), effects, (AGE,))
    block = Block("anat", tuple(range(SIZES[0])))
    return ModelSpec("vulnerability", "index", "", ("anat",), (block,), traits=(traits,))


def tuning_on_the_outer_fold(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    own = labels[fold.test] >= 0
    y = labels[fold.test][own][:, None].astype(float)
    tried = [ridge(markers(values), labels, fold, a) for a in (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)]
    return tried[int(np.argmax([column_auc(y, one[own, None])[0] for one in tried]))]


def threshold_on_the_test_fold(values: np.ndarray, labels: np.ndarray, fold: Fold) -> np.ndarray:
    score = ridge(markers(values), labels, fold)
    own = labels[fold.test] >= 0
    y = labels[fold.test][own] == 1
    correct = [((score[own] > limit) == y).mean() for limit in np.sort(score)]
    return (score > np.sort(score)[int(np.argmax(correct))]).astype(float)


PROCEDURES = {
    "selection": selection,
    "scaling": scaling,
    "imputation": imputation,
    "ComBat": combat,
    "ComBat with the label": combat_with_label,
    "residualisation": residualisation,
    "vulnerability index": vulnerability_index,
    "its controls of all folds": index_of_all_controls,
    "tuning on the outer fold": tuning_on_the_outer_fold,
    "threshold on the test fold": threshold_on_the_test_fold,
}


def person_in_two_folds(seed: int) -> bool:
    """Two sessions of everyone, divided as if they were two people; by name, then by the data."""
    design, labels, _ = cohort(seed)
    two = np.concatenate([design.participants, design.participants])
    fold = stratified_folds(np.zeros(len(two)), 5, (seed,))
    one = Fold("cv", 0, "1", np.flatnonzero(fold != 0), np.flatnonzero(fold == 0))
    by_name = overlap_verdict([one], two).passed is False
    rng = np.random.default_rng(seed)
    again = design.values + 1e-3 * rng.normal(size=design.values.shape)
    renamed = Design(
        np.r_[design.participants, np.char.add(design.participants, "b")],
        np.r_[design.sites, design.sites], np.vstack([design.values, again]), design.columns,
        design.blocks, design.modalities,
    )  # fmt: skip
    by_data = audit.people_twice_verdict(renamed).passed is False
    people = pd.DataFrame({"participant_id": two, "label": np.r_[labels, labels].astype(str),
                           "site": np.r_[design.sites, design.sites]})  # fmt: skip
    try:
        list(folds(split_table(people, outer_folds=5, repeats=1, seed=seed), two))
        refused = False
    except CommissureError:
        refused = True
    return by_name and by_data and refused


def post_outcome_column(seed: int) -> bool:
    name = ("n_hospitalisations", "clozapine_ever", "current_dose", "panss_after")[seed % 4]
    try:
        refuse_post_outcome(FusionSettings(clinical=[name]))
    except CommissureError:
        return True
    return False


def copy_of_the_label(seed: int) -> bool:
    design, labels, _ = cohort(seed)
    rng = np.random.default_rng(seed)
    values = design.values.copy()
    # A rating that a clinician gave after the outcome was known, on another scale.
    values[:, 3] = 20 - 7 * labels + rng.normal(0, 1, len(labels))
    copied = Design(design.participants, design.sites, values, design.columns, design.blocks,
                    design.modalities)  # fmt: skip
    return audit.label_copy_verdict(copied, labels).passed is False


TABLES: dict[str, Callable[[int], bool]] = {
    "a person in two folds": person_in_two_folds,
    "a post-outcome column": post_outcome_column,
    "a copy of the label": copy_of_the_label,
}


def leak_found(name: str, seed: int) -> bool:
    """Whether the planted leak is found in the null cohort of this seed."""
    if name in TABLES:
        return TABLES[name](seed)
    design, labels, fold = cohort(seed)
    audited = PROCEDURES[name], design.values, labels, fold
    return not (
        audit.labels_verdict(*audited, seed=seed).passed
        and audit.people_verdict(*audited, seed=seed).passed
        and audit.repetition_verdict(*audited).passed
    )


def alarms(seed: int) -> list[str]:
    """Names of the checks that fail for one of the project's own models in a clean cohort."""
    design, labels, fold = cohort(seed)
    name = ("late", "early", "stacked")[seed % 3]
    spec = ModelSpec(name, "fusion", "", design.modalities, tuple(design.blocks.values()))
    settings = FusionSettings(penalties=[1.0, 10.0], inner_folds=3, combat="in_fold")
    audited = audit.study_procedure(spec, settings), design.values, labels, fold
    verdicts = {
        "test_labels_unseen": audit.labels_verdict(*audited, seed=seed, trials=4),
        "test_people_unseen": audit.people_verdict(*audited, seed=seed, trials=4),
        "same_answer_twice": audit.repetition_verdict(*audited),
        "label_copy": audit.label_copy_verdict(design, labels),
        "people_twice": audit.people_twice_verdict(design),
        "people_in_two_folds": overlap_verdict([fold], design.participants),
    }
    return [name for name, verdict in verdicts.items() if verdict.passed is False]


def vulnerability_alarms(seed: int) -> list[str]:
    """Names of the checks that fail for the model of vulnerability indices in a clean cohort."""
    design, labels, fold = cohort(seed)
    settings = FusionSettings(penalties=[1.0, 10.0], inner_folds=3)
    audited = audit.study_procedure(safe_vulnerability(), settings), design.values, labels, fold
    verdicts = {
        "test_labels_unseen": audit.labels_verdict(*audited, seed=seed),
        "test_people_unseen": audit.people_verdict(*audited, seed=seed),
        "same_answer_twice": audit.repetition_verdict(*audited),
    }
    return [name for name, verdict in verdicts.items() if verdict.passed is False]


def study_alarms(seed: int) -> list[str]:
    """Names of all checks that fail in a clean study, from its tables to falsification.json."""
    design, labels, _ = cohort(seed)
    # Labels even over the sites: a site that tells them apart is no false alarm.
    group = np.where(labels < 0, "control", "x")
    for site in np.unique(design.sites):
        own = np.flatnonzero((design.sites == site) & (labels >= 0))
        group[own] = np.array(["yes", "no"])[np.arange(len(own)) % 2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_markers(
            (
                Marker(who, "", column.modality, column.region, "marker", float(value), "1")
                for who, row in zip(design.participants, design.values, strict=True)
                for column, value in zip(design.columns[:MARKERS], row, strict=False)
                if np.isfinite(value)
            ),
            folder / "markers.tsv",
        )
        write_json({"marker": {"role": "marker"}}, folder / "markers.json")
        columns = ["participant_id", "session", "modality", "rule", "limit", "value"]
        write_table(pd.DataFrame(columns=columns), folder / "exclusions.tsv")
        people = {"participant_id": design.participants, "site": design.sites, "group": group,
                  "age": design.values[:, AGE]}  # fmt: skip
        write_table(pd.DataFrame(people), folder / "participants.tsv")
        fuse(
            markers=folder / "markers.tsv", definitions=folder / "markers.json",
            exclusions=folder / "exclusions.tsv", participants=folder / "participants.tsv",
            treatments=None, out=folder / "fusion",
            settings=FusionSettings(
                label={"source": "column", "column": "group", "positive": "yes", "negative": "no"},
                clinical=[], confounds=["age"], repeats=2, permutations=199, permutation_repeats=1,
                penalties=[1.0, 10.0, 100.0], inner_folds=3, secondary_analyses=False, seed=seed,
            ),
        )  # fmt: skip
        checks = json.loads((folder / "fusion/falsification.json").read_text())["checks"]
    return [check["name"] for check in checks if check["passed"] is False]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--clean", type=int, default=50)
    parser.add_argument("--studies", type=int, default=50)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    start = time.process_time()
    print(f"{'planted leak':30s}{'found':>12s}")
    for name in (*PROCEDURES, *TABLES):
        found = sum(leak_found(name, seed) for seed in range(asked.cohorts))
        print(f"{name:30s}{found:6d} of {asked.cohorts}", flush=True)
    raised = [name for seed in range(asked.cohorts) for name in vulnerability_alarms(seed)]
    print(
        f"{'vulnerability model: false alarms':34s}{len(raised):2d} of {asked.cohorts} {raised or ''}"
    )
    raised = [name for seed in range(asked.clean) for name in alarms(1000 + seed)]
    print(f"{'no leak: false alarms':30s}{len(raised):6d} of {asked.clean} {raised or ''}")
    raised = [name for seed in range(asked.studies) for name in study_alarms(2000 + seed)]
    print(
        f"{'whole clean studies: checks failed':36s}{len(raised)} in {asked.studies} {raised or ''}"
    )
    print(f"{time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
