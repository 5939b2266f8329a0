"""scikit-learn to ONNX.

Two layouts of the inputs. ``matrix``: one tensor named `MATRIX_INPUT` of shape ``(n, features)``.
``columns``: one tensor of shape ``(n, 1)`` per feature, in their order, named as the feature (what no
identifier may hold becomes ``_``); needed where some features are texts, and by transformers that pick
columns by name. A missing text is the empty text. The first output is the prediction.
"""

from typing import Any, Final, Literal

from skl2onnx import convert_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from tidegauge.errors import BundleError
from tidegauge.model.asking import parts_of
from tidegauge.nearest import listed
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Training
from tidegauge.pack.onnx_trees import tree_converters

__all__ = ["MATRIX_INPUT", "Layout", "onnx_form", "why_no_onnx"]

MATRIX_INPUT: Final = "input"
Layout = Literal["matrix", "columns"]
_CONTAINERS: Final = (ColumnTransformer, FeatureUnion, Pipeline)
_TENSORS: Final = {"float32": FloatTensorType, "float64": DoubleTensorType}


def onnx_form(model: Any, training: Training, layout: Layout, dtype: str) -> Form:
    """Return the model as ONNX; raises whatever the converter or the runtime raises if it cannot be."""
    number = _TENSORS[dtype]
    if layout == "matrix":
        inputs = [(MATRIX_INPUT, number([None, len(training.columns)]))]
    else:
        inputs = [
            (column.name, (number if column.kind == "numeric" else StringTensorType)([None, 1]))
            for column in training.columns
        ]
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    converted = convert_sklearn(
        model,
        name="model",
        initial_types=inputs,
        options=options,
        custom_conversion_functions=tree_converters(),
    )
    _require_inputs(converted, len(inputs))
    if not hasattr(model, "predict_proba"):
        del converted.graph.output[1:]  # distances and margins: nothing that a server answers
    return Form(format="onnx", file="model.onnx", data=converted.SerializeToString(), dtype=dtype)


def why_no_onnx(model: Any) -> str:
    """Return why the converter raised at a model, as far as its parts tell."""
    known = (*sklearn_operator_name_map, *_CONTAINERS)
    strange = [
        type(part).__name__ for part in parts_of(model) if hasattr(part, "fit") and type(part) not in known
    ]
    if strange:
        return f"there is no converter for {listed(list(dict.fromkeys(strange)))}"
    return "the converter does not take its parts together, or one of their options"


def _require_inputs(converted: Any, wanted: int) -> None:
    names = [each.name for each in converted.graph.input]
    if len(names) != wanted:
        raise BundleError(f"the converter kept {len(names)} of {wanted} inputs: {names}")
