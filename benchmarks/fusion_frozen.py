"""Frozen models on new people: whether to recalibrate them, and how often their sets are right.

Each cohort is cross-validated and its model fitted on everybody, as a study does that stores it.
New people then come from the same sites and, in drawn cohorts, from a site that nobody has seen.
Printed are the calibration slope, Brier score, log loss and AUC of the model as it is and with
``recalibrate``, and how often conformal sets hold the label of new people, beside what the study
said of itself: on average, and with the site left out.

``null``: labels mean nothing. ``all``: d = 0.6 in each of four modalities. ``one``: d = 1.2 in one
of them. ``mcic``, ``impac``, ``abide``: real tables, half of the people against the other half, ten
times; IMPAC by thickness, area and volumes as modalities, the others as one.

    python benchmarks/fusion_frozen.py [null all one mcic impac abide] [--cohorts 60] [--people 100]
        [--data ../shared/data/tables]
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from collections import defaultdict
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from commissure.evaluation.calibration import brier, recalibration, slope_and_intercept
from commissure.evaluation.conformal import conformal_record, stored_limits, typicality
from commissure.evaluation.out_of_fold import left_out_of, out_of_fold, repeats_of
from commissure.fusion.settings import FusionSettings
from commissure.models.fitting import fit_models
from commissure.models.logistic import sigmoid
from commissure.models.registry import ModelSpec
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.splits import enough_to_train, folds, split_table
from commissure.study.study import Study

SIZES = {"anat": 20, "func": 15, "dwi": 10, "mrs": 4}
EFFECTS = {"null": {}, "all": dict.fromkeys(SIZES, 0.6), "one": {"anat": 1.2}}
TABLES = ("mcic", "impac", "abide")
#: New people at the three sites of a drawn cohort, and at a fourth; halves of a real table.
NEW, ELSEWHERE, HALVES = 900, 300, 10
SETTINGS = FusionSettings(repeats=3, inner_folds=5, permutations=0)
MODELS = ("late", "early", "stacked")


def drawn(seed: int, people: int, effects: dict[str, float]):
    """Markers, labels and sites of a cohort and of the new people behind it, and its blocks."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 83]))
    n = people + NEW + ELSEWHERE
    site = np.r_[rng.integers(0, 3, people + NEW), np.full(ELSEWHERE, 3)]
    y = (rng.random(n) < np.array([0.35, 0.5, 0.6, 0.5])[site]).astype(int)
    parts, blocks, at = [], {}, 0
    for name, size in SIZES.items():
        own = rng.normal(size=(n, size))
        own += effects.get(name, 0.0) / np.sqrt(size) * (y == 1)[:, None]
        x = own @ (np.eye(size) + rng.normal(size=(size, size)) / np.sqrt(size))
        x += 0.6 * rng.normal(size=(4, size))[site]
        x[rng.random(n) < 0.1] = np.nan
        parts.append(x)
        blocks[name] = Block(name, tuple(range(at, at + size)))
        at += size
    return np.hstack(parts), y, np.array(["a", "b", "c", "new"])[site], blocks


def table_of(name: str, data: Path):
    """Markers, labels, sites and blocks of a real table; None where it is absent."""
    if name == "mcic":
        path = data / "mcic-vbm-aal/gm_density_aal116.csv"
        if not path.is_file():
            return None
        wide = pd.read_csv(path, dtype={"site": str, "is_control": str})
        wide = wide[wide["is_control"].notna()]
        values = wide[[column for column in wide if column.startswith("gm_")]].to_numpy(float)
        y = wide["is_control"].isin(["0", "0.0", "False", "no"]).astype(int).to_numpy()
        return values, y, wide["site"].to_numpy(str), {"table": Block("table", _all(values))}
    if name == "impac":
        source = data / "impac-autism-freesurfer"
        if not source.is_dir():
            return None
        wide = pd.read_csv(source / "anatomy.csv", dtype={"subject_id": str})
        own = [c for c in wide if c not in ("subject_id", "participant_id")]
        people = pd.read_csv(source / "participants.csv", dtype={"subject_id": str, "site": str})
        wide = wide.merge(people, on="subject_id", validate="one_to_one")
        values = wide[own].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        kinds: defaultdict[str, list[int]] = defaultdict(list)
        for index, column in enumerate(own):
            suffix = column.rsplit("_", 1)[-1]
            kinds[suffix if suffix in ("thickness", "area") else "volume"].append(index)
        blocks = {kind: Block(kind, tuple(columns)) for kind, columns in sorted(kinds.items())}
        return values, wide["asd"].to_numpy(int), wide["site"].to_numpy(str), blocks
    source = data / "abide-ho-timeseries"
    if not source.is_dir():
        return None
    people = pd.read_csv(source / "phenotype.csv", dtype={"DX_GROUP": str})
    rows = []
    for file_id in people["FILE_ID"]:
        with gzip.open(source / f"timeseries/{file_id}_rois_ho.1D.gz", "rt") as file:
            series = np.loadtxt(file)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.arctanh(np.corrcoef(series.T))
        rows.append(z[np.triu_indices(len(z), 1)])
    values = np.where(np.isfinite(rows), rows, np.nan)
    y = (people["DX_GROUP"] == "1").astype(int).to_numpy()
    return values, y, people["SITE_ID"].to_numpy(str), {"table": Block("table", _all(values))}


def _all(values: np.ndarray) -> tuple[int, ...]:
    return tuple(range(values.shape[1]))


def study_of(values, y, site, blocks, seed: int) -> Study[FusionSettings]:
    who = np.array([f"sub-{number:05d}" for number in range(len(y))])
    columns = tuple(DesignColumn("m", f"r{index}", "m") for index in range(values.shape[1]))
    design = Design(who, site, values, columns, blocks, tuple(blocks))
    return Study(SETTINGS.model_copy(update={"seed": seed}), design, y)


def frozen(study, values, y, site) -> dict[tuple[str, str], dict[str, float]]:
    """What each model of a study says of new people, as it is and recalibrated."""
    design, settings = study.design, study.settings
    blocks = tuple(design.blocks.values())
    specs = [ModelSpec(name, "fusion", "", tuple(design.blocks), blocks) for name in MODELS]
    if len(blocks) == 1:
        specs = [ModelSpec("table", "modality", "", ("table",), blocks)]
    people = pd.DataFrame({"participant_id": design.participants, "site": design.sites,
                           "label": study.y.astype(str)})  # fmt: skip
    table = split_table(people, outer_folds=5, repeats=settings.repeats, seed=settings.seed)
    divisions = [
        fold for fold in folds(table, design.participants) if enough_to_train(study.y[fold.train])
    ]
    scores, _ = out_of_fold(study, specs, divisions, lambda line: None)
    models = fit_models(specs, design.values, study.y, settings=settings)
    results = {}
    for spec in specs:
        repeats = repeats_of(study, scores[spec.name])
        logits = np.concatenate([held.logits for held in repeats])
        labels = np.concatenate([held.labels for held in repeats])
        again = recalibration(labels[np.isfinite(logits)], logits[np.isfinite(logits)])
        told = conformal_record(study, repeats, left_out_of(study, scores[spec.name]))
        limits = stored_limits(study, repeats)
        raw = models[spec.name].logits(values)[:, 0]
        known = np.isfinite(raw) & (site != "new")
        away = np.isfinite(raw) & (site == "new")
        typical = typicality("binary", y, raw)
        held = typical.values[np.arange(len(y)), typical.true] >= limits[typical.true]
        size = (typical.values >= limits).sum(axis=1)
        for how, (intercept, slope) in (("as it is", (0.0, 1.0)), ("recalibrated", again)):
            p = np.clip(sigmoid(intercept + slope * raw[known]), 1e-9, 1 - 1e-9)
            results[spec.name, how] = {
                "slope": slope_and_intercept(y[known], p)[0],
                "brier": brier(y[known], p),
                "log loss": log_loss(y[known], p, labels=[0, 1]),
                "AUC": roc_auc_score(y[known], p),
                "flat": float(slope == 0),
                "held": held[known].mean(),
                "told": told["coverage"]["value"],
                "worst site": min(
                    held[known & (site == name)].mean() for name in np.unique(site[known])
                ),
                "held, new": held[away].mean() if away.any() else np.nan,
                "told, left out": (told["coverage_left_out"] or {"value": np.nan})["value"],
                "one": (size[known] == 1).mean(),
            }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=[*EFFECTS, *TABLES])
    parser.add_argument("--cohorts", type=int, default=60)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    asked = parser.parse_args()
    for what in asked.what:
        start = time.process_time()
        rows: defaultdict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
        real = table_of(what, asked.data) if what in TABLES else None
        if what in TABLES and real is None:
            print(f"{what}: the table is not there.")
            continue
        for seed in range(min(asked.cohorts, HALVES) if real else asked.cohorts):
            if real is None:
                values, y, site, blocks = drawn(seed, asked.people, EFFECTS[what])
                first = np.arange(len(y)) < asked.people
            else:
                values, y, site, blocks = real
                stratum = np.unique(np.char.add(site, y.astype(str)), return_inverse=True)[1]
                order = np.random.default_rng(seed).permutation(len(y))
                order = order[np.argsort(stratum[order], kind="stable")]
                first = np.zeros(len(y), dtype=bool)
                first[order[::2]] = True
            study = study_of(values[first], y[first], site[first], blocks, seed)
            for key, row in frozen(study, values[~first], y[~first], site[~first]).items():
                rows[key].append(row)
        print(f"{what}: {len(next(iter(rows.values())))} cohorts of {int(first.sum())} people; "
              f"{time.process_time() - start:.0f} CPU s")  # fmt: skip
        table = pd.DataFrame({key: pd.DataFrame(found).mean() for key, found in rows.items()}).T
        # A slope can be anything where a model says nearly the same of everybody.
        table["slope"] = [pd.DataFrame(found)["slope"].median() for found in rows.values()]
        print(table.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
