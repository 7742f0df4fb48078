"""One room over one batch of people: each failure is recorded, and the others go on.

An interpreter start with its imports costs 4 to 10 CPU seconds, so a job is a batch and not a
person. Inside the batch each image has a stamp: what was computed from the same files, settings
and code is kept, so that an interrupted or repeated batch does only what is left.
"""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from commissure.errors import CommissureError
from commissure.files import write_json, write_text
from commissure.flow.index import Entry, read_entries
from commissure.flow.job import Job
from commissure.images.anat_files import AnatFiles

#: Columns of a batch's status table.
STATUS = (
    "participant_id", "session", "modality", "scan", "step", "state", "cause", "cpu_s", "wall_s",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one image in one step: present, failed, missing or unused, with the cause."""

    state: str
    cause: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0


def room_folder(output_dir: Path, entry: Entry) -> Path:
    """Folder of an image's derivatives: ``sub-XX[/ses-YY]/<room>`` below the output."""
    return output_dir / entry.participant_id / entry.session / entry.modality


class _Stamps:
    """Records of what was computed, by step and image."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "stamps"

    def path(self, room: str, step: str, entry: Entry) -> Path:
        name = entry.scan.rsplit("/", 1)[-1].split(".")[0]
        return self.folder / f"{room}_{step}" / f"{name}.json"

    def read(self, room: str, step: str, entry: Entry) -> dict[str, Any]:
        path = self.path(room, step, entry)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def run_batch(job: Job, compute: Callable[..., None], settings_type: type[BaseModel]) -> None:
    """Run one step of one room for every image of a batch and write the batch's status table.

    Parameters
    ----------
    job
        Its rule is called ``<room>_<step>``; it has the batch's manifest as ``input.manifest``,
        the table to write as ``output.status``, and ``bids_dir``, ``output_dir``, ``settings``
        and ``code`` as parameters.
    compute
        The room's ``preprocess`` or ``measure``, called once per image.
    settings_type
        The room's settings model.
    """
    room, _, step = job.rule.partition("_")
    root, output_dir = Path(job.params.bids_dir), Path(job.params.output_dir)
    settings = settings_type(**job.params.settings)
    entries = read_entries(Path(job.input.manifest))
    mine = [entry for entry in entries if entry.modality == room]
    stamps = _Stamps(output_dir / "work")
    lines = ["\t".join(STATUS)]
    for number, entry in enumerate(mine, start=1):
        if not entry.used:
            outcome = Outcome("unused", entry.note)
        else:
            anat = _anatomy(entry, entries, root, output_dir, stamps) if room != "anat" else None
            work = _Work(entry, room, step, root, output_dir, stamps, anat)
            outcome = work.done(compute, settings, code=job.params.code, log=job)
        who = " ".join(filter(None, (entry.participant_id, entry.session)))
        what = f"{step} {entry.scan.rsplit('/', 1)[-1].split('.')[0]}"
        note = f": {outcome.cause}" if outcome.cause else ""
        job.say(f"{room} {number} of {len(mine)}  {who}  {what}  {outcome.state}{note}")
        cells = [entry.participant_id, entry.session or "n/a", room, entry.scan, step]
        cause = " ".join(outcome.cause.split()) or "n/a"
        times = [f"{outcome.cpu_s:.2f}", f"{outcome.wall_s:.2f}"]
        lines.append("\t".join([*cells, outcome.state, cause, *times]))
    write_text("\n".join(lines) + "\n", job.output.status)


def _anatomy(
    entry: Entry, entries: list[Entry], root: Path, output_dir: Path, stamps: _Stamps
) -> tuple[AnatFiles, str] | None:
    """Anatomical derivatives of the same visit, or else of the person's first visit with any."""
    own = [e for e in entries if e.participant_id == entry.participant_id and e.modality == "anat"]
    for other in sorted(own, key=lambda e: (e.session != entry.session, e.scan)):
        stamp = stamps.read("anat", "preprocess", other)
        if other.used and stamp.get("state") == "present":
            files = AnatFiles.of(other.scan_in(root), room_folder(output_dir, other))
            if files.complete():
                return files, stamp["key"]
    return None


@dataclass(frozen=True)
class _Work:
    """One step for one image."""

    entry: Entry
    room: str
    step: str
    root: Path
    output_dir: Path
    stamps: _Stamps
    anat: tuple[AnatFiles, str] | None

    def done(
        self, compute: Callable[..., None], settings: BaseModel, *, code: str, log: Job
    ) -> Outcome:
        """Compute, unless it stands already."""
        before = self.stamps.read(self.room, "preprocess", self.entry)
        if self.step == "measure" and before.get("state") != "present":
            return Outcome("missing", "preprocessing did not succeed")
        parts = {
            "fingerprint": self.entry.fingerprint,
            "settings": settings.model_dump(mode="json"),
            "code": code,
            "anat": self.anat[1] if self.anat else "",
            "before": before.get("key", "") if self.step == "measure" else "",
        }
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        path = self.stamps.path(self.room, self.step, self.entry)
        stamp = self.stamps.read(self.room, self.step, self.entry)
        outputs = {self.output_dir / name: size for name, size in stamp.get("outputs", {}).items()}
        if stamp.get("key") == key and all(
            file.exists() and file.stat().st_size == size for file, size in outputs.items()
        ):
            return Outcome("present", "", stamp["cpu_s"], stamp["wall_s"])
        path.unlink(missing_ok=True)
        for file in outputs:
            file.unlink(missing_ok=True)
        return self._computed(compute, settings, key, path, log)

    def _computed(
        self,
        compute: Callable[..., None],
        settings: BaseModel,
        key: str,
        stamp: Path,
        log: Job,
    ) -> Outcome:
        scan = self.entry.scan_in(self.root)
        folder = room_folder(self.output_dir, self.entry)
        folder.mkdir(parents=True, exist_ok=True)
        there = self._files(folder, scan.label)
        cpu, wall, started = time.process_time(), time.monotonic(), time.time_ns()
        arguments: dict[str, Any] = {"settings": settings}
        if self.room != "anat":
            arguments["anat"] = self.anat[0] if self.anat else None
        try:
            compute(scan, folder, **arguments)
            cause = ""
        except CommissureError as error:
            cause = str(error)
        except Exception as error:
            traceback.print_exc(file=log.log)
            cause = (
                f"{type(error).__name__}: {error} (a fault of the program; the traceback is in "
                f"logs/{self.room}_{self.step})"
            )
        spent = {
            "cpu_s": round(time.process_time() - cpu, 3),
            "wall_s": round(time.monotonic() - wall, 3),
        }
        now = self._files(folder, scan.label)
        new = [file for file, time_ns in now.items() if time_ns >= started or file not in there]
        if cause:
            for file in new:
                file.unlink(missing_ok=True)
            return Outcome("failed", cause, **spent)
        outputs = {
            str(file.relative_to(self.output_dir)): file.stat().st_size for file in sorted(new)
        }
        write_json({"state": "present", "key": key, **spent, "outputs": outputs}, stamp)
        return Outcome("present", "", **spent)

    @staticmethod
    def _files(folder: Path, label: str) -> dict[Path, int]:
        return {
            file: file.stat().st_mtime_ns
            for file in folder.rglob(f"{label}_*")
            if file.is_file() and not file.name.startswith(".")
        }
