"""Reading and writing ITK composite transforms without ITK.

The files are those that ANTs and fMRIPrep write (HDF5). A composite moves *points*, from the space
that an image arrives in to the space that it comes from; its members are listed so that the last
one acts on the point first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commissure.rows import atomic

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
    import h5py

    with h5py.File(path, "r") as file:
        for member in file["TransformGroup"].values():
            if b"AffineTransform" in member["TransformType"][0]:
                values = member["TransformParameters"][:].astype(float)
                centre = member["TransformFixedParameters"][:].astype(float)
                matrix = np.eye(4)
                matrix[:3, :3] = values[:9].reshape(3, 3)
                matrix[:3, 3] = values[9:] + centre - matrix[:3, :3] @ centre
                return _LPS @ matrix @ _LPS
    raise ValueError(f"{path} has no affine member")


def write_composite(
    path: Path | str,
    *,
    affine: np.ndarray,
    displacement: np.ndarray,
    grid: np.ndarray,
    affine_first: bool,
) -> None:
    """Write an affine map and a displacement field as one ITK composite, in one step.

    Parameters
    ----------
    path
        The ``.h5`` file.
    affine
        4x4 in RAS+ mm, point to point.
    displacement
        (3, I, J, K) in RAS+ mm: a point goes to itself plus the value there.
    grid
        4x4, voxel of the field to mm; no shear.
    affine_first
        Whether the point meets the affine map before the field.
    """
    import h5py

    matrix = _LPS @ affine @ _LPS
    field = ("DisplacementFieldTransform", *_field_parameters(displacement, grid))
    linear = ("AffineTransform", np.zeros(3), np.append(matrix[:3, :3].ravel(), matrix[:3, 3]))
    members = [field, linear] if affine_first else [linear, field]
    with atomic(path) as draft, h5py.File(draft, "w") as file:
        group = file.create_group("TransformGroup")
        _write_name(group.create_group("0"), "CompositeTransform")
        for number, (kind, fixed, values) in enumerate(members, start=1):
            member = group.create_group(str(number))
            _write_name(member, kind)
            member["TransformFixedParameters"] = fixed.astype(np.float64)
            member["TransformParameters"] = values.astype(np.float32)


def _write_name(group: object, kind: str) -> None:
    import h5py

    text = f"{kind}_float_3_3".encode()
    group.create_dataset(  # type: ignore[attr-defined]
        "TransformType", data=np.array([text], object), dtype=h5py.string_dtype("ascii")
    )


def _field_parameters(displacement: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ITK's description of the grid, and the vectors with the first axis running fastest."""
    spacing = np.sqrt((grid[:3, :3] ** 2).sum(axis=0))
    flip = _LPS[:3, :3]
    direction, origin = flip @ (grid[:3, :3] / spacing), flip @ grid[:3, 3]
    fixed = np.concatenate([displacement.shape[1:], origin, spacing, direction.ravel()])
    vectors = displacement * np.array([-1, -1, 1], np.float32).reshape(3, 1, 1, 1)
    return fixed, vectors.transpose(3, 2, 1, 0).ravel()
