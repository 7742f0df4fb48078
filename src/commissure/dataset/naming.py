"""Images that look like ours and are not taken: their names, their places, their doubles."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from commissure.dataset.associations import IMAGE
from commissure.errors import DatasetError
from commissure.modalities import MODALITIES
from commissure.names import ENTITY_ORDER, bids_name

# Modality of the images that carry a suffix.
_BY_SUFFIX = {
    suffix: modality.name
    for modality in MODALITIES.values()
    for suffix in (modality.suffix, *modality.other_suffixes)
}

#: What is wrong with an image that is refused, in the words of the terminal.
KINDS = {
    "name": "the name does not follow BIDS",
    "place": "it does not lie where BIDS puts it",
    "person": "its name and its folder are those of different people or visits",
    "twice": "another file stands for the same image",
    "unreadable": "it, or what belongs to it, cannot be read",
    "folder": "the folder cannot be looked into",
}

# Values of entities in the names of folders.
_VALUE = re.compile("[a-zA-Z0-9+]+")


def modality_of(entities: Mapping[str, str], suffix: str, asked: Collection[str]) -> str:
    """Modality of an image by its name; empty where it is none of ours.

    Of the modalities that a study has to ask for only those in ``asked`` count.
    """
    modality = MODALITIES.get(_BY_SUFFIX.get(suffix, ""))
    if modality is None or not (modality.by_default or modality.name in asked):
        return ""
    if modality.label and entities.get("label") != modality.label:
        return ""
    return modality.name


# What people call these images. A letter before or after makes it another word.
_CALLED = {
    name: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])")
    for name, words in {
        "anat": "t1w?|mprage|mp2rage", "func": "bold|fmri", "dwi": "dwi|dti", "mrs": "svs",
    }.items()
}  # fmt: skip

# Formats of images; those that are not read are told of where the name is that of an image of ours.
_FORMATS = (*IMAGE, ".img", ".hdr", ".mgz", ".mgh", ".nrrd", ".mnc", ".dcm", ".ima", ".sdat",
            ".rda", ".7")  # fmt: skip

# Datatypes of BIDS that other software reads; an image in them is not ours whatever its suffix.
_OTHER_DATATYPES = frozenset(
    ("fmap", "perf", "pet", "meg", "eeg", "ieeg", "beh", "micr", "nirs", "motion")
)


@dataclass(frozen=True)
class Odd:
    """An image that looks like one of ours and is not taken.

    Attributes
    ----------
    path
        Where it lies below the dataset, fit for print.
    kind
        One of :data:`KINDS`.
    note
        Who, found, wanted, mend.
    modality
        What it looks like.
    participant_id, session
        Whose it is by its folders; ``participant_id`` is empty outside the folders of people.
    """

    path: str
    kind: str
    note: str
    modality: str
    participant_id: str
    session: str


def printable(path: str) -> str:
    """A path without bytes that are no text and without signs that break a line or a table."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def odd(path: str, kind: str, modality: str, *, found: str, wanted: str = "", mend: str) -> Odd:
    """Describe an image that is not taken; a path that ends in ``/`` is a folder."""
    *folders, name = printable(path).split("/")
    person = folders[0] if folders and folders[0].startswith("sub-") else ""
    session = folders[1] if len(folders) > 1 and folders[1].startswith("ses-") else ""
    note = str(DatasetError(name or folders[-1], found=found, wanted=wanted, mend=mend))
    return Odd(printable(path), kind, note, modality, person, session)


def misnamed(path: str, why: str = "") -> Odd | None:
    """Tell of a file that looks like an image of ours by its name or folder, and is not one.

    Parameters
    ----------
    path
        A file whose name is no BIDS name, or not that of an image of ours.
    why
        What is wrong with the name, where it is no BIDS name.
    """
    folders, _, name = path.rpartition("/")
    lower = name.lower()
    if not lower.endswith(_FORMATS) or not (path.startswith("sub-") or _of_somebody(path)):
        return None
    modality = _looks_like(folders.lower().split("/"), lower, parsed=not why)
    if not modality:
        return None
    if not lower.endswith(IMAGE):
        extension = name[name.index(".") :]
        return odd(
            path, "name", modality, found=f"images of the format {printable(extension)} are not "
            "read", wanted=".nii.gz or .nii", mend="Convert the image to NIfTI",
        )  # fmt: skip
    suffix = MODALITIES[modality].suffix
    found = why or f"the suffix or extension is not written as BIDS writes it (_{suffix}.nii.gz)"
    return odd(
        path, "name", modality, found=found,
        wanted=f"a name as sub-01_{suffix}.nii.gz, of letters and digits between - and _",
        mend="Rename the image with everything that belongs to it",
    )  # fmt: skip


def _looks_like(folders: Sequence[str], name: str, *, parsed: bool) -> str:
    """Modality of an image by what it is called; empty where it is none of ours."""
    stem = name.partition(".")[0]
    last = stem.rpartition("_")[2]
    # Of a BIDS name only the suffix says what it is: mod-T1w is no T1w image.
    spoken = last if parsed else stem
    called = next((name for name, words in _CALLED.items() if words.search(spoken)), "")
    datatype = next((folder for folder in reversed(folders) if folder in MODALITIES), "")
    if called and not _OTHER_DATATYPES & set(folders):
        return called if not parsed or datatype or last == MODALITIES[called].suffix.lower() else ""
    # A word as T2w or sbref is another kind of image; scan-1 or Müller may be any.
    return datatype if not parsed and not re.fullmatch("[a-z]+[0-9]?[a-z]*", last) else ""


def in_place(path: str, entities: Mapping[str, str], modality: str) -> bool:
    """Whether an image lies in the folder of the person, visit and modality of its name."""
    person, *visit, datatype = path.split("/")[:-1] if path.count("/") > 1 else ("", "")
    if person != f"sub-{entities.get('sub')}" or datatype not in MODALITIES[modality].folders:
        return False
    if len(visit) > 1:
        return False
    return not visit or _agrees(visit[0], entities)


def _agrees(folder: str, entities: Mapping[str, str]) -> bool:
    """Whether a folder is that of the visit of a name; a name may leave the visit out."""
    key, _, value = folder.partition("-")
    return key == "ses" and entities.get("ses", value) == value and bool(_VALUE.fullmatch(value))


def misplaced(path: str, entities: Mapping[str, str], modality: str) -> Odd | None:
    """Tell of an image of ours that does not lie in the folder of its person and visit.

    Parameters
    ----------
    path, entities, modality
        An image that is not :func:`in_place`.
    """
    folders = path.split("/")[:-1]
    in_person = bool(folders) and folders[0].startswith("sub-")
    in_visit = in_person and len(folders) > 1 and folders[1].startswith("ses-")
    person, session = f"sub-{entities.get('sub', '')}", entities.get("ses", "")
    agree = in_person and folders[0] == person and (not in_visit or _agrees(folders[1], entities))
    if _OTHER_DATATYPES & set(folders) or not (in_person or _of_somebody(path)):
        return None
    if "sub" not in entities:
        return odd(
            path, "name", modality, found="the name names nobody", wanted="a name that starts "
            "with sub-", mend="Rename the image with everything that belongs to it",
        )  # fmt: skip
    if agree or not in_person:
        folder = MODALITIES[modality].folders[0]
        wanted = "/".join([person, f"ses-{session}", folder] if session else [person, folder])
        return odd(
            path, "place", modality,
            found=f"it lies in the folder {printable('/'.join(folders)) or 'of the dataset'}",
            wanted=f"the folder {wanted}", mend="Move the image with everything that belongs to "
            "it, or below sourcedata if it is not to be used",
        )  # fmt: skip
    whose = " ".join(folders[: 1 + in_visit])
    named = f"{person} ses-{session}" if session else person
    return odd(
        path, "person", modality, found=f"the name says {named}, the folder {printable(whose)}",
        wanted="the same person and visit in both", mend="Find out whose image it is, and move or "
        "rename it with everything that belongs to it",
    )  # fmt: skip


def _of_somebody(path: str) -> bool:
    """Whether a file outside the folders of people looks as if it were somebody's."""
    *folders, name = path.lower().split("/")
    return name.startswith("sub") or bool(set(MODALITIES) & set(folders))


def unknown_entity(path: str, entities: Mapping[str, str], modality: str) -> Odd | None:
    """Tell of an image whose name has a part that BIDS does not know."""
    unknown = [key for key in entities if key not in ENTITY_ORDER]
    if not unknown:
        return None
    return odd(
        path, "name", modality, found=f"BIDS knows no part '{unknown[0]}-' of a name",
        wanted="parts as acq- and run-",
        mend="Rename the image with everything that belongs to it",
    )  # fmt: skip


def doubles(images: Iterable[tuple[str, str, Mapping[str, str], str]]) -> dict[str, Odd]:
    """Images that would write the same files as another one.

    Parameters
    ----------
    images
        Path, modality, entities and suffix of images whose names and places are right.

    Returns
    -------
    dict
        What is said of each image that has a double, by path. None of them is taken.
    """
    by_label: dict[tuple[str, str], list[str]] = {}
    for path, modality, entities, suffix in images:
        label = bids_name(entities, suffix, "").lower()
        by_label.setdefault((modality, label), []).append(path)
    found = {}
    for (modality, _), paths in by_label.items():
        for path in paths if len(paths) > 1 else ():
            others = ", ".join(other for other in paths if other != path)
            found[path] = odd(
                path, "twice", modality, found=f"{others} is the same image by its name",
                wanted="one file of each name, whatever its extension, its case and the order of "
                "its parts", mend="Remove one, or tell them apart by run-",
            )  # fmt: skip
    return found


def unreadable(path: str, file: str, trouble: str, modality: str) -> Odd:
    """Tell of an image that, or a file of which, cannot be read."""
    what = "" if path == file else f"{printable(file)} belongs to it: "
    return odd(
        path, "unreadable", modality, found=f"{what}{printable(trouble)}",
        mend="" if "get " in trouble else f"Mend or replace {printable(file)}",
    )  # fmt: skip


def closed(path: str, trouble: str, modalities: Iterable[str]) -> list[Odd]:
    """Tell of a folder that cannot be looked into: for each modality that it may hold.

    Parameters
    ----------
    path, trouble
        The folder, and what is wrong with it.
    modalities
        Those of the dataset.
    """
    person, *below = path.split("/")
    if below and below[0].startswith("ses-"):
        below = below[1:]
    looked_for = [*below[:1]] if below else list(modalities)
    if not person.startswith("sub-") or looked_for[0] not in MODALITIES:
        looked_for = [""]
    mend = "Mend the link" if "link" in trouble else "Ask for the right to read it"
    return [
        odd(f"{path}/", "folder", modality, found=printable(trouble), mend=mend)
        for modality in looked_for
    ]


def messages(odds: Iterable[Odd]) -> list[str]:
    """Say of the images that are not taken how many there are, of each kind with examples."""
    by_kind: dict[str, dict[str, Odd]] = {}
    for image in odds:
        by_kind.setdefault(image.kind, {})[image.path] = image
    said = []
    for kind, words in KINDS.items():
        images = by_kind.get(kind, {})
        if images:
            paths = list(images)
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            count = "1 is" if len(paths) == 1 else f"{len(paths)} are"
            said.append(
                f"{count} passed over, because {words}: {', '.join(paths[:3])}{more}. "
                f"{images[paths[0]].note}"
            )
    return said
