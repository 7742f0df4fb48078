"""Regions of grey matter on the grid of maps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from commissure.images.atlas import cortex_around, structures
from commissure.images.map_grid import MapGrid

#: Name of the atlas of the regions of a map.
ATLAS = "Desikan-Killiany and structures"


@lru_cache(maxsize=2)
def grey_regions(grid: MapGrid) -> tuple[tuple[str, ...], np.ndarray]:
    """Cortical regions and deep grey matter, as shares of the voxels of a grid.

    Parameters
    ----------
    grid
        In another template space than the atlas's it is sampled by millimetres, which is
        approximate: two templates differ by some.

    Returns
    -------
    names, shares
        Names (``Hippocampus_L``, ``superiorfrontal_L``); (regions, X, Y, Z), 0 to 1: to what share
        of what is labelled in it a voxel is each region, so that none is lost on a coarse grid.
    """
    cortex, deep = cortex_around(), structures()
    label = np.asanyarray(cortex.image.dataobj).astype(int)
    under = np.asanyarray(deep.image.dataobj)
    names: dict[int, str] = {}
    for atlas, data in ((cortex, label), (deep, under)):
        grey = atlas.labels[atlas.labels["tissue"] == "GM"]
        there = np.unique(data)
        named = zip(grey["index"], grey["name"], strict=True)
        names |= {int(number): str(name) for number, name in named if number in there}
    label = np.where(label > 0, label, under)
    numbers = sorted(number for number in names if (label == number).any())
    step = np.linalg.inv(grid.affine) @ cortex.image.affine
    counts = np.zeros((len(numbers), int(np.prod(grid.shape))), np.float32)
    for row, number in enumerate(numbers):
        place = np.argwhere(label == number) @ step[:3, :3].T + step[:3, 3]
        voxel = np.rint(place).astype(int)
        within = ((voxel >= 0) & (voxel < grid.shape)).all(axis=1)
        flat = np.ravel_multi_index(tuple(voxel[within].T), grid.shape)
        counts[row] = np.bincount(flat, minlength=counts.shape[1])
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    shares.setflags(write=False)
    return tuple(names[n] for n in numbers), shares.reshape(-1, *grid.shape)
