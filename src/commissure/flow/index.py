"""The index of a dataset: one row per image, kept as a file, refreshed on change only."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.flow.associations import IMAGE, Associations
from commissure.modalities import MODALITIES
from commissure.names import Scan, parse_name

#: Columns of ``work/index.tsv`` and of a batch's manifest.
COLUMNS = (
    "participant_id", "session", "modality", "scan", "batch", "used", "note", "sidecars",
    "associated", "fingerprint",
)  # fmt: skip

_SMALL_BYTES = 65536


@dataclass(frozen=True)
class Entry:
    """One image of the dataset.

    Attributes
    ----------
    participant_id, session
        With their prefixes; ``session`` is empty where there is none.
    modality
        Name of one of :data:`commissure.modalities.MODALITIES`.
    scan
        Path of the image below the dataset.
    sidecars
        JSON files that apply to it, most general first.
    associated
        ``bval``, ``bvec``; ``epi`` of the opposite phase encoding with its sidecar ``epi_json``;
        ``mrsref`` and its sidecars ``mrsref_json``.
    fingerprint
        Digest of size and time (of large files) or content (of small ones) of all of them.
    batch
        Number of the batch in which its person is processed.
    used
        Whether the workflow processes it; ``note`` says why not.
    """

    participant_id: str
    session: str
    modality: str
    scan: str
    sidecars: tuple[str, ...] = ()
    associated: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    batch: int = 0
    used: bool = True
    note: str = ""

    def scan_in(self, root: Path) -> Scan:
        """The image with its paths below ``root``, the folder of the dataset."""
        path = root / self.scan
        entities, suffix, _ = parse_name(path.name)
        associated = {key: root / value for key, value in self.associated.items()}
        return Scan(path, entities, suffix, [root / s for s in self.sidecars], associated)

    def cells(self) -> list[str]:
        """The entry as a row with the columns :data:`COLUMNS`."""
        return [
            self.participant_id,
            self.session,
            self.modality,
            self.scan,
            str(self.batch),
            "yes" if self.used else "no",
            self.note,
            ";".join(self.sidecars),
            json.dumps(dict(self.associated), sort_keys=True),
            self.fingerprint,
        ]

    @classmethod
    def of_cells(cls, row: Mapping[str, str]) -> Entry:
        """Read a row back."""
        return cls(
            participant_id=row["participant_id"],
            session=row["session"],
            modality=row["modality"],
            scan=row["scan"],
            sidecars=tuple(s for s in row["sidecars"].split(";") if s),
            associated=json.loads(row["associated"]),
            fingerprint=row["fingerprint"],
            batch=int(row["batch"]),
            used=row["used"] == "yes",
            note=row["note"],
        )


def tree_of(root: Path) -> dict[str, tuple[int, int]]:
    """Size in bytes and modification time in ns of every raw file of a dataset, by relative path.

    ``derivatives``, ``sourcedata``, ``code`` and hidden folders are not raw data.
    """
    files: dict[str, tuple[int, int]] = {}
    pending = [(root, "")]
    while pending:
        folder, below = pending.pop()
        with os.scandir(folder) as items:
            for item in items:
                name = below + item.name
                if item.is_dir():
                    top = not below and item.name in ("derivatives", "sourcedata", "code")
                    if not top and not item.name.startswith("."):
                        pending.append((Path(item.path), name + "/"))
                elif not item.name.startswith("."):
                    status = item.stat()
                    files[name] = (status.st_size, status.st_mtime_ns)
    return dict(sorted(files.items()))


def build_index(root: Path, tree: Mapping[str, tuple[int, int]]) -> list[Entry]:
    """List the images of a dataset with everything that belongs to each.

    Parameters
    ----------
    root
        The dataset.
    tree
        Its files, from :func:`tree_of`.

    Returns
    -------
    list of Entry
        Sorted by path; names that do not follow the BIDS grammar are passed over.

    Raises
    ------
    DatasetError
        There is no image that the workflow could use.
    """
    parsed: dict[str, tuple[dict[str, str], str, str]] = {}
    for path in tree:
        try:
            parsed[path] = parse_name(path.rsplit("/", 1)[-1])
        except ValueError:
            # Root-level sidecars such as T1w.json have no entities: they inherit to all.
            stem, _, extension = path.rsplit("/", 1)[-1].partition(".")
            if stem.isalnum():
                parsed[path] = ({}, stem, f".{extension}")
    associations = Associations(parsed)
    entries: list[Entry] = []
    for path, (entities, suffix, extension) in parsed.items():
        modality = path.split("/")[-2] if "/" in path else ""
        known = modality in MODALITIES and MODALITIES[modality].suffix == suffix
        if extension not in IMAGE or not known or "sub" not in entities:
            continue
        associated = associations.of(root, path)
        sidecars = tuple(associations.applying(path, suffix, ".json"))
        files = [path, *sidecars, *associated.values()]
        session = f"ses-{entities['ses']}" if "ses" in entities else ""
        entries.append(
            Entry(
                participant_id=f"sub-{entities['sub']}",
                session=session,
                modality=modality,
                scan=path,
                sidecars=sidecars,
                associated=associated,
                fingerprint=_fingerprint(root, tree, files),
            )
        )
    if not entries:
        raise DatasetError(
            f"dataset {root.name}",
            found=f"none of its {len(tree)} files is a T1w, BOLD, diffusion or spectroscopy image",
            wanted="images as sub-01/anat/sub-01_T1w.nii.gz, func/*_bold, dwi/*_dwi or mrs/*_svs",
            mend="Name another folder under bids_dir, or convert the dataset to BIDS",
        )
    return _chosen(sorted(entries, key=lambda entry: entry.scan))


def _fingerprint(root: Path, tree: Mapping[str, tuple[int, int]], files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in files:
        size, time_ns = tree[name]
        digest.update(f"{name}:{size}:".encode())
        small = size <= _SMALL_BYTES and not name.endswith(IMAGE)
        digest.update((root / name).read_bytes() if small else str(time_ns).encode())
    return digest.hexdigest()[:16]


def _chosen(entries: Sequence[Entry]) -> list[Entry]:
    """Mark the images that the workflow leaves aside, with the reason."""
    chosen: list[Entry] = []
    t1w: dict[tuple[str, str], str] = {}
    for entry in entries:
        entities, _, _ = parse_name(entry.scan.rsplit("/", 1)[-1])
        note = ""
        visit = (entry.participant_id, entry.session)
        if entry.modality == "anat" and visit in t1w:
            note = f"another T1w image of this visit is used ({t1w[visit]})"
        elif entities.get("part") in ("phase", "real", "imag"):
            note = f"part-{entities['part']} images are not used"
        elif entities.get("echo", "1") not in ("1", "01"):
            note = "only the first echo is used"
        elif entry.modality == "anat":
            t1w[visit] = entry.scan.rsplit("/", 1)[-1]
        chosen.append(Entry(**{**vars(entry), "used": not note, "note": note}))
    return chosen


def write_entries(entries: Iterable[Entry], path: Path) -> None:
    """Write entries as a TSV, unless the file already says the same."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(entry.cells() for entry in entries)
    if not path.exists() or path.read_text(encoding="utf-8") != buffer.getvalue():
        write_text(buffer.getvalue(), path)


def read_entries(path: Path) -> list[Entry]:
    """Read entries from the index or from a batch's manifest."""
    return [Entry.of_cells(row) for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def assign_batches(entries: Sequence[Entry], size: int, known: Mapping[str, int]) -> list[Entry]:
    """Put every person into a batch; people who have one keep it.

    Parameters
    ----------
    entries
        Images of the dataset.
    size
        People per batch.
    known
        Batch number by participant, from an earlier index made with the same ``size``.
    """
    people = sorted({entry.participant_id for entry in entries})
    batch_of = {person: known[person] for person in people if person in known}
    filled: dict[int, int] = {}
    for number in batch_of.values():
        filled[number] = filled.get(number, 0) + 1
    number = 1
    for person in people:
        if person not in batch_of:
            while filled.get(number, 0) >= size:
                number += 1
            batch_of[person] = number
            filled[number] = filled.get(number, 0) + 1
    return [Entry(**{**vars(entry), "batch": batch_of[entry.participant_id]}) for entry in entries]


def people_per_batch(tree: Mapping[str, tuple[int, int]], entries: Sequence[Entry]) -> int:
    """Choose a batch size: a job should compute for minutes, yet leave work for several cores.

    About 1.2 GB of images per batch (ten people at clinical resolution, a dozen in the
    demo), at most 16 people and at most a quarter of the cohort.
    """
    people = {entry.participant_id for entry in entries}
    per_person = sum(tree[entry.scan][0] for entry in entries) / len(people)
    return max(1, min(16, round(1.2e9 / max(per_person, 1)), -(-len(people) // 4)))


def refresh_index(root: Path, work: Path, *, batch_size: int | None) -> list[Entry]:
    """Bring ``work/index.tsv`` and the batches' manifests up to date, if the dataset changed.

    Parameters
    ----------
    root
        The dataset.
    work
        The run's folder for internal files.
    batch_size
        People per batch; None keeps the earlier choice, or chooses by :func:`people_per_batch`.

    Returns
    -------
    list of Entry
        The index.

    Raises
    ------
    DatasetError
        The dataset is not there, or holds nothing that can be used.
    """
    if not root.is_dir():
        raise DatasetError(
            f"bids_dir {root}",
            found="there is no such folder",
            wanted="a BIDS dataset",
            mend="Name your dataset under bids_dir in config.yaml, "
            "or run `make demo` to simulate one",
        )
    tree = tree_of(root)
    listing = "\n".join(f"{name}\t{size}\t{time}" for name, (size, time) in tree.items())
    digest = hashlib.sha256(f"format 2\n{listing}".encode()).hexdigest()
    index, record = work / "index.tsv", work / "index.json"
    before: dict[str, Any] = {"digest": "", "batch_size": 0}
    if index.exists() and record.exists():
        before = json.loads(record.read_text(encoding="utf-8"))
    same_size = batch_size in (None, before["batch_size"])
    if before["digest"] == digest and same_size:
        return read_entries(index)
    entries = build_index(root, tree)
    size = batch_size or before["batch_size"] or people_per_batch(tree, entries)
    known: dict[str, int] = {}
    if size == before["batch_size"]:
        # By column: an index of another version keeps everybody in their batch.
        known = {row["participant_id"]: int(row["batch"]) for row in _rows(index)}
    entries = assign_batches(entries, size, known)
    by_batch: dict[int, list[Entry]] = {}
    for entry in entries:
        by_batch.setdefault(entry.batch, []).append(entry)
    manifests = {manifest(work, number): by_batch[number] for number in by_batch}
    for old in (work / "batches").glob("batch-*.tsv"):
        if old not in manifests:
            old.unlink()
    for path, members in manifests.items():
        write_entries(members, path)
    write_entries(entries, index)
    write_text(json.dumps({"digest": digest, "batch_size": size}) + "\n", record)
    return entries


def manifest(work: Path, batch: int | str) -> Path:
    """Path of a batch's manifest: the part of the index that concerns its people."""
    number = batch if isinstance(batch, str) else f"{batch:04d}"
    return work / "batches" / f"batch-{number}.tsv"
