"""Kill a run at many moments over all its steps, and compare what comes out in the end.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/kills.py FOLDER --kills 40

runs a small study once undisturbed in ``FOLDER/whole``, and once in ``FOLDER/killed`` with SIGKILL
of the whole process group at moments drawn from ``--seed``: so long after a step began, up to as
long as it took in the undisturbed run. Each time the very same command follows. It prints a table
of kills by step and the files that differ, times aside, and ends with 1 where any file differs or
the command was refused. ``--signal TERM`` or ``INT`` sends that instead, to snakemake alone, and
measures how long it takes to end.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import yaml

from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

REPOSITORY = Path(__file__).resolve().parents[1]
#: In the order of a run.
STEPS = (
    "start", "anat_preprocess", "anat_measure", "func_preprocess", "func_measure",
    "dwi_preprocess", "dwi_measure", "mrs_preprocess", "mrs_measure", "markers", "fusion",
    "recovery", "provenance", "report",
)  # fmt: skip
#: Fields that hold when or how long, by the end of a file's name.
TIMES = ("written", "endTime", "datePublished", "cpu_s", "wall_s", "time_ns", "steps")
#: What is no result: who runs, how long it took, and which lock is held.
ASIDE = ("logs/", "benchmarks/", "work/run.lock", "work/jobs.lock", "work/outputs/",
         "work/attempts/", "work/slurm_names.txt", "work/first_job.json",
         "work/reopened.json", "work/index.json",
         # Start and end of every job; times of the images that a page shows.
         "prov/", "provenance/bids-prov.jsonld", "ro-crate-metadata.json", "work/viewer/")  # fmt: skip


@dataclass
class Attempt:
    """One start of the command: what it planned, and how it ended."""

    process: subprocess.Popen
    planned: set[str] = field(default_factory=set)
    begun: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def follow(self) -> None:
        """Read what it says until it ends."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if count := re.match(r"(\w+) +\d+$", line):
                self.planned.add(count[1])
            if rule := re.match(r"(?:local)?rule (\w+):", line):
                self.begun.setdefault(rule[1], time.monotonic())

    @property
    def refused(self) -> bool:
        """Whether Snakemake or the project would not go on."""
        text = "".join(self.lines)
        return any(word in text for word in ("LockException", "IncompleteFiles", "writes to it"))


def study(folder: Path, people: int, modalities: list[str]) -> None:
    """A dataset with all modalities, and a table of more people, so that models are fitted."""
    names = ("controls", "responsive", "resistant")
    asked = {name: (people + 2 - at) // 3 for at, name in enumerate(names)}
    cohort = {**asked, "sites": 1, "missing": 0.0, "seed": 3}
    changes = {f"cohort.{name}": value for name, value in cohort.items()}
    simulate(folder / "bids", chosen_request("tiny", changes))
    draws = np.random.default_rng(3)
    imaged = pd.read_csv(folder / "bids/participants.tsv", sep="\t")["participant_id"]
    who = [*imaged, *(f"sub-t{number:02d}" for number in range(40))]
    ill = np.arange(len(who)) % 2
    table = pd.DataFrame({"participant_id": who, "site": "A", "ill": ill})
    table.to_csv(folder / "people.tsv", sep="\t", index=False)
    for number in range(5):
        table[f"x{number}"] = draws.normal(size=len(who)) + 0.4 * ill
    table.drop(columns=["site", "ill"]).to_csv(folder / "lab.tsv", sep="\t", index=False)
    config = {
        "bids_dir": "bids", "output_dir": "out", "batch_size": max(1, people),
        "modalities": modalities,
        "participants": {"file": "people.tsv"},
        "tables": [{"file": "lab.tsv", "participant": "participant_id", "columns": ["x*"],
                    "prefix": "x", "modality": "table", "marker": "lab"}],
        "fusion": {"label": {"source": "column", "column": "ill", "positive": "1",
                             "negative": "0"}, "permutations": 20},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(config))


def begin(folder: Path, cores: int) -> Attempt:
    command = [
        str(Path(sys.executable).parent / "snakemake"), "--cores", str(cores),
        "--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", "study.yaml",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONPATH": str(REPOSITORY / "src")},
    )  # fmt: skip
    attempt = Attempt(process)
    reader = threading.Thread(target=attempt.follow, daemon=True)
    reader.start()
    return attempt


def killed(attempt: Attempt, left: dict[str, list[float]], took: dict[str, float], how: str):
    """Wait for the next moment and end the run there; the step, when and how long it took to end.

    Moments of a step that is done already are put off to one that is planned.
    """
    start = time.monotonic()
    while attempt.process.poll() is None:
        if "total" in attempt.planned:
            planned = [step for step in STEPS if step in attempt.planned]
            for step in [s for s in left if left[s] and s not in ("start", *planned)]:
                left[planned[0]] += left[step]
                left[step] = []
        begun = {"start": start, **attempt.begun}
        for step, since in begun.items():
            if not left.get(step) or time.monotonic() < since + left[step][0] * took.get(step, 5.0):
                continue
            left[step].pop(0)
            now = time.monotonic()
            if how == "KILL":
                os.killpg(attempt.process.pid, signal.SIGKILL)
            else:
                attempt.process.send_signal(getattr(signal, f"SIG{how}"))
            attempt.process.wait()
            return step, now - since, time.monotonic() - now
        time.sleep(0.02)
    return None


def content(path: Path) -> object:
    """What a file says, times aside."""
    if path.suffix == ".h5":
        found: dict[str, object] = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    found.update({name: np.asarray(item[()]).tolist()})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
        return found
    if path.suffix == ".skops":
        with zipfile.ZipFile(path) as file:
            return {name: file.read(name) for name in file.namelist() if name != "schema.json"}
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".json":
        return _timeless(json.loads(data))
    text = data.decode(errors="replace")
    if path.parts[-3:-2] == ("status",):
        return [[*line.split("\t")[:7], *line.split("\t")[9:]] for line in text.splitlines()]
    if path.name == "report.html":
        return re.sub(r"\d{4}-\d\d-\d\d([T ][\d:+]+)?", "", text)
    return data


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def differing(whole: Path, other: Path) -> tuple[int, list[str]]:
    """How many files were compared, and which are not the same."""
    names = {
        str(path.relative_to(folder))
        for folder in (whole, other)
        for path in folder.rglob("*")
        if path.is_file()
    }
    names = {name for name in names if not name.startswith(ASIDE) and ".snakemake" not in name}
    apart = [
        name
        for name in sorted(names)
        if not (whole / name).is_file()
        or not (other / name).is_file()
        or content(whole / name) != content(other / name)
    ]
    return len(names), apart


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--modalities", nargs="+", default=["anat", "func", "dwi", "mrs"])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", nargs="*", default=list(STEPS), choices=STEPS)
    parser.add_argument("--signal", default="KILL", choices=["KILL", "TERM", "INT"])
    parser.add_argument("--limit-s", type=float, default=30.0, help="until TERM and INT are slow")
    asked = parser.parse_args()
    whole, other = asked.folder / "whole", asked.folder / "killed"
    if not (whole / "out/report.html").exists():
        whole.mkdir(parents=True)
        study(whole, asked.people, asked.modalities)
        attempt = begin(whole, asked.cores)
        attempt.process.wait()
        if attempt.process.returncode:
            print("".join(attempt.lines)[-4000:])
            return 1
    took = {}
    for file in (whole / "out/benchmarks").rglob("*.tsv"):
        seconds = float(pd.read_csv(file, sep="\t")["s"].iloc[0])
        took[file.parent.name] = max(seconds, took.get(file.parent.name, 0.0))
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(whole, other, ignore=shutil.ignore_patterns("out", ".snakemake"))
    draws = random.Random(asked.seed)
    steps = [asked.steps[at * len(asked.steps) // asked.kills] for at in range(asked.kills)]
    left: dict[str, list[float]] = {step: [] for step in STEPS}
    for step in steps:
        left[step].append(0.9 * draws.random())
    done: list[tuple[str, float, float]] = []
    refused = 0
    while any(left.values()):
        attempt = begin(other, asked.cores)
        end = killed(attempt, left, took, asked.signal)
        refused += attempt.refused
        if end is None:
            attempt.process.wait()
            print("".join(attempt.lines)[-1500:])
            break
        done.append(end)
        print(f"{len(done)}: {asked.signal} {end[1]:.2f} s into {end[0]}, ended after "
              f"{end[2]:.1f} s", flush=True)  # fmt: skip
    attempt = begin(other, asked.cores)
    status = attempt.process.wait()
    refused += attempt.refused
    n, apart = differing(whole / "out", other / "out")
    slow = sum(end[2] > asked.limit_s for end in done)
    print("| step | kills | seconds into it |\n|---|---|---|")
    for step in STEPS:
        times = [f"{at:.1f}" for name, at, _ in done if name == step]
        print(f"| {step} | {len(times)} | {' '.join(times)} |")
    print(
        f"{len(done)} of {asked.kills} kills; command refused {refused} times; slowest end "
        f"{max((end[2] for end in done), default=0.0):.1f} s; last run ended with {status}; "
        f"{n} files compared, {len(apart)} differ"
    )
    for name in apart:
        print(f"differs: {name}")
    return int(bool(apart or refused or status or slow or len(done) < asked.kills))


if __name__ == "__main__":
    sys.exit(main())
