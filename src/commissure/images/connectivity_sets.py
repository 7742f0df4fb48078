"""Sets of Schaefer parcels and subcortical structures that connectivity markers are made of.

Each function takes the label table of :func:`commissure.images.atlas.schaefer` (any number of
parcels) and gives row positions, counted from 0: they index a matrix whose rows follow the table.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

#: The seven networks of Yeo 2011 in the order that names pairs: ``Vis-SomMot``, never the reverse.
NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")

#: The 21 pairs of different networks, as in the marker rows' ``region``.
NETWORK_PAIRS = tuple(combinations(NETWORKS, 2))

#: Structures of the template (column ``structure`` of
#: :func:`commissure.images.atlas.structures`) that get one series each, beside the cortex.
THALAMUS = ("Thalamus_L", "Thalamus_R")
STRIATUM = ("Caudate_L", "Caudate_R", "Putamen_L", "Putamen_R", "Accumbens_L", "Accumbens_R")
SUBCORTEX = (
    *THALAMUS, *STRIATUM, "Hippocampus_L", "Hippocampus_R", "Amygdala_L", "Amygdala_R",
)  # fmt: skip


def network_parcels(labels: pd.DataFrame, network: str) -> np.ndarray:
    """Rows of the parcels of one of :data:`NETWORKS`."""
    return np.flatnonzero(labels["network"] == network)


def dmn_core_parcels(labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the posterior and of the anterior midline core of the default-mode network.

    Returns
    -------
    posterior
        ``Default_pCunPCC`` (precuneus and posterior cingulate).
    anterior
        ``Default_PFC`` parcels with their centroid less than 15 mm from the midline.
    """
    name = labels["name"]
    posterior = name.str.contains("Default_pCunPCC")
    anterior = name.str.contains("Default_PFC") & (labels["x_mm"].abs() < 15)
    return np.flatnonzero(posterior), np.flatnonzero(anterior)


def dlpfc_parcels(
    labels: pd.DataFrame, hemisphere: Literal["L", "R", "bilateral"] = "bilateral"
) -> np.ndarray:
    """Rows of the lateral prefrontal parcels.

    Parcels of the networks Cont, Default and SalVentAttn that have ``PFC`` in their name and
    their centroid at abs(x) > 25, y > 10, z > 10 mm: the label files name no ``PFCd`` on the left.
    """
    lateral = (
        labels["network"].isin(["Cont", "Default", "SalVentAttn"])
        & labels["name"].str.contains("PFC")
        & (labels["x_mm"].abs() > 25)
        & (labels["y_mm"] > 10)
        & (labels["z_mm"] > 10)
    )
    if hemisphere != "bilateral":
        lateral &= labels["hemisphere"] == hemisphere
    return np.flatnonzero(lateral)


def frontal_parcels(labels: pd.DataFrame) -> np.ndarray:
    """Rows of the prefrontal and anterior cingulate parcels, the striatum's frontal targets.

    Every parcel with ``PFC`` in its name, and of the medial ones (``Med``, ``Cing``) those in
    front of y = 10 mm, which are anterior cingulate; orbitofrontal limbic parcels are not in it.
    """
    name = labels["name"]
    cingulate = name.str.contains("_Med_|_Cing_") & (labels["y_mm"] > 10)
    return np.flatnonzero(name.str.contains("PFC") | cingulate)
