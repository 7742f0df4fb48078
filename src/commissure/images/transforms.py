"""Reading and writing the affine part of ITK transforms.

Composite files are those that ANTs and fMRIPrep write (HDF5). A transform moves *points*, from the
space that an image arrives in to the space that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from ants import create_ants_transform, write_transform

from commissure.files import atomic

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_affine(path: Path | str) -> np.ndarray:
    """Matrix of the affine member of a composite transform file.

    Parameters
    ----------
    path
        A composite ``.h5``; if it has a displacement field too, that is not looked at.

    Returns
    -------
    numpy.ndarray
        4x4 in RAS+ mm: takes a point of the space that images arrive in to where they come from.
    """
    with h5py.File(path, "r") as file:
        for member in file["TransformGroup"].values():
            if b"AffineTransform" in member["TransformType"][0]:
                values = _parameters(member).astype(float)
                centre = _parameters(member, "Fixed").astype(float)
                matrix = np.eye(4)
                matrix[:3, :3] = values[:9].reshape(3, 3)
                matrix[:3, 3] = values[9:] + centre - matrix[:3, :3] @ centre
                return _LPS @ matrix @ _LPS
    raise ValueError(f"{path} has no affine member")


def _parameters(member: h5py.Group, kind: str = "") -> np.ndarray:
    """Parameters of a member; older ITK misspelled their name."""
    name = f"Transform{kind}Parameters"
    return member[name if name in member else name.replace("Transform", "Tranform")][:]


def write_chain(first: Path, second: Path, path: Path | str) -> Path:
    """Write two composite files as one.

    Parameters
    ----------
    first, second
        In the order of the chain: the first leaves the image's own space.
    path
        The file (``.h5``); returned.
    """
    members = []
    for file in (first, second):
        with h5py.File(file, "r") as composite:
            group = composite["TransformGroup"]
            for name in sorted(group, key=int):
                kind = group[name]["TransformType"][0].decode("ascii")
                if not kind.startswith("CompositeTransform"):
                    kind = kind.replace("_double_", "_float_")
                    members.append(
                        (kind, _parameters(group[name], "Fixed"), _parameters(group[name]))
                    )
    return _write_composite(members, path)


def write_affine(matrix: np.ndarray, path: Path | str) -> Path:
    """Write an affine map as ITK's ``.mat`` file.

    Parameters
    ----------
    matrix
        4x4 in RAS+ mm, point to point: takes a point of the space that images arrive in to where
        they come from.
    path
        The file; returned.
    """
    itk = _LPS @ matrix @ _LPS
    transform = create_ants_transform(transform_type="AffineTransform", dimension=3)
    transform.set_parameters(np.append(itk[:3, :3].ravel(), itk[:3, 3]))
    transform.set_fixed_parameters(np.zeros(3))
    with atomic(path) as draft:
        write_transform(transform, str(draft))
    return Path(path)


def write_warp(
    displacement: np.ndarray,
    affine: np.ndarray,
    path: Path | str,
    *,
    after: np.ndarray | None = None,
    before: np.ndarray | None = None,
) -> Path:
    """Write a displacement field, with an affine map after or before it, as ITK's composite.

    Parameters
    ----------
    displacement
        (3, X, Y, Z) in RAS+ mm, zero outside its grid.
    affine
        4x4, voxel of ``displacement`` to mm.
    path
        The file (``.h5``); returned.
    after, before
        4x4 in RAS+ mm, point to point: applied to the displaced point, or to the point that is
        then displaced. One of them is expected.
    """
    linear = after if before is None else before
    assert linear is not None and (after is None or before is None), "one map is expected"
    itk = _LPS @ np.asarray(linear, float) @ _LPS
    flip = np.diag(_LPS)[:3]
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    direction = flip[:, None] * affine[:3, :3] / spacing
    shape = displacement.shape[1:]
    field = (
        "DisplacementFieldTransform_float_3_3",
        np.concatenate([shape, flip * affine[:3, 3], spacing, direction.ravel()]),
        (displacement * flip[:, None, None, None]).transpose(3, 2, 1, 0).ravel(),
    )
    matrix = (
        "AffineTransform_float_3_3",
        np.zeros(3),
        np.append(itk[:3, :3].ravel(), itk[:3, 3]),
    )
    return _write_composite((matrix, field) if before is None else (field, matrix), path)


def _write_composite(
    members: Iterable[tuple[str, np.ndarray, np.ndarray]], path: Path | str
) -> Path:
    """Write members by type, fixed parameters and parameters; ITK applies the last one first."""
    with atomic(path) as draft, h5py.File(draft, "w") as file:
        words = h5py.string_dtype("ascii")
        # ITK refuses a file that does not say what wrote it.
        for name in ("HDFVersion", "ITKVersion", "OSName", "OSVersion"):
            file.create_dataset(name, data=["commissure"], dtype=words)
        group = file.create_group("TransformGroup")
        kind = "CompositeTransform_float_3_3"
        group.create_group("0").create_dataset("TransformType", data=[kind], dtype=words)
        for number, (name, fixed, parameters) in enumerate(members, start=1):
            member = group.create_group(str(number))
            member.create_dataset("TransformType", data=[name], dtype=words)
            member.create_dataset("TransformFixedParameters", data=np.asarray(fixed, float))
            member.create_dataset("TransformParameters", data=parameters.astype(np.float32))
    return Path(path)
