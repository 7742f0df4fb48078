"""What the simulator of a modality declares, and how what it measured becomes files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from commissure import __version__
from commissure.files import write_json, write_text
from commissure.images.load import save_image
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.layout import named
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@dataclass(frozen=True)
class RandomStreams:
    """Random numbers of one scan for one purpose.

    Attributes
    ----------
    scan
        Draws what is of this scan.
    lasting
        Draws what stays of the person from scan to scan. In the first scan it is ``scan`` itself.
    """

    scan: np.random.Generator
    lasting: np.random.Generator


def random_streams(person: Person, number: int) -> RandomStreams:
    """Start the random numbers of one scan for the purpose of this number.

    Whether a modality is missing, or how it is simulated, never changes another one: each has a
    number of its own.
    """
    scan = _stream(person.seed, number)
    if person.lasting_seed is None or person.lasting_seed == person.seed:
        return RandomStreams(scan, scan)
    return RandomStreams(scan, _stream(person.lasting_seed, number))


def _stream(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, number]))


@dataclass(frozen=True)
class Measured:
    """What is known about a measurement that has been written.

    Attributes
    ----------
    truth
        True values by ``(marker, region)``.
    events
        What else happened, for ``sub-*_acquisition.json``.
    """

    truth: Mapping[tuple[str, str], float]
    events: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Simulator:
    """The simulator of one modality.

    Attributes
    ----------
    stream
        Number of its random stream; 0 is the head's. It must stay: other numbers are other images.
    files
        The files of a scanning session, relative to the dataset.
    write
        Measures a head and writes these files below the dataset.
    units
        Units of its true markers; ``1`` where a marker is not named.
    """

    stream: int
    files: Callable[[Person, Protocol], list[Path]]
    write: Callable[[Path, Anatomy, Person, Protocol, RandomStreams], Measured]
    units: Mapping[str, str]


def write_scan(
    out: Path,
    person: Person,
    modality: str,
    suffix: str,
    data: np.ndarray,
    affine: np.ndarray,
    metadata: Mapping[str, object],
    *,
    tr_s: float | None = None,
    **entities: str,
) -> Path:
    """Write an image and its sidecar; the image's path."""
    image, sidecar = (
        out / path for path in named(person, modality, suffix, (".nii.gz", ".json"), **entities)
    )
    save_image(data, affine, image, tr_s=tr_s)
    write_json(sidecar_of(person, metadata), sidecar)
    return image


def sidecar_of(person: Person, metadata: Mapping[str, object]) -> dict[str, object]:
    """Content of a sidecar: the metadata, after what every image says."""
    return {
        "InstitutionName": f"Site {person.site}",
        "SoftwareVersions": f"commissure {__version__}",
        **metadata,
    }


def bids_uri(path: Path, out: Path) -> str:
    """Name of a file within its dataset, as sidecars refer to it."""
    return f"bids::{path.relative_to(out).as_posix()}"


def whole_numbers(data: np.ndarray) -> np.ndarray:
    """Intensities as a scanner stores them (int16)."""
    return np.clip(np.rint(data), 0, np.iinfo(np.int16).max).astype(np.int16)


def write_motion(motion: np.ndarray, path: Path) -> None:
    """Write true head motion (volumes, 6), mm and rad."""
    rows = ("\t".join(f"{value:.6g}" for value in row) for row in motion)
    write_text("\n".join(["\t".join(MOTION_COLUMNS), *rows]) + "\n", path)
