"""A column keeps the type it had in training, and one rule says which values it takes, whoever sends them."""

import json
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from support.serving_app import App
from support.typed_columns import instances, logged_values, packed, served, types_of

from tidegauge.cli.simulate import file_rows
from tidegauge.data.frames import RowReader
from tidegauge.errors import BundleError, SchemaError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest

pytestmark = pytest.mark.slow

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
