"""The values that a request may hold for a column of each type: one rule for all protocols and simulations.

A column keeps the type that it had in the training data:

=========  ==========================  =============================================
type       values taken                what the model and the counts see
=========  ==========================  =============================================
boolean    truth values, numbers       1 for true, 0 for false
integer    numbers (``2``, ``2.0``)    the number
number     numbers                     the number
category   texts, numbers, truths      the category that has the same text
text       texts, numbers, truths      the text (`tidegauge.profile.features.category_text`)
=========  ==========================  =============================================

The rule holds for the model server, and for `Profile.count` and `replay`: a profile knows the types that it
was fitted on. A CSV file has texts alone, so there a text that spells a number is that number. A profile made
before types were kept, of a CSV file, or of texts as numbers (`dtypes`), knows no type of its numbers: then a
truth value is 1 or 0, and a text that spells no number counts as missing, with a warning.

Whether a value may be missing is another question, which the model decides. Standard library only, as the
manifest is read with it. `tidegauge.data.values` does what the last column says.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal, TypeAlias

__all__ = ["TYPES_OF_KIND", "ColumnType", "Label", "default_type", "numeric_type", "takes", "wanted"]

ColumnType: TypeAlias = Literal["boolean", "integer", "number", "category", "text"]
Label: TypeAlias = str | int | float | bool
TYPES_OF_KIND: Final[Mapping[str, tuple[ColumnType, ...]]] = {
    "numeric": ("boolean", "integer", "number"),
    "categorical": ("category", "text"),
}
_SCALARS: Final[tuple[type, ...]] = (str, bool, int, float)
_TAKEN: Final[Mapping[ColumnType, tuple[type, ...]]] = {
    "boolean": (bool, int, float),
    "integer": (int, float),
    "number": (int, float),
    "category": _SCALARS,
    "text": _SCALARS,
}
_WANTED: Final[Mapping[ColumnType, str]] = {
    "boolean": "true, false or a number",
    "integer": "a number",
    "number": "a number",
    "category": "a text",
    "text": "a text",
}


def default_type(kind: str) -> ColumnType:
    """Return the type of a column of which only the kind is known, as in old bundles."""
    return "number" if kind == "numeric" else "text"


def takes(column: ColumnType, kind: type) -> bool:
    """Return whether a column of this type takes values of this Python type."""
    return kind in _TAKEN[column]


def wanted(column: ColumnType) -> str:
    """Return the rule for a value of the column, in words."""
    return _WANTED[column]


def numeric_type(kinds: Collection[type]) -> ColumnType | None:
    """Return the type of a column that held values of these Python types; None where not all are numbers."""
    if not kinds or any(kind not in _TAKEN["boolean"] for kind in kinds):
        return None
    if bool in kinds:
        return "boolean"
    return "number" if float in kinds else "integer"
