"""A column keeps the type it had in training, and one rule says which values it takes, whoever sends them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from support.packs import SERVER
from support.serving_app import App, read_log

from tidegauge.cli.simulate import file_rows
from tidegauge.data.frames import RowReader
from tidegauge.errors import BundleError, SchemaError
from tidegauge.pack import pack_model
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest

V1 = "/v1/models/m:predict"
V2 = "/v2/models/m/infer"
ROWS = 120


def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "member": rng.random(ROWS) < 0.5,
            "opted": pd.array(rng.choice([True, False, None], ROWS), dtype="boolean"),
            "children": pd.array(rng.choice([0, 1, 2, None], ROWS), dtype="Int64"),
            "visits": rng.integers(0, 9, ROWS),
            "income": np.where(rng.random(ROWS) < 0.1, np.nan, rng.lognormal(3, 1, ROWS)),
            "city": pd.Categorical(rng.choice(["oslo", "rome", None], ROWS), categories=["rome", "oslo"]),
            "size": pd.Categorical(rng.choice([5, 1, 3], ROWS)),
        }
    )


def paid(frame: pd.DataFrame) -> np.ndarray:
    return (
        3 * frame["member"].to_numpy(dtype=float)
        + frame["visits"].to_numpy(dtype=float)
        + 5 * (frame["city"] == "oslo").to_numpy(dtype=float)
        + frame["size"].to_numpy(dtype=float)
    )


def packed(folder: Path, model: Any, write: Callable[[str], Any], **options: Any) -> Path:
    joblib.dump(model, folder / "m.joblib")
    write(str(folder / "train.parquet"))
    options = {"server": SERVER, **options}
    return pack_model(folder / "m.joblib", folder / "train.parquet", folder / "m", **options).folder


def served(bundle: Path) -> App:
    trusted = Manifest.load(bundle).model.trusted_types
    return App(bundle, bundle.parent / "log", trusted_types=frozenset(trusted))


def types_of(bundle: Path) -> dict[str, str]:
    return {feature.name: feature.type for feature in Manifest.load(bundle).features}


def instances(frame: pd.DataFrame, how: str) -> Any:
    """The rows as people write them in a notebook; JSON has no NaN, so a missing one is null."""
    if how == "to_json":
        return json.loads(frame.to_json(orient="records"))
    rows = frame.to_dict("records") if how == "to_dict" else frame.to_numpy().tolist()
    none = [[None if pd.isna(v) else v for v in (r.values() if isinstance(r, dict) else r)] for r in rows]
    return none if how == "values" else [dict(zip(frame, row, strict=True)) for row in none]


def logged_values(app: App) -> np.ndarray:
    """The features of all rows in the log, without the prediction."""
    _, frames, _ = read_log(app.settings.log_dir)
    columns = len(app.loaded.profile.monitored)
    rows = [np.frombuffer(each.payload).reshape(-1, columns) for each in frames]
    return np.concatenate(rows)[:, : len(app.loaded.profile.features)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder, frame = tmp_path_factory.mktemp("people"), people()
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features="from_dtype")
    model.fit(frame, paid(frame))
    app = served(packed(folder, model, frame.to_parquet))
    yield app
    app.close()


def test_every_type_is_in_the_manifest_and_the_example_is_of_those_types(app: App) -> None:
    assert types_of(app.settings.bundle) == {
        **dict.fromkeys(("member", "opted"), "boolean"),
        **dict.fromkeys(("children", "visits"), "integer"),
        "income": "number",
        **dict.fromkeys(("city", "size"), "category"),
    }
    manifest = Manifest.load(app.settings.bundle)
    assert [f.categories for f in manifest.features[-2:]] == [("rome", "oslo"), (1, 3, 5)]
    kinds = {name: type(value) for name, value in manifest.example["features"].items()}
    assert (kinds["member"], kinds["visits"], kinds["city"], kinds["size"]) == (bool, int, str, int)


@pytest.mark.parametrize("how", ["to_dict", "to_json", "values"])
def test_every_row_of_the_training_frame_is_answered_as_the_model_answers(app: App, how: str) -> None:
    frame = people()
    model = joblib.load(app.settings.bundle.parent / "m.joblib")
    status, answer = app.post(V1, {"instances": instances(frame, how)})
    assert status == 200, answer
    assert answer["predictions"] == pytest.approx(model.predict(frame).tolist())


def test_v2_takes_the_columns_in_their_own_datatypes(app: App) -> None:
    frame = people()
    names = {"member": "BOOL", "opted": "BOOL", "children": "INT64", "visits": "INT64", "income": "FP64"}
    names |= {"city": "BYTES", "size": "INT64"}
    inputs = [
        {"name": name, "shape": [ROWS], "datatype": datatype, "data": column}
        for (name, datatype), column in zip(
            names.items(), zip(*instances(frame, "values"), strict=True), strict=True
        )
    ]
    status, answer = app.post(V2, {"inputs": inputs})
    assert status == 200, answer
    assert (
        answer["outputs"][0]["data"]
        == app.post(V1, {"instances": instances(frame, "to_dict")})[1]["predictions"]
    )


def test_the_log_holds_what_the_library_counts(app: App) -> None:
    frame = people()
    profile = app.loaded.profile
    for row in instances(frame, "to_dict")[:40]:
        assert app.post("/predict", {"features": row})[0] == 200
    logged = logged_values(app)[-40:]
    for counted in (frame.head(40), instances(frame, "to_dict")[:40]):
        np.testing.assert_array_equal(np.column_stack(RowReader(profile).read(counted)), logged)


def test_rows_of_a_file_are_sent_as_the_server_takes_them(app: App) -> None:
    rows = list(file_rows(app.loaded.profile, app.settings.bundle.parent / "train.parquet"))
    assert len(rows) == ROWS
    assert {type(row["member"]) for row in rows} == {bool}
    statuses = {app.post("/predict", {"features": json.loads(json.dumps(row))})[0] for row in rows}
    assert statuses == {200}


def test_the_metadata_says_which_inputs_are_truth_values(app: App) -> None:
    inputs = app.get("/v2/models/m")[1]["inputs"]
    assert [each["datatype"] for each in inputs] == ["BOOL", "BOOL", "FP64", "FP64", "FP64", "BYTES", "BYTES"]


GOOD = {"member": True, "opted": False, "children": 2, "visits": 3, "income": 9.5, "city": "oslo", "size": 3}


@pytest.mark.parametrize(
    "same",
    [
        {"member": 1},
        {"member": 1.0, "opted": 0},
        {"children": 2.0, "visits": 3.0},
        {"size": 3.0},
        {"size": "3"},
    ],
)
def test_the_same_value_in_another_spelling_gets_the_same_answer(app: App, same: dict[str, Any]) -> None:
    wanted = app.post("/predict", {"features": GOOD})[1]["prediction"]
    assert app.post("/predict", {"features": {**GOOD, **same}})[1]["prediction"] == wanted
    listed = list({**GOOD, **same}.values())
    assert app.post(V1, {"instances": [listed]})[1]["predictions"] == [wanted]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("visits", True, "'visits' in features is a truth value: it must be a number"),
        ("income", False, "'income' in features is a truth value: it must be a number"),
        ("member", "yes", "'member' in features is a text: it must be true, false or a number"),
        ("children", "2", "'children' in features is a text: it must be a number"),
        ("city", ["oslo"], "'city' in features is a list: it must be a text"),
    ],
)
def test_a_value_that_a_column_does_not_take_is_refused_by_name(
    app: App, name: str, value: Any, words: str
) -> None:
    status, answer = app.post("/predict", {"features": {**GOOD, name: value}})
    assert (status, answer["reason"]) == (422, "wrong_type")
    assert words in answer["error"]


def tensors(**changed: dict[str, Any]) -> dict[str, Any]:
    datatypes = {bool: "BOOL", str: "BYTES", int: "INT64", float: "FP64"}
    inputs = [
        {"name": n, "shape": [1], "datatype": datatypes[type(v)], "data": [v], **changed.get(n, {})}
        for n, v in GOOD.items()
    ]
    return {"inputs": inputs}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"income": {"datatype": "BOOL", "data": [True]}}, "BOOL: feature 'income' must be a number"),
        ({"visits": {"datatype": "BOOL", "data": [True]}}, "BOOL: feature 'visits' must be a number"),
        ({"member": {"datatype": "BYTES", "data": ["x"]}}, "BYTES: feature 'member' must be true"),
        ({"visits": {"datatype": "INT64", "data": [2.5]}}, "'visits' of datatype INT64"),
        (
            {"visits": {"datatype": "INT64", "data": [[2.5]], "shape": [1, 1]}},
            "'visits' of datatype INT64 has 2.5",
        ),
    ],
)
def test_v2_refuses_what_the_other_protocols_refuse(app: App, changed: Any, words: str) -> None:
    status, answer = app.post(V2, tensors(**changed))
    assert (status, answer["reason"]) == (422, "wrong_type")
    assert words in answer["error"]


def test_a_whole_number_with_a_point_keeps_to_its_datatype(app: App) -> None:
    status, answer = app.post(V2, tensors(visits={"datatype": "INT8", "data": [300.0]}))
    assert (status, answer["reason"]) == (422, "out_of_range")


@pytest.mark.parametrize(
    "changed",
    [
        {"visits": {"datatype": "INT64", "data": [3.0]}},
        {"visits": {"datatype": "UINT8", "data": [[3.0]], "shape": [1, 1]}},
        {"member": {"datatype": "FP32", "data": [1]}},
        {"size": {"datatype": "FP64", "data": [3.0]}},
    ],
)
def test_v2_takes_the_same_value_in_another_datatype(app: App, changed: Any) -> None:
    assert app.post(V2, tensors(**changed)) == app.post(V2, tensors())


# --- columns as other makers write them ---------------------------------------------------------------------


def dummies(path: str) -> pd.DataFrame:
    frame = pd.get_dummies(pd.DataFrame({"x": np.arange(60.0), "k": ["a", "b", "c"] * 20}))
    frame.to_parquet(path)
    return frame


def gaps(path: str) -> pd.DataFrame:
    """Truth values with gaps: a Parquet file of them comes back as a column of objects."""
    values = ([True, False, None] * 20)[:60]
    pq.write_table(pa.table({"x": np.arange(60.0), "sent": pa.array(values)}), path)
    return pd.read_parquet(path)


def decimals(path: str) -> pd.DataFrame:
    """Of a database; pandas' own to_json makes texts of them."""
    prices = pa.array(np.arange(60), pa.int64()).cast(pa.decimal128(21, 2))
    pq.write_table(pa.table({"x": np.arange(60.0), "price": prices}), path)
    return pd.read_parquet(path)


def of_polars(path: str) -> pd.DataFrame:
    texts = pl.Series(["b", "a", None] * 20)
    frame = pl.DataFrame(
        {"on": [True, False] * 30, "e": texts.cast(pl.Enum(["a", "b"])), "c": texts.cast(pl.Categorical)}
    )
    frame.write_parquet(path)
    return pd.read_parquet(path)


def truths_as_categories(path: str) -> pd.DataFrame:
    frame = pd.DataFrame({"x": np.arange(60.0), "t": pd.Categorical([True, False] * 30)})
    frame.to_parquet(path)
    return pd.read_parquet(path)


@pytest.mark.parametrize(
    ("write", "types"),
    [
        (dummies, {"x": "number", "k_a": "boolean", "k_b": "boolean", "k_c": "boolean"}),
        (gaps, {"x": "number", "sent": "boolean"}),
        (decimals, {"x": "number", "price": "number"}),
        (of_polars, {"on": "boolean", "e": "category", "c": "category"}),
        (truths_as_categories, {"x": "number", "t": "category"}),
    ],
)
def test_columns_of_other_makers_keep_their_types(
    write: Callable[[str], pd.DataFrame], types: dict[str, str], tmp_path: Path
) -> None:
    frame = write(str(tmp_path / "train.parquet"))
    numbers = frame.apply(lambda column: pd.Series(pd.factorize(column)[0], dtype=float))
    model = HistGradientBoostingRegressor(max_iter=3).fit(frame, numbers.sum(axis=1))
    bundle = packed(tmp_path, model, str)  # the file is there
    assert types_of(bundle) == types
    app = served(bundle)
    for how in ("to_dict", "values") if write is decimals else ("to_dict", "to_json", "values"):
        rows = json.loads(json.dumps(instances(frame, how), default=float))
        status, answer = app.post(V1, {"instances": rows})
        assert status == 200, answer
        assert answer["predictions"] == pytest.approx(model.predict(frame).tolist())
    app.close()


def test_a_model_that_answers_at_once_takes_truth_values_too(tmp_path: Path) -> None:
    """One float tensor in, bound to memory: the quick way of one row."""
    frame = pd.DataFrame({"x": np.arange(80.0), "vip": np.arange(80) % 3 == 0})
    model = LogisticRegression().fit(frame, frame["vip"] | (frame["x"] > 60))
    bundle = packed(tmp_path, model, frame.to_parquet)
    app = served(bundle)
    assert app.loaded.model.one is not None
    for row, wanted in zip(instances(frame, "to_dict"), model.predict(frame).tolist(), strict=True):
        assert app.post("/predict", {"features": row})[1]["prediction"] == wanted
    assert logged_values(app)[:, 1].tolist() == frame["vip"].tolist()
    app.close()


def test_a_text_of_digits_may_come_as_a_number(tmp_path: Path) -> None:
    """The server and the counts go by the category's text, and so must the model."""
    frame = pd.DataFrame({"zip": ["7030", "1010", "88"] * 30, "x": np.arange(90.0)})
    encode = ColumnTransformer([("zip", OneHotEncoder(), ["zip"])], remainder="passthrough")
    for form in ("onnx", "skops"):
        model = make_pipeline(encode, Ridge()).fit(frame, 5 * (frame["zip"] == "88") + frame["x"])
        (tmp_path / form).mkdir()
        app = served(packed(tmp_path / form, model, frame.to_parquet, model_format=form))
        answers = app.post(V1, {"instances": [["88", 1.0], [88, 1], [88.0, 1]]})
        assert answers[0] == 200, answers
        assert len(set(answers[1]["predictions"])) == 1
        app.close()


def test_categories_that_no_request_can_hold_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": np.arange(60.0), "day": pd.Categorical(pd.date_range("2026-01-01", periods=60))}
    )
    model = Ridge().fit(frame[["x"]].assign(day=0), frame["x"])
    with pytest.raises(SchemaError, match="'day' has categories of type Timestamp"):
        packed(tmp_path, model, frame.to_parquet)


# --- manifests ---------------------------------------------------------------------------------------------


def test_a_manifest_made_before_types_were_kept_is_read(app: App) -> None:
    document = json.loads((app.settings.bundle / "manifest.json").read_text())
    document["features"] = [{k: f[k] for k in ("name", "kind", "dtype")} for f in document["features"]]
    manifest = Manifest.from_json(json.dumps(document))
    assert [feature.type for feature in manifest.features] == ["number"] * 5 + ["text"] * 2
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": "date"}, "features.type='date'"),
        ({"type": "text"}, "boolean, integer, number"),
        ({"type": 3}, "features.type=3"),
        ({"categories": "ab"}, "features.categories"),
    ],
)
def test_a_type_that_is_none_is_refused(app: App, changed: dict[str, Any], words: str) -> None:
    document = json.loads((app.settings.bundle / "manifest.json").read_text())
    document["features"][0] |= changed
    with pytest.raises(BundleError, match=words):
        Manifest.from_json(json.dumps(document))


def test_a_profile_counts_what_the_server_takes(app: App) -> None:
    profile = Profile.load(app.settings.bundle / "profile.json")
    counts = profile.count([{**GOOD, "member": True}, {**GOOD, "member": 1}, {**GOOD, "size": "3"}])
    for name, value in (("member", 1.0), ("size", profile.feature("size").code("3"))):
        index = profile.names.index(name)
        rows = RowReader(profile).read([{**GOOD}])
        assert rows[index].tolist() == [value]
    assert counts.rows == 3


VALUES = [
    True,
    False,
    0,
    1,
    2,
    -3,
    2.0,
    2.5,
    1e300,
    "2",
    "2.0",
    "true",
    "yes",
    "",
    "oslo",
    None,
    [1],
    {"a": 1},
]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_counting_and_the_server_give_the_same_yes_or_no(app: App, name: str, value: Any) -> None:
    row = {**GOOD, name: value}
    status, answer = app.post("/predict", {"features": row})
    assert status in (200, 422), answer
    profile = app.loaded.profile
    if value is None and status == 422:
        assert answer["reason"] == "missing_value", "whether it may be missing, the model decides"
        return
    told = ""
    try:
        profile.count([row])
    except SchemaError as error:
        told = str(error)
    assert bool(told) == (status == 422), (told, answer)
    if told:
        assert repr(name) in told
        assert repr(name) in answer["error"]


def test_the_profile_and_the_manifest_know_the_same_types(app: App) -> None:
    takes_the_same = {"integer": "number"}
    found = {feature.name: feature.type for feature in app.loaded.profile.features}
    wanted = types_of(app.settings.bundle)
    assert {k: takes_the_same.get(v, v) for k, v in found.items()} == {
        k: takes_the_same.get(v, v) for k, v in wanted.items()
    }
