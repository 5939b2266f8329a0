"""Types of arrays, one name each."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["AnyFloatArray", "BoolArray", "FloatArray", "IntArray"]

FloatArray = npt.NDArray[np.float64]
AnyFloatArray = npt.NDArray[np.floating[Any]]  # values as they came, float32 or float64
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
