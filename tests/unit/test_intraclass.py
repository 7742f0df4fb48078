"""Agreement of repeated measurements, on published examples."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.intraclass import icc_a1, icc_c1


def test_icc_of_shrout_and_fleiss():
    # Shrout & Fleiss, Psychol Bull 86:420-428, 1979, tables 2 and 4: ICC(2,1) = .29.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_a1(np.array(ratings)) == pytest.approx(0.2898, abs=1e-4)


def test_perfect_agreement_is_one_and_a_constant_error_is_not():
    values = np.arange(10.0)
    assert icc_a1(np.column_stack([values, values])) == pytest.approx(1)
    assert icc_a1(np.column_stack([values, values + 3])) < 0.7


def test_consistency_is_that_of_the_published_example():
    # Shrout PE, Fleiss JL, Psychol Bull 86:420-428, 1979, table 2: ICC(3,1) is .71.
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
    )
    constant = np.full((6, 4), 0.1)
    found = icc_c1(np.stack([ratings, ratings + 1000, constant], axis=2))
    assert found[:2] == pytest.approx([0.71, 0.71], abs=0.005) and np.isnan(found[2])
    assert np.isnan(icc_c1(np.zeros((2, 4, 1)))).all()
