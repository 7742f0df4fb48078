"""Fixtures that every layer of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any numerical library is imported: one thread per job, as in the workflow.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = "1"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """Folder of real images, spectra and cohorts; tests that need it skip where it is absent."""
    folder = repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real test data (../shared/data) are not on this machine")
    return folder
