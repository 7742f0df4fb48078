"""Random damage to the files of an image: bits, cuts, header fields, sidecar fields; seeded.

``mutations(folder, count=100, seed=1)`` gives damages to the files below a folder; ``planted``
copies the folder and does one of them. The same folder, seed and number give the same damage.
:func:`mutation_cases` looks at each damage alone, :func:`batch_case` at a batch of people who have
one each.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from nibabel.nifti1 import header_dtype as nifti1
from nibabel.nifti2 import header_dtype as nifti2

from commissure.dataset.index import manifest
from commissure.derivatives import Derivatives
from commissure.flow.batch import run_batch
from commissure.flow.job import Job
from commissure.flow.refresh import refresh_index
from commissure.markers.status import read_statuses
from commissure.settings import Section

from .harness import HARMLESS, Case, Outcome

#: Values that no field of a sidecar should hold, but some do.
_NO_VALUES: tuple[Any, ...] = (
    None, 0, -1, 1e6, 1e-9, float("nan"), float("inf"), True, "", "n/a", "0,03", "abc", [], {},
    [None], [[1, [2, [3]]]], {"Value": [-1]}, 10**400, "\u0000", "x" * 100_000,
)  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """Damage to one file.

    Attributes
    ----------
    file
        Path below the folder.
    what
        In words.
    damaged
        From the bytes of the file to the damaged ones.
    """

    file: Path
    what: str
    damaged: Callable[[bytes], bytes]

    def plant(self, folder: Path) -> None:
        """Damage the file below ``folder``."""
        path = folder / self.file
        path.write_bytes(self.damaged(path.read_bytes()))


def mutations(folder: Path, *, count: int, seed: int) -> list[Mutation]:
    """Draw damages to the files below a folder, each kind in its turn.

    Parameters
    ----------
    folder
        Files of one image: NIfTI (``.nii``, ``.nii.gz``), sidecars (``.json``), tables of text.
    count, seed
        How many, and where the random numbers start.
    """
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    images = [path for path in files if path.name.endswith((".nii", ".nii.gz"))]
    texts = [path for path in files if path not in images]
    sidecars = [path for path in texts if path.suffix == ".json"]
    kinds: list[tuple[Callable[..., Mutation], Sequence[Path]]] = [
        (_stored_bit, files),
        (_header_bit, images),
        (_voxel_bit, images),
        (_cut, files),
        (_unpacked_cut, images),
        (_header_field, images),
        (_text_bit, texts),
        (_sidecar_field, sidecars),
    ]
    kinds = [(kind, those) for kind, those in kinds if those]
    drawn = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind, those = kinds[number % len(kinds)]
        file = those[rng.integers(len(those))]
        drawn.append(kind(file, (folder / file).read_bytes(), rng))
    return drawn


def planted(mutation: Mutation, source: Path, folder: Path) -> None:
    """Copy the files of an image to ``folder`` and damage one of them."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    mutation.plant(folder)


def mutation_cases(
    area: str,
    source: Path,
    attempt: Callable[[Path], Outcome],
    *,
    count: int,
    seed: int,
) -> list[Case]:
    """Cases of damage to the files below ``source``, the undisturbed files of one image.

    Parameters
    ----------
    area
        As in the table; ``mutations`` is added.
    source
        Copied for each case, then damaged.
    attempt
        Runs the damaged copy, whose folder it is given, and compares.
    """

    def case(number: int, mutation: Mutation) -> Case:
        def damaged(folder: Path) -> Outcome:
            planted(mutation, source, folder)
            return attempt(folder)

        planting = f"{mutation.file.name}: {mutation.what}"
        return Case(f"{area} mutations", f"{area}-{seed}-{number:03d}", planting, damaged, HARMLESS)

    drawn = mutations(source, count=count, seed=seed)
    return [case(number, mutation) for number, mutation in enumerate(drawn)]


def batch_case(
    area: str,
    source: Path,
    modality: str,
    *,
    compute: Callable[..., None],
    settings_type: type[Section],
    files: type[Derivatives],
    count: int,
    seed: int,
) -> Case:
    """A batch in which everybody has one damage, but for the last, whose files are whole.

    Right where the last one is finished and nobody's cause is a fault of the program.

    Parameters
    ----------
    source
        A dataset of ``sub-01`` with the image of the modality and what belongs to it.
    compute, settings_type, files
        As :func:`commissure.flow.batch.run_batch` takes them.
    """

    def attempt(folder: Path) -> Outcome:
        bids, out = folder / "bids", folder / "out"
        everybody = [*mutations(source, count=count, seed=seed), None]
        for number, mutation in enumerate(everybody, start=1):
            shutil.copytree(source, folder / "one")
            if mutation is not None:
                mutation.plant(folder / "one")
            _renamed(folder / "one", bids, f"sub-{number:04d}")
        refresh_index(bids, out / "work", batch_size=len(everybody))
        status = folder / "status.tsv"
        job = Job(
            rule=f"{modality}_preprocess",
            input=SimpleNamespace(manifest=manifest(out / "work", 1)),
            output=SimpleNamespace(status=status),
            params=SimpleNamespace(bids_dir=bids, output_dir=out, settings={}, code="1"),
            log=io.StringIO(),
        )
        run_batch(
            job, modality=modality, step="preprocess", compute=compute,
            settings_type=settings_type, files=files,
        )  # fmt: skip
        rows = {row.participant_id: row for row in read_statuses(status)}
        last = rows[f"sub-{len(everybody):04d}"]
        faults = [row.cause for row in rows.values() if "fault of the program" in row.cause]
        present = sum(row.state == "present" for row in rows.values())
        words = f"{present} of {len(rows)} present, the others told why; the last {last.state}"
        if faults or last.state != "present":
            return Outcome("traceback", f"{words}; {faults[:1]}")
        return Outcome("right", words)

    return Case(
        f"{area} mutations", f"{area}-{seed}-batch", f"{count} people with a damage each, one whole",
        attempt, ("right",), limit_s=60 + 10.0 * count,
    )  # fmt: skip


def _renamed(folder: Path, bids: Path, person: str) -> None:
    """Move the files of sub-01 to another person of a dataset."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = bids / str(path.relative_to(folder)).replace("sub-01", person)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
    shutil.rmtree(folder)


def _stored_bit(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    bit = int(rng.integers(8 * len(content)))
    return Mutation(file, f"bit {bit} of the stored file flipped", lambda data: _flipped(data, bit))


def _text_bit(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    return _stored_bit(file, content, rng)


def _header_bit(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    """In the header with its extensions."""
    unpacked = _unpacked(file, content)
    return _bit_between(file, 0, _voxels_from(unpacked), "header", rng)


def _voxel_bit(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    unpacked = _unpacked(file, content)
    return _bit_between(file, _voxels_from(unpacked), len(unpacked), "data", rng)


def _bit_between(file: Path, start: int, end: int, part: str, rng: np.random.Generator) -> Mutation:
    bit = int(rng.integers(8 * start, 8 * end))
    return Mutation(
        file,
        f"bit {bit} flipped, in the {part}",
        lambda data: _repacked(file, _flipped(_unpacked(file, data), bit)),
    )


def _cut(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    length = int(rng.integers(len(content)))
    return Mutation(file, f"cut after {length} of {len(content)} bytes", lambda data: data[:length])


def _unpacked_cut(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    unpacked = _unpacked(file, content)
    length = int(rng.integers(len(unpacked)))
    return Mutation(
        file,
        f"cut after {length} of {len(unpacked)} bytes before it was packed",
        lambda data: _repacked(file, _unpacked(file, data)[:length]),
    )


def _header_field(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    """One element of a field of the NIfTI header becomes a value at the edge of its type."""
    layout = _layout(_unpacked(file, content))
    name = str(rng.choice(layout.names))
    kind, offset = layout.fields[name][:2]
    base = kind.base
    index = int(rng.integers(max(1, int(np.prod(kind.shape)))))
    value: Any
    if base.kind in "iu":
        info = np.iinfo(base)
        edges = [
            value for value in (-1, 0, 1, 2, 3, 4, 7, 16, 255) if info.min <= value <= info.max
        ]
        value = int(rng.choice(np.array([*edges, info.min, info.max], base)))
    elif base.kind == "f":
        value = float(rng.choice([0.0, -1.0, 1e-20, 1e20, 1000.0, np.nan, np.inf, -np.inf]))
    else:
        value = bytes(rng.integers(256, size=base.itemsize, dtype=np.uint8))
    start = offset + index * base.itemsize
    patch = np.array(value, base).tobytes()

    def damaged(data: bytes) -> bytes:
        unpacked = _unpacked(file, data)
        return _repacked(file, unpacked[:start] + patch + unpacked[start + len(patch) :])

    shown = value.hex() if isinstance(value, bytes) else value
    return Mutation(file, f"{name}[{index}] of the header is {shown}", damaged)


def _sidecar_field(file: Path, content: bytes, rng: np.random.Generator) -> Mutation:
    """A field goes, or becomes what it should not be."""
    name = str(rng.choice(sorted(json.loads(content))))
    choice = int(rng.integers(len(_NO_VALUES) + 1))
    gone = choice == len(_NO_VALUES)
    value = None if gone else _NO_VALUES[choice]

    def damaged(data: bytes) -> bytes:
        fields = json.loads(data)
        fields.pop(name)
        return json.dumps(fields if gone else {**fields, name: value}).encode()

    return Mutation(file, f"{name} gone" if gone else f"{name} is {value!r:.40}", damaged)


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _unpacked(file: Path, content: bytes) -> bytes:
    return gzip.decompress(content) if file.suffix == ".gz" else content


def _repacked(file: Path, content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0) if file.suffix == ".gz" else content


def _layout(unpacked: bytes) -> np.dtype:
    return nifti2 if int.from_bytes(unpacked[:4], "little") == nifti2.itemsize else nifti1


def _voxels_from(unpacked: bytes) -> int:
    header = np.frombuffer(unpacked, _layout(unpacked), count=1)
    return int(header["vox_offset"][0])
