"""Values of a table or a request: as texts, as a category column's labels, as JSON holds them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from tidegauge.profile.features import category_text
from tidegauge.protocol.coercion import Label

__all__ = ["json_cell", "labels_by_text", "texts_of"]


def texts_of(values: Sequence[Any]) -> list[str | None]:
    """Return the text that each value of a category or text column has; None where it is missing."""
    return [value if type(value) is str else category_text(value) for value in values]


def labels_by_text(categories: Sequence[Label]) -> dict[str | None, Label]:
    """Return a category column's categories by their texts.

    What is none of them stays the text that it is.
    """
    return {category_text(each): each for each in categories}


def json_cell(value: Any) -> Any:
    """Return a cell of a table as JSON holds it: None for a missing one, plain Python types for NumPy's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal):
        value = float(value)
    return None if category_text(value) is None else value
