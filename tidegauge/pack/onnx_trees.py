"""scikit-learn's trees to ONNX, where skl2onnx alone gives other answers or none.

*Trees in float64.* A scikit-learn tree rounds its inputs to float32, whatever comes before it computes in.
skl2onnx leaves float64 as it is, so that values beside a threshold go the other way, and the runtime refuses
most such models. These converters put the rounding in front of the tree, and answer in float64 again.

*Histogram boosting.* skl2onnx hands an attribute of whole numbers over as truth values. Older protobuf
releases took them for 0 and 1, newer ones raise. Its container is given numbers instead.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._apply_operation import apply_cast
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.operator_converters.random_forest import (
    convert_sklearn_random_forest_classifier,
    convert_sklearn_random_forest_regressor_converter,
)
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

Convert = Callable[..., None]  # scope, operator, container
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
_FLOAT64_TREES: Final = 3  # the version of ONNX's tree nodes that has float64 thresholds
_WIDE: Final = ("nodes_values", "target_weights", "class_weights", "base_values")
_HISTOGRAM: Final[Mapping[type, Convert]] = {
    HistGradientBoostingClassifier: convert_sklearn_random_forest_classifier,
    HistGradientBoostingRegressor: convert_sklearn_random_forest_regressor_converter,
}


def tree_converters() -> dict[type, Convert]:
    """Return converters to pass to `convert_sklearn`, by class of estimator."""
    rounding = {cls: _with_rounding(_converter(cls)) for cls in _ROUNDING}
    return rounding | {cls: _with_numbers(convert) for cls, convert in _HISTOGRAM.items()}


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
        _widen(scope, operator, inner, container)

    return rounding


def _widen(scope: Any, operator: Any, inner: "_InFloat32", container: Any) -> None:
    for single, wanted in zip(inner.outputs, operator.outputs, strict=True):
        if single is not wanted:
            apply_cast(scope, single.full_name, wanted.full_name, container, to=TensorProto.DOUBLE)


class _InFloat32:
    """A conversion operator that takes `given` and gives float32 where it should give float64."""

    def __init__(self, scope: Any, operator: Any, given: Any) -> None:
        self._operator = operator
        self.inputs = [given]
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
    """Histogram boosting compares in float64, other trees in float32: so do these nodes if so given."""

    def with_numbers(scope: Any, operator: Any, container: Any) -> None:
        if not isinstance(operator.inputs[0].type, DoubleTensorType):
            convert(scope, operator, _NumbersForTruths(container))
            return
        inner = _InFloat32(scope, operator, operator.inputs[0])
        convert(scope, inner, _Float64Trees(container), op_version=_FLOAT64_TREES)
        _widen(scope, operator, inner, container)

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


class _Float64Trees(_NumbersForTruths):
    """The same, with float64 tensors for a tree's thresholds and weights."""

    def add_node(self, *args: Any, **attributes: Any) -> Any:
        """Add a node as the container does."""
        wide = {
            f"{name}_as_tensor": _tensor(name, attributes.pop(name)) for name in _WIDE if name in attributes
        }
        attributes.pop("nodes_hitrates", None)  # a statistic, which must be of the same type
        return super().add_node(*args, **attributes, **wide)


def _tensor(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float64).ravel(), name)


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [int(each) if isinstance(each, bool | np.bool_) else each for each in value]
    return value
