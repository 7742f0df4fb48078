"""What the maps of people hold by region."""

from __future__ import annotations

import numpy as np

from commissure.models.encoders.map_encoder import in_parts
from commissure.representation.grey_matter import GreyMatterMaps


def region_volumes(maps: GreyMatterMaps, shares: np.ndarray) -> np.ndarray:
    """Grey matter of people by region.

    Parameters
    ----------
    maps
        Read few at a time.
    shares
        (regions, X, Y, Z), as of :func:`commissure.representation.regions.grey_regions`.

    Returns
    -------
    numpy.ndarray
        (people, regions), mm³.
    """
    flat = shares.reshape(len(shares), -1).T
    parts = [part.reshape(len(part), -1) @ flat for _, part in in_parts(maps)]
    whole = np.concatenate(parts) if parts else np.zeros((0, len(shares)))
    return np.asarray(whole, float) * maps.grid.resolution_mm**3
