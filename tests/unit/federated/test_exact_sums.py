"""Sums over sites are rounded once, in whatever order and whether masks were on them or not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.federated.exact_sums import (
    BITS,
    LARGEST,
    added_exactly,
    modulus,
    numbers_of,
    whole_number,
)


@pytest.mark.parametrize("sites", [3, 20])
def test_a_sum_is_the_true_one_rounded_once_and_masks_change_nothing(sites):
    rng = np.random.default_rng(sites)
    size = (4, 5, 6)
    arrays = [rng.normal(size=size) * 10.0 ** rng.integers(-60, 60, size) for _ in range(sites)]
    arrays[0][0, 0] = [0.0, -0.0, 1e-300, -1e-300, 2.0**-BITS, 1.0]
    arrays[1] -= arrays[0]  # digits cancel
    true = [
        float(sum(Fraction(float(a)) for a in column if abs(a) >= 2.0**-204))
        for column in zip(*(array.ravel() for array in arrays), strict=True)
    ]
    found = added_exactly(arrays)
    regular = np.abs(arrays).min(axis=0).ravel() >= 2.0**-204
    assert regular.mean() > 0.9
    np.testing.assert_array_equal(found.ravel()[regular], np.array(true)[regular])
    np.testing.assert_array_equal(added_exactly(arrays[::-1]), found)
    # Masks that cancel: what each is with its mask says nothing, the total is the same.
    masks = [int.from_bytes(rng.bytes(64 * found.size), "little") for _ in arrays[1:]]
    whole = [whole_number(array, "a") + mask for array, mask in zip(arrays[1:], masks, strict=True)]
    whole.append(whole_number(arrays[0], "a") - sum(masks))
    total = sum(number % modulus(found.size) for number in whole)
    np.testing.assert_array_equal(numbers_of(total, found.size).reshape(size), found)


def test_what_has_no_room_is_refused_in_words():
    edge = np.nextafter(LARGEST, 0.0)
    total = sum(whole_number(np.array([sign * edge]), "a") for sign in (1, 1, 1, -1))
    assert numbers_of(total, 1)[0] == 2 * edge
    with pytest.raises(DatasetError, match=r"site a: a sum of 4e\+71, wanted|Write the markers in"):
        whole_number(np.array([1.0, -LARGEST]), "site a")
