"""What the demo costs, and how much of it is starting up rather than computing.

    python benchmarks/demo_cost.py [--cores 2] [--preset demo] [--people 16 18 18] [--modalities mrs]

Simulates a cohort, runs the whole workflow on it, and prints time and memory by rule and the share
of CPU time spent in interpreter starts, imports and Snakemake itself. The interpreter reports its
own imports (PYTHONPROFILEIMPORTTIME); everything that is not a job is Snakemake.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
IMPORT = re.compile(r"import time:\s+(\d+) \|")


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def import_s(stderr: str) -> float:
    return sum(map(int, IMPORT.findall(stderr))) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--preset", default="demo")
    parser.add_argument(
        "--people", type=int, nargs=3, metavar=("CONTROLS", "RESPONSIVE", "RESISTANT")
    )
    parser.add_argument("--modalities", nargs="+", default=["anat", "func", "dwi", "mrs"])
    given = parser.parse_args()
    bin_folder = Path(sys.executable).parent
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    env = {**os.environ, **dict.fromkeys(threads, "1")}
    with tempfile.TemporaryDirectory() as scratch:
        bids, out = f"{scratch}/bids", f"{scratch}/out"
        command = [bin_folder / "commissure", "simulate", bids, "--preset", given.preset]
        if given.people:
            for name, number in zip(
                ("controls", "responsive", "resistant"), given.people, strict=True
            ):
                command += ["--set", f"cohort.{name}={number}"]
        cpu, wall = children_cpu_s(), time.monotonic()
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
        simulated_cpu, simulated_wall = children_cpu_s() - cpu, time.monotonic() - wall
        cpu, wall = children_cpu_s(), time.monotonic()
        command = [
            bin_folder / "snakemake", "--cores", str(given.cores), "--directory", scratch,
            "--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml",
            "--config", f"bids_dir={bids}", f"output_dir={out}",
            f"modalities=[{','.join(given.modalities)}]",
        ]  # fmt: skip
        with open(f"{scratch}/stderr", "w") as stderr:
            subprocess.run(
                command, check=True, env={**env, "PYTHONPROFILEIMPORTTIME": "1"},
                stdout=subprocess.DEVNULL, stderr=stderr,
            )  # fmt: skip
        run_cpu, run_wall = children_cpu_s() - cpu, time.monotonic() - wall
        imports = import_s(Path(f"{scratch}/stderr").read_text(errors="ignore"))
        # A dry run imports and parses what the main process does, and starts no job.
        planning = subprocess.run(
            [*command, "--dry-run"], env={**env, "PYTHONPROFILEIMPORTTIME": "1"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        parts = [
            pd.read_csv(path, sep="\t").assign(rule=path.parent.name)
            for path in Path(out, "benchmarks").rglob("*.tsv")
        ]
    jobs = pd.concat(parts)
    by_rule = jobs.groupby("rule").agg(
        jobs=("s", "size"), wall=("s", "sum"), cpu=("cpu_time", "sum"), memory=("max_rss", "max")
    )
    console = Console()
    table = Table(title=f"{given.preset}: the workflow by rule")
    for name in ("rule", "jobs", "wall s", "CPU s", "peak memory MB"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for row in by_rule.sort_values("cpu", ascending=False).itertuples():
        table.add_row(
            row.Index, str(row.jobs), f"{row.wall:.0f}", f"{row.cpu:.0f}", f"{row.memory:.0f}"
        )
    console.print(table)
    snakemake = max(run_cpu - by_rule["cpu"].sum(), 0)
    job_imports = imports - import_s(planning.stderr)
    starting = job_imports + snakemake
    console.print(f"simulation        {simulated_wall:6.0f} s wall {simulated_cpu:6.0f} s CPU")
    console.print(
        f"workflow          {run_wall:6.0f} s wall {run_cpu:6.0f} s CPU on {given.cores} cores"
    )
    console.print(f"imports of jobs   {job_imports:6.0f} s, Snakemake itself {snakemake:.0f} s CPU")
    console.print(f"starting up       {100 * starting / run_cpu:6.1f} % of the workflow's CPU time")
    console.print(f"peak memory       {by_rule['memory'].max():6.0f} MB of any job")


if __name__ == "__main__":
    main()
