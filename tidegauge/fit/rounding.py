"""Few distinct numbers with fractions: what differs from one of them by rounding is that number.

0.3 in float32 is not 0.3 in float64, and neither is 0.1 + 0.2. So around each value two cut points more say
how far its rounding reaches. They are no values of the reference, whose count at them is 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tidegauge.arrays import AnyFloatArray
from tidegauge.profile.features import DISCRETE_LIMIT

__all__ = ["with_rounding_limits"]

_REACH: Final = 2.0**-20  # of a value: some eight steps of float32


def with_rounding_limits(values: AnyFloatArray) -> AnyFloatArray:
    """Return few values with the limits of their rounding, as cut points.

    Parameters
    ----------
    values
        Rising distinct values, shape ``(k,)``.

    Returns
    -------
    array
        Rising, of the same dtype. Values nearer to each other than their rounding share two limits. The
        values alone, where they are many, whole or infinite, or too small to have neighbours.

    Examples
    --------
    >>> with_rounding_limits(np.array([0.5, 1.5])).round(7).tolist()
    [0.4999995, 0.5, 0.5000005, 1.4999986, 1.5, 1.5000014]
    >>> with_rounding_limits(np.array([0.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    few = 0 < values.size <= DISCRETE_LIMIT and bool(np.isfinite(values).all())
    if not few or (values == np.rint(values)).all():
        return values
    size = np.abs(values.astype(np.float64))
    reach = _REACH * np.maximum(size, size[size > 0].min())  # around 0 that of the smallest other
    low, high = ((values + sign * reach).astype(values.dtype) for sign in (-1, 1))
    if not (np.isfinite([low, high]).all() and (low < values).all() and (values < high).all()):
        return values
    apart = low[1:] > high[:-1]
    return np.union1d(values, np.concatenate((low[np.append(True, apart)], high[np.append(apart, True)])))
