"""Sums of doubles over sites without any rounding but the last: of whatever order, masked or not.

A double is a whole number of units of 2**-256, as long as it is no smaller than 2**-204; what is
smaller loses what lies below the unit, 1e-77. Whole numbers are added as they are, and the total
is rounded once. :func:`added_exactly` does so with :func:`math.fsum`; :func:`whole_number` and
:func:`numbers_of` do so in one long integer, to which masks can be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from commissure.errors import DatasetError

#: Bits behind the point, and bytes of a number in a long integer.
BITS, BYTES = 256, 64
_UNIT, _HALF = 1 << BITS, 1 << (8 * BYTES - 1)
#: With as many sites as this the sum of any numbers below :data:`LARGEST` has room.
_MOST_SITES = 1 << 16
LARGEST = 2.0 ** (8 * BYTES - 1 - BITS) / _MOST_SITES


def added_exactly(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of one shape, added; the same to the last bit in whatever order.

    Parameters
    ----------
    arrays
        One a site.
    """
    stacked = np.array([np.asarray(array, float) for array in arrays])
    small = np.abs(stacked) < 1.0
    whole = np.where(small, np.ldexp(np.trunc(np.ldexp(stacked * small, BITS)), -BITS), stacked)
    columns = whole.reshape(len(stacked), -1).T.tolist()
    return np.array([math.fsum(column) for column in columns]).reshape(stacked.shape[1:])


def whole_number(values: np.ndarray, who: str) -> int:
    """Numbers side by side in one long integer, so that adding it adds them all.

    Parameters
    ----------
    values
        Of any shape, finite.
    who
        Whose they are, for the message.

    Raises
    ------
    DatasetError
        One is so large that a sum would have no room.
    """
    flat = np.ravel(np.asarray(values, float))
    if (np.abs(flat) >= LARGEST).any():
        raise DatasetError(
            who, found=f"a sum of {np.abs(flat).max():.0e}", wanted=f"less than {LARGEST:.0e}",
            mend="Write the markers in larger units",
        )  # fmt: skip
    whole = [int(number) for number in np.ldexp(flat, BITS).tolist()]
    above = b"".join(max(number, 0).to_bytes(BYTES, "little") for number in whole)
    below = b"".join(max(-number, 0).to_bytes(BYTES, "little") for number in whole)
    return int.from_bytes(above, "little") - int.from_bytes(below, "little")


def numbers_of(total: int, count: int) -> np.ndarray:
    """The numbers that lie side by side in a sum of long integers; of any multiple of the modulus.

    Parameters
    ----------
    total
        Sum of :func:`whole_number` over the sites, modulo :func:`modulus`.
    count
        How many numbers lie in it.
    """
    halves = int.from_bytes(_HALF.to_bytes(BYTES, "little") * count, "little")
    data = ((total + halves) % modulus(count)).to_bytes(BYTES * count, "little")
    starts = range(0, BYTES * count, BYTES)
    whole = [int.from_bytes(data[at : at + BYTES], "little") - _HALF for at in starts]
    # A quotient of whole numbers is rounded once, to the nearest double.
    return np.array([number / _UNIT for number in whole])


def modulus(count: int) -> int:
    """What so many numbers side by side are counted modulo."""
    return 1 << (8 * BYTES * count)
