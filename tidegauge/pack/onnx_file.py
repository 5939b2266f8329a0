"""ONNX files of any maker, packed as they are. What such a graph answers, its onnxruntime session answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd

from tidegauge.data.values import texts_of
from tidegauge.errors import BundleError
from tidegauge.model.inference import onnxruntime
from tidegauge.pack.form import Form
from tidegauge.pack.native import Native
from tidegauge.protocol.bundle import Label

__all__ = ["onnx_model"]

_CLASSES: Final = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_NUMBERS: Final[Mapping[str, str]] = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "tensor(bool)": "bool",
}
_FREE_BATCH: Final = (
    "export it with a free first dimension: torch.onnx.export(..., input_names=['input'], "
    "dynamic_axes={'input': {0: 'batch'}}), or for other makers onnx.tools.update_model_dims."
    "update_inputs_outputs_dims"
)


def onnx_model(data: bytes) -> Native:
    """A graph with the attributes that packing asks for.

    Raises
    ------
    BundleError
        Its inputs are neither one tensor of all features nor one column for each, or its first output is
        not one value a row; the message names the line that exports it right.
    """
    graph = onnx.load_model_from_string(data)
    _require_whole_file(graph)
    session = _session(data)
    inputs = session.get_inputs()
    for each in inputs:
        _require_input(each)
    feed, names, count = _feed(inputs)
    classes = _classes(graph, session.get_outputs())

    def answers(rows: Any) -> list[Any]:
        return list(session.run(None, feed(rows)))

    def predict(rows: Any) -> npt.NDArray[Any]:
        return _one_a_row(answers(rows)[0], len(rows), session.get_outputs()[0].name)

    def probability(rows: Any) -> npt.NDArray[Any]:
        return _probability(answers(rows)[1])

    wide = any(each.type in ("tensor(double)", "tensor(int64)", "tensor(uint64)") for each in inputs)
    form = Form(format="onnx", file="model.onnx", data=data, dtype="float64" if wide else "float32")
    has_probability = classes and len(session.get_outputs()) > 1
    return Native(
        form,
        predict,
        names,
        count,
        classes=classes or None,
        predict_proba=probability if has_probability else None,
    )


def _require_whole_file(graph: onnx.ModelProto) -> None:
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in graph.graph.initializer):
        raise BundleError(
            "the ONNX model keeps its weights in other files: write one, onnx.save(onnx.load('model.onnx'), "
            "'one.onnx', save_as_external_data=False), and pack that"
        )


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _require_input(each: Any) -> None:
    if each.type not in _NUMBERS and each.type != "tensor(string)":
        raise BundleError(
            f"the ONNX input {each.name!r} is of type {each.type}: numbers, truth values and texts are served"
        )
    if len(each.shape) not in (1, 2):
        raise BundleError(
            f"the ONNX input {each.name!r} has the shape {each.shape}: one value for each row and feature is "
            "served, shape (n, features), (n, 1) or (n,)"
        )
    if isinstance(each.shape[0], int):
        raise BundleError(
            f"the ONNX model takes {each.shape[0]} rows a call, no more and no less: {_FREE_BATCH}"
        )


def _feed(
    inputs: Sequence[Any],
) -> tuple[Callable[[Any], dict[str, Any]], Sequence[str] | None, int | None]:
    """How rows are fed; the features' names and their number where the graph says."""
    only = inputs[0]
    if len(inputs) == 1 and len(only.shape) == 2 and only.shape[1] != 1:
        count = only.shape[1] if isinstance(only.shape[1], int) else None
        return lambda rows: {only.name: _tensor(_table(rows), only.type)}, None, count
    wide = next((each for each in inputs if len(each.shape) == 2 and each.shape[1] != 1), None)
    if wide is not None:
        raise BundleError(
            f"the ONNX model has {len(inputs)} inputs and {wide.name!r} of shape {wide.shape}: "
            "one tensor of all features is served, or an input of shape (n, 1) or (n,) for each"
        )
    names = [each.name for each in inputs]

    def columns(rows: Any) -> dict[str, Any]:
        table = _table(rows)
        shapes = [(-1, 1) if len(each.shape) == 2 else (-1,) for each in inputs]
        return {
            each.name: _tensor(table.iloc[:, [at]], each.type).reshape(shape)
            for at, (each, shape) in enumerate(zip(inputs, shapes, strict=True))
        }

    return columns, names if len(inputs) > 1 else None, len(inputs)


def _table(rows: Any) -> pd.DataFrame:
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)


def _tensor(table: pd.DataFrame, kind: str) -> npt.NDArray[Any]:
    """The rows in an input's type, shape ``(n, columns)``; a missing text is the empty text."""
    if kind == "tensor(string)":
        columns = [["" if t is None else t for t in texts_of(table[name].tolist())] for name in table]
        return np.array(columns, dtype=object).T
    numbers = table.to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = numbers.astype(_NUMBERS[kind])
    if cast.dtype.kind in "iub" and (wrong := np.argwhere(cast != numbers)).size:
        row, at = wrong[0]
        raise BundleError(
            f"row {row} has {numbers[row, at]:g} in column {table.columns[at]!r}, "
            f"where the graph takes {cast.dtype}"
        )
    return cast


def _classes(graph: onnx.ModelProto, outputs: Sequence[Any]) -> list[Label]:
    """A classifier's labels, which one of its nodes names; empty for a regressor."""
    if outputs[0].type not in ("tensor(string)", "tensor(int64)"):
        return []
    found: list[Label] = []
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name in _CLASSES and (attribute.strings or attribute.ints):
                found = [text.decode() for text in attribute.strings] or list(attribute.ints)
    if not found and outputs[0].type == "tensor(string)":
        raise BundleError(
            f"the ONNX output {outputs[0].name!r} holds texts and no node names the classes: let the graph "
            "answer with the number of the class"
        )
    return found


def _one_a_row(answer: Any, rows: int, name: str) -> npt.NDArray[Any]:
    values = np.asarray(answer).reshape(-1)
    if len(values) != rows:
        raise BundleError(
            f"the ONNX model's first output {name!r} has {len(values) // max(1, rows)} values a row, one is "
            "served: put the label first, for scores of classes by an ArgMax node, and the scores second"
        )
    return values


def _probability(answer: Any) -> npt.NDArray[np.float64]:
    """Probabilities as a tensor, or from the converters' list of one map for each row (ZipMap)."""
    rows = [list(each.values()) for each in answer] if isinstance(answer, list) else answer
    return np.asarray(rows, dtype=np.float64)
