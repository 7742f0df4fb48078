"""The faults: each makes one on a run, lets it end or gives the command again, and judges."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster_faults.lab import (
    REPOSITORY,
    Lab,
    Work,
    begun,
    causes,
    drafts,
    present,
    wait_for,
)

#: The image that meets the fault, and what most cases ask for: its batch, and no more.
WHO = "sub-02"
PEOPLE = [f"out/work/status/mrs_measure/batch-000{number}.tsv" for number in (1, 2)]
BATCH = PEOPLE[:1]
#: Everybody, and the table that names who failed.
NAMED = ["out/completeness.tsv"]
EVERYBODY = {"sub-01", "sub-02", "sub-03", "sub-04"}


@dataclass(frozen=True)
class Judged:
    """What a fault did.

    Attributes
    ----------
    wrong
        Everything that is not as it must be; empty where the fault was survived.
    running, repeated
        Jobs that the fault met, and how much was done again.
    note
        What else was seen.
    """

    wrong: list[str]
    running: int = 0
    repeated: int = 0
    note: str = ""


def _judged(
    lab: Lab, study: Path, status: int, *, running: int = 1, note: str = "", wrong: Sequence = ()
) -> Judged:
    """After a fault that a retry mends: all is there and the same, and little was done again."""
    work = Work.of(study)
    again = work.beyond(Work.of(lab.whole).times)
    faults = [text for text in wrong if text]
    if status:
        faults.append(f"ended with {status}: {_last_said(study)}")
    elif apart := lab.differs(study):
        faults.append(f"{len(apart)} files differ: {', '.join(apart[:4])}")
    if halves := drafts(study):
        faults.append(f"half-written: {halves[0].name}")
    if again > running:
        faults.append(f"{again} done again, {running} were running: {work.times}")
    if lab.cluster and (left := lab.cluster.in_queue(study)):
        faults.append(f"jobs are left in the queue: {' '.join(left)}")
    return Judged(faults, running, again, note)


def _last_said(study: Path) -> str:
    said = sorted(study.glob("said-*"), key=lambda path: path.stat().st_mtime)
    return said[-1].read_text(errors="replace")[-1500:]


def _given_up(lab: Lab, study: Path, status: int, words: str, *, report: bool = False) -> Judged:
    """After a fault that no retry mends: one person is named, the others are finished."""
    wrong = [] if status == 0 else [f"ended with {status}: {_last_said(study)}"]
    if status == 0:
        named = causes(study)
        if set(named) != {WHO} or words not in named[WHO]:
            wrong.append(f"completeness.tsv says {named}")
        if present(study) != EVERYBODY - {WHO}:
            wrong.append(f"finished are {sorted(present(study))}")
        if report and not (study / "out/report.html").exists():
            wrong.append("there is no report")
        if halves := drafts(study):
            wrong.append(f"half-written: {halves[0].name}")
        theirs = {name for name in lab.differs(study) if name.startswith("sub-")}
        if apart := {name for name in theirs if not name.startswith(WHO)}:
            wrong.append(f"others differ: {sorted(apart)[:3]}")
    note = causes(study).get(WHO, "") if status == 0 else ""
    again = Work.of(study).beyond(Work.of(lab.whole).times)
    return Judged(wrong, 1, again, note)


def _fault(do: str, *, times: int = 1, seconds: float = 300) -> dict:
    return {"images": [{"scan": WHO, "do": do, "times": times, "seconds": seconds}]}


def _number(study: Path) -> str:
    """Number of the job that met the last fault."""
    lines = (study / "faults/work.log").read_text().splitlines()
    return [line.split()[1] for line in lines if " fault " in line][-1]


def memory(lab: Lab) -> Judged:
    """A job takes more memory than it asked for; the next attempt does not."""
    study = lab.copy("memory")
    status = lab.begin(study, _fault("memory"), arguments=BATCH).wait()
    return _judged(lab, study, status)


def memory_always(lab: Lab) -> Judged:
    """A person needs more memory than three attempts ask for."""
    study = lab.copy("memory-always")
    less = ["--set-resources", "mrs_preprocess:mem_mb=700*attempt", "mrs_measure:mem_mb=700"]
    run = lab.begin(study, _fault("memory", times=9), arguments=[*NAMED, *less])
    return _given_up(lab, study, run.wait(), "out of memory")


#: Each step is a job of its own, for Slurm counts time in whole minutes.
ONE_MINUTE = (
    "--set-resources", "mrs_preprocess:runtime=1", "--groups", "mrs_preprocess=first",
)  # fmt: skip


def run_time(lab: Lab) -> Judged:
    """A job takes longer than it asked for; the next attempt does not."""
    study = lab.copy("time")
    status = lab.begin(study, _fault("hang"), arguments=[*BATCH, *ONE_MINUTE]).wait()
    return _judged(lab, study, status)


def time_always(lab: Lab) -> Judged:
    """A person takes longer than three attempts ask for."""
    study = lab.copy("time-always")
    asked = [*NAMED, *ONE_MINUTE]
    run = lab.begin(study, _fault("hang", times=9, seconds=900), arguments=asked)
    return _given_up(lab, study, run.wait(), "out of time")


def cancelled(lab: Lab) -> Judged:
    """A job is cancelled each time it computes one person."""
    study = lab.copy("cancelled")
    run = lab.begin(study, _fault("hang", times=9))
    for time_ in (1, 2, 3):
        wait_for(lambda n=time_: begun(study, n))
        lab.cluster.asked("scancel", _number(study))
    return _given_up(lab, study, run.wait(), "cancelled", report=True)


def step_always(lab: Lab) -> Judged:
    """A step of the whole study dies in each attempt: what does not need it is finished."""
    study = lab.copy("step-always")
    faults = {"images": [{"scan": "fusion", "do": "memory", "times": 9}]}
    run = lab.begin(study, faults, arguments=["--set-resources", "fusion:mem_mb=700*attempt"])
    status = run.wait()
    sentence = re.search(r"commissure: the step fusion was ended 3 times .*", run.said)
    told = sentence[0] if sentence else ""
    wrong = ["" if status else "it ended well"]
    if "out of memory" not in told or "--set-resources fusion:mem_mb=..." not in told:
        wrong.append(f"said: {told or run.said[-500:]}")
    finished = ("markers.tsv", "quality.tsv", "vulnerability.tsv", "normative/people.tsv",
                "report_unfinished.html")  # fmt: skip
    wrong += [f"no {name}" for name in finished if not (study / "out" / name).exists()]
    # What needs the step is not there, and what there is must be the same.
    same = [name for name in lab.differs(study) if (lab.whole / "out" / name).exists()]
    wrong += [f"differs: {name}" for name in same if (study / "out" / name).exists()]
    again = lab.begin(study)
    judged = _judged(lab, study, again.wait(), running=3, wrong=[text for text in wrong if text])
    return Judged(judged.wrong, 3, judged.repeated, told.partition(": ")[2][:200])


def _processes_of(number: str) -> list[int]:
    """Processes that have the number of a job in their surroundings."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"SLURM_JOB_ID={number}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def node_down(lab: Lab) -> Judged:
    """A node goes down with what it computes."""
    study = lab.copy("node-down")
    run = lab.begin(study, _fault("hang"), arguments=BATCH)
    wait_for(lambda: begun(study))
    number = _number(study)
    node = lab.cluster.asked("squeue", "-h", "-j", number, "-o", "%N").strip()
    running = Work.of(study).running
    lab.cluster.part("kill", f"slurmd.{node}")
    steps = subprocess.run(["pgrep", "-f", rf"slurmstepd: \[{number}\."], capture_output=True)
    for process in [*map(int, steps.stdout.split()), *_processes_of(number)]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    status = run.wait()
    lab.cluster.part("start", f"slurmd.{node}")
    return _judged(lab, study, status, running=running)


def daemon_killed(lab: Lab) -> Judged:
    """The daemon of a node is killed: the node counts as lost, and its job computes on."""
    study = lab.copy("daemon-killed")
    run = lab.begin(study, _fault("hang", seconds=60), arguments=BATCH)
    wait_for(lambda: begun(study))
    number = _number(study)
    node = lab.cluster.asked("squeue", "-h", "-j", number, "-o", "%N").strip()
    running = Work.of(study).running
    lab.cluster.part("kill", f"slurmd.{node}")
    status = run.wait()
    # It must have ended by itself, and late.
    wait_for(lambda: not _processes_of(number))
    lab.cluster.part("start", f"slurmd.{node}")
    return _judged(lab, study, status, running=running)


def controller_restarted(lab: Lab) -> Judged:
    """The controller is away while jobs run, and while the next are submitted."""
    study = lab.copy("controller")
    run = lab.begin(study, _fault("hang", seconds=10), arguments=BATCH)
    wait_for(lambda: begun(study))
    lab.cluster.part("kill", "slurmctld")
    time.sleep(25)
    lab.cluster.part("start", "slurmctld")
    return _judged(lab, study, run.wait(), running=0)


def _ended_by(lab: Lab, name: str, kind: int) -> Judged:
    study = lab.copy(name)
    run = lab.begin(study, _fault("hang", seconds=60), arguments=BATCH)
    wait_for(lambda: begun(study))
    running, start = Work.of(study).running, time.monotonic()
    run.process.send_signal(kind)
    run.wait(60)
    took = time.monotonic() - start
    gone = wait_for(lambda: not lab.cluster.in_queue(study), 15)
    again = lab.begin(study, arguments=BATCH)
    wrong = ["" if gone else "jobs are left", "" if took < 30 else f"{took:.0f} s to end"]
    return _judged(lab, study, again.wait(), running=running, wrong=wrong, note=f"{took:.0f} s")


def master_int(lab: Lab) -> Judged:
    """The master is ended by Ctrl-C."""
    return _ended_by(lab, "int", signal.SIGINT)


def master_term(lab: Lab) -> Judged:
    """The master is ended by SIGTERM."""
    return _ended_by(lab, "term", signal.SIGTERM)


def master_kill(lab: Lab) -> Judged:
    """The master is killed, its jobs go on, and the command is given again at once."""
    study = lab.copy("kill")
    run = lab.begin(study, _fault("hang", seconds=25), arguments=BATCH)
    wait_for(lambda: begun(study))
    running = Work.of(study).running
    run.kill()
    again = lab.begin(study, arguments=BATCH)
    status = again.wait()
    told = "jobs of a run that was ended still run" in again.said
    return _judged(lab, study, status, running=running, wrong=["" if told else "nothing was said"])


#: Gives a command another host name, where the kernel allows it.
ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")


def two_masters(lab: Lab) -> Judged:
    """A second run begins while the first goes on, here and on another host."""
    study = lab.copy("two-masters")
    first = lab.begin(study, _fault("hang", seconds=15), arguments=BATCH)
    wait_for(lambda: begun(study) or first.process.poll() is not None)
    wrong = []
    for before in ((), ELSEWHERE):
        second = lab.begin(study, _fault("hang", seconds=15), arguments=BATCH, before=before)
        refused = second.wait(300) and "another run writes to it" in second.said
        named = re.search(rf"process {first.process.pid}, on \S+, since", second.said)
        wrong.append("" if refused and named else f"second run: {second.said[-500:]}")
    return _judged(lab, study, first.wait(), running=0, wrong=wrong)


def stale_elsewhere(lab: Lab) -> Judged:
    """A run on another host was killed: its lock is told from that of a run that goes on."""
    study = lab.copy("stale-elsewhere")
    first = lab.begin(study, _fault("hang", seconds=15), arguments=BATCH, before=ELSEWHERE)
    wait_for(lambda: begun(study) or first.process.poll() is not None)
    running = Work.of(study).running
    first.kill()
    again = lab.begin(study, arguments=BATCH)
    status = again.wait()
    told = "on elsewhere" in again.said and "its lock is taken over" in again.said
    wrong = ["" if told else f"not said: {again.said[-300:]}"]
    return _judged(lab, study, status, running=running, wrong=wrong)


def times_shifted(lab: Lab) -> Judged:
    """All file times are shifted by ten minutes: of outputs forwards and backwards, then of the dataset.

    An image whose time changed counts as another one, and is computed again to the same results.
    Outputs that are older than a script are computed again: in a younger checkout they go less far back.
    """
    study = lab.copy("times-shifted", done=True)
    first = min(path.stat().st_mtime for path in (study / "out").rglob("*") if path.is_file())
    newest = max(p.stat().st_mtime for p in (REPOSITORY / "workflow").rglob("*") if p.is_file())
    back = max(1, int(min(600, first - newest - 1)))
    wrong = []
    for place, seconds in (("out", -back), ("out", back + 600), ("bids", 600)):
        for path in (study / place).rglob("*"):
            if path.is_file():
                when = path.stat().st_mtime + seconds
                os.utime(path, (when, when))
        run = lab.begin(study)
        if run.wait() or (place == "out" and "Nothing to be done" not in run.said):
            wrong.append(f"{place} {seconds}: {run.said[-500:]}")
    # What tells of the dataset and of the computing tells of the times, too.
    about = ("work/", "provenance/", "dataset_description", "methods", "report.html")
    if apart := [name for name in lab.differs(study) if not name.startswith(about)]:
        wrong.append(f"{len(apart)} files differ: {', '.join(apart[:4])}")
    return Judged(wrong)


def clock_ahead(lab: Lab) -> Judged:
    """The clock of every second job is ten minutes ahead, in the whole study."""
    study = lab.copy("clock-ahead")
    status = lab.begin(study, {"ahead_s": 600}).wait()
    files = [path for path in (study / "out").rglob("*") if path.is_file()]
    ahead = any(path.stat().st_mtime > time.time() + 60 for path in files)
    again = lab.begin(study)
    again.wait()
    idle = "Nothing to be done" in again.said
    wrong = ["" if idle else "it ran once more", "" if ahead else "no clock was ahead"]
    return _judged(lab, study, status, running=0, wrong=wrong)


def files_late(lab: Lab) -> Judged:
    """A file is seen by other jobs some seconds after it was written, in the whole study."""
    study = lab.copy("files-late")
    status = lab.begin(study, {"late_s": 6}).wait()
    return _judged(lab, study, status, running=0)


def job_killed(lab: Lab) -> Judged:
    """A job is killed, as the kernel does when memory ends, each time it computes one person."""
    study = lab.copy("job-killed")
    run = lab.begin(study, _fault("kill", times=9), arguments=NAMED)
    return _given_up(lab, study, run.wait(), "killed")


def random_kills(
    lab: Lab, name: str, count: int, *, people: bool = False, most_s: float = 40.0
) -> Judged:
    """Kill the master at random moments, let the last run end, and begin another study if need be.

    Parameters
    ----------
    name
        Of the first study; the moments follow from it.
    count
        How many kills.
    people
        Whether only people are asked for, and not tables and report.
    most_s
        Latest moment after the first job was chosen.
    """
    draws, arguments = random.Random(name), PEOPLE if people else []
    met: list[int] = []
    wrong: list[str] = []
    where: Counter[str] = Counter()
    again = studies = 0
    while len(met) < count:
        studies += 1
        study, before = lab.copy(f"{name}-{studies}"), len(met)
        while (run := lab.begin(study, arguments=arguments)) and len(met) < count:
            # A run that waits for the jobs of the one before has not begun.
            wait_for(lambda run=run: run.process.poll() is not None or "Execute" in run.said, 900)
            deadline = time.monotonic() + draws.uniform(0, most_s)
            while run.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            if run.process.poll() is not None:
                break
            jobs = lab.cluster.running(study)
            run.kill()
            met.append(len(jobs))
            where.update(jobs or ["no job"])
        judged = _judged(lab, study, run.wait(), running=sum(met[before:]))
        wrong += judged.wrong
        again += judged.repeated
    at = ", ".join(f"{what} {times}" for what, times in where.most_common())
    note = f"{len(met)} kills in {studies} studies met {' '.join(map(str, met))} jobs ({at})"
    return Judged(wrong, sum(met), again, note)


#: By name: what it needs (``slurm`` or nothing), and what it does.
CASES: dict[str, Callable[[Lab], Judged]] = {
    "memory": memory, "memory-always": memory_always, "time": run_time,
    "time-always": time_always, "step-always": step_always, "cancelled": cancelled, "node-down": node_down,
    "daemon-killed": daemon_killed, "controller-restarted": controller_restarted,
    "master-int": master_int, "master-term": master_term, "master-kill": master_kill,
    "two-masters": two_masters, "stale-elsewhere": stale_elsewhere, "clock-ahead": clock_ahead,
    "files-late": files_late,
}  # fmt: skip
#: They take a part of Slurm away from everybody, and run when no other does.
ALONE = ("node-down", "daemon-killed", "controller-restarted")
#: Faults that need no cluster.
LOCAL = {"times-shifted": times_shifted, "job-killed": job_killed}
