"""Reading and writing the affine part of ITK transforms.

Composite files are those that ANTs and fMRIPrep write (HDF5). A transform moves *points*, from the
space that an image arrives in to the space that it comes from.
"""

from __future__ import annotations

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
                values = member["TransformParameters"][:].astype(float)
                centre = member["TransformFixedParameters"][:].astype(float)
                matrix = np.eye(4)
                matrix[:3, :3] = values[:9].reshape(3, 3)
                matrix[:3, 3] = values[9:] + centre - matrix[:3, :3] @ centre
                return _LPS @ matrix @ _LPS
    raise ValueError(f"{path} has no affine member")


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
