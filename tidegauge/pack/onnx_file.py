"""ONNX files of any maker, packed as they are. What such a graph answers, its onnxruntime session answers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd

from tidegauge.data.values import texts_of
from tidegauge.errors import BundleError
from tidegauge.model.onnx_runtime import onnxruntime
from tidegauge.pack.form import Form
from tidegauge.pack.native import Native
from tidegauge.pack.onnx_rewrite import from_columns, label_first, outputs_of, widths_of
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
    """Return a graph with the attributes that packing asks for.

    Raises
    ------
    BundleError
        Its inputs have no fixed number of features, or no output is one value a row; the message names the
        line that exports it right.
    """
    graph = onnx.load_model_from_string(data)
    _require_whole_file(graph)
    session = _session(data)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    for each in inputs:
        _require_input(each)
    found = outputs_of(graph, outputs)
    feed, names, count = _feed(inputs)
    classes = list(range(found.classes)) or _classes(graph, _by_name(outputs, found.label))

    def answer(name: str | None, rows: Any) -> Any:
        return session.run([name], feed(rows))[0]

    def predict(rows: Any) -> npt.NDArray[Any]:
        if found.classes:
            best: npt.NDArray[Any] = np.asarray(answer(found.scores, rows)).argmax(axis=1)
            return best
        return _one_a_row(answer(found.label, rows), len(rows), found.label)

    def probability(rows: Any) -> npt.NDArray[Any]:
        return _probability(answer(found.scores, rows))

    served = graph if found.in_order(outputs) else label_first(graph, found)
    wide = any(each.type in ("tensor(double)", "tensor(int64)", "tensor(uint64)") for each in inputs)
    form = Form(
        format="onnx",
        file="model.onnx",
        data=data if served is graph else served.SerializeToString(),
        dtype="float64" if wide else "float32",
    )
    return Native(
        form,
        predict,
        names,
        count,
        classes=classes or None,
        predict_proba=probability if classes and found.scores else None,
        named=None if _is_plain(inputs) else partial(_from_columns, served, inputs),
    )


def _from_columns(graph: onnx.ModelProto, inputs: Sequence[Any], names: Sequence[str]) -> bytes:
    return bytes(from_columns(graph, inputs, names).SerializeToString())


def _by_name(tensors: Sequence[Any], name: str) -> Any:
    """The tensor of that name; None for one that packing makes."""
    return next((each for each in tensors if each.name == name), None)


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
    if not each.shape:
        raise BundleError(
            f"the ONNX input {each.name!r} is a single value, the same for all rows: give it that value, "
            f"model.graph.initializer.append(onnx.numpy_helper.from_array(value, {each.name!r})), and save"
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
    widths = widths_of(inputs)
    named = len(inputs) > 1 and _is_plain(inputs)
    ends = np.cumsum(widths)

    def columns(rows: Any) -> dict[str, Any]:
        table = _table(rows)
        return {
            each.name: _tensor(table.iloc[:, end - width : end], each.type).reshape(-1, *each.shape[1:])
            for each, width, end in zip(inputs, widths, ends, strict=True)
        }

    return columns, [each.name for each in inputs] if named else None, int(ends[-1])


def _is_plain(inputs: Sequence[Any]) -> bool:
    """Whether a server feeds the graph as it is: one matrix, or an input for each feature."""
    if len(inputs) == 1 and len(inputs[0].shape) == 2:
        return True
    return all(each.shape[1:] in ([], [1]) for each in inputs)


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


def _classes(graph: onnx.ModelProto, label: Any) -> list[Label]:
    """A classifier's labels, which one of its nodes names; empty for a regressor."""
    if label is None or label.type not in ("tensor(string)", "tensor(int64)"):
        return []
    found: list[Label] = []
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name in _CLASSES and (attribute.strings or attribute.ints):
                found = [text.decode() for text in attribute.strings] or list(attribute.ints)
    if not found and label.type == "tensor(string)":
        raise BundleError(
            f"the ONNX output {label.name!r} holds texts and no node names the classes: let the graph "
            "answer with the number of the class"
        )
    return found


def _one_a_row(answer: Any, rows: int, name: str) -> npt.NDArray[Any]:
    values = np.asarray(answer).reshape(-1)
    if len(values) != rows:
        raise BundleError(
            f"the ONNX output {name!r} has {len(values) // max(1, rows)} values a row, one is served. For "
            "scores of classes end the graph with a Softmax node (torch.nn.Sequential(model, "
            "torch.nn.Softmax(1))) or add an output of labels; for several targets export a graph for each"
        )
    return values


def _probability(answer: Any) -> npt.NDArray[np.float64]:
    """Probabilities as a tensor, or from the converters' list of one map for each row (ZipMap)."""
    rows = [list(each.values()) for each in answer] if isinstance(answer, list) else answer
    return np.asarray(rows, dtype=np.float64)
