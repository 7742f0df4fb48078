"""One step of one modality over one batch of people: failures are recorded, and the others go on.

An interpreter start with its imports costs 4 to 10 CPU seconds, so a job is a batch and not a
person. Inside the batch each image has a record: what was computed from the same files, settings
and code is kept, so that an interrupted or repeated batch does only what is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.dataset.contrast import of_most_contrast
from commissure.dataset.index import Entry, read_entries
from commissure.derivatives import Derivatives
from commissure.errors import CommissureError
from commissure.files import remove_drafts
from commissure.flow.attempts import Attempts, more_of
from commissure.flow.environment import keep
from commissure.flow.job import Job
from commissure.flow.records import Record, Records
from commissure.flow.transient import is_full, is_no_memory, is_transient, note_no_room
from commissure.images.anat_files import AnatFiles
from commissure.markers.status import Status, write_statuses
from commissure.modalities import MODALITIES, STEPS
from commissure.names import Scan, parse_name
from commissure.paths import without_paths
from commissure.report.bids_prov import activity_id, name_activity
from commissure.settings import Section

#: What ends the cause of a failure that may pass.
AGAIN = " (of the machine, not of the data: the same command tries it again)"


def image_folder(output_dir: Path, entry: Entry) -> Path:
    """Folder of an image's derivatives: ``sub-XX[/ses-YY]/<modality>`` below the output."""
    return output_dir / entry.participant_id / entry.session / entry.modality


@dataclass(frozen=True)
class Outcome:
    """What became of one image in one step, as :class:`commissure.markers.status.Status` has it."""

    state: str
    cause: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    files: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Batch:
    """One step of one modality, and everything that it is computed from but the image itself."""

    modality: str
    step: str
    compute: Callable[..., None]
    settings: Section
    files: type[Derivatives]
    root: Path
    output_dir: Path
    entries: list[Entry]
    inputs: Mapping[str, Any]
    log: Job
    attempts: Attempts
    sources: Callable[[Scan, Any], object] | None = None

    @property
    def records(self) -> Records:
        """The records of the run."""
        return Records(self.output_dir / "work")

    def outcome(self, entry: Entry) -> Outcome:
        """Compute the step for an image, unless it stands already."""
        if not entry.used:
            return self._left_out(entry, "refused" if entry.refused else "unused", entry.note)
        before = None
        for step in STEPS[: STEPS.index(self.step)]:
            before = self.records.read(entry, step)
            if before is None:
                return self._left_out(entry, "missing", f"{step}ing did not succeed")
        anat = self._anatomy(entry) if MODALITIES[self.modality].needs_anatomy else None
        parts = {
            **self.inputs,
            "fingerprint": entry.fingerprint,
            "anat": anat[1] if anat else "",
            "before": before.key if before else "",
        }
        if self.sources is not None:
            parts["sources"] = self.sources(entry.scan_in(self.root), self.settings)
        if visits := self._visits(entry):
            parts["visits"] = [[visit.fingerprint, *self._earlier(visit)] for visit in visits]
        if runs := self._runs(entry):
            parts["runs"] = [[run.scan, run.fingerprint, *self._earlier(run)] for run in runs]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        folder = image_folder(self.output_dir, entry)
        record = self.records.read(entry, self.step)
        if record is None or not record.holds(key, folder):
            if cause := self.attempts.gives_up(entry.scan):
                return Outcome("interrupted", f"{cause}{self._more(cause)}{AGAIN}")
            self.attempts.begins(entry.scan)
            self.records.discard(entry, self.step, folder)
            return self._computed(entry, folder, anat[0] if anat else None, key)
        return Outcome("present", "", record.cpu_s, record.wall_s, record.files)

    def _earlier(self, entry: Entry) -> list[str]:
        """Keys of what the steps before this one left of an image; empty where they failed."""
        records = [self.records.read(entry, step) for step in STEPS[: STEPS.index(self.step)]]
        return [record.key if record else "" for record in records]

    def _more(self, cause: str) -> str:
        """What to give a job of which an image needs more."""
        asks = more_of(self.log.rule, [cause])
        return f"; ask for more with {asks}" if asks else ""

    def _visits(self, entry: Entry) -> list[Entry]:
        """Images of all visits of a person, where the step lays several together."""
        together = MODALITIES[self.modality].over_visits
        if not (together or getattr(self.settings, "longitudinal", False)):
            return []
        visits = [
            e
            for e in self.entries
            if e.participant_id == entry.participant_id and e.modality == self.modality and e.used
        ]
        return visits if len(visits) > 1 else []

    def _runs(self, entry: Entry) -> list[Entry]:
        """All runs of an image's visit and series, where the step fits several together."""
        if not getattr(self.settings, "join_runs", False):
            return []
        runs = [
            e
            for e in self.entries
            if (e.participant_id, e.session, e.modality)
            == (entry.participant_id, entry.session, entry.modality)
            and e.used
            and _series(e) == _series(entry)
        ]
        return runs if len(runs) > 1 else []

    def _left_out(self, entry: Entry, state: str, cause: str) -> Outcome:
        """An image that the step does not reach: what an earlier run left of it goes."""
        record = self.records.path(entry, self.step)
        used = {_results(e) for e in self.entries if e.used and e is not entry}
        # What has another person's name is refused, and the results by that name are theirs.
        theirs = entry.scan.rsplit("/", 1)[-1].startswith(f"{entry.participant_id}_")
        if theirs and _results(entry) in used:
            # A T1w and a UNIT1 of one name: what stands there is the other's.
            names = {self.records.path(e, self.step) for e in self.entries if e.used}
            if record not in names:
                record.unlink(missing_ok=True)
        elif theirs:
            folder = image_folder(self.output_dir, entry)
            self.records.discard(entry, self.step, folder)
            if not entry.refused:
                # Where the record is damaged, what the step would write by that name is the old.
                scan = entry.scan_in(self.root)
                _remove(self.files.of_step(scan, folder, anat=None, settings=self.settings))
        return Outcome(state, cause)

    def _anatomy(self, entry: Entry) -> tuple[AnatFiles, str] | None:
        """Anatomical derivatives of the same visit, or else of the person's first with any."""
        scans = [
            e
            for e in self.entries
            if e.participant_id == entry.participant_id and e.modality == "anat" and e.used
        ]
        for scan in sorted(scans, key=lambda e: (e.session != entry.session, e.scan)):
            record = self.records.read(scan, "preprocess")
            if record is not None:
                files = AnatFiles.in_any_space(
                    scan.scan_in(self.root), image_folder(self.output_dir, scan)
                )
                if files.complete():
                    return files, record.key
        return None

    def _computed(self, entry: Entry, folder: Path, anat: AnatFiles | None, key: str) -> Outcome:
        scan = entry.scan_in(self.root)
        folder.mkdir(parents=True, exist_ok=True)
        declared = self.files.of_step(scan, folder, anat=anat, settings=self.settings)
        # What an attempt left that was cut short is not this one's.
        _remove(declared)
        remove_drafts(folder)
        remove_drafts(folder / "figures")
        cpu, wall = time.process_time(), time.monotonic()
        visits = [visit.scan_in(self.root) for visit in self._visits(entry)]
        runs = [run.scan_in(self.root) for run in self._runs(entry)]
        state, cause = self._attempted(scan, folder, anat, {"visits": visits, "runs": runs})
        self.attempts.ends(entry.scan)
        cpu_s, wall_s = (
            round(now - then, 3)
            for now, then in ((time.process_time(), cpu), (time.monotonic(), wall))
        )
        if state == "present" and (absent := declared.absent()):
            state, cause = (
                "failed",
                (
                    f"{scan.who}: the {self.step} step of {self.modality} ended without "
                    f"{', '.join(path.name for path in absent)} (a fault of the program)"
                ),
            )
            if is_full(folder):
                state, cause = "interrupted", f"{cause}; the disk is full{AGAIN}"
        if state != "present":
            _remove(declared)
            return Outcome(state, cause, cpu_s, wall_s)
        name_activity(declared.present(), activity_id(self.log.rule))
        files = {
            str(path.relative_to(folder)): path.stat().st_size
            for path in sorted(declared.present())
        }
        computed_in = keep(self.output_dir / "work")
        self.records.write(Record(key, files, cpu_s, wall_s, computed_in), entry, self.step)
        return Outcome("present", "", cpu_s, wall_s, files)

    def _attempted(
        self, scan: Scan, folder: Path, anat: AnatFiles | None, others: Mapping[str, list[Scan]]
    ) -> tuple[str, str]:
        """Compute; the state, and why it is not present."""
        inputs: dict[str, Any] = {name: scans for name, scans in others.items() if scans}
        if MODALITIES[self.modality].needs_anatomy:
            inputs["anat"] = anat
        try:
            self.compute(scan, folder, settings=self.settings, **inputs)
        except CommissureError as error:
            self._noted(error)
            if is_transient(error):
                return "interrupted", f"{error}{AGAIN}"
            return "failed", str(error)
        except Exception as error:
            traceback.print_exc(file=self.log.log)
            self._noted(error)
            cause = f"{type(error).__name__}: {error}"
            if is_transient(error):
                return "interrupted", f"{cause}{AGAIN}"
            if is_full(folder):
                return "interrupted", f"{cause}; the disk is full{AGAIN}"
            return "failed", (
                f"{cause} (a fault of the program; the traceback is in "
                f"logs/{self.modality}_{self.step})"
            )
        return "present", ""

    def _noted(self, error: Exception) -> None:
        """Note that the disk is full; end the attempt where the next one gets more memory."""
        note_no_room(error, self.output_dir / "work")
        if is_no_memory(error) and self.attempts.with_more_next():
            raise error


def _results(entry: Entry) -> tuple[str, str, str]:
    """What the names of an image's results are made of."""
    label = entry.scan.rsplit("/", 1)[-1].split(".")[0].rpartition("_")[0]
    return entry.modality, entry.session, label


def _series(entry: Entry) -> dict[str, str]:
    """What the name of an image says, but for which run and phase encoding it is."""
    entities, suffix, _ = parse_name(entry.scan.rsplit("/", 1)[-1])
    return {"suffix": suffix, **entities, "run": "", "dir": ""}


def _remove(declared: Derivatives) -> None:
    for path in declared.present():
        path.unlink()


def run_batch(
    job: Job,
    *,
    modality: str,
    step: str,
    compute: Callable[..., None],
    settings_type: type[Section],
    files: type[Derivatives],
    status: Path | str | None = None,
    sources: Callable[[Scan, Any], object] | None = None,
) -> None:
    """Run one step of one modality for every image of a batch and write the status table.

    Parameters
    ----------
    job
        Has the batch's manifest as ``input.manifest``, the table to write as ``output.status``,
        and ``bids_dir``, ``output_dir``, ``settings`` and ``code`` as parameters.
    modality, step
        What is done: the modality's name, and ``preprocess`` or ``measure``.
    compute
        Called once per image as ``compute(scan, folder, settings=...)``, with ``anat=`` where the
        modality needs the anatomy (:mod:`commissure.modalities`), and with ``visits=``, the images
        of all visits of the person, where the modality takes them together or the settings have
        ``longitudinal`` and there are several,
        or ``runs=``, all runs of the visit that differ in ``run-`` and ``dir-`` alone, where they
        have ``join_runs`` and there are several.
    settings_type
        Settings of the step; the results depend on nothing else of the configuration.
    files
        What the step writes. A required file that is not there afterwards is a failure; the ones
        that are there are recorded with their sizes.
    status
        The table to write, where the job writes several.
    sources
        Called as ``sources(scan, settings)``: what the step reads of an image beside the image
        itself, in a form for JSON that changes with it.
    """
    root, work = Path(job.params.bids_dir), Path(job.params.output_dir) / "work"
    table = job.output.status if status is None else status
    entries = read_entries(Path(job.input.manifest))
    t1w = of_most_contrast([e for e in entries if e.modality == "anat"], root, work)
    entries = [*t1w, *(entry for entry in entries if entry.modality != "anat")]
    batch = Batch(
        modality=modality,
        step=step,
        compute=compute,
        settings=settings_type(**job.params.settings),
        files=files,
        root=root,
        output_dir=Path(job.params.output_dir),
        entries=entries,
        inputs={"settings": job.params.settings, "code": job.params.code},
        log=job,
        attempts=Attempts.begin(work, table, number=job.attempt, memory_mb=job.memory_mb),
        sources=sources,
    )
    if "SLURM_JOB_ID" in os.environ:
        batch.attempts.end_process_when_followed()
    images = {entry.scan: entry for entry in entries if entry.modality == modality}
    rows = {}
    for number, scan in enumerate(batch.attempts.order(list(images)), start=1):
        entry = images[scan]
        outcome = batch.outcome(entry)
        who = " ".join(filter(None, (entry.participant_id, entry.session)))
        what = f"{step} {entry.scan.rsplit('/', 1)[-1].split('.')[0]}"
        note = f": {outcome.cause}" if outcome.cause else ""
        job.say(f"{modality} {number} of {len(images)}  {who}  {what}  {outcome.state}{note}")
        rows[scan] = Status(
            entry.participant_id, entry.session, modality, entry.scan, step, outcome.state,
            without_paths(outcome.cause), outcome.cpu_s, outcome.wall_s, outcome.files or {},
        )  # fmt: skip
    batch.attempts.finish()
    write_statuses([rows[scan] for scan in images], table)
