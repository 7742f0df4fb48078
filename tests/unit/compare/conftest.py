"""Two small runs, written by hand, that differ only in what a test plants."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from commissure.files import write_table
from commissure.outputs import COMPLETENESS, CONFIG, EXCLUSIONS, MARKERS, METRICS, PREDICTIONS, RUN

PEOPLE = [f"sub-{number:02d}" for number in range(1, 21)]
NAMES = [
    ("anat", "Hippocampus_L", "volume", "mm3", 4000.0),
    ("func", "Default", "fc", "1", 0.4),
    ("mrs", "ACC", "glu", "mmol/kg", 9.0),
]
ENVIRONMENT = {
    "results": 60, "python": "3.11.2", "system": "Linux x86_64", "libc": "glibc 2.36", "cpu": "X 1",
    "cores": 4, "threads": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "blas": [{"library": "openblas", "version": "0.3", "kernel": "Haswell", "threads": 1}],
    "versions": {"numpy": "2.3.5", "antspyx": "0.6.3"},
}  # fmt: skip
OPTIONS = {"func": {"strategy": "acompcor", "fd_threshold_mm": 0.5}, "fusion": {"seed": 0}}


def write_run(folder: Path) -> Path:
    random = np.random.default_rng(1)
    rows = [
        (person, "", modality, region, marker, mean * (1 + 0.1 * random.normal()), unit, "ok")
        for person in PEOPLE
        for modality, region, marker, unit, mean in NAMES
    ]
    table = MARKERS.frame(rows)
    table["value"] = table["value"].round(6)
    write_table(table, folder / MARKERS.path)
    excluded = [(PEOPLE[0], "", "func", "max_mean_fd_mm", 0.55, 0.8)]
    write_table(EXCLUSIONS.frame(excluded), folder / EXCLUSIONS.path)
    products = [
        (person, "", modality, f"{person}/{modality}/x.nii.gz", "preproc", "present", "", "")
        for person in PEOPLE
        for modality in ("anat", "func", "mrs")
    ]
    write_table(COMPLETENESS.frame(products), folder / COMPLETENESS.path)
    predictions = [
        (person, "late", "cv", repeat, number % 5, "A", label, "resistant", np.nan,
         round(float(random.uniform(0.2, 0.8)) + (0.1 if label == "resistant" else 0), 6))
        for repeat in range(4)
        for number, person in enumerate(PEOPLE)
        for label in ["resistant" if number < 10 else "responsive"]
    ]  # fmt: skip
    write_table(PREDICTIONS.frame(predictions), folder / PREDICTIONS.path)
    metrics = {
        "status": "fitted", "primary": "late", "kind": "binary", "models": {"late": {"auc": 0.6}},
        "question": {"positive": "resistant", "negative": "responsive"},
    }  # fmt: skip
    (folder / METRICS.path).write_text(json.dumps(metrics))
    (folder / RUN.path).parent.mkdir(exist_ok=True)
    record = {
        "version": "0.1.0", "commit": "abc", "versions": ENVIRONMENT["versions"],
        "environments": [ENVIRONMENT], "images": {},
        "code": {"anat/preprocess.py": "a1", "func/measure.py": "b1", "fusion/fuse.py": "c1"},
        "inputs": [
            {"path": f"{person}/{m}/{person}_{m}.nii.gz", "bytes": 3, "sha256": f"{person}{m}".ljust(64)}
            for person in PEOPLE
            for m in ("anat", "func", "mrs")
        ],
    }  # fmt: skip
    (folder / RUN.path).write_text(json.dumps(record))
    (folder / CONFIG.path).write_text(yaml.safe_dump(OPTIONS))
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def runs(prepared, tmp_path) -> tuple[Path, Path]:
    """Two equal runs."""
    pair = (tmp_path / "a", tmp_path / "b")
    for folder in pair:
        shutil.copytree(prepared, folder)
    return pair


def edit(path: Path, change) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_values(folder: Path, marker: str, change) -> None:
    """Change the values of one marker in ``markers.tsv``."""
    table = MARKERS.read(folder)
    rows = table["marker"] == marker
    table.loc[rows, "value"] = change(table.loc[rows, "value"].to_numpy(float))
    write_table(table, folder / MARKERS.path)
