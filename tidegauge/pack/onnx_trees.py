"""scikit-learn's trees to ONNX, where skl2onnx alone gives other answers or none.

*Trees in float64.* A scikit-learn tree rounds its inputs to float32, whatever comes before it computes in.
skl2onnx leaves float64 as it is, so that values beside a threshold go the other way, and the runtime refuses
most such models. These converters put the rounding in front of the tree, and answer in float64 again.

*Histogram boosting.* skl2onnx hands an attribute of whole numbers over as truth values. Older protobuf
releases took them for 0 and 1, newer ones raise. Its container is given numbers instead.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from onnx import TensorProto
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._apply_operation import apply_cast
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

__all__ = ["tree_converters"]

Convert = Callable[[Any, Any, Any], None]  # scope, operator, container
_ROUNDING: Final = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_HISTOGRAM: Final = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def tree_converters() -> dict[type, Convert]:
    """Converters to pass to `convert_sklearn`, by class of estimator."""
    rounding = {cls: _with_rounding(_converter(cls)) for cls in _ROUNDING}
    return rounding | {cls: _with_numbers(_converter(cls)) for cls in _HISTOGRAM}


def _converter(cls: type) -> Convert:
    convert: Convert = get_converter(sklearn_operator_name_map[cls])
    return convert


def _with_rounding(convert: Convert) -> Convert:
    def rounding(scope: Any, operator: Any, container: Any) -> None:
        given = operator.inputs[0]
        if not isinstance(given.type, DoubleTensorType):
            convert(scope, operator, container)
            return
        rounded = scope.declare_local_variable("rounded", FloatTensorType(given.type.shape))
        apply_cast(scope, given.full_name, rounded.full_name, container, to=TensorProto.FLOAT)
        inner = _InFloat32(scope, operator, rounded)
        convert(scope, inner, container)
        for single, wanted in zip(inner.outputs, operator.outputs, strict=True):
            if single is not wanted:
                apply_cast(scope, single.full_name, wanted.full_name, container, to=TensorProto.DOUBLE)

    return rounding


class _InFloat32:
    """A conversion operator that takes `rounded` and gives float32 where it should give float64."""

    def __init__(self, scope: Any, operator: Any, rounded: Any) -> None:
        self._operator = operator
        self.inputs = [rounded]
        self.outputs = [
            scope.declare_local_variable("single", FloatTensorType(output.type.shape))
            if isinstance(output.type, DoubleTensorType)
            else output
            for output in operator.outputs
        ]

    @property
    def input_full_names(self) -> list[str]:
        """Names of the inputs in the graph."""
        return [variable.full_name for variable in self.inputs]

    @property
    def output_full_names(self) -> list[str]:
        """Names of the outputs in the graph."""
        return [variable.full_name for variable in self.outputs]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


def _with_numbers(convert: Convert) -> Convert:
    def with_numbers(scope: Any, operator: Any, container: Any) -> None:
        convert(scope, operator, _NumbersForTruths(container))

    return with_numbers


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
