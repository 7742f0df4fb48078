"""A throw-away Slurm, a small study on it, and what a run of it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import yaml
from benchmarks.kills import differing

from commissure.markers.status import read_statuses
from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = REPOSITORY / "tests/cluster/slurm-cluster"
#: Two batches of two: in each one may fail, and the other must not.
PEOPLE, BATCH = 4, 2
#: Runs that were begun: none may outlive its cluster.
_begun: list[subprocess.Popen] = []
#: Set when no more may begin.
_over = threading.Event()


def end_runs() -> None:
    """End all runs that were begun; whoever waits for one, or begins the next, is told."""
    _over.set()
    for process in _begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


class NoSlurm(Exception):
    """Why no Slurm, or no Grid Engine, can be started here."""


@dataclass(frozen=True)
class Slurm:
    """A Slurm that was started for this."""

    folder: Path
    profile: ClassVar[str] = "slurm"

    def part(self, verb: str, name: str) -> None:
        """Kill or start a daemon, as ``slurmctld`` or ``slurmd.n1``."""
        subprocess.run([RECIPE, verb, self.folder, name], check=True)

    def asked(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **self.environment}
        )
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """What a command of Slurm needs to find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def running(self, study: Path) -> list[str]:
        """What the jobs of a study that run are: rules and groups."""
        return self._jobs(study, "-t", "R")

    def in_queue(self, study: Path) -> list[str]:
        """What the jobs of a study are that have not ended."""
        return self._jobs(study)

    def _jobs(self, study: Path, *which: str) -> list[str]:
        lines = self.asked("squeue", "-h", *which, "-o", "%Z|%k").splitlines()
        return [line.partition("|")[2] for line in lines if line.startswith(f"{study}|")]


@contextmanager
def slurm(nodes: int = 2, cores: int = 4) -> Iterator[Slurm]:
    """Start a Slurm of so many nodes with so many cores each, and end it with all that it runs.

    Raises
    ------
    NoSlurm
        There can be none here.
    """
    if os.geteuid() != 0:
        raise NoSlurm("starting a Slurm needs root")
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        raise NoSlurm("Slurm is not installed and there is no apt-get to install it")
    # munge wants a socket that everybody can reach; pytest's own folders are private.
    _over.clear()
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    up = subprocess.run(
        [RECIPE, "up", folder, str(nodes), str(cores)], capture_output=True, text=True
    )
    try:
        if up.returncode == 3:
            raise NoSlurm(up.stderr.strip())
        if up.returncode:
            raise RuntimeError(up.stderr)
        yield Slurm(folder)
    finally:
        end_runs()
        subprocess.run([RECIPE, "down", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class GridEngine:
    """A Grid Engine that was started for this, with one host of four slots."""

    folder: Path
    profile: ClassVar[str] = "sge"

    @property
    def environment(self) -> dict[str, str]:
        """What a command of Grid Engine needs to find it."""
        words = (self.folder / "env").read_text().split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def asked(self, *command: str) -> str:
        """What a command of Grid Engine prints."""
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **self.environment}
        )
        return done.stdout

    def in_queue(self, study: Path) -> list[str]:
        """Jobs that have not ended, of any study."""
        return self.asked("qstat").splitlines()[2:]


@contextmanager
def grid_engine() -> Iterator[GridEngine]:
    """Start a Grid Engine on this machine, and end it with all that it runs.

    Raises
    ------
    NoSlurm
        There can be none here.
    """
    if os.geteuid() != 0:
        raise NoSlurm("starting a Grid Engine needs root")
    if not shutil.which("sge_execd") and not shutil.which("apt-get"):
        raise NoSlurm("Grid Engine is not installed and there is no apt-get to install it")
    folder = Path(tempfile.mkdtemp(prefix="grid-engine-"))
    folder.chmod(0o755)
    recipe = RECIPE.with_name("grid-engine")
    up = subprocess.run([recipe, "up", folder], capture_output=True, text=True)
    try:
        if up.returncode == 3:
            raise NoSlurm(up.stderr.strip())
        if up.returncode:
            raise RuntimeError(up.stderr)
        yield GridEngine(folder)
    finally:
        subprocess.run([recipe, "down", folder], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Run:
    """A run that was begun: its process, and what it has said so far."""

    process: subprocess.Popen
    said_in: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.said_in.read_text(errors="replace")

    def wait(self, seconds: float = 1500) -> int:
        """Wait until it ends; its status, and -1 where it does not."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1

    def kill(self) -> None:
        """End it as a power cut does: jobs of a cluster go on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Lab:
    """A study, its undisturbed results, and the cluster where it has one.

    Attributes
    ----------
    whole
        The study after an undisturbed run on this machine.
    cluster
        None where jobs are processes of this machine.
    """

    whole: Path
    cluster: Slurm | GridEngine | None

    @classmethod
    def at(cls, folder: Path, cluster: Slurm | None) -> Lab:
        """Make the study in a folder, and run it once without a cluster."""
        whole = folder / "whole"
        if not (whole / "out/report.html").exists():
            whole.mkdir(parents=True)
            _study(whole)
            status = cls(whole, None).begin(whole).wait()
            if status:
                raise RuntimeError((whole / "said-0.txt").read_text()[-4000:])
        return cls(whole, cluster)

    def copy(self, name: str, *, done: bool = False) -> Path:
        """The study for a case of its own, with or without what the run left."""
        other = self.whole.parent / name
        shutil.rmtree(other, ignore_errors=True)
        aside = () if done else ("out", ".snakemake")
        shutil.copytree(
            self.whole, other, ignore=shutil.ignore_patterns("said-*", "faults", *aside)
        )
        return other

    def begin(
        self, study: Path, faults: Mapping[str, Any] | None = None, *,
        arguments: Sequence[str] = (), before: Sequence[str] = (),
    ) -> Run:  # fmt: skip
        """Start a run; ``before`` is a command that runs it."""
        if _over.is_set():
            raise RuntimeError("no more runs are begun")
        shutil.rmtree(study / "faults/written", ignore_errors=True)
        (study / "faults").mkdir(exist_ok=True)
        (study / "faults/faults.json").write_text(json.dumps(faults or {}))
        how = ["--cores", "2"]
        if self.cluster:
            how = ["--profile", str(REPOSITORY / "workflow/profiles" / self.cluster.profile)]
        said = study / f"said-{len(list(study.glob('said-*')))}.txt"
        site = Path(__file__).parent / "site"
        with said.open("w") as file:
            process = subprocess.Popen(
                [
                    # Ctrl-C must reach it, also where this was begun in the background.
                    "env", "--default-signal=INT", *before, str(Path(sys.executable).parent / "snakemake"), *arguments, *how,
                    "--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", "study.yaml",
                ],
                cwd=study, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
                env={
                    **os.environ, **(self.cluster.environment if self.cluster else {}),
                    "PYTHONNOUSERSITE": "1", "PYTHONPATH": f"{site}:{REPOSITORY / 'src'}",
                    "COMMISSURE_FAULTS": str(study / "faults/faults.json"),
                },
            )  # fmt: skip
        _begun.append(process)
        return Run(process, said)

    def differs(self, study: Path) -> list[str]:
        """Result files that are not as after the undisturbed run.

        Where a run was asked for the people alone, what follows from them need not be there.
        """
        names = differing(self.whole / "out", study / "out")[1]
        if (study / "out/report.html").exists():
            return names
        tables = (study / "out/work/status").rglob("*.tsv")
        people = tuple({row.participant_id for table in tables for row in read_statuses(table)})
        wanted = [n for n in names if (study / "out" / n).exists() or n.startswith(people)]
        return wanted if people else ["no status table"]


def _study(folder: Path) -> None:
    asked = {"controls": 2, "responsive": 1, "resistant": 1, "sites": 1, "missing": 0.0, "seed": 3}
    changes = {f"cohort.{name}": value for name, value in asked.items()}
    simulate(folder / "bids", chosen_request("tiny", changes))
    for other in ("anat", "func", "dwi"):
        for images in (folder / "bids").glob(f"sub-*/{other}"):
            shutil.rmtree(images)
    config = {
        "bids_dir": "bids", "output_dir": "out", "batch_size": BATCH, "modalities": ["mrs"],
        "fusion": {"permutations": 20},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(config))


@dataclass(frozen=True)
class Work:
    """What was begun: counts of images by step, and of scripts of the whole study."""

    times: Counter
    running: int

    @classmethod
    def of(cls, study: Path) -> Work:
        """Read what the faults wrote down."""
        times: Counter = Counter()
        running: set[str] = set()
        log = study / "faults/work.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            _, job, process, kind, *what = line.split()
            if kind == "work" or (kind == "begin" and not re.search("preprocess|measure", what[0])):
                times[" ".join(what)] += 1
            if kind == "begin":
                running.add(f"{job} {process}")
            elif kind == "end":
                running.discard(f"{job} {process}")
        return cls(times, len(running))

    def beyond(self, usual: Counter) -> int:
        """How much was done again: more than in an undisturbed run."""
        return sum(max(0, count - usual.get(what, 1)) for what, count in self.times.items())


def wait_for(what: Any, seconds: float = 400) -> Any:
    """Wait until something is true, and give it; RuntimeError where it does not come."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not _over.is_set():
        if value := what():
            return value
        time.sleep(0.3)
    raise RuntimeError(f"waited {seconds:g} s in vain")


def begun(study: Path, count: int = 1) -> bool:
    """Whether so many faults have begun."""
    log = study / "faults/work.log"
    return log.exists() and log.read_text().count(" fault ") >= count


def causes(study: Path) -> dict[str, str]:
    """Why products are not there, by person."""
    table = pd.read_csv(study / "out/completeness.tsv", sep="\t", keep_default_na=False)
    failed = table[table["state"] == "failed"]
    return dict(zip(failed["participant_id"], failed["cause"], strict=True))


def present(study: Path) -> set[str]:
    """People of whom every product is there that they have in the undisturbed run."""
    table = pd.read_csv(study / "out/completeness.tsv", sep="\t", keep_default_na=False)
    bad = set(table.loc[table["state"] == "failed", "participant_id"])
    return set(table["participant_id"]) - bad


def drafts(study: Path) -> list[Path]:
    """What is half-written, after a run that ended well."""
    return [path for path in (study / "out").rglob("*-partial.*") if path.is_file()]
