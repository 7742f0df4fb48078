"""A smooth baseline: penalised B-splines, projected out of the fit in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline
from scipy.linalg import eigh

#: Knots per ppm: far denser than any stiffness allows, so that only the penalty decides.
KNOTS_PER_PPM = 15.0


@dataclass(frozen=True)
class Baseline:
    """A penalised spline of fixed stiffness.

    Attributes
    ----------
    splines
        (points, splines).
    basis
        Orthonormal basis of the splines stacked on their penalty, (points + penalties, splines).
    solve
        (splines, points): maps a residual to spline coefficients.
    freedom
        Effective degrees of freedom, the trace of the smoother.
    """

    splines: np.ndarray
    basis: np.ndarray
    solve: np.ndarray
    freedom: float

    def without(self, columns: np.ndarray) -> np.ndarray:
        """Columns (points, k) with the best baseline taken off, penalty rows below.

        The squared length of a column of the result is the penalised residual of the column.
        """
        points = len(self.splines)
        remainder = -self.basis @ (self.basis[:points].T @ columns)
        remainder[:points] += columns
        return remainder

    def of(self, residual: np.ndarray) -> np.ndarray:
        """The baseline that fits a residual (points,)."""
        return self.splines @ (self.solve @ residual)


def spline_matrix(ppm: np.ndarray) -> np.ndarray:
    """Cubic B-splines over an ascending axis, (points, splines)."""
    hair = 1e-6 * float(ppm[-1] - ppm[0])
    low, high = float(ppm[0]) - hair, float(ppm[-1]) + hair
    pieces = max(4, round((high - low) * KNOTS_PER_PPM))
    # Evenly spaced beyond both ends, so that second differences of a straight line are zero.
    knots = low + (high - low) / pieces * np.arange(-3, pieces + 4)
    return BSpline.design_matrix(ppm, knots, 3).toarray()


class Baselines:
    """Baselines over one axis, of any stiffness.

    Parameters
    ----------
    ppm
        Ascending axis of the fit, (points,).

    Notes
    -----
    Eilers PHC, Marx BD, Stat Sci 11:89-121, 1996 (second differences are penalised); effective
    degrees of freedom per ppm as the measure of stiffness: Wilson M, Magn Reson Med 85:13-29, 2021.
    """

    def __init__(self, ppm: np.ndarray) -> None:
        self._made: dict[float, Baseline] = {}
        self.splines = spline_matrix(ppm)
        self.difference = np.diff(np.eye(self.splines.shape[1]), n=2, axis=0)
        self.span_ppm = float(ppm[-1] - ppm[0])
        gram = self.splines.T @ self.splines
        self._stiffness = np.clip(
            eigh(self.difference.T @ self.difference, gram, eigvals_only=True), 0, None
        )

    def with_freedom(self, freedom_per_ppm: float) -> Baseline:
        """The baseline with that many effective degrees of freedom per ppm."""
        if freedom_per_ppm not in self._made:
            self._made[freedom_per_ppm] = self._with_freedom(freedom_per_ppm)
        return self._made[freedom_per_ppm]

    def _with_freedom(self, freedom_per_ppm: float) -> Baseline:
        wanted = max(2.05, freedom_per_ppm * self.span_ppm)
        low, high = -12.0, 12.0
        for _ in range(60):
            middle = (low + high) / 2
            freedom = float((1 / (1 + 10**middle * self._stiffness)).sum())
            low, high = (middle, high) if freedom > wanted else (low, middle)
        penalty = 10 ** (low / 2) * self.difference
        basis, _ = np.linalg.qr(np.vstack([self.splines, penalty]))
        normal = self.splines.T @ self.splines + penalty.T @ penalty
        return Baseline(
            splines=self.splines,
            basis=basis,
            solve=np.linalg.solve(normal, self.splines.T),
            freedom=freedom,
        )


def baselines_over(ppm: np.ndarray) -> Baselines:
    """Baselines over an axis; those of the last axes are kept, since a spectrum is fitted often."""
    return _baselines_over(ppm.tobytes())


@lru_cache(maxsize=4)
def _baselines_over(ppm: bytes) -> Baselines:
    return Baselines(np.frombuffer(ppm))
