"""States of an output folder: lost, cut short, left over, interrupted, or in use by another run.

A step of spectroscopy is stood in for by one that copies text, so that a case takes moments; the
cases of tables run the real workflow on a study without images.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import yaml

from commissure.dataset.index import manifest
from commissure.derivatives import Derivatives
from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.flow.batch import run_batch
from commissure.flow.job import Job
from commissure.flow.lost import reopen
from commissure.flow.refresh import refresh_index
from commissure.markers.status import Status, read_statuses
from commissure.report.results import read_results
from commissure.settings import Section

from .harness import Case, Outcome

REPOSITORY = Path(__file__).resolve().parents[2]
#: What the undisturbed step leaves for each person.
TRUTH = {f"sub-0{number}": f"spectrum {number}" for number in (1, 2, 3)}


class NoOptions(Section):
    """A step without settings."""


@dataclass(frozen=True)
class Copied(Derivatives):
    """What the stand-in for a step writes."""

    copy: Path
    figure: Path

    @classmethod
    def of(cls, scan, folder):
        """Name the files."""
        return cls(
            folder / scan.derivative("markers", ".tsv"),
            folder / "figures" / scan.derivative("fit", ".svg"),
        )


def compute(scan, folder, *, anat, settings) -> None:
    """Copy the text of an image; ``unreadable`` is refused."""
    text = scan.path.read_text()
    if text == "unreadable":
        raise DatasetError(scan.who, found=f"{scan.path.name} cannot be read")
    files = Copied.of(scan, folder)
    write_text(text, files.copy)
    write_text("<svg/>", files.figure)


def full_disk(scan, folder, *, anat, settings) -> None:
    """Stand for a disk that is full."""
    raise OSError(errno.ENOSPC, "No space left on device")


class Study:
    """A dataset of three people and its output folder."""

    def __init__(self, folder: Path) -> None:
        self.bids, self.out = folder / "bids", folder / "out"
        self.table = self.out / "work/status/mrs_preprocess/batch-0001.tsv"
        for who, text in TRUTH.items():
            write_text(text, self.image(who))
        self.run()

    def image(self, who: str) -> Path:
        """The image of a person."""
        return self.bids / who / "mrs" / f"{who}_svs.nii.gz"

    def product(self, who: str) -> Path:
        """What the step leaves of a person."""
        return self.out / who / "mrs" / f"{who}_markers.tsv"

    def record(self, who: str) -> Path:
        """The record of a person."""
        return self.out / "work/records/mrs_preprocess" / f"{who}_svs.json"

    def run(self, what: Callable[..., None] = compute) -> list[Status]:
        """The step over everybody, as its job runs it."""
        work = self.out / "work"
        refresh_index(self.bids, work, batch_size=9, say=lambda _: None)
        job = Job(
            rule="mrs_preprocess",
            input=SimpleNamespace(manifest=manifest(work, 1)),
            output=SimpleNamespace(status=str(self.table)),
            params=SimpleNamespace(
                bids_dir=str(self.bids), output_dir=str(self.out), settings={}, code="1"
            ),
            log=io.StringIO(),
        )
        run_batch(
            job, modality="mrs", step="preprocess", compute=what, settings_type=NoOptions,
            files=Copied,
        )  # fmt: skip
        return read_statuses(self.table)

    def planned(self) -> str:
        """What planning would run again, in words."""
        losses = reopen(["mrs_preprocess/batch-0001.tsv"], self.out)
        return "; ".join(f"{loss.lost} {loss.interrupted}" for loss in losses.values())

    def outcome(self, words: str = "", *, without: tuple[str, ...] = ()) -> Outcome:
        """Compare what stands with the truth; ``without`` are people who must have nothing."""
        for who, text in TRUTH.items():
            path = self.product(who)
            if who in without and path.exists():
                return Outcome("silent", f"an old result of {who} stands")
            if who not in without and (not path.exists() or path.read_text() != text):
                return Outcome("silent", f"{who} lacks the result, or has another")
        return Outcome("flagged" if words and without else "right", words)


def lost_product(folder: Path) -> Outcome:
    study = Study(folder)
    study.product("sub-02").unlink()
    words = study.planned()
    if "sub-02" not in words:
        return Outcome("silent", "planning does not see it")
    study.run()
    return study.outcome(words)


def damaged_record(folder: Path) -> Outcome:
    study = Study(folder)
    study.record("sub-02").write_text("{")
    study.run()
    return study.outcome()


def damaged_status(folder: Path) -> Outcome:
    study = Study(folder)
    study.table.write_text(study.table.read_text()[:-20])
    words = study.planned()
    if not words:
        return Outcome("silent", "planning does not see it")
    study.run()
    return study.outcome(words)


def damaged_index(folder: Path) -> Outcome:
    study = Study(folder)
    index = study.out / "work/index.json"
    index.write_text(index.read_text()[:9])
    study.run()
    return study.outcome()


def person_left(folder: Path) -> Outcome:
    study = Study(folder)
    shutil.rmtree(study.bids / "sub-02")
    study.run()
    results = read_results(study.out, [study.table])
    if any("sub-02" in str(path) for path in results.figures):
        return Outcome("silent", "the report shows who left")
    if list(results.left) != ["sub-02"] or not study.product("sub-02").exists():
        return Outcome("silent", "nobody is told, or the folder is gone")
    return Outcome("flagged", "sub-02 is named as one who left")


def became_unreadable(folder: Path) -> Outcome:
    study = Study(folder)
    write_text("unreadable", study.image("sub-02"))
    cause = next(row.cause for row in study.run() if row.participant_id == "sub-02")
    return study.outcome(cause, without=("sub-02",))


def disk_was_full(folder: Path) -> Outcome:
    study = Study(folder)
    write_text("spectrum 22", study.image("sub-02"))
    study.run(full_disk)
    write_text("spectrum 2", study.image("sub-02"))
    words = study.planned()
    if "sub-02" not in words:
        return Outcome("silent", "planning does not try it again")
    study.run()
    return study.outcome(words)


def killed_while_writing(folder: Path) -> Outcome:
    study = Study(folder)
    half = study.product("sub-02").with_name(".4711-partial.sub-02_markers.tsv")
    half.write_text("spec")
    study.record("sub-02").unlink()
    study.run()
    return Outcome("silent", "half a file stays") if half.exists() else study.outcome()


def tables_only(folder: Path) -> None:
    """A study without images, to be run by the real workflow."""
    people = [f"sub-{number:02d}" for number in range(12)]
    rows = [f"{who}\t{number}.5" for number, who in enumerate(people)]
    write_text("\n".join(["participant_id\tx", *rows]) + "\n", folder / "lab.tsv")
    config = {
        "bids_dir": None, "output_dir": "out",
        "tables": [{"file": "lab.tsv", "participant": "participant_id", "columns": ["x"],
                    "modality": "table", "marker": "lab"}],
    }  # fmt: skip
    write_text(yaml.safe_dump(config), folder / "study.yaml")


def snakemake(folder: Path, *, start: bool = False) -> subprocess.Popen | tuple[int, str]:
    command = [
        str(Path(sys.executable).parent / "snakemake"), "--cores", "1", "--snakefile",
        str(REPOSITORY / "Snakefile"), "--directory", str(folder), "--configfile",
        str(folder / "study.yaml"), "--quiet", "rules",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if start:
        return process
    said, _ = process.communicate()
    return process.returncode, said


def made_again(finished: Path, damage: Callable[[Path], None]) -> Callable[[Path], Outcome]:
    """Damage a finished study, give the same command, and compare the tables that users read."""

    def attempt(folder: Path) -> Outcome:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        damage(folder / "out")
        status, said = snakemake(folder)
        if "Traceback" in said:
            return Outcome("traceback", said[-300:])
        for name in ("markers.tsv", "completeness.tsv", "fusion/metrics.json"):
            path = folder / "out" / name
            if not path.exists() or path.read_bytes() != (finished / "out" / name).read_bytes():
                return Outcome("refused" if status else "silent", f"{name} is not whole")
        told = [line for line in said.splitlines() if line.startswith("commissure:")]
        return Outcome("right", " ".join(told))

    return attempt


def truncate(out: Path) -> None:
    path = out / "markers.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))


def edit(out: Path) -> None:
    path = out / "markers.tsv"
    path.write_text(path.read_text().replace("3.5", "9.5"))


def lose_fusion(out: Path) -> None:
    shutil.rmtree(out / "fusion")


def lose_tables(out: Path) -> None:
    (out / "markers.tsv").unlink()
    (out / "completeness.tsv").unlink()


def stale_lock(out: Path) -> None:
    locks = out.parent / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("out/markers.tsv\nout/report.html\n")
    (out / "fusion/metrics.json").unlink()


def two_runs(finished: Path) -> Callable[[Path], Outcome]:
    def attempt(folder: Path) -> Outcome:
        shutil.copytree(finished, folder / "one")
        shutil.copytree(finished, folder / "two")
        shutil.rmtree(folder / "two/out")
        (folder / "two/out").symlink_to(folder / "one/out")
        (folder / "one/out/markers.tsv").unlink()
        first = snakemake(folder / "one", start=True)
        note = folder / "one/out/work/run.lock"
        before = note.read_text()
        while first.poll() is None and note.read_text() in (before, ""):
            time.sleep(0.1)
        status, said = snakemake(folder / "two")
        first.communicate()
        if status and "another run writes to it" in said:
            return Outcome("refused", next(line for line in said.splitlines() if "another" in line))
        return Outcome("silent" if status == 0 else "traceback", said[-300:])

    return attempt


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """The cases; a study without images is run to its end for some of them."""
    os.environ["PYTHONPATH"] = str(REPOSITORY / "src")
    tables_only(work)
    status, said = snakemake(work)
    if status:
        raise RuntimeError(said)
    right = ("right",)
    planted = [
        ("s01", "a person's markers deleted", lost_product, right),
        ("s03", "markers.tsv truncated", made_again(work, truncate), right),
        ("s03-edited", "a cell of markers.tsv edited", made_again(work, edit), right),
        ("s05", "a record is '{'", damaged_record, right),
        ("s05-status", "a status table cut short", damaged_status, right),
        ("s06", "work/index.json truncated", damaged_index, right),
        ("s09", "a person removed from the dataset", person_left, ("flagged",)),
        ("s12", "an image became unreadable", became_unreadable, ("flagged",)),
        ("s13", "the disk was full, then has space", disk_was_full, right),
        ("s16", "two runs from two folders", two_runs(work), ("refused",)),
        ("s17", "fusion/ lost", made_again(work, lose_fusion), right),
        ("s17-tables", "markers.tsv, completeness.tsv lost", made_again(work, lose_tables), right),
        ("kill-lock", "a lock of a killed run", made_again(work, stale_lock), right),
        ("kill-draft", "half a file of a killed job", killed_while_writing, right),
    ]  # fmt: skip
    return [Case("state", id, what, attempt, expected) for id, what, attempt, expected in planted]
