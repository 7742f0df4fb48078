"""The index of a dataset: one row per image, and what is kept of it as a file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from commissure.dataset.associations import IMAGE, Associations
from commissure.dataset.choice import Wanted, choice
from commissure.dataset.lesion_masks import one_mask
from commissure.dataset.naming import (
    Odd,
    closed,
    doubles,
    in_place,
    messages,
    misnamed,
    misplaced,
    modality_of,
    unknown_entity,
    unreadable,
)
from commissure.dataset.tree import LESION_MASKS, Tree
from commissure.dataset.unmarked_images import of_unmarked, unmarked_images
from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.modalities import MODALITIES
from commissure.names import Scan, parse_name

#: Columns of ``work/index.tsv`` and of a batch's manifest.
COLUMNS = (
    "participant_id", "session", "modality", "scan", "batch", "used", "refused", "note",
    "sidecars", "associated", "fingerprint",
)  # fmt: skip

_SMALL_BYTES = 65536

#: What asks nothing of the T1w images.
EVERY_IMAGE: Wanted = {}


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
        Path of the image below the dataset; where it is refused, fit for print.
    sidecars
        JSON files that apply to it, most general first.
    associated
        ``bval``, ``bvec``; ``run2``, ``run2_bval``, ``run2_bvec``, ``run2_json0`` ... of the other
        runs of the acquisition; the field maps of
        :func:`commissure.dataset.field_maps.field_maps_of`, and of BOLD ``epi_same``; ``echo2``,
        ``echo2_json0`` ... of the further echoes of a BOLD run, and ``sbref``, its single-band
        reference; ``mrsref`` with ``mrsref_json``, and ``mrsref2`` ... where several suit alike;
        ``roi``, the mask of a lesion; ``inv2``, the second inversion of an MP2RAGE; of a mask of
        lesions over time what :mod:`commissure.dataset.lesion_masks` finds.
    fingerprint
        Digest of size and time (of large files) or content (of small ones) of all of them.
    batch
        Number of the batch in which its person is processed.
    used
        Whether the workflow processes it; ``note`` says why not, or of several T1w images of a
        visit that the job will choose one.
    refused
        What is wrong with an image that would be processed otherwise: one of
        :data:`commissure.dataset.naming.KINDS`; empty where nothing is.
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
    refused: str = ""

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
            self.refused,
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
            refused=row["refused"],
        )


def build_index(
    root: Path, tree: Tree, *, image: Wanted = EVERY_IMAGE, unmarked: str = ""
) -> list[Entry]:
    """List the images of a dataset with everything that belongs to each.

    Parameters
    ----------
    root
        The dataset.
    tree
        Its files, from :func:`commissure.dataset.tree.tree_of`.
    image
        ``anat.image`` of the configuration: what is asked of the T1w images.
    unmarked
        BIDS suffix of the images in which a network marks lesions; empty where masks are given.

    Returns
    -------
    list of Entry
        Sorted by path, as in :func:`survey`.

    Raises
    ------
    DatasetError
        There is no image that the workflow could use.
    """
    return survey(root, tree, image=image, unmarked=unmarked)[0]


def survey(
    root: Path,
    tree: Tree,
    *,
    image: Wanted = EVERY_IMAGE,
    modalities: Collection[str] = tuple(MODALITIES),
    unmarked: str = "",
) -> tuple[list[Entry], list[str]]:
    """List the images of a dataset, and say which are passed over.

    Parameters
    ----------
    root, tree, image, unmarked
        As in :func:`build_index`.
    modalities
        Those of the study. Of one that has to be asked for and is not among them the images are
        files like any others.

    Returns
    -------
    entries : list of Entry
        Sorted by path; also of images in the folder of a person that are refused.
    messages : list of str
        How many are refused, and why, with examples; also those outside the folders of people.

    Raises
    ------
    DatasetError
        There is no image that the workflow could use.
    """
    parsed, images, odds = _parsed(tree, modalities)
    twice = doubles((path, modality, *parsed[path][:2]) for path, modality in images.items())
    odds += twice.values()
    associations = Associations(parsed, tree.troubles)
    entries: list[Entry] = []
    for path, modality in images.items():
        if path in twice:
            continue
        entry = _entry(root, tree, associations, path, modality, associations.of(root, path))
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            odds.append(entry)
    if unmarked:
        entries = [_given(entry) for entry in entries]
        for path in unmarked_images(associations, unmarked):
            of_image = of_unmarked(associations, path)
            entry = _entry(root, tree, associations, path, "lesion", of_image)
            (entries if isinstance(entry, Entry) else odds).append(entry)  # type: ignore[arg-type]
    modalities = sorted({entry.modality for entry in entries})
    for path, trouble in tree.closed.items():
        odds += closed(path, trouble, modalities)
    odds.sort(key=lambda image: image.path)
    said = messages(odds)
    if not entries:
        raise DatasetError(
            f"dataset {root.name}",
            found=f"none of its {len(tree.files)} files is a T1w, BOLD, diffusion or spectroscopy "
            f"image{'; ' if said else ''}{' '.join(said).rstrip('.')}",
            wanted="images as sub-01/anat/sub-01_T1w.nii.gz, func/*_bold, dwi/*_dwi or mrs/*_svs",
            mend="Name another folder under bids_dir, or convert the dataset to BIDS",
        )
    refused = [
        Entry(o.participant_id, o.session, o.modality, o.path, used=False, note=o.note,
              refused=o.kind)
        for o in odds
        if o.participant_id and o.modality
    ]  # fmt: skip
    entries = _chosen(sorted(entries, key=lambda entry: entry.scan), image)
    entries = [_alone_or_joined(entry, root, associations) for entry in entries]
    return sorted([*entries, *refused], key=lambda entry: entry.scan), said


_Name = tuple[dict[str, str], str, str]


def _parsed(
    tree: Tree, modalities: Collection[str]
) -> tuple[dict[str, _Name], dict[str, str], list[Odd]]:
    """Take names apart: of all files with BIDS names; of images with the modality; what is odd."""
    parsed: dict[str, _Name] = {}
    images: dict[str, str] = {}
    odds: list[Odd | None] = []
    for path in (*tree.files, *tree.troubles):
        name = path.rsplit("/", 1)[-1]
        try:
            entities, suffix, extension = parse_name(name)
        except ValueError as error:
            # Root-level sidecars such as T1w.json have no entities: they inherit to all.
            suffix, dot, extension = name.partition(".")
            if not suffix.isalnum():
                odds.append(misnamed(path, str(error).partition(": ")[2]))
                continue
            entities, extension = {}, dot + extension
        parsed[path] = entities, suffix, extension
        modality = modality_of(entities, suffix, modalities)
        raw = path.removeprefix(f"{LESION_MASKS}/")
        if raw != path and modality != "lesion":
            continue
        if not modality or extension not in IMAGE:
            odds.append(misnamed(path))
        elif not in_place(raw, entities, modality):
            odds.append(misplaced(path, entities, modality))
        elif unknown := unknown_entity(path, entities, modality):
            odds.append(unknown)
        else:
            images[path] = modality
    return parsed, images, [image for image in odds if image is not None]


def _entry(
    root: Path,
    tree: Tree,
    associations: Associations,
    path: str,
    modality: str,
    associated: dict[str, str],
) -> Entry | Odd:
    """An image with everything that belongs to it, or what is wrong with one of these files."""
    entities, suffix, _ = associations.parsed[path]
    sidecars = tuple(associations.applying(path, suffix, ".json"))
    files = [path, *sidecars, *associated.values()]
    for file in files:
        if file in tree.troubles:
            return unreadable(path, file, tree.troubles[file], modality)
    for kind in ("mrsref", "sbref", "epi", "fieldmap", "phasediff", "magnitude"):
        if kind in associated and (twin := associations.twin(associated[kind])):
            return unreadable(path, associated[kind], f"{twin} is the same image", modality)
    try:
        fingerprint = _fingerprint(root, tree, files)
    except OSError as error:
        file = str(Path(error.filename).relative_to(root))
        return unreadable(path, file, f"it cannot be read ({error.strerror})", modality)
    return Entry(
        participant_id=f"sub-{entities['sub']}",
        session=f"ses-{entities['ses']}" if "ses" in entities else "",
        modality=modality,
        scan=path,
        sidecars=sidecars,
        associated=associated,
        fingerprint=fingerprint,
    )


def _given(entry: Entry) -> Entry:
    """A mask that is left aside where a network marks lesions."""
    if entry.modality != "lesion":
        return entry
    return replace(entry, used=False, note="the network of lesion.masks marks the lesions")


def _fingerprint(root: Path, tree: Tree, files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in files:
        size, time_ns = tree.files[name]
        digest.update(f"{name}:{size}:".encode())
        small = size <= _SMALL_BYTES and not name.endswith(IMAGE)
        digest.update((root / name).read_bytes() if small else str(time_ns).encode())
    return digest.hexdigest()[:16]


def _chosen(entries: Sequence[Entry], image: Wanted) -> list[Entry]:
    """Mark the images that the workflow leaves aside, with the reason."""
    visits: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.modality == "anat":
            visits.setdefault((entry.participant_id, entry.session), []).append(entry.scan)
    t1w = {scan: use for scans in visits.values() for scan, use in choice(scans, image).items()}
    masks = one_mask([entry for entry in entries if entry.modality == "lesion" and entry.used])
    chosen: list[Entry] = []
    for entry in entries:
        if entry.modality == "anat":
            used, note = t1w[entry.scan]
            chosen.append(replace(entry, used=used, note=note))
            continue
        entities, _, _ = parse_name(entry.scan.rsplit("/", 1)[-1])
        note = masks.get(entry.scan, "")
        if entities.get("part") in ("phase", "real", "imag"):
            note = f"part-{entities['part']} images are not used"
        chosen.append(replace(entry, used=False, note=note) if note else entry)
    return chosen


def _alone_or_joined(entry: Entry, root: Path, associations: Associations) -> Entry:
    """Leave aside the diffusion images and echoes of BOLD that are processed with another."""
    if entry.modality not in ("dwi", "func") or not entry.used:
        return entry
    if entry.modality == "func":
        note = associations.echo_of(entry.scan)
    else:
        note = associations.part_of(root, entry.scan)
    return replace(entry, used=False, note=note) if note else entry


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
    return [Entry.of_cells(row) for row in rows_of(path)]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Cells of an index by column, also where another version wrote it."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def manifest(work: Path, batch: int | str) -> Path:
    """Path of a batch's manifest: the part of the index that concerns its people."""
    number = batch if isinstance(batch, str) else f"{batch:04d}"
    return work / "batches" / f"batch-{number}.tsv"
