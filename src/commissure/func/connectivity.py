"""Connectivity of parcels, and the markers made of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from commissure.func.parcels import Parcels
from commissure.func.seeds import DLPFC, SEEDS, SGACC, STRIATAL_SEEDS
from commissure.images.connectivity_sets import (
    NETWORK_PAIRS,
    NETWORKS,
    STRIATUM,
    SUBCORTEX,
    THALAMUS,
    dlpfc_parcels,
    dmn_core_parcels,
    frontal_parcels,
    network_parcels,
)

#: Correlations are kept below this, or Fisher's z of identical series would be infinite.
LARGEST_R = 0.9999


def fisher_z(series: np.ndarray) -> np.ndarray:
    """Fisher's z of the Pearson correlations of all pairs of columns.

    Parameters
    ----------
    series
        Shape (T, P); rows of NaN are censored volumes, columns of NaN or without variance are
        missing parcels.

    Returns
    -------
    numpy.ndarray
        Shape (P, P), symmetric; NaN on the diagonal and for missing parcels.
    """
    rows = np.isfinite(series).any(axis=1)
    columns = np.isfinite(series[rows]).all(axis=0)
    kept = series[rows][:, columns]
    kept = kept - kept.mean(axis=0)
    length = np.sqrt((kept**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = kept / length
    unit[:, length <= 1e-12 * max(length.max(initial=0.0), 1e-300)] = np.nan
    z = np.full((series.shape[1],) * 2, np.nan)
    where = np.flatnonzero(columns)
    z[np.ix_(where, where)] = np.arctanh(np.clip(unit.T @ unit, -LARGEST_R, LARGEST_R))
    np.fill_diagonal(z, np.nan)
    return z


def mean_between(z: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    """Mean of ``z`` over all pairs between two sets; pairs of a parcel with itself never count.

    NaN where no pair is there.
    """
    block = z[np.ix_(rows, columns)]
    return float(block[np.isfinite(block)].mean()) if np.isfinite(block).any() else float("nan")


def connectivity_values(z: np.ndarray, parcels: Parcels) -> Iterator[tuple[str, str, float]]:
    """Markers of one connectivity matrix, as marker, region and value.

    Parameters
    ----------
    z
        From :func:`fisher_z`, rows in the order of ``parcels.names``.
    parcels
        Which row is what.
    """
    labels = parcels.labels
    cortex = np.arange(len(labels))
    members = {network: network_parcels(labels, network) for network in NETWORKS}
    for network in NETWORKS:
        yield "fc", network, mean_between(z, members[network], members[network])
    for first, second in NETWORK_PAIRS:
        yield "fc", f"{first}-{second}", mean_between(z, members[first], members[second])
    for side in ("L", "R", "bilateral"):
        parts = dlpfc_parcels(labels, side)
        each = [mean_between(z, np.array([part]), cortex) for part in parts]
        known = [value for value in each if np.isfinite(value)]
        yield "fc_dlpfc_strength", f"DLPFC_{side}", float(np.mean(known)) if known else float("nan")
    yield "fc_dmn_core", "Default", mean_between(z, *dmn_core_parcels(labels))
    thalamus = np.array([parcels.names.index(name) for name in THALAMUS])
    striatum = np.array([parcels.names.index(name) for name in STRIATUM])
    for network in ("Cont", "SomMot"):
        yield "fc_thal_cortex", network, mean_between(z, thalamus, members[network])
    frontal = frontal_parcels(labels)
    yield "fc_striatum_cortex", "frontal", mean_between(z, striatum, frontal)
    dlpfc = dlpfc_parcels(labels)
    default = np.setdiff1d(members["Default"], dlpfc)
    yield "fc_dlpfc_thal", "DLPFC_bilateral", mean_between(z, dlpfc, thalamus)
    yield "fc_dlpfc_striatum", "DLPFC_bilateral", mean_between(z, dlpfc, striatum)
    yield "fc_dlpfc_dmn", "DLPFC_bilateral", mean_between(z, dlpfc, default)
    deep = np.array([parcels.names.index(name) for name in SUBCORTEX])
    yield "fc_subcort_global", "Subcortex", mean_between(z, deep, cortex)


def seed_connectivity_values(z: np.ndarray, parcels: Parcels) -> Iterator[tuple[str, str, float]]:
    """Markers of the seeds, as marker, region and value.

    Parameters
    ----------
    z
        From :func:`fisher_z`, rows in the order of ``parcels.names``, then of
        :data:`commissure.func.seeds.SEEDS`.
    parcels
        Which row is what.
    """
    seeds = {seed: np.array([len(parcels.names) + k]) for k, seed in enumerate(SEEDS)}
    frontal = frontal_parcels(parcels.labels)
    for seed in STRIATAL_SEEDS:
        yield "fc_striatal_seed", seed.name, mean_between(z, seeds[seed], frontal)
    yield "fc_sgacc_dlpfc", "sgACC", mean_between(z, seeds[SGACC], seeds[DLPFC])
