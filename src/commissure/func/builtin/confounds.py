"""Confounds of a BOLD series under the column names of fMRIPrep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from commissure.func.builtin.realign import Motion
from commissure.func.strategies import EXPANSIONS, MOTION, SIGNALS
from commissure.images.rigid import framewise_displacement


@dataclass(frozen=True)
class Components:
    """Principal components of the series in one tissue.

    Attributes
    ----------
    tissue
        ``CSF`` or ``WM``.
    series
        Shape (T, n), unit length each.
    variance_explained
        Share of the tissue's variance, shape (n,).
    singular_values
        Shape (n,).
    voxels
        How many voxels went in.
    """

    tissue: str
    series: np.ndarray
    variance_explained: np.ndarray
    singular_values: np.ndarray
    voxels: int


def dvars(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spatial root mean square of the change from volume to volume.

    Parameters
    ----------
    series
        Shape (V, T): brain voxels. Voxels without variance are left out.

    Returns
    -------
    dvars
        Shape (T,), in units of 1/1000 of the brain's median; NaN in the first frame.
    std_dvars
        The same divided by what independent noise of each voxel's robust spread and lag-1
        autocorrelation would give; about 1 without artefacts.

    Notes
    -----
    Power JD et al., NeuroImage 2012; Nichols TE, Notes on creating a standardized version of
    DVARS, 2013, arXiv:1704.01469: spread = IQR / 1.349, autocorrelation by Yule-Walker.
    """
    series = series[np.ptp(series, axis=1) > 0].astype(float)
    if not len(series):
        nothing = np.full(series.shape[1], np.nan)
        return nothing, nothing
    series *= 1000 / np.median(series)
    low, high = np.percentile(series, (25, 75), axis=1, method="lower")
    spread = (high - low) / 1.349
    centred = series - series.mean(axis=1, keepdims=True)
    lag = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)
    expected = (np.sqrt(2 * (1 - lag)) * spread).mean()
    plain = np.concatenate([[np.nan], np.sqrt((np.diff(series, axis=1) ** 2).mean(axis=0))])
    return plain, plain / expected if expected > 0 else np.full_like(plain, np.nan)


def cosine_drifts(volumes: int, *, tr_s: float, period_s: float) -> np.ndarray:
    """Discrete cosines slower than ``period_s``, without the constant.

    Parameters
    ----------
    volumes
        Number of volumes T.
    tr_s
        Repetition time.
    period_s
        Shortest period that counts as drift.

    Returns
    -------
    numpy.ndarray
        Shape (T, n), unit length each; n may be 0.
    """
    count = int(np.floor(2 * volumes * tr_s / period_s))
    frames = np.arange(volumes)
    waves = [np.cos(np.pi * (2 * frames + 1) * k / (2 * volumes)) for k in range(1, count + 1)]
    drifts = np.column_stack(waves) if waves else np.empty((volumes, 0))
    return drifts * np.sqrt(2 / volumes)


def components(
    series: np.ndarray, drifts: np.ndarray, *, tissue: str, count: int, first: int = 0
) -> Components:
    """Principal components of a tissue's series (aCompCor).

    Parameters
    ----------
    series
        Shape (V, T).
    drifts
        Shape (T, n), taken out of every voxel first, with mean and slope.
    tissue
        ``CSF`` or ``WM``, for the record.
    count
        How many components at most.
    first
        Volumes before this one are left out, and the components are 0 in them.

    Notes
    -----
    Behzadi Y et al., NeuroImage 37:90-101, 2007. Voxels are scaled to unit variance. The sign of a
    component is set so that its largest value is positive.
    """
    series, drifts = series[:, first:], drifts[first:]
    volumes = series.shape[1]
    slow = np.column_stack([np.ones(volumes), np.linspace(-1, 1, volumes), drifts])
    basis, _ = np.linalg.qr(slow)
    rest = series.astype(float) - (series @ basis) @ basis.T
    spread = rest.std(axis=1)
    rest = rest[spread > 1e-6 * max(spread.max(initial=0.0), 1e-12)]
    rest = rest / rest.std(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(rest.T @ rest)
    values, vectors = np.clip(values[::-1], 0, None), vectors[:, ::-1]
    # No more components than the voxels and frames leave after the drifts.
    kept = min(count, len(rest), max(volumes - basis.shape[1] - 1, 0))
    chosen = vectors[:, :kept]
    peak = chosen[np.abs(chosen).argmax(axis=0), np.arange(kept)]
    total = values.sum() or 1.0
    return Components(
        tissue,
        np.vstack([np.zeros((first, kept)), chosen * np.where(peak < 0, -1, 1)]),
        values[:kept] / total,
        np.sqrt(values[:kept]),
        len(rest),
    )


def expanded(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Add ``_derivative1``, ``_power2`` and ``_derivative1_power2`` of the columns named.

    The derivative is the backward difference, n/a in the first row.
    """
    parts: dict[str, pd.Series] = {}
    for name in names:
        slope = table[name].diff()
        columns = (table[name], slope, table[name] ** 2, slope**2)
        parts |= {f"{name}{end}": column for end, column in zip(EXPANSIONS, columns, strict=True)}
    return pd.DataFrame(parts)


def confounds_table(
    motion: Motion,
    signals: dict[str, np.ndarray],
    brain: np.ndarray,
    tissues: tuple[Components, ...],
    drifts: np.ndarray,
    *,
    radius_mm: float,
    first: int = 0,
) -> tuple[pd.DataFrame, dict]:
    """Put all confounds into one table, with what the columns mean.

    Parameters
    ----------
    motion
        Movement of every volume.
    signals
        Mean series by the names of :data:`SIGNALS`.
    brain
        Shape (V, T): series of the brain's voxels, for DVARS.
    tissues
        CompCor components by tissue.
    drifts
        Shape (T, n), from :func:`cosine_drifts`.
    radius_mm
        For framewise displacement.
    first
        First volume of steady magnetisation: those before it are marked, and have no DVARS.

    Returns
    -------
    table
        One row per volume, fMRIPrep's column names.
    metadata
        Content of the JSON file beside it.
    """
    plain, standardised = (
        np.concatenate([np.full(first, np.nan), values]) for values in dvars(brain[:, first:])
    )
    displacement = framewise_displacement(motion.parameters, radius_mm=radius_mm)
    displacement[0] = np.nan  # The first volume has none before it to be displaced from.
    columns = {
        "dvars": plain,
        "std_dvars": standardised,
        "framewise_displacement": displacement,
    }
    metadata: dict[str, dict] = {
        "framewise_displacement": {
            "Description": f"Power 2012, rotations on a sphere of {radius_mm:g} mm",
            "Units": "mm",
        },
        "dvars": {"Description": "DVARS", "Units": "1/1000 of the brain's median"},
        "std_dvars": {"Description": "DVARS over what independent noise would give"},
    }
    component_columns, component_metadata = _component_columns(tissues)
    columns |= component_columns
    metadata |= component_metadata
    for k in range(drifts.shape[1]):
        columns[f"cosine{k:02d}"] = drifts[:, k]
    for k in range(first):
        columns[f"non_steady_state_outlier{k:02d}"] = np.eye(1, len(plain), k)[0]
    movement = pd.DataFrame(motion.parameters, columns=list(MOTION))
    for name in MOTION:
        kind = "translation, mm" if name.startswith("trans") else "rotation, rad"
        metadata[name] = {
            "Description": f"Head {kind}: where a point of the reference lies in the volume",
            "Units": "mm" if name.startswith("trans") else "rad",
            "RotationCentre": motion.centre_mm.round(3),
        }
    table = pd.concat(
        [
            expanded(pd.DataFrame(signals)[list(SIGNALS)], SIGNALS),
            pd.DataFrame(columns),
            expanded(movement, MOTION),
        ],
        axis=1,
    )
    return table, metadata


def _component_columns(
    tissues: tuple[Components, ...],
) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """Columns of all components, numbered through, and what each is."""
    columns: dict[str, np.ndarray] = {}
    metadata: dict[str, dict] = {}
    for tissue in tissues:
        cumulative = np.cumsum(tissue.variance_explained)
        for k in range(tissue.series.shape[1]):
            name = f"a_comp_cor_{len(columns):02d}"
            columns[name] = tissue.series[:, k]
            metadata[name] = {
                "Method": "aCompCor",
                "Mask": tissue.tissue,
                "Retained": True,
                "SingularValue": tissue.singular_values[k],
                "VarianceExplained": tissue.variance_explained[k],
                "CumulativeVarianceExplained": cumulative[k],
                "Voxels": tissue.voxels,
            }
    return columns, metadata
