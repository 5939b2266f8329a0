"""ONNX graphs of other makers, brought into the one order that a server reads.

That order: the prediction is the first output, and each input is a matrix of features or one feature.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import onnx
from onnx import TensorProto, compose, helper

from tidegauge.errors import BundleError
from tidegauge.nearest import listed

__all__ = ["MADE_LABEL", "Outputs", "from_columns", "label_first", "outputs_of", "widths_of"]

MADE_LABEL: Final = "number_of_the_class_with_the_largest_score"
_PREFIX: Final = "of the given graph: "
_LABELS: Final = ("tensor(string)", "tensor(int64)", "tensor(int32)")
_LABEL_WORDS: Final = ("label", "class", "predict")
_PASS: Final = ("Identity", "Cast")  # nodes whose output is their input


class Outputs:
    """Which outputs of a graph are the prediction and the scores of classes.

    Parameters
    ----------
    label
        The prediction's name.
    scores
        Name of the classes' scores, None where there are none.
    classes
        How many classes the scores are of, where the label must be made of them; else 0.
    """

    def __init__(self, label: str, scores: str | None = None, classes: int = 0) -> None:
        self.label = label
        self.scores = scores
        self.classes = classes

    @property
    def names(self) -> list[str]:
        """Both names, the label's first."""
        return [self.label] if self.scores is None else [self.label, self.scores]

    def in_order(self, outputs: Sequence[Any]) -> bool:
        """Return whether the graph has them as its first outputs."""
        return [each.name for each in outputs[: len(self.names)]] == self.names


def outputs_of(graph: onnx.ModelProto, outputs: Sequence[Any]) -> Outputs:
    """Tell the label from the scores, by types, shapes and names.

    Parameters
    ----------
    graph
        The graph.
    outputs
        Its outputs, as a session of onnxruntime describes them.
    """
    first, others = outputs[0], outputs[1:]
    label = _label_behind(first, others)
    if label is not None:
        return Outputs(label.name, None if _is_one_a_row(first) else first.name)
    classes = first.shape[-1] if len(first.shape) == 2 else None
    if isinstance(classes, int) and classes > 1 and _maker(graph, first.name) == "Softmax":
        return Outputs(MADE_LABEL, first.name, classes)
    return Outputs(first.name, others[0].name if others else None)


def _label_behind(first: Any, others: Sequence[Any]) -> Any:
    """The output of labels behind one of scores; None where the first output is the prediction."""
    if first.type in _LABELS:
        return None
    labels = [each for each in others if each.type in _LABELS and _may_be_one_a_row(each)]
    named = [each for each in labels if any(word in each.name.lower() for word in _LABEL_WORDS)]
    return next(iter([*named, *([] if _is_one_a_row(first) else labels)]), None)


def _is_one_a_row(output: Any) -> bool:
    """Whether an output is surely one value a row: a tensor whose sizes behind that of rows are all 1."""
    return output.type.startswith("tensor(") and all(size == 1 for size in output.shape[1:])


def _may_be_one_a_row(output: Any) -> bool:
    return all(size == 1 or not isinstance(size, int) for size in output.shape[1:])


def _maker(graph: onnx.ModelProto, name: str) -> str:
    """The kind of node that made an output, behind nodes that pass it on."""
    makers = {output: node for node in graph.graph.node for output in node.output}
    while name in makers and makers[name].op_type in _PASS:
        name = makers[name].input[0]
    return makers[name].op_type if name in makers else ""


def label_first(graph: onnx.ModelProto, found: Outputs) -> onnx.ModelProto:
    """Return the graph with the label as first output, which an ArgMax node makes where there is none."""
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    if found.classes and found.scores is not None:
        node = helper.make_node("ArgMax", [found.scores], [MADE_LABEL], axis=1, keepdims=0)
        changed.graph.node.append(node)
        changed.graph.output.append(helper.make_tensor_value_info(MADE_LABEL, TensorProto.INT64, ["n"]))
    by_name = {each.name: each for each in changed.graph.output}
    kept = [by_name[name] for name in found.names]
    del changed.graph.output[:]
    changed.graph.output.extend(kept)
    return changed


def widths_of(inputs: Sequence[Any]) -> list[int]:
    """Return how many values of a row each input takes; raises `BundleError` where its shape does not say."""
    for each in inputs:
        free = [str(size) for size in each.shape[1:] if not isinstance(size, int)]
        if free:
            raise BundleError(
                f"the ONNX input {each.name!r} has the free dimensions {listed(free)} beside that of rows: a "
                "row has a fixed number of features. Export it with only the first one free: "
                f"torch.onnx.export(..., dynamic_axes={{{each.name!r}: {{0: 'batch'}}}})"
            )
    return [math.prod(each.shape[1:]) for each in inputs]


def from_columns(graph: onnx.ModelProto, inputs: Sequence[Any], names: Sequence[str]) -> onnx.ModelProto:
    """Return the graph with an input of shape ``(n, 1)`` for each feature, in the order of the given inputs.

    Parameters
    ----------
    graph
        The graph.
    inputs
        Its inputs, as a session of onnxruntime describes them, of fixed sizes but for the rows.
    names
        The features' names, as many as the inputs take values of a row.
    """
    changed = compose.add_prefix(graph, _PREFIX)  # a feature may be called as a tensor within the graph
    kinds = {each.name: each.type.tensor_type.elem_type for each in graph.graph.input}
    given = {_PREFIX + each.name for each in inputs}
    kept = [each for each in changed.graph.input if each.name not in given]  # weights, in old files
    del changed.graph.input[:]
    nodes, at = [], 0
    for each, width in zip(inputs, widths_of(inputs), strict=True):
        part = list(names[at : at + width])
        at += width
        changed.graph.input.extend(
            helper.make_tensor_value_info(name, kinds[each.name], ["n", 1]) for name in part
        )
        shape = helper.make_tensor(
            f"{_PREFIX}shape of {each.name}", TensorProto.INT64, [len(each.shape)], [-1, *each.shape[1:]]
        )
        changed.graph.initializer.append(shape)
        joined = f"{_PREFIX}features of {each.name}"
        nodes.append(helper.make_node("Concat", part, [joined], axis=1))
        nodes.append(helper.make_node("Reshape", [joined, shape.name], [_PREFIX + each.name]))
    changed.graph.input.extend(kept)
    before = list(changed.graph.node)
    del changed.graph.node[:]
    changed.graph.node.extend([*nodes, *before])
    return changed
