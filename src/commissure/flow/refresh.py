"""The index of a run: refreshed when the dataset changes, with everybody in a batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commissure.dataset.choice import Wanted
from commissure.dataset.index import (
    EVERY_IMAGE,
    Entry,
    manifest,
    read_entries,
    rows_of,
    survey,
    write_entries,
)
from commissure.dataset.tree import Tree, tree_of
from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.modalities import BY_DEFAULT


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
    return [replace(entry, batch=batch_of[entry.participant_id]) for entry in entries]


def people_per_batch(tree: Tree, entries: Sequence[Entry]) -> int:
    """Choose a batch size: a job should compute for minutes, yet leave work for several cores.

    About 1.2 GB of images per batch (ten people at clinical resolution, a dozen in the
    demo), at most 16 people and at most a quarter of the cohort.
    """
    sizes = [tree.files[entry.scan][0] for entry in entries if not entry.refused]
    people = {entry.participant_id for entry in entries if not entry.refused}
    per_person = sum(sizes) / len(people)
    return max(1, min(16, round(1.2e9 / max(per_person, 1)), -(-len(people) // 4)))


def refresh_index(
    root: Path,
    work: Path,
    *,
    batch_size: int | None,
    image: Wanted = EVERY_IMAGE,
    modalities: Collection[str] = BY_DEFAULT,
    unmarked: str = "",
    say: Callable[[str], object] = lambda message: None,
) -> list[Entry]:
    """Bring ``work/index.tsv`` and the batches' manifests up to date, if the dataset changed.

    Parameters
    ----------
    root
        The dataset.
    work
        The run's folder for internal files.
    batch_size
        People per batch; None keeps the earlier choice, or chooses by :func:`people_per_batch`.
    image
        ``anat.image`` of the configuration: what is asked of the T1w images.
    modalities
        Those of the study.
    unmarked
        BIDS suffix of the images in which a network marks lesions; empty where masks are given.
    say
        Is told which images are passed over, each time, and what had to be made again.

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
    tree = tree_of(root, modalities=modalities)
    digest = _digest(tree, image, modalities, unmarked)
    index = work / "index.tsv"
    before = _earlier(work, say)
    same_size = batch_size in (None, before["batch_size"])
    if before["digest"] == digest and same_size:
        for message in before["messages"]:
            say(message)
        return read_entries(index)
    entries, said = survey(root, tree, image=image, modalities=modalities, unmarked=unmarked)
    for message in said:
        say(message)
    size = batch_size or before["batch_size"] or people_per_batch(tree, entries)
    known: dict[str, int] = {}
    if size == before["batch_size"]:
        # By column: an index of another version keeps everybody in their batch.
        known = {row["participant_id"]: int(row["batch"]) for row in rows_of(index)}
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
    written = {path.name: path.stat().st_size for path in manifests}
    record = {
        "digest": digest, "batch_size": size, "messages": said, "manifests": written,
        "index": hashlib.sha256(index.read_bytes()).hexdigest(),
    }  # fmt: skip
    write_text(json.dumps(record) + "\n", work / "index.json")
    return entries


def _digest(tree: Tree, image: Wanted, modalities: Collection[str], unmarked: str) -> str:
    lines = [f"{name}\t{size}\t{time}" for name, (size, time) in tree.files.items()]
    for wrong in (tree.troubles, tree.closed):
        lines += [f"{name}\t{trouble}" for name, trouble in sorted(wrong.items())]
    lines += [f"{key}\t{' '.join(values)}" for key, values in sorted(image.items())]
    lines += [f"{name} asked for" for name in sorted({*modalities} - {*BY_DEFAULT})]
    lines += [f"unmarked\t{unmarked}"] if unmarked else []
    text = "\n".join(["format 4", *lines])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _earlier(work: Path, say: Callable[[str], object]) -> dict[str, Any]:
    """What the last planning wrote of its index; nothing where it is not whole any more."""
    index, record = work / "index.tsv", work / "index.json"
    none: dict[str, Any] = {"digest": "", "batch_size": 0, "messages": [], "manifests": {}}
    if not (index.exists() and record.exists()):
        return none
    try:
        before = {**none, **json.loads(record.read_text(encoding="utf-8"))}
        # A record of an older version has no digest of the index.
        whole = before.get("index") in (None, hashlib.sha256(index.read_bytes()).hexdigest())
    except (OSError, ValueError, TypeError):
        whole = False
    if not whole:
        say("the index of the dataset in the folder work is not whole; it is made again")
        return none
    for name, size in before["manifests"].items():
        path = work / "batches" / name
        if not path.is_file() or path.stat().st_size != size:
            say(f"work/batches/{name} is gone or has another size; it is made again")
            before["digest"] = ""
    return before
