import numpy as np
import pytest

from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.baseline import Baselines
from commissure.mrs.builtin.fit.model import (
    COMMON,
    FitProblem,
    LineShape,
    Priors,
    residual_slopes,
    solve,
)

from ...conftest import DWELL_S, FREQUENCY_MHZ, POINTS, noise, noise_sd


def priors(problem: FitProblem) -> Priors:
    return Priors(1.0, 1.0, 1.0, np.zeros((0, len(problem.basis.names))))


@pytest.fixture
def problem(basis: Basis, clean_fid: np.ndarray) -> FitProblem:
    fid = clean_fid + noise((POINTS,), noise_sd(clean_fid, 100.0), 4)
    return FitProblem(
        fid, basis, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ, low_ppm=0.2, high_ppm=4.2
    )


def test_a_shape_and_its_vector_are_the_same(basis: Basis) -> None:
    vector = np.arange(COMMON + 2 * len(basis.names), dtype=float)
    np.testing.assert_array_equal(LineShape.of(vector).vector(), vector)


@pytest.mark.parametrize("parameter", [0, 1, 2, 3, 4, COMMON + 7, -5])
def test_slopes_are_those_of_finite_differences(problem: FitProblem, parameter: int) -> None:
    baseline = Baselines(problem.ppm).with_freedom(2.0)
    shape = LineShape.start(len(problem.basis.names))
    amplitudes = solve(problem, shape, baseline, priors(problem)).amplitudes

    def residual(vector: np.ndarray) -> np.ndarray:
        moved = LineShape.of(vector)
        model = problem.spectra(problem.fids_at(moved)).real @ amplitudes
        return baseline.without((problem.phased(moved).real - model)[:, None])[:, 0]

    step = np.zeros(len(shape.vector()))
    step[parameter] = 1e-5
    expected = (residual(shape.vector() + step) - residual(shape.vector() - step)) / 2e-5
    slopes = residual_slopes(problem, shape, amplitudes, baseline, rows=0)[:, parameter]
    np.testing.assert_allclose(slopes, expected, atol=1e-5 * np.abs(expected).max())


def test_amplitudes_are_never_negative(problem: FitProblem) -> None:
    baseline = Baselines(problem.ppm).with_freedom(2.0)
    state = solve(problem, LineShape.start(len(problem.basis.names)), baseline, priors(problem))
    assert (state.amplitudes >= 0).all()
