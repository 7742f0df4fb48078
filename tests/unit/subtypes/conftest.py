"""Tables of a run whose people have clusters or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.subtypes.planted import directions

from commissure.definitions import HEAD_SIZE
from commissure.files import write_json, write_table
from commissure.outputs import EXCLUSIONS, LABELS, VISITS
from commissure.rows import Marker, write_markers
from commissure.study.settings import StudySettings
from commissure.subtypes.run import run_subtypes
from commissure.subtypes.settings import SubtypesSettings

MARKERS = 20
FEW = {"simulations": 99, "draws": 20, "permutations": 19}


class Run:
    """The tables of a run, and what the search leaves beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tables(self) -> dict[str, Path]:
        names = {"markers": "markers.tsv", "definitions": "markers.json", "labels": "labels.tsv",
                 "exclusions": "exclusions.tsv", "visits": "visits.tsv",
                 "participants": "participants.tsv"}  # fmt: skip
        return {key: self.folder / name for key, name in names.items()}

    def search(self, study: dict | None = None, **settings: object) -> None:
        run_subtypes(
            study=StudySettings(**{"clinical": [], **(study or {})}),
            settings=SubtypesSettings(**{"search": True, **FEW, **settings}),
            out=self.folder / "subtypes",
            **self.tables(),
        )


def write_run(
    folder: Path, *, people: int = 160, apart: float = 6.0, head: float = 1.0, seed: int = 1
) -> Run:
    """Patients in two clusters that differ in cognition, and a few controls; two sites.

    ``true`` is the cluster. Head size, age, sex and motion have nothing to do with it.
    """
    rng = np.random.default_rng(seed)
    ids = [f"sub-{number:03d}" for number in range(people)]
    patient = np.arange(people) % 8 > 0
    true = rng.integers(2, size=people)
    values = rng.normal(size=(people, MARKERS))
    # The plants are moved like everything else by what is to be taken out.
    size, site = rng.normal(1500, 100, people), rng.integers(2, size=people)
    values += apart * true[:, None] * directions(rng, MARKERS, 1).T
    values += head * (size[:, None] - 1500) / 100 + 2 * site[:, None]
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        Marker(who, "", "anat", f"r{column:02d}", "thickness", values[number, column], "mm")
        for number, who in enumerate(ids)
        for column in range(MARKERS)
    ]
    rows += [
        Marker(w, "", "anat", "head", HEAD_SIZE, h, "mL") for w, h in zip(ids, size, strict=True)
    ]
    write_markers(rows, folder / "markers.tsv")
    write_json({HEAD_SIZE: {"role": "confound"}}, folder / "markers.json")
    write_table(EXCLUSIONS.frame(), folder / "exclusions.tsv")
    write_table(VISITS.frame((w, None, "baseline", None) for w in ids), folder / "visits.tsv")
    items = rng.normal(size=(people, 5)) + 1.5 * true[:, None]
    write_table(
        pd.DataFrame({
            "participant_id": ids, "age": rng.normal(35, 8, people),
            "sex": rng.choice(["F", "M"], people), "site": np.where(site, "north", "south"),
            "group": np.where(patient, "patient", "control"),
            "cognition": rng.normal(size=people) + 2 * true, "noise": rng.normal(size=people),
            **{f"hamd_{k + 1}": items[:, k] for k in range(5)}, "hamd_6": 1.0,
            "hamd_week6": items[:, 0], "true": true,
        }),
        folder / "participants.tsv",
    )  # fmt: skip
    label = np.where(
        patient, np.where(rng.random(people) < 0.5, "resistant", "responsive"), "control"
    )
    write_table(LABELS.frame(zip(ids, label, [None] * people, strict=True)), folder / "labels.tsv")
    return Run(folder)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """A function that writes the tables of a run."""
    return lambda name="run", **options: write_run(tmp_path / name, **options)


@pytest.fixture(scope="package")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which two clusters were found, for tests that only read."""
    run = write_run(tmp_path_factory.mktemp("clustered"))
    run.search(external=["cognition", "noise"])
    return run
