"""scikit-learn to ONNX.

Two layouts of the inputs. ``matrix``: one tensor named `MATRIX_INPUT` of shape ``(n, features)``.
``columns``: one tensor of shape ``(n, 1)`` per feature, in their order, named as the feature (what no
identifier may hold becomes ``_``); needed where some features are texts, and by transformers that pick
columns by name. A missing text is the empty text. The first output is the prediction.
"""

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

from tidegauge.errors import BundleError
from tidegauge.inference import label_dtype, onnxruntime
from tidegauge.pack.answers import class_labels
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Column, Training
from tidegauge.pack.onnx_trees import tree_converters
from tidegauge.values import texts_of

__all__ = ["MATRIX_INPUT", "Layout", "onnx_form"]

MATRIX_INPUT: Final = "input"
Layout = Literal["matrix", "columns"]
_TENSORS: Final = {"float32": FloatTensorType, "float64": DoubleTensorType}


def onnx_form(model: Any, training: Training, layout: Layout, dtype: str) -> Form:
    """The model as ONNX; raises whatever the converter or the runtime raises if it cannot be."""
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
    data = converted.SerializeToString()
    session = onnxruntime.InferenceSession(data, _like_the_server(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    if len(names) != len(inputs):
        raise BundleError(f"the converter kept {len(names)} of {len(inputs)} inputs: {names}")
    label_type = label_dtype(class_labels(model))

    def predict(rows: pd.DataFrame) -> Any:
        tensors = _tensors(rows, training.columns, layout, dtype)
        answers = session.run(None, dict(zip(names, tensors, strict=True)))[0]
        return answers if label_type is None else answers.astype(label_type)

    return Form(format="onnx", file="model.onnx", data=data, dtype=dtype, predict=predict)


def _like_the_server() -> onnxruntime.SessionOptions:
    """One thread: with more, sums over trees round otherwise."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _tensors(
    rows: pd.DataFrame, columns: tuple[Column, ...], layout: Layout, dtype: str
) -> list[npt.NDArray[Any]]:
    """The rows as the model's inputs, in their order."""
    if layout == "matrix":
        return [rows.to_numpy(dtype=dtype, na_value=np.nan)]
    return [_tensor(rows[column.name], column, dtype) for column in columns]


def _tensor(values: "pd.Series[Any]", column: Column, dtype: str) -> npt.NDArray[Any]:
    if column.kind == "numeric":
        return values.to_numpy(dtype=dtype, na_value=np.nan).reshape(-1, 1)
    texts = ["" if text is None else text for text in texts_of(values.tolist())]
    return np.array(texts, dtype=object).reshape(-1, 1)
