"""Running the real workflow on small cohorts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate


@dataclass(frozen=True)
class Run:
    """A study in a folder of its own, run by the repository's Snakefile."""

    folder: Path
    repository: Path

    @property
    def bids(self) -> Path:
        return self.folder / "bids"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def configure(self, **config) -> None:
        content = {"bids_dir": "bids", "output_dir": "out", **config}
        (self.folder / "study.yaml").write_text(yaml.safe_dump(content))

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [
            str(Path(sys.executable).parent / "snakemake"), "--cores", "2",
            "--snakefile", str(self.repository / "Snakefile"), "--directory", str(self.folder),
            "--configfile", str(self.folder / "study.yaml"), *arguments,
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONNOUSERSITE": "1"},
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(done.stdout[-4000:] + done.stderr[-8000:])
        return done

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.out / name, sep="\t", keep_default_na=False)

    def states(self) -> dict[tuple[str, str, str], tuple[str, str]]:
        table = self.table("completeness.tsv")
        keys = zip(table["participant_id"], table["modality"], table["product"], strict=True)
        return dict(zip(keys, zip(table["state"], table["cause"], strict=True), strict=True))


@pytest.fixture
def study(tmp_path: Path, repository: Path) -> Run:
    """A study without a dataset."""
    run = Run(tmp_path, repository)
    run.configure()
    return run


def simulate_tiny(folder: Path, **cohort: float) -> None:
    asked = {"sites": 2, "seed": 7, **cohort}
    changes = {f"cohort.{name}": value for name, value in asked.items()}
    simulate(folder, chosen_request("tiny", changes))


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six simulated people with all modalities; read, never written."""
    folder = tmp_path_factory.mktemp("tiny") / "bids"
    simulate_tiny(folder, controls=2, responsive=2, resistant=2, missing=0.0)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Run:
    """The whole workflow, run once on the tiny cohort."""
    import shutil

    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(tiny_cohort, folder / "bids")
    run = Run(folder, repository)
    run.configure()
    run.snakemake()
    return run
