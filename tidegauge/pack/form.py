"""One form in which a model can be packed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A packed model that can be asked for its answers.

    Parameters
    ----------
    format
        One of `tidegauge.bundle.FORMATS`.
    file
        Name of the artefact in the bundle.
    data
        Its bytes.
    dtype
        Serving dtype of numeric features, ``float32`` or ``float64``.
    predict
        Asks the artefact, loaded from `data`, as a server does: rows of the training frame to raw answers.
    trusted_types
        For skops: the types that a server's owner must trust.
    """

    format: str
    file: str
    data: bytes
    dtype: str
    predict: Callable[[pd.DataFrame], Any]
    trusted_types: tuple[str, ...] = ()
