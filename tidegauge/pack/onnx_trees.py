"""Histogram gradient boosting to ONNX with protobuf releases that refuse truth values where numbers belong.

skl2onnx hands the attribute `nodes_missing_value_tracks_true` over as truth values. Older protobuf releases
took them for 0 and 1, newer ones raise. So these two converters are given a container that turns them into
numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

__all__ = ["tree_converters"]


class _NumbersForTruths:
    """A conversion container whose nodes get 0 and 1 for False and True."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *args: Any, **attributes: Any) -> Any:
        """Add a node as the container does."""
        return self._container.add_node(*args, **{name: _number(value) for name, value in attributes.items()})


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [int(each) if isinstance(each, bool | np.bool_) else each for each in value]
    return value


def tree_converters() -> dict[type, Callable[..., None]]:
    """Converters to pass to `convert_sklearn`, by class of estimator."""
    return {cls: _converter(cls) for cls in (HistGradientBoostingClassifier, HistGradientBoostingRegressor)}


def _converter(cls: type) -> Callable[..., None]:
    convert = get_converter(sklearn_operator_name_map[cls])

    def with_numbers(scope: Any, operator: Any, container: Any) -> None:
        convert(scope, operator, _NumbersForTruths(container))

    return with_numbers
