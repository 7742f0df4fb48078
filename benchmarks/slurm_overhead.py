"""What Slurm costs beside computing: a small study on nodes, and on one machine with as many cores.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/slurm_overhead.py FOLDER

simulates a cohort in FOLDER, runs the whole workflow with ``--cores`` and then on a Slurm of so many
nodes of one core each on this machine, and prints the wall seconds of both, their ratio, and how
many jobs there were. Both begin with nothing done. Root is needed to start Slurm; ``--local`` leaves
it out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cluster_faults.lab import slurm  # noqa: E402

from commissure.phantom.request import chosen_request  # noqa: E402
from commissure.phantom.simulate import simulate  # noqa: E402

GROUPS = ("controls", "responsive", "resistant")


def study(folder: Path, asked: argparse.Namespace) -> None:
    """A dataset and its configuration."""
    cohort = dict(zip(GROUPS, asked.people, strict=True), sites=1, missing=0.0, seed=3)
    changes = {f"cohort.{name}": value for name, value in cohort.items()}
    shutil.rmtree(folder, ignore_errors=True)
    simulate(folder / "bids", chosen_request(asked.preset, changes))
    config = {
        "bids_dir": "bids", "output_dir": "out", "batch_size": asked.batch,
        "modalities": asked.modalities,
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(config))


def timed(folder: Path, *how: str, **environment: str) -> tuple[float, int]:
    """Run the study from nothing: wall seconds, and how many jobs were submitted."""
    for name in ("out", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)
    start = time.monotonic()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "snakemake"), *how, "--snakefile",
            str(ROOT / "Snakefile"), "--configfile", "study.yaml",
        ],
        cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
    )  # fmt: skip
    seconds = time.monotonic() - start
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return seconds, len(re.findall("submitted with SLURM jobid", done.stderr))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cores", type=int, default=3, help="of one machine, and nodes of Slurm")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--people", type=int, nargs=3, default=[2, 2, 2], metavar=GROUPS)
    parser.add_argument("--batch", type=int, default=2, help="people in a batch")
    parser.add_argument("--modalities", nargs="+", default=["anat", "func", "dwi", "mrs"])
    parser.add_argument("--local", action="store_true")
    asked = parser.parse_args()
    # Whoever ends this ends the Slurm with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    folder = asked.folder.resolve()
    study(folder, asked)
    print("| where | wall seconds | jobs |\n|---|---|---|")
    local, _ = timed(folder, "--cores", str(asked.cores))
    print(f"| one machine, {asked.cores} cores | {local:.0f} | |", flush=True)
    if asked.local:
        return
    with slurm(nodes=asked.cores, cores=1) as cluster:
        profile = str(ROOT / "workflow/profiles/slurm")
        spread, jobs = timed(folder, "--profile", profile, **cluster.environment)
    print(f"| {asked.cores} nodes of one core | {spread:.0f} | {jobs} |")
    print(f"\n{spread / local:.2f} times as long")


if __name__ == "__main__":
    main()
