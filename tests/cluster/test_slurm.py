"""``snakemake --profile slurm`` from the clone's root on a real Slurm, against ``--cores 2``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_the_cluster_runs_to_the_same_numbers_as_two_cores(cluster, clone):
    # Two people are two batches, and all modalities of each are computed twice.
    asked = {"controls": 0, "responsive": 1, "resistant": 1, "sites": 1, "missing": 0.0, "seed": 11}
    changes = {f"cohort.{name}": value for name, value in asked.items()}
    simulate(clone / "demo/bids", chosen_request("tiny", changes))
    snakemake = str(Path(sys.executable).parent / "snakemake")

    def run(*arguments, **environment):
        done = subprocess.run(
            [snakemake, *arguments], cwd=clone, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env={**os.environ, **environment}, timeout=1500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-8000:]
        return done.stdout + done.stderr

    said = run("--profile", "slurm", **cluster.environment)
    assert "has been submitted with SLURM jobid" in said
    assert (clone / "demo/derivatives/commissure/report.html").exists()
    assert "Nothing to be done" in run("--profile", "slurm", **cluster.environment)
    run("--cores", "2", "--config", "output_dir=local")
    for name in ("markers.tsv", "completeness.tsv", "exclusions.tsv", "recovery.tsv"):
        cluster = pd.read_csv(clone / "demo/derivatives/commissure" / name, sep="\t")
        laptop = pd.read_csv(clone / "local" / name, sep="\t")
        pd.testing.assert_frame_equal(
            cluster.drop(columns="command", errors="ignore"),
            laptop.drop(columns="command", errors="ignore"),
        )
