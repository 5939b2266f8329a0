"""Files of other makers as input of packing: ONNX graphs of many shapes, and folders of MLflow."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skops.io
import xgboost
import yaml
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression, Ridge
from support.packs import SERVER
from support.serving_app import App

from tidegauge.errors import BundleError
from tidegauge.pack import Packed, pack_model

pytestmark = pytest.mark.slow

ROWS = 80


def rooms() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "area": rng.normal(80, 20, ROWS).round(2),
            "rooms": rng.integers(1, 7, ROWS),
            "lift": rng.random(ROWS) < 0.5,
        }
    )


def pack(folder: Path, model: Path, frame: pd.DataFrame, **options: Any) -> Packed:
    frame.to_parquet(folder / "d.parquet")
    return pack_model(model, folder / "d.parquet", folder / "m", **{"server": SERVER, **options})


def served(packed: Packed, frame: pd.DataFrame) -> Any:
    """The answers in a batch, of which the first are the same alone."""
    app = App(packed.folder, packed.folder.parent / "log")
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    status, answer = app.post("/v1/models/m:predict", {"instances": rows})
    assert status == 200, answer
    alone = [app.post("/predict", {"features": row})[1]["prediction"] for row in rows[:5]]
    numbers = isinstance(alone[0], float)
    assert alone == (
        pytest.approx(answer["predictions"][:5], rel=1e-5) if numbers else answer["predictions"][:5]
    )
    app.close()
    return answer["predictions"]


def graph(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    initializers: Sequence[Any] = (),
) -> Path:
    made = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=8), path)
    return path


def value(name: str, kind: int, shape: Sequence[Any]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def session_answers(path: Path, feeds: dict[str, Any]) -> Any:
    return onnxruntime.InferenceSession(path.read_bytes()).run(None, feeds)[0].reshape(-1).tolist()


def columns_graph(path: Path, rank: int) -> Path:
    """One input for each feature, of three types, as PyTorch and TensorFlow exporters write them."""
    shape = ["n"] if rank == 1 else ["n", 1]
    kinds = {"area": TensorProto.DOUBLE, "rooms": TensorProto.INT64, "lift": TensorProto.BOOL}
    nodes = [helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT) for name in kinds]
    nodes += [
        helper.make_node("Mul", ["area_f", "rooms_f"], ["product"]),
        helper.make_node("Add", ["product", "lift_f"], ["price"]),
    ]
    inputs = [value(name, kind, shape) for name, kind in kinds.items()]
    return graph(path, nodes, inputs, [value("price", TensorProto.FLOAT, shape)])


@pytest.mark.parametrize("rank", [1, 2])
def test_an_input_for_each_feature_is_fed_in_its_shape_and_type(rank: int, tmp_path: Path) -> None:
    path, frame = columns_graph(tmp_path / "model.onnx", rank), rooms()
    packed = pack(tmp_path, path, frame)
    shape = (-1,) if rank == 1 else (-1, 1)
    feeds = {name: frame[name].to_numpy().reshape(shape) for name in frame}
    assert served(packed, frame) == session_answers(path, feeds)


def test_a_fraction_is_refused_where_a_graph_takes_whole_numbers(tmp_path: Path) -> None:
    packed = pack(tmp_path, columns_graph(tmp_path / "model.onnx", 2), rooms())
    app = App(packed.folder, tmp_path / "log")
    for changed, words in (
        ({"rooms": 2.5}, "feature 'rooms' is 2.5: this model takes a whole number of type int64"),
        ({"lift": 0.5}, "feature 'lift' is 0.5: this model takes a truth value"),
    ):
        status, answer = app.post(
            "/predict", {"features": {"area": 30.7, "rooms": 2, "lift": True, **changed}}
        )
        assert (status, answer["reason"]) == (422, "model_refused")
        assert words in answer["error"]
    assert app.post("/predict", {"features": {"area": 30.7, "rooms": None, "lift": True}})[0] == 422
    app.close()


MATRIX_KINDS = {
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
}


@pytest.mark.parametrize("kind", MATRIX_KINDS)
@pytest.mark.parametrize("output", [["n"], ["n", 1]])
def test_a_matrix_of_any_number_type_is_fed(kind: str, output: list[Any], tmp_path: Path) -> None:
    frame = rooms()[["rooms", "lift"]].assign(
        area=rooms()["area"].round() if kind == "int64" else rooms()["area"]
    )
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["f", "axes"], ["y"], keepdims=len(output) - 1),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    path = graph(
        tmp_path / "any name",
        nodes,
        [value("x", MATRIX_KINDS[kind], ["n", 3])],
        [value("y", TensorProto.FLOAT, output)],
        [axes],
    )
    packed = pack(tmp_path, path, frame)
    assert served(packed, frame) == session_answers(path, {"x": frame.to_numpy(np.float64).astype(kind)})


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_s_labels_and_probabilities_are_the_graph_s(zipmap: bool, tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    frame = rooms()[["area", "rooms"]].astype("float32")
    labels = np.where(frame["area"] * frame["rooms"] > 250, "dear", "cheap")
    model = LogisticRegression(max_iter=2000).fit(frame.to_numpy(), labels)
    converted = to_onnx(model, frame.to_numpy()[:1], options={id(model): {"zipmap": zipmap}})
    (tmp_path / "model.onnx").write_bytes(converted.SerializeToString())
    packed = pack(tmp_path, tmp_path / "model.onnx", frame)
    assert packed.manifest.model.classes == ("cheap", "dear")
    assert served(packed, frame) == model.predict(frame.to_numpy()).tolist()
    app = App(packed.folder, tmp_path / "log2")
    tensor = {"name": "x", "shape": [ROWS, 2], "datatype": "FP32", "data": frame.to_numpy().ravel().tolist()}
    _, probability = app.post("/v2/models/m/infer", {"inputs": [tensor]})[1]["outputs"]
    app.close()
    expected = model.predict_proba(frame.to_numpy())
    np.testing.assert_allclose(np.reshape(probability["data"], (ROWS, 2)), expected, atol=1e-5)


def test_names_that_a_converter_made_identifiers_are_found_in_the_table(tmp_path: Path) -> None:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame({"area [m2]": np.arange(60.0), "no. of rooms": np.arange(60.0) % 7})
    columns = ColumnTransformer([("all", "passthrough", list(frame))])
    model = make_pipeline(columns, Ridge()).fit(frame, frame.sum(axis=1))
    converted = convert_sklearn(model, initial_types=[(name, FloatTensorType([None, 1])) for name in frame])
    (tmp_path / "model.onnx").write_bytes(converted.SerializeToString())
    packed = pack(tmp_path, tmp_path / "model.onnx", frame)
    assert [feature.name for feature in packed.manifest.features] == list(frame)
    np.testing.assert_allclose(served(packed, frame), model.predict(frame), rtol=1e-4)


def test_texts_are_fed_to_a_graph_of_texts(tmp_path: Path) -> None:
    encoder = helper.make_node(
        "LabelEncoder",
        ["city"],
        ["y"],
        domain="ai.onnx.ml",
        keys_strings=["oslo", "rome"],
        values_floats=[1.0, 2.0],
    )
    path = graph(
        tmp_path / "m.onnx",
        [encoder],
        [value("city", TensorProto.STRING, ["n", 1])],
        [value("y", TensorProto.FLOAT, ["n", 1])],
    )
    frame = pd.DataFrame({"city": ["rome", "oslo", "rome"] * 20})
    assert served(pack(tmp_path, path, frame), frame) == [2.0, 1.0, 2.0] * 20


def one_row(path: Path) -> Path:
    node = helper.make_node("Identity", ["x"], ["y"])
    return graph(path, [node], [value("x", 1, [1, 3])], [value("y", 1, [1, 3])])


def of_complex_numbers(path: Path) -> Path:
    node = helper.make_node("Cast", ["x"], ["y"], to=1)
    return graph(path, [node], [value("x", TensorProto.BFLOAT16, ["n", 3])], [value("y", 1, ["n", 3])])


def with_weights_elsewhere(path: Path) -> Path:
    weights = onnx.numpy_helper.from_array(np.ones((3, 400), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph(path, [node], [value("x", 1, ["n", 3])], [value("y", 1, ["n", 400])], [weights])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=1)
    return path


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (one_row, r"takes 1 rows a call.*torch\.onnx\.export.*dynamic_axes"),
        (of_complex_numbers, "bfloat16"),
        (with_weights_elsewhere, "other files.*save_as_external_data=False"),
        (lambda path: path.write_bytes(b"\x08\x08no graph") and path, "cannot be loaded"),
    ],
)
def test_a_graph_that_cannot_be_served_is_refused_with_the_way_out(
    write: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=words):
        pack(tmp_path, write(tmp_path / "model.onnx"), rooms())


# --- folders of MLflow -------------------------------------------------------------------------------------


def mlflow(folder: Path, flavour: str, described: dict[str, Any], write: Callable[[str], Any]) -> Path:
    """As `mlflow.FLAVOUR.save_model` writes it: the model's file, and what it is in MLmodel."""
    made = folder / "mlf"
    made.mkdir()
    file = next(each for key, each in described.items() if key in ("data", "pickled_model"))
    write(str(made / file))
    python = {"loader_module": f"mlflow.{flavour}", "env": {"conda": "conda.yaml"}}
    document = {"flavors": {"python_function": python, flavour: described}, "mlflow_version": "3.4.0"}
    (made / "MLmodel").write_text(yaml.safe_dump(document))
    return made


def dumped(model: Any) -> Callable[[str], Any]:
    return lambda path: Path(path).write_bytes(pickle.dumps(model))


def folder_of(kind: str, tmp_path: Path, frame: pd.DataFrame, y: Any) -> tuple[Path, Any]:
    if kind == "sklearn as skops":
        model = Ridge().fit(frame, y)
        described = {"pickled_model": "model.skops", "serialization_format": "skops"}
        return mlflow(tmp_path, "sklearn", described, lambda path: skops.io.dump(model, path)), model
    if kind == "xgboost":
        model = xgboost.XGBRegressor(n_estimators=4).fit(frame, y)
        described = {"data": "model.ubj", "model_class": "xgboost.sklearn.XGBRegressor"}
        return mlflow(tmp_path, "xgboost", described, model.save_model), model
    if kind == "lightgbm":
        booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(frame, label=y), 4)
        described = {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}
        return mlflow(tmp_path, "lightgbm", described, booster.save_model), booster
    from skl2onnx import to_onnx

    model = Ridge().fit(frame.to_numpy(), y)
    data = to_onnx(model, frame.to_numpy()[:1]).SerializeToString()
    return mlflow(tmp_path, "onnx", {"data": "model.onnx"}, lambda path: Path(path).write_bytes(data)), model


@pytest.mark.parametrize("kind", ["sklearn as skops", "xgboost", "lightgbm", "onnx"])
def test_a_folder_of_mlflow_packs_without_unpickling(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rooms().astype("float64")
    y = frame["area"] * 3 + frame["rooms"]
    made, model = folder_of(kind, tmp_path, frame, y)
    monkeypatch.setattr(joblib, "load", lambda path: pytest.fail(f"{path} was unpickled"))
    packed = pack(tmp_path, made, frame)
    rows = frame.to_numpy() if kind == "onnx" else frame
    np.testing.assert_allclose(served(packed, frame), model.predict(rows), rtol=1e-4)


@pytest.mark.parametrize("flavour", ["sklearn", "lightgbm"])
def test_a_folder_s_pickle_is_loaded_on_request_only(flavour: str, tmp_path: Path) -> None:
    frame = rooms()
    model = Ridge() if flavour == "sklearn" else lightgbm.LGBMRegressor(n_estimators=3, verbose=-1)
    model.fit(frame, frame["area"])
    key = "pickled_model" if flavour == "sklearn" else "data"
    made = mlflow(tmp_path, flavour, {key: "model.pkl"}, dumped(model))
    with pytest.raises(BundleError, match=r"is a pickle, which can run any code.*allow_pickle=True"):
        pack(tmp_path, made, frame)
    packed = pack(tmp_path, made, frame, allow_pickle=True)
    np.testing.assert_allclose(served(packed, frame), model.predict(frame), rtol=1e-5)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (
            "flavors: {pytorch: {data: model.pth}}",
            "flavours pytorch: packed are sklearn, xgboost, lightgbm, onnx",
        ),
        ("flavors: {sklearn: {pickled_model: ../d.parquet}}", "no file in it"),
        ("flavors: {sklearn: {pickled_model: /etc/passwd}}", "no file in it"),
        ("flavors: {xgboost: {data: none}}", "no file in it"),
        ("flavors: {onnx: {}}", "flavour onnx has no data"),
        ("flavors: [", "cannot be read as YAML"),
        ("a: 1", "names no flavours"),
        (None, "folder without MLflow's file MLmodel"),
    ],
)
def test_a_folder_that_cannot_be_packed_says_why(described: str | None, words: str, tmp_path: Path) -> None:
    made = tmp_path / "mlf"
    made.mkdir()
    if described is not None:
        (made / "MLmodel").write_text(described)
    with pytest.raises(BundleError, match=words):
        pack(tmp_path, made, rooms())


def test_folders_that_are_no_mlflow_model_are_refused_by_content(tmp_path: Path) -> None:
    for name, words in (("saved_model.pb", "TensorFlow SavedModel"), ("manifest.json", "a bundle already")):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).touch()
        with pytest.raises(BundleError, match=words):
            pack(tmp_path, folder, rooms())
