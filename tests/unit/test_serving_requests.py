"""Requests over all three protocols: answers, and refusals that name the field and the rule."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.serving_app import App, read_log
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, house_bundle, house_data

from tidegauge.protocol.names import Metric

V1 = "/v1/models/house-prices:predict"
V2 = "/v2/models/house-prices/infer"
LIST = [3, 2, 2000, 10, 7]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("house")
    app = App(house_bundle(folder / "bundle"), folder / "log", max_body_bytes=200_000)
    yield app
    app.close()


def one_tensor(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "input", "shape": [1, 5], "datatype": "FP64", "data": LIST}
    return {"inputs": [{**tensor, **changes}]}


def tensor_each(**changes: Any) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value], **changes.get(name, {})}
            for name, value in HOUSE_ROW.items()
        ]
    }


def row(**changes: Any) -> dict[str, Any]:
    return {"features": {**HOUSE_ROW, **changes}}


# --- answers -------------------------------------------------------------------------------------------


def test_all_protocols_give_the_model_s_own_answer(app: App) -> None:
    X, _ = house_data(50, seed=3)
    wanted = app.loaded.model.predict(app.loaded.schema.block([tuple(r) for r in X.tolist()])).labels.tolist()
    plain = [
        app.post("/predict", {"features": dict(zip(HOUSE_FEATURES, r, strict=True))})[1]["prediction"]
        for r in X.tolist()
    ]
    lists = app.post(V1, {"instances": X.tolist()})[1]["predictions"]
    dicts = [dict(zip(HOUSE_FEATURES, r, strict=True)) for r in X.tolist()]
    named = app.post(V1, {"instances": dicts})[1]["predictions"]
    flat = app.post(V2, one_tensor(shape=[50, 5], data=X.ravel().tolist()))[1]["outputs"][0]["data"]
    nested = app.post(V2, one_tensor(shape=[50, 5], data=X.tolist()))[1]["outputs"][0]["data"]
    assert wanted == plain == lists == named == flat == nested


def test_predict_answers_with_prediction_score_time_and_number_of_features(app: App) -> None:
    status, answer = app.post("/predict", row())
    assert status == 200
    assert list(answer) == ["prediction", "drift_score", "timestamp", "features_received"]
    assert answer["timestamp"] == "2026-01-01T00:00:00.123456Z"
    assert answer["features_received"] == 5
    X, _ = house_data()
    z = np.abs((np.array(LIST) - X.mean(axis=0)) / X.std(axis=0))
    assert answer["drift_score"] == pytest.approx(z.mean(), rel=1e-4)


def test_v2_answers_with_the_id_and_the_shape(app: App) -> None:
    status, answer = app.post(V2, {**one_tensor(), "id": "abc"})
    assert status == 200
    assert (answer["model_name"], answer["id"]) == ("house-prices", "abc")
    output = answer["outputs"][0]
    assert (output["name"], output["shape"], output["datatype"]) == ("prediction", [1], "FP64")


def test_v2_takes_one_tensor_per_feature_in_any_order_and_of_any_number_type(app: App) -> None:
    request = tensor_each(bedrooms={"datatype": "INT64"}, age={"datatype": "UINT8", "shape": [1, 1]})
    request["inputs"].reverse()
    assert app.post(V2, request) == app.post(V2, one_tensor())


def test_v2_gives_the_drift_score_on_request(app: App) -> None:
    _, answer = app.post(V2, {**one_tensor(), "outputs": [{"name": "drift_score"}]})
    assert [output["name"] for output in answer["outputs"]] == ["drift_score"]
    assert answer["outputs"][0]["data"][0] == pytest.approx(app.post("/predict", row())[1]["drift_score"])


def test_v2_takes_and_gives_binary_tensors(app: App) -> None:
    import msgspec

    X, _ = house_data(4, seed=1)
    binary = X.astype("<f4").tobytes()
    header = {
        "inputs": [
            {
                "name": "x",
                "shape": [4, 5],
                "datatype": "FP32",
                "parameters": {"binary_data_size": len(binary)},
            }
        ],
        "parameters": {"binary_data_output": True},
    }
    text = msgspec.json.encode(header)
    status, headers, answer = app.ask(
        "POST", V2, text + binary, inference_header_content_length=str(len(text))
    )
    assert status == 200
    length = int(headers["inference-header-content-length"])
    output = msgspec.json.decode(answer[:length])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": 32}
    found = struct.unpack("<4d", answer[length:])
    wanted = app.post(V2, one_tensor(shape=[4, 5], data=X.astype("f4").ravel().tolist()))[1]["outputs"][0][
        "data"
    ]
    assert list(found) == wanted


def test_v1_metadata_and_v2_metadata_name_the_model(app: App) -> None:
    assert app.get("/v1/models")[1] == {"models": ["house-prices"]}
    assert app.get("/v1/models/house-prices")[1] == {"name": "house-prices", "ready": True}
    assert app.get("/v2")[1]["name"] == "tidegauge"
    assert app.get("/v2/models/house-prices/ready")[1] == {"name": "house-prices", "ready": True}
    metadata = app.get("/v2/models/house-prices")[1]
    assert [each["name"] for each in metadata["inputs"]] == list(HOUSE_FEATURES)
    assert metadata["inputs"][0]["datatype"] == "FP32"


# --- refusals ------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, Any, int, str, tuple[str, ...]]] = [
    # plain
    ("/predict", b"", 400, "bad_json", ()),
    ("/predict", b"{", 400, "bad_json", ()),
    ("/predict", b"\xff\xfe", 400, "bad_json", ()),
    ("/predict", b"[" * 100_000, 400, "bad_json", ("nested",)),
    ("/predict", [], 422, "bad_request", ("a list",)),
    ("/predict", {}, 422, "bad_request", ("'features'",)),
    ("/predict", {"features": None}, 422, "bad_request", ("null",)),
    ("/predict", {"features": [1]}, 422, "bad_request", ("a list",)),
    ("/predict", {"features": {}}, 422, "missing_feature", HOUSE_FEATURES),
    ("/predict", row(extra=1), 422, "unknown_feature", ("'extra'",)),
    (
        "/predict",
        {"features": {("bathroms" if k == "bathrooms" else k): v for k, v in HOUSE_ROW.items()}},
        422,
        "unknown_feature",
        ("'bathroms'", "did you mean bathrooms?"),
    ),
    ("/predict", row(BATHROOMS=1), 422, "unknown_feature", ("'BATHROOMS'", "did you mean bathrooms?")),
    (V1, {"instances": [{**HOUSE_ROW, "zzz": 1}]}, 422, "unknown_feature", ("'zzz'", "there are ", "sqft")),
    ("/predict", row(age="10"), 422, "wrong_type", ("'age'", "a text", "number")),
    ("/predict", row(age=True), 422, "wrong_type", ("'age'", "truth value")),
    ("/predict", row(age=[1]), 422, "wrong_type", ("'age'", "a list")),
    ("/predict", row(age=None), 422, "missing_value", ("'age'",)),
    ("/predict", row(age=float("nan")), 422, "not_finite", ("'age'", "null")),
    ("/predict", row(age=float("inf")), 422, "not_finite", ("'age'",)),
    ("/predict", row(age=float("-inf")), 422, "not_finite", ("'age'",)),
    ("/predict", row(age=1e39), 422, "out_of_range", ("'age'", "float32")),
    ("/predict", row(age=10**400), 422, "out_of_range", ("'age'",)),
    ("/predict", b'{"features": {"bedrooms": 1e400}}', 422, "missing_feature", ()),
    # V1
    (V1, {}, 422, "bad_request", ("'instances'",)),
    (V1, {"instances": {}}, 422, "bad_request", ("an object",)),
    (V1, {"instances": 3}, 422, "bad_request", ("a number",)),
    (V1, {"instances": []}, 422, "empty_batch", ("instances",)),
    (V1, {"instances": [LIST, HOUSE_ROW]}, 422, "wrong_type", ("instances[1]",)),
    (V1, {"instances": [LIST, LIST[:4]]}, 422, "wrong_shape", ("instances[1]", "4 values", "5")),
    (V1, {"instances": [[*LIST, 1]]}, 422, "wrong_shape", ("6 values",)),
    (V1, {"instances": [LIST, [*LIST[:4], None]]}, 422, "missing_value", ("'location_score'",)),
    (V1, {"instances": [[*LIST[:4], float("nan")]]}, 422, "not_finite", ("'location_score'",)),
    (V1, {"instances": [{**HOUSE_ROW, "x": 1}]}, 422, "unknown_feature", ("'x'",)),
    (V1, {"instances": [1, 2]}, 422, "bad_request", ("instances[0]",)),
    # V2
    (V2, b"{", 400, "bad_json", ()),
    (V2, [], 422, "bad_request", ()),
    (V2, {}, 422, "bad_request", ("inputs",)),
    (V2, {"inputs": []}, 422, "empty_batch", ("inputs",)),
    (V2, one_tensor(data="x"), 422, "wrong_type", ("'input'",)),
    (
        V2,
        {"inputs": [{"name": "input", "shape": [1, 5], "datatype": "FP64"}]},
        422,
        "bad_request",
        ("no data",),
    ),
    (V2, one_tensor(shape=[0, 5], data=[]), 422, "empty_batch", ("'input'",)),
    (V2, one_tensor(shape=[1, 4], data=LIST[:4]), 422, "wrong_shape", ("(n, 5)",)),
    (V2, one_tensor(shape=[5]), 422, "wrong_shape", ("(n, 5)",)),
    (V2, one_tensor(shape=[-1, 5]), 422, "wrong_shape", ()),
    (V2, one_tensor(shape=[2, 5]), 422, "wrong_shape", ("5 values",)),
    (V2, one_tensor(shape=[10**18, 5]), 422, "wrong_shape", ()),
    (V2, one_tensor(shape=[2, 5], data=[LIST[:4], [*LIST, 1]]), 422, "wrong_shape", ("row 0",)),
    (V2, one_tensor(datatype="FP65"), 422, "wrong_type", ("'FP65'",)),
    (V2, one_tensor(datatype="BYTES", data=["a"] * 5), 422, "wrong_type", ("BYTES",)),
    (V2, one_tensor(datatype="INT64", data=[1.5] * 5), 422, "wrong_type", ("INT64",)),
    (V2, one_tensor(datatype="INT64", data=[*LIST[:4], 10**400]), 422, "out_of_range", ("'input'",)),
    (V2, one_tensor(datatype="BOOL"), 422, "wrong_type", ("BOOL",)),
    (V2, one_tensor(data=[*LIST[:4], None]), 422, "missing_value", ("'location_score'", "row 0")),
    (V2, one_tensor(data=[*LIST[:4], float("nan")]), 422, "not_finite", ("'input'",)),
    (V2, one_tensor(data=[*LIST[:4], 1e39]), 422, "out_of_range", ("'location_score'",)),
    (V2, tensor_each(age={"name": "aeg"}), 422, "unknown_feature", ("'aeg'", "did you mean age?")),
    (V2, {"inputs": tensor_each()["inputs"][:4]}, 422, "missing_feature", ("'location_score'",)),
    (V2, {"inputs": tensor_each()["inputs"] * 2}, 422, "bad_request", ("twice",)),
    (V2, tensor_each(age={"shape": [2], "data": [1, 2]}), 422, "wrong_shape", ("'age'",)),
    (V2, {**one_tensor(), "outputs": [{"name": "nope"}]}, 422, "unknown_output", ("'nope'",)),
    (V2, {**one_tensor(), "outputs": [{"name": "probability"}]}, 422, "unknown_output", ("probabilities",)),
    (V2, {**one_tensor(), "id": 3}, 422, "bad_request", ("id",)),
    (V2, one_tensor(parameters={"binary_data_size": 4}), 422, "bad_request", ("binary_data_size",)),
    (V2, one_tensor(parameters={"binary_data_size": -1}), 422, "bad_request", ("binary_data_size",)),
    # other models and paths
    ("/v1/models/other:predict", {"instances": [LIST]}, 404, "unknown_model", ("'other'", "'house-prices'")),
    ("/v2/models/other/infer", one_tensor(), 404, "unknown_model", ("'other'",)),
    ("/nowhere", {}, 404, "not_found", ("/nowhere",)),
    ("/v2/models/house-prices/versions//infer", one_tensor(), 404, "not_found", ("versions//infer",)),
    ("/v2/models/other/versions/1/infer", one_tensor(), 404, "unknown_model", ("'other'",)),
    ("/v2/health/live", {}, 405, "method_not_allowed", ("GET",)),
]


@pytest.mark.parametrize(("path", "body", "status", "reason", "words"), REFUSED)
def test_a_wrong_request_is_refused_with_the_field_and_the_rule(
    app: App, path: str, body: Any, status: int, reason: str, words: tuple[str, ...]
) -> None:
    sequence, counted = app.capture.sequence, app.metric(Metric.SERVING_ERRORS, reason=reason)
    found, answer = app.post(path, body)
    assert (found, answer["reason"]) == (status, reason), answer
    assert all(word in answer["error"] for word in words), answer
    assert set(answer) == {"error", "reason"}, "`error` is the message, as both protocols have it"
    assert app.capture.sequence == sequence, "a refused request is in the log"
    assert app.metric(Metric.SERVING_ERRORS, reason=reason) == counted + 1


@pytest.mark.parametrize("path", ["/predict", V1, V2])
def test_a_body_above_the_limit_is_refused_without_being_read(app: App, path: str) -> None:
    status, answer = app.post(path, bytes(300_000))
    assert (status, answer["reason"]) == (413, "body_too_large")
    assert "200000" in answer["error"]


@pytest.mark.parametrize("path", ["/predict", V1, V2])
def test_a_method_that_a_path_does_not_take_is_refused(app: App, path: str) -> None:
    status, answer = app.get(path)
    assert (status, answer["reason"]) == (405, "method_not_allowed")
    assert "POST" in answer["error"]


def test_of_a_key_that_is_there_twice_the_last_counts(app: App) -> None:
    text = b'{"bedrooms": 9, ' + json.dumps(HOUSE_ROW).encode()[1:]
    wanted = app.post("/predict", row())[1]["prediction"]
    assert app.post("/predict", b'{"features": ' + text + b"}")[1]["prediction"] == wanted
    rows = b'{"instances": [3], "instances": [' + text + b"]}"
    assert app.post(V1, rows)[1]["predictions"] == [wanted]


@pytest.mark.parametrize(
    ("method", "path", "protocol", "code"),
    [
        ("GET", "/predict", "predict", 405),
        ("GET", V1, "v1", 405),
        ("PUT", V2, "v2", 405),
        ("POST", "/v2/models/other/infer", "v2", 404),
        ("POST", "/nowhere", "other", 404),
        ("GET", "/predictor/x", "other", 404),
    ],
)
def test_requests_at_a_wrong_path_or_method_are_counted(
    app: App, method: str, path: str, protocol: str, code: int
) -> None:
    labels = {"protocol": protocol, "code": str(code)}
    counted = app.metric(Metric.SERVING_REQUESTS, **labels)
    assert app.ask(method, path, b"{}")[0] == code
    assert app.metric(Metric.SERVING_REQUESTS, **labels) == counted + 1


def test_a_probe_that_hears_not_ready_is_no_request(app: App) -> None:
    before = dict(app.metrics.requests)
    service, app.state.service, app.state.routes, routes = app.state.service, None, {}, app.state.routes
    assert app.get("/readyz")[0] == 503
    assert app.metrics.requests == before
    assert app.post("/predict", row())[0] == 503
    assert app.metric(Metric.SERVING_REQUESTS, protocol="predict", code="503") == 1
    app.state.service, app.state.routes = service, routes


def test_binary_infinities_and_missing_values_are_refused(app: App) -> None:
    import msgspec

    for value, reason in ((np.inf, "not_finite"), (np.nan, "missing_value")):
        data = np.array([*LIST[:4], value], "<f8").tobytes()
        text = msgspec.json.encode(one_tensor(data=[], parameters={"binary_data_size": len(data)}))
        status, answer = app.post(V2, text + data, inference_header_content_length=str(len(text)))
        assert (status, answer["reason"]) == (422, reason)
        assert "'location_score'" in answer["error"]


def test_before_the_model_is_loaded_nothing_is_predicted(app: App) -> None:
    from prometheus_client import CollectorRegistry
    from tidegauge_serving.http.app import make_app
    from tidegauge_serving.http.fast_path import FastPath
    from tidegauge_serving.http.state import ServingState
    from tidegauge_serving.predict.metrics import ServingMetrics

    ready = app.asgi
    state = ServingState(ServingMetrics())
    app.asgi = FastPath(make_app(state, CollectorRegistry()), state, 1_000, None)
    try:
        for path in ("/predict", V1, V2):
            status, answer = app.post(path, row())
            assert (status, answer["reason"]) == (503, "not_ready")
        assert app.get("/healthz")[0] == 200
        state.refuse("no such bundle")
        for path in ("/readyz", "/v2/health/ready"):
            status, answer = app.get(path)
            assert (status, answer["error"]) == (503, "no such bundle")
    finally:
        app.asgi = ready


# --- what is left in the log and the metrics -------------------------------------------------------------


def test_every_answered_row_is_in_the_log_with_its_prediction(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    first = app.post("/predict", row())[1]["prediction"]
    app.post("/predict", row(age="ten"))
    later = app.post(V1, {"instances": [LIST, [4, *LIST[1:]]]})[1]["predictions"]
    app.close()
    _, frames, _ = read_log(tmp_path / "log")
    rows = np.concatenate([np.frombuffer(f.payload, "<f8").reshape(f.rows, 6) for f in frames])
    np.testing.assert_allclose(rows, [[*LIST, first], [*LIST, later[0]], [4, *LIST[1:], later[1]]])


def test_the_metrics_count_what_happened(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    app.post("/predict", row())
    app.post("/predict", row(age=None))
    app.post(V1, {"instances": [LIST, [10, 8, 5000, 0, 10]]})
    assert app.metric(Metric.SERVING_REQUESTS, protocol="predict", code="200") == 1
    assert app.metric(Metric.SERVING_REQUESTS, protocol="predict", code="422") == 1
    assert app.metric(Metric.SERVING_REQUESTS, protocol="v1", code="200") == 1
    assert app.metric(Metric.SERVING_ERRORS, reason="missing_value") == 1
    assert app.metric(Metric.SERVING_ROWS) == 3
    assert app.metric(Metric.SERVING_HIGH_SCORE_ROWS) == 1
    assert app.metric(f"{Metric.SERVING_ROW_SCORE}_count") == 3
    assert app.metric(f"{Metric.SERVING_ROW_SCORE}_bucket", le="2.0") == 2
    assert app.metric(f"{Metric.SERVING_PREDICTION}_count") == 3
    assert app.metric(f"{Metric.SERVING_REQUEST_SECONDS}_count", protocol="predict") == 2
    assert app.metric(Metric.CAPTURE_ROWS, outcome="appended") == 3
    assert app.metric(Metric.CAPTURE_ROWS, outcome="dropped") == 0
    assert app.metric(Metric.CAPTURE_LOG_BYTES) == app.capture.log_bytes() > 0
    assert app.metric(Metric.SERVING_READY) == 1
    app.close()


def test_every_metric_of_the_server_is_exported(app: App) -> None:
    text = app.exposition()
    wanted = [metric for metric in Metric if metric.startswith(("tidegauge_serving_", "tidegauge_capture_"))]
    assert all(metric in text for metric in wanted)


def test_the_request_log_has_one_line_per_request_and_no_values(app: App) -> None:
    import json

    del app.lines[:]
    app.post("/predict", row(age=12.345))
    app.post("/predict", row(age="x"))
    lines = [json.loads(line) for line in app.lines]
    assert [(line["protocol"], line["code"], line["rows"]) for line in lines] == [
        ("predict", 200, 1),
        ("predict", 422, 0),
    ]
    assert set(lines[0]) == {"time", "protocol", "code", "rows", "seconds"}


def test_sampling_leaves_unsampled_rows_out_of_the_sequence(tmp_path: Path) -> None:
    numbers = iter([0.2, 0.9, 0.4, 0.6])
    app = App(
        house_bundle(tmp_path / "bundle"), tmp_path / "log", random=lambda: next(numbers), sample_rate=0.5
    )
    app.post("/predict", row())
    app.post("/predict", row())
    app.post(V1, {"instances": [LIST, LIST]})
    assert app.capture.sequence == app.capture.appended == 2
    assert app.metric(Metric.CAPTURE_ROWS, outcome="unsampled") == 2
    app.close()


@pytest.mark.slow
def test_while_it_drains_it_answers_and_closes_connections(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    app.state.drain()
    assert app.get("/readyz")[0] == 503
    status, headers, _ = app.ask("POST", "/predict", row())
    assert (status, headers["connection"]) == (200, "close")
    app.close()
