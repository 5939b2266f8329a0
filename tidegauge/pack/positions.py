"""Columns by position instead of by name, so that a model is asked with an array and needs no pandas."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer

__all__ = ["by_position"]


def by_position(model: Any) -> Any:
    """Return the model, or where it picks columns of the input by name a copy that picks them by position."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or not any(_choosers(model, list(names), set())):
        return model
    changed = copy.deepcopy(model)
    for chooser in _choosers(changed, list(names), set()):
        _choose_by_position(chooser)
    return changed


def _choosers(node: Any, names: list[str], seen: set[int]) -> Iterator[ColumnTransformer]:
    """All parts of a model that pick from the model's own columns."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ColumnTransformer) and list(getattr(node, "feature_names_in_", ())) == names:
        yield node
    if isinstance(node, dict | list | tuple):
        parts = list(node.values()) if isinstance(node, dict) else list(node)
    elif isinstance(node, np.ndarray):
        parts = node.ravel().tolist() if node.dtype == object else []
    else:
        parts = list(vars(node).values()) if hasattr(node, "__dict__") and hasattr(node, "get_params") else []
    for part in parts:
        yield from _choosers(part, names, seen)


def _choose_by_position(chooser: ColumnTransformer) -> None:
    positions = chooser._transformer_to_input_indices
    chooser.transformers_ = [
        (name, part, _positions(positions[name], columns) if name in positions else columns)
        for name, part, columns in chooser.transformers_
    ]


def _positions(found: Sequence[int], columns: Any) -> list[int] | int:
    """Where the columns are. A text vectorizer takes one column by itself, so its position is no list."""
    return int(found[0]) if isinstance(columns, str) else [int(at) for at in found]
