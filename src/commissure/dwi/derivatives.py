"""Reading what an engine left: the files of the contract, whoever wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.dwi.gradients import Gradients, read_gradients
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.load import load_image, same_grid
from commissure.names import Scan

if TYPE_CHECKING:
    import pandas as pd

_POSE = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed diffusion series.

    Attributes
    ----------
    series
        ``(x, y, z, volumes)`` float32.
    affine
        4x4, voxel to mm.
    mask
        3-D of bool.
    gradients
        One row per volume, in the world of the series.
    space
        ``T1w``, or empty for the series' own space.
    confounds
        One row per volume with poses and framewise displacement; None where the engine wrote none.
    sidecar
        JSON beside the series; empty where there is none.
    """

    series: np.ndarray
    affine: np.ndarray
    mask: np.ndarray
    gradients: Gradients
    space: str
    confounds: pd.DataFrame | None
    sidecar: dict[str, Any]

    @property
    def poses(self) -> np.ndarray | None:
        """``(volumes, 6)`` in mm and radians, if the engine wrote them."""
        if self.confounds is None or not set(_POSE) <= set(self.confounds):
            return None
        return self.confounds[_POSE].to_numpy(float)

    @property
    def displacement(self) -> np.ndarray | None:
        """``(volumes,)`` framewise displacement in mm, 0 for the first, if the engine wrote it."""
        if self.confounds is None or "framewise_displacement" not in self.confounds:
            return None
        values = self.confounds["framewise_displacement"].to_numpy(float).copy()
        values[0] = 0.0
        return values


def read_preprocessed(
    scan: Scan, folder: Path, *, in_t1w: bool, b0_max_b_s_mm2: float
) -> Preprocessed:
    """Read a preprocessed series with all that belongs to it.

    Parameters
    ----------
    scan
        The raw series; only its name is used.
    folder
        Where the derivatives lie.
    in_t1w
        Whether anatomical derivatives are at hand, so that a series in T1w space can be used.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted.

    Raises
    ------
    DatasetError
        A file is missing, unreadable, or does not fit the others.
    """

    def path(suffix: str, extension: str, **entities: str) -> Path:
        return folder / scan.derivative(suffix, extension, **entities)

    spaces = ("T1w", "") if in_t1w else ("",)
    there = [s for s in spaces if path("dwi", ".nii.gz", space=s, desc="preproc").exists()]
    if not there:
        wanted = scan.derivative("dwi", ".nii.gz", space=spaces[0], desc="preproc")
        raise DatasetError(
            scan.who,
            found=f"{wanted} is not there",
            wanted="a preprocessed diffusion series",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    space = there[0]
    image = load_image(path("dwi", ".nii.gz", space=space, desc="preproc"), who=scan.who, ndim=4)
    mask = load_image(path("mask", ".nii.gz", space=space, desc="brain"), who=scan.who, ndim=3)
    if not same_grid(image, mask):
        raise DatasetError(
            scan.who,
            found=f"the brain mask {mask.shape} is not on the grid of the series {image.shape[:3]}",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    gradients = read_gradients(
        {key: path("dwi", f".{key}", space=space, desc="preproc") for key in ("bval", "bvec")},
        image.affine,
        volumes=image.shape[3],
        who=scan.who,
        b0_max_b_s_mm2=b0_max_b_s_mm2,
    )
    sidecar = path("dwi", ".json", space=space, desc="preproc")
    return Preprocessed(
        series=np.asanyarray(image.dataobj),
        affine=image.affine,
        mask=np.asanyarray(mask.dataobj) > 0,
        gradients=gradients,
        space=space,
        confounds=_confounds(scan, path("timeseries", ".tsv", desc="confounds"), image.shape[3]),
        sidecar=json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.exists() else {},
    )


def _confounds(scan: Scan, path: Path, volumes: int) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = read_table(path)
    if len(table) != volumes:
        raise DatasetError(
            scan.who,
            found=f"{path.name} has {len(table)} rows for {volumes} volumes",
            wanted="one row per volume",
            mend=f"Run the preprocessing of {scan.path.name} again",
        )
    return table
