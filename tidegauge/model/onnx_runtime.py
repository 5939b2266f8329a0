"""onnxruntime, set up before it is loaded to send nothing to its makers.

Its Linux wheels keep a device's name in the home folder and report the use of models, unless
``ORT_DISABLE_TELEMETRY`` says otherwise when the library is loaded. A user who sets the variable decides.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegauge.protocol.bundle import Label

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["label_dtype", "onnxruntime"]


def label_dtype(classes: Sequence[Label]) -> "np.dtype[Any] | None":
    """Return the type for a graph's whole-number labels: a graph has no classes of bool or float.

    Parameters
    ----------
    classes
        The model's labels; empty for a regressor.

    Returns
    -------
    numpy.dtype or None
        None where the graph's labels are the model's.
    """
    dtype = np.array(classes).dtype
    return dtype if classes and dtype.kind in "bf" else None
