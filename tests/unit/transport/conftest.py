"""A stored model, and new people for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from commissure.transport.apply import apply_model


@pytest.fixture(scope="package")
def stored(stored_study) -> Path:
    """The folder of a stored model."""
    return stored_study.results / "model"


@pytest.fixture
def applied(stored, tmp_path) -> Callable:
    """A function that applies the stored model to a folder: its report, scores and drift."""

    def apply(folder: Path, **options: object) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
        report = apply_model(stored, folder, out=tmp_path / "out", **options)
        scores = pd.read_csv(tmp_path / "out/scores.tsv", sep="\t", na_values="n/a")
        drift = pd.read_csv(tmp_path / "out/drift.tsv", sep="\t", na_values="n/a")
        return report, scores, drift

    return apply


@pytest.fixture
def edited() -> Callable:
    """A function that changes a table of a study."""

    def edit(study, change: Callable[[pd.DataFrame], pd.DataFrame], name: str = "markers.tsv"):
        path = study.folder / name
        table = change(pd.read_csv(path, sep="\t", na_values="n/a"))
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
        return study

    return edit
