"""A study of thousands of people, from its tables to the page: what each step costs.

The study of ``fusion_scale.py`` - so many patients of two labels, a fifth as many controls, ten
sites, 161 markers in four modalities - goes through the workflow itself with the settings of any
study, the search for subtypes beside. Each step is a process: its CPU seconds and its largest
memory are what the system counted of it, start of Python included. Jobs of one rule stand in one
row, with the sum of their seconds and the longest of them. The longest chain of the fusion is what it
takes where there is a core for every job. One thread, one job at a time.

    python benchmarks/thousands.py FOLDER [--people 5000] [--jobs N] [--no-subtypes] [--until RULE]
        [--chromium /usr/bin/chromium] [--keep]

``--jobs`` sets ``fusion.permutation_jobs``. With a Chromium, and Playwright from envs/dev.lock, the
page is opened, too: wall time until it is loaded, of a browser that has just started.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from fusion_scale import write_tables
from report_pages import opened

ROOT = Path(__file__).resolve().parents[1]
#: What every Python process of a run leaves at its end: its name, CPU seconds and peak memory.
NOTED = """
import atexit, os, resource, sys
def note():
    used = resource.getrusage(resource.RUSAGE_SELF)
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    # Unlike ru_maxrss this is nothing of the process that started this one.
    peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    with open(os.path.join(os.environ["STEPS_NOTED"], str(os.getpid())), "w") as file:
        file.write(f"{name}\\t{used.ru_utime + used.ru_stime}\\t{peak}")
atexit.register(note)
"""


def configure(folder: Path, people: int, asked: argparse.Namespace) -> Path:
    """Draw the tables and write the configuration of the study."""
    files = write_tables(folder, people, 10, controls=people // 5)
    table = pd.read_csv(files["participants"], sep="\t")
    table["group"] = np.where(table["label"] == "control", "control", "patient")
    table.to_csv(files["participants"], sep="\t", index=False)
    fusion = "  label: {source: column, column: label}\n"
    if asked.jobs:
        fusion += f"  permutation_jobs: {asked.jobs}\n"
    if asked.permutations is not None:
        fusion += f"  permutations: {asked.permutations}\n"
    study = folder / "study.yaml"
    study.write_text(
        f"bids_dir: null\noutput_dir: {folder / 'out'}\n"
        f"participants: {{file: {files['participants']}}}\n"
        f"tables: [{{file: {files['markers']}, layout: tidy}}]\n"
        f"fusion:\n{fusion}subtypes: {{search: {str(not asked.no_subtypes).lower()}}}\n"
    )
    return study


def snakemake(folder: Path, study: Path, *more: str) -> float:
    """Run Snakemake; CPU seconds of itself and of all that it started."""
    noted = folder / "noted"
    noted.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(NOTED)
    command = [
        str(Path(sys.executable).parent / "snakemake"), "--cores", "1", "--quiet", "all",
        "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--configfile",
        str(study), *more,
    ]  # fmt: skip
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "STEPS_NOTED": str(noted)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def steps(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds and peak memory (GB) of the jobs, by the name of their script."""
    found = defaultdict(list)
    for note in (folder / "noted").iterdir():
        name, seconds, peak = note.read_text().split("\t")
        # Scripts of rules run under a name of their own: tmpabcdefgh.fuse.py.
        parts = name.split(".")
        if len(parts) == 3 and parts[0].startswith("tmp"):
            found[parts[1]].append((float(seconds), int(peak) / 2**20))
    return found


def longest_chain(jobs: dict[str, list[tuple[float, float]]]) -> float:
    """CPU seconds of the fusion's last job and the longest of those that it waits for."""
    beside = [seconds for name in ("permute", "part") for seconds, _ in jobs.get(name, [])]
    return max(beside, default=0.0) + sum(seconds for seconds, _ in jobs.get("fuse", []))


def main() -> None:
    """Run a study of each size and print its steps."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, nargs="+", default=[5000])
    parser.add_argument("--permutations", type=int)
    parser.add_argument("--jobs", type=int, help="of the permutation test")
    parser.add_argument("--no-subtypes", action="store_true")
    parser.add_argument("--until", help="stop after this rule")
    parser.add_argument("--chromium", default="", help="program that opens the page")
    parser.add_argument("--keep", action="store_true", help="leave the study")
    asked = parser.parse_args()
    print(
        f"{'people':<8}{'step':<24}{'jobs':>5}{'CPU s':>9}{'longest':>9}{'peak GB':>9}", flush=True
    )
    for people in asked.people:
        folder = (asked.folder / f"people-{people}").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        study = configure(folder, people, asked)
        snakemake(folder, study, *(["--until", asked.until] if asked.until else []))
        for name, jobs in steps(folder).items():
            spent = [seconds for seconds, _ in jobs]
            print(
                f"{people:<8}{name:<24}{len(jobs):>5}{sum(spent):>9.1f}{max(spent):>9.1f}"
                f"{max(peak for _, peak in jobs):>9.2f}"
            )
        chain = longest_chain(steps(folder))
        if chain:
            print(f"{people:<8}longest chain of the fusion: {chain:.1f} CPU s", flush=True)
        page = folder / "out/report.html"
        if page.exists():
            print(f"{people:<8}report.html: {page.stat().st_size / 1e6:.1f} MB", flush=True)
            if asked.chromium:
                seconds = opened(asked.chromium, page, "#summary")
                print(f"{people:<8}opens in {seconds:.1f} s", flush=True)
        if not asked.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
