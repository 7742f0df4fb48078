"""Finding and taking over files of a tree of derivatives."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.derivatives import Derivatives
from commissure.engines.trees.settings import TreeSettings
from commissure.errors import DatasetError
from commissure.files import atomic, write_json
from commissure.names import Scan, parse_name

#: Programs whose trees are read, with the first and last version that this was written for.
TESTED = {
    "fMRIPrep": ((20, 2), (25, 99)),
    "sMRIPrep": ((0, 7), (0, 99)),
    "QSIPrep": ((0, 16), (1, 99)),
}

#: Names of the person's own space: QSIPrep calls it ACPC from version 1 on.
OWN_SPACES = ("T1w", "ACPC")

#: Entities that a program adds to an image's name, or takes off it.
_ADDED = frozenset(("space", "res", "den", "cohort", "desc", "label", "from", "to", "mode"))
_TAKEN = frozenset(("echo", "part"))

#: Entities that a program gives up where it merges the T1w images of a person.
_MERGED = frozenset(("run", "acq", "rec", "ce", "ses"))


class AdoptedFiles:
    """Names of files that depend on what the tree has; a base beside the class of a modality."""

    @classmethod
    def of_step(cls, scan: Scan, folder: Path, *, anat: Derivatives | None, settings: Any) -> Any:
        """Name the files with what :meth:`named` says."""
        return cls.of(scan, folder, **cls.named(scan, anat, settings))  # type: ignore[attr-defined]

    @staticmethod
    def named(scan: Scan, anat: Derivatives | None, settings: Any) -> dict[str, str]:
        """The template or space of the files, as the modality's class takes it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Found:
    """A file of the tree, and the entities of its name."""

    path: Path
    entities: Mapping[str, str]


def described(root: Path) -> tuple[str, str]:
    """Program and version that wrote a tree, of its ``dataset_description.json``.

    Raises
    ------
    DatasetError
        The file is not there, or names no program that can be read.
    """
    path = root / "dataset_description.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            root.name,
            found="it has no dataset_description.json that can be read",
            wanted=f"the derivatives of {' or '.join(TESTED)}",
            mend="Name the folder that holds sub-* and dataset_description.json",
        ) from error
    makers = [*content.get("GeneratedBy", []), content.get("PipelineDescription", {})]
    for maker in makers:
        for program in TESTED:
            if str(maker.get("Name", "")).casefold() == program.casefold():
                return program, str(maker.get("Version", ""))
    raise DatasetError(
        root.name,
        found=f"its dataset_description.json names {[m.get('Name') for m in makers if m]}",
        wanted=f"the derivatives of {' or '.join(TESTED)}",
        mend="Use ingress or tables for results of other programs",
    )


def version_note(program: str, version: str) -> str:
    """What is to be said of a version; empty where this was written for it."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    low, high = TESTED[program]
    if numbers and low <= (int(numbers[1]), int(numbers[2])) <= high:
        return ""
    told = f"version {version}" if version else "a version that its description does not name"
    return (
        f"{program}: the tree is of {told}; names and columns were checked for {low[0]}.{low[1]} "
        f"to {high[0]}.x."
    )


def versions_note(trees: Mapping[str, tuple[str, str]]) -> str:
    """What is to be said of trees of one program that several versions wrote; empty if none.

    Parameters
    ----------
    trees
        Program and version by modality.
    """
    versions: dict[str, dict[str, list[str]]] = {}
    for modality, (program, version) in trees.items():
        of_program = versions.setdefault(program, {})
        of_program.setdefault(version or "an unknown version", []).append(modality)
    for program, by_version in versions.items():
        if len(by_version) > 1:
            told = ", ".join(f"{v} ({' and '.join(m)})" for v, m in sorted(by_version.items()))
            return (
                f"{program}: the trees of the study are of several versions, {told}: images of one "
                "person may lie differently in them."
            )
    return ""


def strangers_note(people_of_tree: Iterable[str], people: Iterable[str], modality: str) -> str:
    """Who of a tree has no image in the dataset; empty where everybody has."""
    strangers = sorted(set(people_of_tree) - set(people))
    if not strangers:
        return ""
    more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
    return f"{strangers[0]}{more} of {modality}.from have no image in the dataset and are left out"


def find(
    root: Path,
    scan: Scan,
    modality: str,
    suffix: str,
    extension: str,
    wanted: Mapping[str, str],
    *,
    merged: bool = False,
) -> list[Found]:
    """Files of a tree that were made of an image.

    Parameters
    ----------
    root
        The tree.
    scan
        The raw image.
    modality
        Folder of the person.
    suffix, extension
        Of the file.
    wanted
        Entities that the file must have; ``""`` for one that it must not have.
    merged
        Whether a file without the image's run, acquisition and visit counts, where there is none
        with them: several T1w images become one.

    Returns
    -------
    list of Found
        Sorted by name.
    """
    person = root / scan.participant_id
    for folder, given_up in _places(person, scan, modality, merged=merged):
        found = []
        for path in sorted(folder.glob(f"*_{suffix}{extension}")):
            try:
                entities, its_suffix, its_extension = parse_name(path.name)
            except ValueError:
                continue
            if (its_suffix, its_extension) != (suffix, extension):
                continue
            if any(entities.get(key, "") != value for key, value in wanted.items()):
                continue
            if _same(entities, scan.entities, given_up):
                found.append(Found(path, entities))
        if found:
            return found
    return []


def _places(
    person: Path, scan: Scan, modality: str, *, merged: bool
) -> Iterable[tuple[Path, frozenset[str]]]:
    """Folders to look into in their order, with the entities that names may lack there."""
    own = person / scan.session / modality
    yield own, frozenset()
    if merged:
        yield own, _MERGED - {"ses"}
        if scan.session:
            yield person / modality, _MERGED


def _same(entities: Mapping[str, str], raw: Mapping[str, str], given_up: Collection[str]) -> bool:
    """Whether a derivative's entities are those of the raw image."""
    derived = {k: _plain(v) for k, v in entities.items() if k not in _ADDED}
    image = {k: _plain(v) for k, v in raw.items() if k not in _TAKEN}
    return derived == image or (
        bool(given_up) and derived == {k: v for k, v in image.items() if k not in given_up}
    )


def _plain(value: str) -> str:
    """A label, an index without leading zeros."""
    return value.lstrip("0") or "0" if value.isdigit() else value


def missing(
    scan: Scan, root: Path, what: str, *, program: str, left: Collection[str] = ()
) -> DatasetError:
    """The error of a file that the tree has not."""
    person = root / scan.participant_id
    if not person.is_dir():
        found = f"the tree of {program} has nobody of this name"
    elif left:
        found = f"half a tree: it has no {what}, only {', '.join(sorted(left))}"
    else:
        found = f"the tree of {program} has no {what} of {scan.path.name}"
    return DatasetError(
        scan.who,
        found=found,
        wanted=f"the {what} that {program} makes of it",
        mend=f"Look into {scan.participant_id}/log of the tree, and run {program} for them again",
    )


def place(source: Path, target: Path) -> None:
    """Take a file over: by a hard link where both lie on one file system, else by a copy."""
    with atomic(target) as draft:
        try:
            os.link(source.resolve(), draft)
        except OSError:
            shutil.copyfile(source, draft)


def said(sidecar: Path) -> dict[str, Any]:
    """What the program wrote into a sidecar; nothing where it is not there or not JSON."""
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def place_json(source: Path, target: Path, more: Mapping[str, Any]) -> None:
    """Write a sidecar with what the program said and what is to be added."""
    content = said(source)
    notes = [*content.get("Notes", []), *more.get("Notes", [])]
    write_json({**content, **more, "Notes": notes}, target)


def sources_of(modality: str) -> Callable[[Scan, TreeSettings], list[tuple[str, int, int]]]:
    """How a batch sees that the tree's files of an image have changed."""
    return lambda scan, settings: fingerprint(Path(settings.tree), scan, modality)


def fingerprint(root: Path, scan: Scan, modality: str) -> list[tuple[str, int, int]]:
    """Name, size and time of every file of the tree that an image's derivatives may be."""
    person = root / scan.participant_id
    folders = {person / scan.session / modality, person / modality}
    return sorted(
        (str(path.relative_to(root)), status.st_size, status.st_mtime_ns)
        for folder in folders
        for path in folder.glob("*")
        if path.is_file()
        for status in [path.stat()]
    )


def whole_tree(root: Path, modality: str) -> list[str]:
    """Paths below a tree of all files of a modality, sorted."""
    return sorted(
        str(path.relative_to(root))
        for pattern in (f"sub-*/{modality}/*", f"sub-*/ses-*/{modality}/*")
        for path in root.glob(pattern)
        if path.is_file()
    )
