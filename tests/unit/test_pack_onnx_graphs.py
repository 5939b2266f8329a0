"""ONNX graphs of other makers whose outputs or inputs are in another order than a server reads them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from support.packs import SERVER, predictions
from support.serving_app import App

from tidegauge.errors import BundleError
from tidegauge.pack import Packed, pack_model

pytestmark = pytest.mark.slow

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
RNG = np.random.default_rng(5)
TABLE = pd.DataFrame(RNG.normal(size=(90, 4)).astype("float32"), columns=["p", "q", "r", "s"])
WEIGHTS = RNG.normal(size=(4, 3)).astype("float32")
SCORES = TABLE.to_numpy() @ WEIGHTS
SHARES = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)


def value(name: str, kind: int, *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, kind, ["n", *shape])


def graph(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, Any] | None = None,
) -> Path:
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    made = helper.make_graph(nodes, "g", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=8), path)
    return path


def packed_of(path: Path, frame: pd.DataFrame = TABLE) -> Packed:
    frame.to_parquet(path.parent / "d.parquet")
    return pack_model(path, path.parent / "d.parquet", path.parent / "m", server=SERVER)


def linear_classifier(
    path: Path, labels: Sequence[Any], outputs: Sequence[str], *, sizes: bool = True
) -> Path:
    texts = isinstance(labels[0], str)
    node = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        coefficients=WEIGHTS.T.ravel().tolist(),
        intercepts=[0.0] * 3,
        post_transform="SOFTMAX",
        multi_class=1,
        **{"classlabels_strings" if texts else "classlabels_ints": list(labels)},
    )
    described = {
        "label": value("label", TensorProto.STRING if texts else INT),
        "scores": value("scores", FLOAT, 3 if sizes else "classes"),
    }
    return graph(path, [node], [value("x", FLOAT, 4)], [described[name] for name in outputs])


@pytest.mark.parametrize("labels", [["north", "south", "west"], [7, 3, 5]], ids=["texts", "numbers"])
@pytest.mark.parametrize("sizes", [True, False], ids=["three scores", "scores of a free size"])
def test_scores_before_labels_are_told_apart(labels: list[Any], sizes: bool, tmp_path: Path) -> None:
    path = linear_classifier(tmp_path / "m.onnx", labels, ["scores", "label"], sizes=sizes)
    packed = packed_of(path)
    assert packed.manifest.model.classes == tuple(labels)
    answered = predictions(packed, TABLE)
    assert answered.labels.tolist() == [labels[at] for at in SCORES.argmax(axis=1)]
    np.testing.assert_allclose(answered.probabilities, SHARES, atol=1e-5)


def test_a_converters_maps_before_its_labels_are_told_apart(tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    labels = np.where(TABLE["p"] > TABLE["q"], "more", "less")
    model = RandomForestClassifier(7, random_state=0).fit(TABLE.to_numpy(), labels)
    converted = to_onnx(model, TABLE.to_numpy()[:1])
    reversed_outputs = list(converted.graph.output)[::-1]
    del converted.graph.output[:]
    converted.graph.output.extend(reversed_outputs)
    onnx.save(converted, tmp_path / "m.onnx")
    packed = packed_of(tmp_path / "m.onnx")
    answered = predictions(packed, TABLE)
    assert answered.labels.tolist() == model.predict(TABLE.to_numpy()).tolist()
    np.testing.assert_allclose(answered.probabilities, model.predict_proba(TABLE.to_numpy()), atol=1e-5)


@pytest.mark.parametrize(
    "behind", [[], ["Identity"], ["Cast", "Identity"]], ids=lambda names: "+".join(names)
)
def test_a_softmax_alone_is_a_classifier_of_numbered_classes(behind: list[str], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y0"], axis=1),
    ]
    for at, kind in enumerate(behind):
        given = {"to": FLOAT} if kind == "Cast" else {}
        nodes.append(helper.make_node(kind, [f"y{at}"], [f"y{at + 1}"], **given))
    outputs = [value(f"y{len(behind)}", FLOAT, 3)]
    path = graph(tmp_path / "m.onnx", nodes, [value("x", FLOAT, 4)], outputs, {"w": WEIGHTS})
    packed = packed_of(path)
    assert packed.manifest.model.classes == (0, 1, 2)
    app = App(packed.folder, tmp_path / "log")
    tensor = {"name": "x", "shape": [90, 4], "datatype": "FP32", "data": TABLE.to_numpy().ravel().tolist()}
    label, probability = app.post("/v2/models/m/infer", {"inputs": [tensor]})[1]["outputs"]
    assert label["data"] == SCORES.argmax(axis=1).tolist()
    np.testing.assert_allclose(np.reshape(probability["data"], (90, 3)), SHARES, atol=1e-5)
    row = dict(zip("pqrs", TABLE.to_numpy()[5].tolist(), strict=True))
    assert app.post("/predict", {"features": row})[1]["prediction"] == SCORES[5].argmax()
    app.close()


# --- inputs -------------------------------------------------------------------------------------------------


def deep_and_wide(path: Path) -> Path:
    """Two numbers and two codes of a table of weights, as recommenders have them."""
    nodes = [
        helper.make_node("Gather", ["table", "codes"], ["looked up"]),
        helper.make_node("Squeeze", ["looked up", "last"], ["effects"]),
        helper.make_node("Concat", ["numbers", "effects"], ["all"], axis=1),
        helper.make_node("ReduceSum", ["all", "axes"], ["p"], keepdims=0),
    ]
    inputs = [value("numbers", FLOAT, 2), value("codes", INT, 2)]
    weights = {"table": np.array([[5.0], [7.0], [11.0]], "float32"), "axes": [1], "last": [2]}
    return graph(path, nodes, inputs, [value("p", FLOAT)], weights)


def test_several_wide_inputs_take_the_tables_columns_in_order(tmp_path: Path) -> None:
    """One column is called as a tensor within the graph."""
    frame = TABLE[["p", "q"]].assign(city=RNG.integers(0, 3, 90), shop=RNG.integers(0, 3, 90))
    packed = packed_of(deep_and_wide(tmp_path / "m.onnx"), frame)
    expected = frame["p"] + frame["q"] + np.array([5, 7, 11])[frame[["city", "shop"]]].sum(axis=1)
    np.testing.assert_allclose(predictions(packed, frame).labels, expected, rtol=1e-5)
    app = App(packed.folder, tmp_path / "log")
    refused = app.post("/predict", {"features": {"p": 1.0, "q": 2.0, "city": 1.5, "shop": 0}})[1]
    assert "feature 'city' is 1.5: this model takes a whole number" in refused["error"]
    app.close()


@pytest.mark.parametrize("shape", [(2, 2), (1, 4), (2, 1, 2)], ids=str)
def test_an_input_of_more_dimensions_takes_a_row_in_its_order(shape: tuple[int, ...], tmp_path: Path) -> None:
    factors = np.arange(1, 5, dtype="float32").reshape(shape)
    nodes = [
        helper.make_node("Mul", ["x", "factors"], ["z"]),
        helper.make_node("ReduceSum", ["z", "axes"], ["y"], keepdims=0),
    ]
    axes = list(range(1, len(shape) + 1))
    path = graph(
        tmp_path / "m.onnx",
        nodes,
        [value("x", FLOAT, *shape)],
        [value("y", FLOAT)],
        {"factors": factors, "axes": axes},
    )
    answered = predictions(packed_of(path), TABLE).labels
    np.testing.assert_allclose(answered, TABLE.to_numpy() @ [1, 2, 3, 4], rtol=1e-4, atol=1e-5)


# --- what stays refused -------------------------------------------------------------------------------------


def logits(path: Path) -> Path:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return graph(path, [node], [value("x", FLOAT, 4)], [value("y", FLOAT, 3)], {"w": WEIGHTS})


def many_labels(path: Path) -> Path:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["y"])]
    return graph(path, nodes, [value("x", FLOAT, 4)], [value("y", FLOAT, 3)], {"w": WEIGHTS})


def of_any_length(path: Path) -> Path:
    node = helper.make_node("ReduceMax", ["x"], ["y"], axes=[1, 2], keepdims=0)
    return graph(path, [node], [value("x", FLOAT, "time", 4)], [value("y", FLOAT)])


def with_a_switch(path: Path) -> Path:
    node = helper.make_node("Mul", ["x", "training"], ["y"])
    switch = helper.make_tensor_value_info("training", FLOAT, [])
    return graph(path, [node], [value("x", FLOAT, 1), switch], [value("y", FLOAT, 1)])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (logits, r"'y' has 3 values a row.*torch\.nn\.Softmax\(1\).*for several targets"),
        (many_labels, r"'y' has 3 values a row.*Softmax"),
        (of_any_length, r"'x' has the free dimensions time.*dynamic_axes=\{'x': \{0: 'batch'\}\}"),
        (with_a_switch, r"'training' is a single value.*initializer\.append"),
    ],
)
def test_graphs_that_cannot_be_served_are_refused_with_the_part(
    write: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=words):
        packed_of(write(tmp_path / "m.onnx"))


@pytest.mark.parametrize("model_format", ["auto", "joblib"])
def test_a_graph_whose_answers_depend_on_other_rows_says_so_without_another_format(
    tmp_path: Path, model_format: Any
) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "w"], ["y"]),
    ]
    path = graph(
        tmp_path / "m.onnx", nodes, [value("x", FLOAT, 4)], [value("y", FLOAT, 1)], {"w": WEIGHTS[:, :1]}
    )
    TABLE.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(
        BundleError, match=r"^this file cannot be served as it is: onnx: answers asked"
    ) as found:
        pack_model(path, tmp_path / "d.parquet", tmp_path / "m", server=SERVER, model_format=model_format)
    assert "export the model in another way" in str(found.value)
    assert "joblib" not in str(found.value)
