"""Finished runs of simulated patients, as the benchmark makes them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import warnings
from pathlib import Path

import pytest

PEOPLE = 20


@pytest.fixture(scope="session")
def sequences(repository):
    """The benchmark of image sequences."""
    where = importlib.util.spec_from_file_location(
        "lesion_sequence", repository / "benchmarks" / "lesion_sequence.py"
    )
    module = importlib.util.module_from_spec(where)
    sys.modules["lesion_sequence"] = module
    where.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def grown(sequences, tmp_path_factory) -> Path:
    """A dataset and its run, of patients whose label is the growth; read, never written."""
    folder = tmp_path_factory.mktemp("grown")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequences.simulated(folder / "bids", "growth", PEOPLE, 2, 6.0, 3)
        sequences.finished_run(folder / "bids", folder / "run")
    return folder


@pytest.fixture
def copied(grown, tmp_path) -> Path:
    """The same, to be changed."""
    shutil.copytree(grown, tmp_path / "study")
    return tmp_path / "study"
