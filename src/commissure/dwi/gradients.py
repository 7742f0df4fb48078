"""Gradient tables: reading them with doubt, turning them with the head, writing them.

BIDS keeps b-vectors in FSL's convention: components along the image's voxel axes, the first one
negated where the affine has a positive determinant. Directions in this package are world
directions (RAS+) except in files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from commissure.errors import DatasetError, QualityError
from commissure.files import write_text
from commissure.images.load import zooms_mm

#: A shorter vector is none; how far from 1 a unit vector may be; how far b-values may jitter.
_NO_LENGTH, _LENGTH_TOLERANCE, _B_TOLERANCE = 1e-3, 0.05, 0.05

#: So many vectors are shortened on purpose; fewer are damage.
_SHORTENED_MIN = 3

#: Largest share of the weighted volumes that may be averages over directions.
_AVERAGES_MAX = 0.2


@dataclass(frozen=True)
class Gradients:
    """The diffusion weighting of each volume.

    Attributes
    ----------
    b
        ``(volumes,)``, s/mm².
    directions
        ``(volumes, 3)``, unit vectors in the world (RAS+); zero where there is no weighting, or a
        small one without a direction.
    notes
        What was mended on reading, one sentence each.
    without_direction
        Volumes of the image that have no row here: weighted, but in no direction, as the average
        over directions (trace) that scanners add.
    """

    b: np.ndarray
    directions: np.ndarray
    notes: tuple[str, ...] = ()
    without_direction: tuple[int, ...] = ()

    def b0(self, max_b_s_mm2: float) -> np.ndarray:
        """Which volumes count as unweighted: ``(volumes,)`` of bool."""
        return self.b <= max_b_s_mm2

    def turned(self, rotations: np.ndarray) -> Gradients:
        """Express the directions in the frame of a head that has turned.

        Parameters
        ----------
        rotations
            ``(volumes, 3, 3)`` or ``(3, 3)``: how the head turned from the frame wanted to that
            of the volume. The gradient stayed with the scanner, so it turns the other way
            (Leemans A & Jones DK, Magn Reson Med 61:1336-1349, 2009).
        """
        turned = np.einsum("...ji,...j->...i", rotations, self.directions)
        return replace(self, directions=turned)

    def subset(self, chosen: np.ndarray) -> Gradients:
        """Keep some volumes (bool or indices)."""
        return replace(self, b=self.b[chosen], directions=self.directions[chosen])


def voxel_axes(affine: np.ndarray) -> np.ndarray:
    """Rotation from FSL's b-vector convention to the world, ``(3, 3)``, from a 4x4 affine."""
    axes = affine[:3, :3] / np.array(zooms_mm(affine))
    if np.linalg.det(axes) > 0:
        axes = axes @ np.diag([-1.0, 1.0, 1.0])
    return axes


def read_gradients(
    files: Mapping[str, Path],
    affine: np.ndarray,
    *,
    volumes: int,
    who: str,
    b0_max_b_s_mm2: float = 50.0,
) -> Gradients:
    """Read ``bval`` and ``bvec`` and refuse what cannot be true.

    Parameters
    ----------
    files
        Paths under the keys ``bval`` and ``bvec``.
    affine
        4x4 affine of the image that the table belongs to.
    volumes
        Number of volumes of the image.
    who
        Person and visit, for the error message.
    b0_max_b_s_mm2
        Largest b-value of a volume that counts as unweighted.

    Raises
    ------
    DatasetError
        A file is missing or not a table of numbers, the counts differ, no volume is unweighted,
        many weighted volumes have no direction, the lengths of vectors contradict the b-values, or
        these are in other units.
    QualityError
        Fewer than six directions that are not collinear: no tensor can be fitted.
    """
    table = _read_tables(files, who)
    _refuse_other_counts(table, volumes)
    _refuse_impossible_values(table, b0_max_b_s_mm2)
    table, without = _without_averages(table, b0_max_b_s_mm2)
    table = _with_unit_vectors(table, b0_max_b_s_mm2)
    weighted = table.b > b0_max_b_s_mm2
    distinct = distinct_directions(table.vectors[weighted])
    if distinct < 6 or np.linalg.matrix_rank(quadratic(table.vectors[weighted]), tol=0.05) < 6:
        raise QualityError(
            who,
            found=f"{table.bvec} has {distinct} distinct gradient directions"
            + (" that do not span a tensor" if distinct >= 6 else ""),
            wanted="at least 6 that are not collinear or in one plane",
            mend="Leave this series out; it carries no tensor",
        )
    return Gradients(table.b, table.vectors @ voxel_axes(affine).T, table.notes, without)


@dataclass(frozen=True)
class _Tables:
    """The two tables as the files have them, one row per volume, and how messages name them."""

    who: str
    bval: str
    bvec: str
    b: np.ndarray
    vectors: np.ndarray
    notes: tuple[str, ...]


def _read_tables(files: Mapping[str, Path], who: str) -> _Tables:
    numbers = {}
    for key in ("bval", "bvec"):
        if key not in files:
            raise DatasetError(
                who,
                found=f"the diffusion series has no .{key} file",
                wanted=f"one .{key} file beside the image or higher up in the dataset",
                mend=f"Add the .{key} file that the converter wrote",
            )
        try:
            numbers[key] = np.loadtxt(files[key], ndmin=2)
        except (OSError, ValueError) as error:
            raise DatasetError(
                who,
                found=f"{files[key].name} cannot be read as a table of numbers ({error})",
                mend=f"Write {files[key].name} again",
            ) from error
    name, vectors, notes = files["bvec"].name, numbers["bvec"], []
    if vectors.shape[0] != 3 and vectors.shape[1] == 3:
        vectors = vectors.T
        notes.append(f"{name} has one direction per line; it was read transposed.")
    return _Tables(who, files["bval"].name, name, numbers["bval"].ravel(), vectors.T, tuple(notes))


def _refuse_other_counts(table: _Tables, volumes: int) -> None:
    """Refuse tables that are not of this many volumes."""
    if table.b.size != volumes:
        raise DatasetError(
            table.who,
            found=f"{table.bval} has {table.b.size} b-values for {volumes} volumes",
            wanted="one b-value per volume",
            mend=f"Take image and {table.bval} from the same conversion",
        )
    if table.vectors.shape != (volumes, 3):
        count, lines = table.vectors.shape
        raise DatasetError(
            table.who,
            found=f"{table.bvec} has {lines} lines of {count} numbers for {volumes} volumes",
            wanted="three lines with one number per volume",
            mend=f"Take image and {table.bvec} from the same conversion",
        )


def _refuse_impossible_values(table: _Tables, b0_max: float) -> None:
    """Refuse numbers that no scanner writes."""
    b = table.b
    if not np.isfinite(b).all() or not np.isfinite(table.vectors).all():
        raise DatasetError(
            table.who,
            found=f"{table.bval} or {table.bvec} holds NaN or infinite numbers",
            mend="Write them again",
        )
    if b.min() < 0 or not 100 <= b.max() <= 30_000:
        raise DatasetError(
            table.who,
            found=f"the b-values in {table.bval} run from {b.min():g} to {b.max():g}",
            wanted="0 to some thousands of s/mm²",
            mend=f"Write {table.bval} in s/mm² (1 ms/µm² is 1000 s/mm²)",
        )
    weighted = b > b0_max
    if weighted.all():
        raise DatasetError(
            table.who,
            found=f"{table.bval} has no b-value up to {b0_max:g} s/mm² (the lowest is {b.min():g})",
            wanted="at least one unweighted volume",
            mend="Add the b0 volume to the series, or raise dwi.b0_max_b_s_mm2",
        )


def _without_averages(table: _Tables, b0_max: float) -> tuple[_Tables, tuple[int, ...]]:
    """Leave out the few weighted volumes that have no direction; refuse a table of many."""
    weighted = table.b > b0_max
    without = weighted & (np.linalg.norm(table.vectors, axis=1) < _NO_LENGTH)
    volumes = tuple(int(i) for i in np.flatnonzero(without))
    if not volumes:
        return table, ()
    if len(volumes) > _AVERAGES_MAX * weighted.sum():
        raise DatasetError(
            table.who,
            found=f"volume {volumes[0]} has b = {table.b[volumes[0]]:g} s/mm² and no direction in "
            f"{table.bvec}, and so have {len(volumes)} of {int(weighted.sum())} weighted volumes",
            wanted="a unit vector for each weighted volume",
            mend=f"Write {table.bvec} and {table.bval} again",
        )
    listed = ", ".join(map(str, volumes))
    note = (
        f"Volume{'s' * (len(volumes) > 1)} {listed} left out: weighted, but without a direction in "
        f"{table.bvec}, as the scanner's own average over directions is."
    )
    kept = ~without
    return (
        replace(table, b=table.b[kept], vectors=table.vectors[kept], notes=(*table.notes, note)),
        volumes,
    )


def _with_unit_vectors(table: _Tables, b0_max: float) -> _Tables:
    """Make all vectors unit vectors, and b-values true where the lengths say how they differ.

    Some scanners write one b-value and shorten the vectors of what is weighted less: the weighting
    goes with the square of the length. Others write both.
    """
    length = np.linalg.norm(table.vectors, axis=1)
    directed = (length >= _NO_LENGTH) & (table.b > 0)
    units = np.where(directed[:, None], table.vectors / np.where(directed, length, 1)[:, None], 0.0)
    weighted = table.b > b0_max
    wrong = weighted & (np.abs(length - 1) > _LENGTH_TOLERANCE)
    if not wrong.any():
        return replace(table, vectors=units)
    by_length = table.b[weighted].max() * length**2
    count = (
        f"{int(wrong.sum())} of {int(weighted.sum())} vectors in {table.bvec} are no unit vectors"
    )
    if (np.abs(by_length - table.b) < _B_TOLERANCE * table.b.max())[weighted].all():
        note = f"{count}: their lengths follow the b-values, and they were made unit vectors."
        return replace(table, vectors=units, notes=(*table.notes, note))
    one_b = np.ptp(table.b[weighted]) < _B_TOLERANCE * table.b.max()
    several = wrong.sum() >= _SHORTENED_MIN
    longest_is_unit = abs(length[weighted].max() - 1) <= _LENGTH_TOLERANCE
    if several and one_b and longest_is_unit:
        note = (
            f"{count}, and {table.bval} has one b-value: it was multiplied by their squared "
            "length, as scanners mean it that shorten vectors for lower b-values."
        )
        b = np.where(weighted, np.round(by_length), table.b)
        return replace(table, b=b, vectors=units, notes=(*table.notes, note))
    volume = int(np.flatnonzero(wrong)[0])
    raise DatasetError(
        table.who,
        found=f"the direction of volume {volume} in {table.bvec} has length {length[volume]:.3f} "
        f"({int(wrong.sum())} of {int(weighted.sum())} are no unit vectors)",
        wanted="length 1",
        mend=f"Write unit vectors to {table.bvec} and the true b-values to {table.bval}",
    )


def quadratic(directions: np.ndarray) -> np.ndarray:
    """Columns of a quadratic form, ``(n, 6)``: xx, yy, zz, 2xy, 2xz, 2yz."""
    x, y, z = directions.T
    return np.column_stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z])


def distinct_directions(directions: np.ndarray, *, apart_deg: float = 5.0) -> int:
    """Count directions that differ from all counted ones by more than an angle, sign ignored."""
    counted: list[np.ndarray] = []
    for direction in directions:
        if all(abs(direction @ other) < np.cos(np.radians(apart_deg)) for other in counted):
            counted.append(direction)
    return len(counted)


def shells(b: np.ndarray, *, b0_max_b_s_mm2: float, width_s_mm2: float = 150.0) -> np.ndarray:
    """Number the shells: 0 for b0, then 1, 2 ... by rising b-value, ``(volumes,)`` of int.

    A gap of more than ``width_s_mm2`` between sorted b-values starts the next shell.
    """
    numbers = np.zeros(b.size, dtype=int)
    weighted = np.flatnonzero(b > b0_max_b_s_mm2)
    order = weighted[np.argsort(b[weighted], kind="stable")]
    steps = np.diff(b[order], prepend=-np.inf) > width_s_mm2
    numbers[order] = np.cumsum(steps)
    return numbers


def write_gradients(gradients: Gradients, affine: np.ndarray, bval: Path, bvec: Path) -> None:
    """Write FSL's two text files for an image with this affine."""
    vectors = gradients.directions @ voxel_axes(affine)
    write_text(" ".join(f"{value:g}" for value in gradients.b) + "\n", bval)
    # Adding zero turns -0.0 into 0.0.
    rows = [" ".join(f"{value + 0.0:.6f}" for value in np.round(axis, 6)) for axis in vectors.T]
    write_text("\n".join(rows) + "\n", bvec)
