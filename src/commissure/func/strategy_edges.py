"""Connectivity of one run by every strategy of denoising: what the cohort's comparison reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import atomic
from commissure.func.connectivity import fisher_z


@dataclass(frozen=True)
class StrategyEdges:
    """Fisher's z of all pairs of cortical parcels, by strategy.

    Attributes
    ----------
    strategies
        Names of ``func.strategy``; S of them.
    in_use
        The one that the run's markers are made by.
    z
        Shape (S, E), float16: pairs in the order of ``numpy.triu_indices(P, 1)``; NaN where a
        parcel is missing, or the strategy leaves nothing.
    degrees
        Shape (S,): degrees of freedom; NaN where the strategy could not be tried.
    parcels
        Names of the P parcels.
    centroids_mm
        Shape (P, 3), in template space.
    mean_fd_mm
        Mean framewise displacement of the run.
    """

    strategies: tuple[str, ...]
    in_use: str
    z: np.ndarray
    degrees: np.ndarray
    parcels: tuple[str, ...]
    centroids_mm: np.ndarray
    mean_fd_mm: float

    def distances_mm(self) -> np.ndarray:
        """Distance between the centroids of each pair, shape (E,)."""
        first, second = np.triu_indices(len(self.parcels), 1)
        return np.linalg.norm(self.centroids_mm[first] - self.centroids_mm[second], axis=1)

    def write(self, path: Path) -> None:
        """Write the file whole; equal edges give equal bytes."""
        with atomic(path) as draft:
            np.savez_compressed(
                draft,
                strategies=np.array(self.strategies),
                in_use=np.array(self.in_use),
                z=self.z.astype(np.float16),
                degrees=self.degrees.astype(np.float64),
                parcels=np.array(self.parcels),
                centroids_mm=self.centroids_mm.astype(np.float32),
                mean_fd_mm=np.array(self.mean_fd_mm),
            )

    @classmethod
    def read(cls, path: Path) -> StrategyEdges:
        """Read the file.

        Raises
        ------
        DatasetError
            It is not there, or not what :meth:`write` writes.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    strategies=tuple(str(name) for name in file["strategies"]),
                    in_use=str(file["in_use"]),
                    z=file["z"],
                    degrees=file["degrees"],
                    parcels=tuple(str(name) for name in file["parcels"]),
                    centroids_mm=file["centroids_mm"],
                    mean_fd_mm=float(file["mean_fd_mm"]),
                )
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise DatasetError(
                path.name,
                found=f"it cannot be read ({type(error).__name__})",
                wanted="connectivity by strategy",
                mend="Run the step func_measure again",
            ) from error


def edges_of_strategies(
    strategies: Iterable[str],
    cleaned: Callable[[str], tuple[np.ndarray | None, float]],
    labels: pd.DataFrame,
    *,
    in_use: str,
    mean_fd_mm: float,
) -> StrategyEdges:
    """Connectivity of the cortex by each strategy.

    Parameters
    ----------
    strategies
        Their names.
    cleaned
        Gives for a name the cleaned series, shape (T, P or more), columns in the order of
        ``labels``, and the degrees of freedom; None where there are none.
    labels
        The cortical parcels, with ``name``, ``x_mm``, ``y_mm``, ``z_mm``.
    in_use
        The strategy of the run's markers.
    mean_fd_mm
        Mean framewise displacement.
    """
    names, count = tuple(strategies), len(labels)
    upper = np.triu_indices(count, 1)
    z = np.full((len(names), len(upper[0])), np.nan)
    degrees = np.full(len(names), np.nan)
    for row, name in enumerate(names):
        residuals, degrees[row] = cleaned(name)
        if residuals is not None:
            z[row] = fisher_z(residuals[:, :count])[upper]
    return StrategyEdges(
        names,
        in_use,
        z.astype(np.float16),
        degrees,
        tuple(labels["name"]),
        labels[["x_mm", "y_mm", "z_mm"]].to_numpy(np.float32),
        mean_fd_mm,
    )
