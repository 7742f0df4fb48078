import numpy as np
import pytest

from commissure.mrs.builtin.fit.baseline import Baselines


def test_stiffness_is_what_was_asked_for() -> None:
    ppm = np.linspace(0.2, 4.2, 800)
    for freedom in (1.0, 3.0, 6.0):
        assert Baselines(ppm).with_freedom(freedom).freedom == pytest.approx(freedom * 4, rel=1e-3)


def test_a_straight_line_is_never_penalised() -> None:
    ppm = np.linspace(0.2, 4.2, 800)
    stiff = Baselines(ppm).with_freedom(0.75)
    line = 3 - 0.7 * ppm
    np.testing.assert_allclose(stiff.of(line), line, atol=1e-6)
