"""What jobs ask for and what they use: in a first run, and in a second one that knows the first.

A cohort is simulated and run, or a finished run is looked at (``--finished``). What a rule asks for
in the dark and what it asks for after that run are read off a dry run; what it used is what
Snakemake noted.

    python benchmarks/resources.py FOLDER [--preset demo] [--people 1 1 1] [--modalities mrs]
        [--cores 2]
    python benchmarks/resources.py --finished OUTPUT_DIR --bids BIDS_DIR
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from commissure.flow.learnt import benchmark_rows

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ("controls", "responsive", "resistant")
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


def workflow(*options: str) -> str:
    done = subprocess.run(
        [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", ROOT, *options],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout + done.stderr


def asked(
    bids: Path, output: Path, modalities: list[str]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Megabytes and minutes of every job of a run from scratch, by rule and batch."""
    told = workflow(
        "--cores", "2", "-n", "--forceall", "--config", f"bids_dir={bids}", f"output_dir={output}",
        f"modalities=[{','.join(modalities)}]",
    )  # fmt: skip
    jobs = {}
    for block in re.split(r"\n\s*\n|\n(?=(?:local)?rule )", told):
        rule = re.search(r"rule (\w+):", block)
        memory = re.search(r"mem_mb=(\d+)", block)
        minutes = re.search(r"runtime=(\d+)", block)
        if rule and memory and minutes:
            batch = re.search(r"batch=(\w+)", block)
            jobs[rule[1], batch[1] if batch else ""] = float(memory[1]), float(minutes[1])
    return jobs


def used(output: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Peak megabytes and minutes of every job that ran."""
    jobs = {}
    for table in sorted((output / "benchmarks").glob("*/*.tsv")):
        rule = table.parent.name
        batch = table.stem.removeprefix("batch-") if table.stem != rule else ""
        for mb, seconds in benchmark_rows(table):
            jobs[rule, batch] = mb, seconds / 60
    return jobs


def table(first: dict, second: dict, ran: dict) -> None:
    rules: dict[str, list] = defaultdict(list)
    for key in sorted(ran):
        if key in first and key in second:
            rules[key[0]].append((first[key], second[key], ran[key]))
    print(f"{'rule':18} {'jobs':>5} | {'MB asked':>9} {'then':>6} {'used':>6} | {'min asked':>9} "
          f"{'then':>6} {'used':>6}")  # fmt: skip
    ratios: dict[str, list[float]] = defaultdict(list)
    for rule, jobs in rules.items():
        cells = []
        for part in (0, 1):
            for run in (0, 1, 2):
                cells.append(statistics.median(job[run][part] for job in jobs))
            for job in jobs:
                for run, name in ((0, "first"), (1, "second")):
                    ratios[f"{'memory' if not part else 'time'} {name}"].append(
                        job[run][part] / max(job[2][part], 1e-3)
                    )
        print(f"{rule:18} {len(jobs):5} | {cells[0]:9.0f} {cells[1]:6.0f} {cells[2]:6.0f} | "
              f"{cells[3]:9.0f} {cells[4]:6.0f} {cells[5]:6.1f}")  # fmt: skip
    print("\nasked over used, over all jobs: median, largest, least")
    for name, values in ratios.items():
        print(f"{name:15} {statistics.median(values):6.1f} {max(values):8.1f} {min(values):6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--people", nargs=3, default=["1", "1", "1"])
    parser.add_argument("--modalities", nargs="+", default=["anat", "func", "dwi", "mrs"])
    parser.add_argument("--cores", default="2")
    parser.add_argument("--finished", type=Path)
    parser.add_argument("--bids", type=Path)
    args = parser.parse_args()
    if args.finished:
        bids, output, empty = args.bids, args.finished, args.finished.with_name("never-run")
    else:
        bids, output, empty = (args.folder / name for name in ("bids", "out", "never-run"))
        command = Path(sys.executable).with_name("commissure")
        options = [
            word
            for name, count in zip(GROUPS, args.people, strict=True)
            for word in ("--set", f"cohort.{name}={count}")
        ]
        subprocess.run([command, "simulate", bids, "--preset", args.preset, *options], check=True)
        workflow(
            "--cores", args.cores, "--config", f"bids_dir={bids}", f"output_dir={output}",
            f"modalities=[{','.join(args.modalities)}]",
        )  # fmt: skip
    chosen = args.modalities
    table(asked(bids, empty, chosen), asked(bids, output, chosen), used(output))


if __name__ == "__main__":
    main()
