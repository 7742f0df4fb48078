"""Names and places of the files of a simulated dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commissure.names import bids_name
from commissure.phantom.person import Person

#: Where the truth lies below the dataset.
TRUTH = Path("sourcedata", "truth")

#: What :func:`write_study` and :func:`write_truth` write.
STUDY_FILES = (
    Path("dataset_description.json"),
    Path("README.md"),
    Path("participants.tsv"),
    Path("participants.json"),
    Path("sourcedata", "treatments.tsv"),
    Path("sourcedata", "treatments.json"),
    *(
        TRUTH / name
        for name in ("markers.tsv", "targets.tsv", "effects.tsv", "groups.tsv", "oracle.tsv")
    ),
    TRUTH / "scanners.json",
)

#: What is written last of a scanning session, in this order.
LAST = (("acquisition", ".json"), ("markers", ".tsv"))


def entities_of(person: Person, **entities: str) -> dict[str, str]:
    """Entities of a file of a scanning session."""
    label = person.participant_id.removeprefix("sub-")
    return {"sub": label, "ses": person.session, **entities}


def folder_of(person: Person) -> Path:
    """Folder of a scanning session, relative to the dataset."""
    return Path(person.participant_id, *([f"ses-{person.session}"] if person.session else []))


def named(
    person: Person, modality: str, suffix: str, extensions: Sequence[str], **entities: str
) -> list[Path]:
    """One file in each extension, relative to the dataset."""
    folder = folder_of(person) / modality
    return [folder / bids_name(entities_of(person, **entities), suffix, e) for e in extensions]


def truth_file(person: Person, suffix: str, extension: str, **entities: str) -> Path:
    """A file of the truth of a scanning session, relative to the dataset."""
    return TRUTH / folder_of(person) / bids_name(entities_of(person, **entities), suffix, extension)


def sessions_file(person: Person) -> Path:
    """The table of a person's sessions, relative to the dataset."""
    return Path(person.participant_id, f"{person.participant_id}_sessions.tsv")


def files_of_study(people: Sequence[Person]) -> list[Path]:
    """What :func:`write_study` and :func:`write_truth` write."""
    tables = sorted({sessions_file(person) for person in people if person.session})
    return [*STUDY_FILES, *tables, *([Path("sessions.json")] if tables else [])]
