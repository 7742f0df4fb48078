"""A small study on disk, matrices with a known difference, and a head with folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from commissure.evaluation.permutation_parts import BLOCK
from commissure.files import write_json, write_table
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.load import save_image
from commissure.images.transforms import write_warp
from commissure.names import Scan
from commissure.outputs import EXCLUSIONS
from commissure.rows import Marker, write_markers
from commissure.study.design import Block, Design, DesignColumn

MODALITIES = {"anat": ("volume", 6), "func": ("fc", 5), "mrs": ("glu", 3)}
TRIALS = {"resistant": (88, 86), "responsive": (50,)}


class StudyFolder:
    """Input tables of a study, and its results once it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "fusion"

    def tables(self) -> dict:
        """The input tables, as :func:`fuse` takes them."""
        return {
            "markers": self.folder / "markers.tsv",
            "definitions": self.folder / "markers.json",
            "exclusions": self.folder / "exclusions.tsv",
            "participants": self.folder / "participants.tsv",
            "treatments": self.folder / "treatments.tsv",
        }

    def run(
        self, nulls: Sequence[Path] = (), parts: Sequence[Path] = (), block: int = BLOCK,
        **settings: object,
    ) -> dict:  # fmt: skip
        """Fit with few folds and permutations, and give the metrics."""
        few = {"repeats": 2, "inner_folds": 3, "permutations": 19, "permutation_repeats": 1,
               "penalties": [1.0, 10.0], "secondary_analyses": False}  # fmt: skip
        fuse(
            **self.tables(),
            nulls=nulls,
            parts=parts,
            block=block,
            settings=FusionSettings(**{**few, **settings}),
            out=self.results,
        )
        return json.loads((self.results / "metrics.json").read_text())

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.results / name, sep="\t", dtype={"fold": str})


def write_study(folder: Path, *, n: int = 44, d: float = 3.0, seed: int = 3) -> StudyFolder:
    """Two sites, controls, three modalities of which each person may lack one; mrs carries d."""
    rng = np.random.default_rng(seed)
    ids = [f"sub-{i + 1:03d}" for i in range(n)]
    group = np.array([("control", "resistant", "responsive")[i % 3 if i < 36 else 1 + i % 2]
                      for i in range(n)])  # fmt: skip
    site = np.array([("north", "south")[i // 3 % 2] for i in range(n)])
    rows = []
    for modality, (marker, count) in MODALITIES.items():
        values = rng.normal(size=(n, count))
        if modality == "mrs":
            values += d / np.sqrt(count) * (group == "resistant")[:, None]
        for i in np.flatnonzero(rng.random(n) > 0.08):
            rows += [
                Marker(ids[i], "", modality, f"r{j}", marker, values[i, j], "1")
                for j in range(count)
            ]
            if modality == "anat":
                rows.append(Marker(ids[i], "", modality, "head", "tiv", rng.normal(), "mm3"))
    folder.mkdir(parents=True, exist_ok=True)
    write_markers(rows, folder / "markers.tsv")
    write_json({"tiv": {"role": "confound"}, "fc": {"role": "marker"}}, folder / "markers.json")
    write_table(EXCLUSIONS.frame(), folder / "exclusions.tsv")
    patient = group != "control"
    write_table(
        pd.DataFrame({
            "participant_id": ids, "age": rng.normal(35, 8, n), "sex": rng.choice(["F", "M"], n),
            "site": site, "group": np.where(patient, "patient", "control"),
            "age_at_onset": np.where(patient, rng.normal(23, 4, n), np.nan),
            "hospitalisations": rng.integers(0, 5, n),
        }),
        folder / "participants.tsv",
    )  # fmt: skip
    trials = [
        (ids[i], k + 1, drug, 600, 8, 0.9, 2, 90, after)
        for i in np.flatnonzero(patient)
        for k, (drug, after) in enumerate(
            zip(("olanzapine", "risperidone"), TRIALS[group[i]], strict=False)
        )
    ]
    columns = ["participant_id", "trial", "drug", "cpz_eq_mg", "weeks_at_dose", "adherence",
               "adherence_sources", "panss_before", "panss_after"]  # fmt: skip
    write_table(pd.DataFrame(trials, columns=columns), folder / "treatments.tsv")
    return StudyFolder(folder)


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., StudyFolder]:
    """A function that writes a study of its own."""
    return lambda name="study", **options: write_study(tmp_path / name, **options)


@pytest.fixture(scope="package")
def fitted_study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study that has been fitted once, for tests that only read."""
    study = write_study(tmp_path_factory.mktemp("fusion"))
    study.run(secondary_analyses=True)
    return study


@pytest.fixture(scope="package")
def stored_study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study that was fitted quickly, for its stored model."""
    study = write_study(tmp_path_factory.mktemp("stored"))
    study.run(repeats=1, permutations=0, models=["late", "modalities"])
    return study


@pytest.fixture
def plain_design() -> Callable[..., Design]:
    """A design of one block ``x``, and of a site block where sites are given."""

    def design(values: np.ndarray, sites: np.ndarray | None = None) -> Design:
        people = len(values)
        ids = np.array([f"sub-{i:05d}" for i in range(people)])
        sites = np.full(people, "all") if sites is None else sites
        x = Block("x", tuple(range(values.shape[1])))
        marks = np.column_stack([sites == name for name in np.unique(sites)]).astype(float)
        site = Block("site", tuple(range(values.shape[1], values.shape[1] + marks.shape[1])))
        columns = tuple(
            DesignColumn("x" if i < values.shape[1] else "site", f"r{i}", "marker")
            for i in range(values.shape[1] + marks.shape[1])
        )
        blocks = {"x": x, "site": site}
        return Design(ids, sites, np.hstack([values, marks]), columns, blocks, ("x",))

    return design


class FoldedHead:
    """White matter with folds that no mirror image has, 4 mm of cortex, and some fluid around it."""

    def __init__(self, *, seed: int = 5, bumps: int = 90, radius_mm: float = 55.0) -> None:
        rng = np.random.default_rng(seed)
        self._towards = rng.normal(size=(bumps, 3))
        self._towards /= np.linalg.norm(self._towards, axis=1, keepdims=True)
        self._heights = rng.choice([-9.0, 9.0], bumps)
        self._radius_mm = radius_mm

    def depth_mm(self, places: np.ndarray) -> np.ndarray:
        """(N,) how far places (N, 3) in mm lie outside white matter."""
        distance = np.maximum(np.linalg.norm(places, axis=1), 1e-6)
        near = (places / distance[:, None]) @ self._towards.T
        return distance - self._radius_mm - np.exp((near - 1) / 0.015) @ self._heights

    def drawn(
        self, shape: tuple[int, int, int], affine: np.ndarray, values: dict[str, float],
        matrix: np.ndarray | None = None,
    ) -> nib.Nifti1Image:  # fmt: skip
        """An image of the head; ``matrix`` takes a place of the head to where it is drawn."""
        back = np.linalg.inv(np.eye(4) if matrix is None else matrix) @ affine
        depth = self.depth_mm(np.indices(shape).reshape(3, -1).T @ back[:3, :3].T + back[:3, 3])

        def beyond(mm: float) -> np.ndarray:
            return np.clip(depth - mm + 0.5, 0, 1)

        white, head = 1 - beyond(0), 1 - beyond(6)
        grey = (1 - beyond(4)) - white
        shares = {"white": white, "grey": grey, "fluid": head - white - grey}
        data = sum(shares[name] * value for name, value in values.items())
        return nib.Nifti1Image(np.asarray(data, np.float32).reshape(shape), affine)


@pytest.fixture(scope="session")
def folded_head() -> FoldedHead:
    """A head whose border of white and grey matter is known."""
    return FoldedHead()


@pytest.fixture(scope="session")
def folded_anat(folded_head, tmp_path_factory) -> AnatFiles:
    """Derivatives of a T1w image of that head, which lies in template space already."""
    folder = tmp_path_factory.mktemp("folded")
    files = AnatFiles.of(Scan(Path("sub-01_T1w.nii.gz"), {"sub": "01"}, "T1w"), folder)
    affine = np.diag([-2.5, 2.5, 2.5, 1.0])
    affine[:3, 3] = np.array([2.5, -2.5, -2.5]) * 33.5
    contents = {
        files.preproc: {"white": 900.0, "grey": 600.0, "fluid": 200.0},
        files.mask: {"white": 1.0, "grey": 1.0, "fluid": 1.0},
        files.dseg: {"grey": 1.0, "white": 2.0, "fluid": 3.0},
        files.gm: {"grey": 1.0},
        files.wm: {"white": 1.0},
        files.csf: {"fluid": 1.0},
    }
    for path, values in contents.items():
        save_image(np.asarray(folded_head.drawn((68,) * 3, affine, values).dataobj), affine, path)
    for path in (files.to_template, files.from_template):
        write_warp(np.zeros((3, 68, 68, 68)), affine, path, after=np.eye(4))
    return files
