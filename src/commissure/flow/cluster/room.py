"""Room on the disk: what a person takes, what is still to come, and a run that stops when it ends.

A disk that is full or a quota that is reached fails every job after the first. So the run looks at
its output folder while it goes on, and ends once, with one sentence.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median

from commissure.flow.earlier import rows_of_modality
from commissure.flow.forecast import rough_disk_mb
from commissure.flow.transient import NO_ROOM
from commissure.modalities import MODALITIES

#: Seconds between two looks, and bytes that must find room.
LOOK_S, PROBE_BYTES = 5.0, 256 * 1024

#: Headers that are read of images that are still to be computed: of more, evenly spread ones.
MOST_HEADERS = 100

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Taken:
    """What people take on the disk.

    Attributes
    ----------
    by_person
        Bytes by participant.
    by_modality
        Bytes of everybody by modality.
    images
        How many images left files, by modality.
    """

    by_person: Mapping[str, int]
    by_modality: Mapping[str, int]
    images: Mapping[str, int]

    def sentence(self) -> str:
        """The figures in words; empty where nobody has a file."""
        sizes = sorted(self.by_person.values())
        if not sizes:
            return ""
        largest = max(self.by_person, key=lambda name: self.by_person[name])
        parts = ", ".join(
            f"{name} {size / len(sizes) / 1e6:.1f}"
            for name, size in self.by_modality.items()
            if size
        )
        return (
            f"disk: {median(sizes) / 1e6:.1f} MB a person (median of {len(sizes)}; most "
            f"{self.by_person[largest] / 1e6:.1f}, {largest}), {sum(sizes) / 1e9:.2f} GB in all; "
            f"MB a person by modality: {parts}"
        )


def taken(output_dir: Path) -> Taken:
    """What the derivatives of each person take, by the status tables of the run."""
    people: dict[str, int] = defaultdict(int)
    modalities: dict[str, int] = dict.fromkeys(MODALITIES, 0)
    images: dict[str, set[str]] = {name: set() for name in MODALITIES}
    for modality in MODALITIES:
        for row in rows_of_modality(output_dir, modality):
            if size := sum(row.files.values()):
                people[row.participant_id] += size
                modalities[modality] += size
                images[modality].add(row.scan)
    return Taken(dict(people), modalities, {name: len(scans) for name, scans in images.items()})


def still_to_come(output_dir: Path, due: Mapping[str, Sequence[Path]]) -> float:
    """Bytes that images will leave: what earlier ones of the run left, else by their voxels.

    Parameters
    ----------
    output_dir
        The run's output folder.
    due
        Images that are to be computed, by modality.
    """
    earlier = taken(output_dir)
    total = 0.0
    for modality, images in due.items():
        if earlier.images.get(modality):
            total += len(images) * earlier.by_modality[modality] / earlier.images[modality]
        elif images:
            some = images[:: max(1, len(images) // MOST_HEADERS)]
            rough = 1e6 * rough_disk_mb(modality, map(_voxels, some))
            total += rough / len(some) * len(images)
    return total


def _voxels(path: Path) -> int:
    # Only here: every job reads the Snakefile, and few of them look at headers.
    import nibabel as nib

    try:
        return prod(nib.Nifti1Image.from_filename(path).shape)
    except Exception:  # whoever computes it says what is wrong with it
        return 0


def room_note(folder: Path, wanted_bytes: float) -> str:
    """What to say of the room before the first job; empty where there is plenty."""
    free = shutil.disk_usage(folder).free
    if free >= 1.5 * wanted_bytes:
        return ""
    return (
        f"about {_size(wanted_bytes)} will be written to {folder.name}, where {_size(free)} are "
        "free; a run that finds no room ends, and goes on where it was "
        "when there is some"
    )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def no_room(folder: Path) -> str:
    """Why a folder takes no more: the disk is full, or the quota reached; empty where it does.

    Only writing tells of a quota: the disk may have room for others.
    """
    try:
        # Without a name: this thread may be ended with its process, and must leave nothing.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _FULL:
            return os.strerror(error.errno)
    return ""


def watch(
    folder: Path,
    *,
    look: Callable[[Path], str] = no_room,
    every_s: float = LOOK_S,
    end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGINT),
) -> threading.Event:
    """End this process when its output folder takes no more, and say so once.

    Parameters
    ----------
    folder
        The output folder.
    look
        Says why it takes no more; empty where it does.
    every_s
        Seconds between two looks.
    end
        Ends the run.

    Returns
    -------
    threading.Event
        Set it, and the watch ends.
    """
    done = threading.Event()
    mark = folder / "work" / NO_ROOM
    mark.unlink(missing_ok=True)

    def keep_looking() -> None:
        while not done.wait(every_s):
            # What a job could not write is gone by now, and others may find room again.
            cause = "a job found no room on the disk" if mark.exists() else look(folder)
            if cause:
                print(
                    f"\ncommissure: output_dir {folder.name}: {cause}. The run ends here, and the "
                    "jobs that compute with it; make room, then give the same command again: what "
                    "is done stays\n",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
                end()
                return

    threading.Thread(target=keep_looking, daemon=True).start()
    return done
