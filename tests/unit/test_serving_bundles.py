"""Bundles: every format answers as its own library does; what does not fit is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.serving_app import App, read_log
from support.serving_bundles import (
    FLIGHT_ROW,
    HOUSE_FEATURES,
    HOUSE_ROW,
    edit_manifest,
    flight_bundle,
    flight_frame,
    flight_pipeline,
    house_bundle,
    house_data,
    write_bundle,
)
from tidegauge_serving.predict.startup import load
from tidegauge_serving.settings import Settings

from tidegauge.errors import BundleError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import file_sha256
from tidegauge.protocol.names import PROFILE_FILE

SKLEARN_TREE = frozenset({"sklearn.tree._tree.Tree"})


def ask(app: App, X: np.ndarray) -> list[Any]:
    answer = app.post(f"/v1/models/{app.service.name}:predict", {"instances": X.tolist()})[1]
    return answer["predictions"]


def profile_of(X: np.ndarray, predictions: Any, **options: Any) -> Profile:
    return Profile.fit(X, 128, list(HOUSE_FEATURES), prediction=predictions, **options)


# --- formats -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["skops", "joblib"])
def test_a_scikit_learn_file_answers_as_the_model(tmp_path: Path, kind: str) -> None:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(8, random_state=0, n_jobs=2)
    bundle = house_bundle(tmp_path / "bundle", model, format=kind, dtype="float64")
    app = App(bundle, tmp_path / "log", allow_pickle=True, trusted_types=SKLEARN_TREE)
    X, _ = house_data(40, seed=2)
    assert ask(app, X) == pytest.approx(model.predict(X).tolist())
    assert app.post("/predict", {"features": HOUSE_ROW})[0] == 200
    app.close()


def test_a_linear_model_as_onnx_answers_as_the_model(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression()
    app = App(house_bundle(tmp_path / "bundle", model), tmp_path / "log")
    X, _ = house_data(40, seed=2)
    assert ask(app, X) == pytest.approx(model.predict(X).tolist(), rel=1e-5)
    app.close()


@pytest.mark.slow
def test_xgboost_answers_as_the_library(tmp_path: Path) -> None:
    import xgboost

    X, y = house_data()
    model = xgboost.XGBRegressor(n_estimators=20, max_depth=4).fit(X, y)
    bundle = write_bundle(
        tmp_path / "bundle",
        artefact=bytes(model.get_booster().save_raw("ubj")),
        format="xgboost",
        profile=profile_of(X, model.predict(X)),
        example=HOUSE_ROW,
    )
    app = App(bundle, tmp_path / "log")
    X, _ = house_data(30, seed=4)
    assert ask(app, X) == pytest.approx(model.predict(X).tolist())
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_booster_classifiers_answer_with_labels(tmp_path: Path, library: str, classes: int) -> None:
    import lightgbm
    import xgboost

    X, y = house_data()
    y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    if library == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=10, max_depth=3).fit(X, y)
        artefact = bytes(model.get_booster().save_raw("ubj"))
    else:
        model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(X, y)
        artefact = model.booster_.model_to_string().encode()
    bundle = write_bundle(
        tmp_path / "bundle",
        artefact=artefact,
        format=library,
        profile=profile_of(X, model.predict(X), categorical=["prediction"]),
        example=HOUSE_ROW,
        classes=model.classes_.tolist(),
    )
    app = App(bundle, tmp_path / "log")
    X, _ = house_data(30, seed=4)
    assert ask(app, X) == model.predict(X).tolist()
    tensor = {"name": "x", "shape": [30, 5], "datatype": "FP64", "data": X.ravel().tolist()}
    outputs = app.post("/v2/models/house-prices/infer", {"inputs": [tensor]})[1]["outputs"]
    assert [output["name"] for output in outputs] == ["prediction", "probability"]
    assert outputs[1]["shape"] == [30, classes]
    np.testing.assert_allclose(
        np.reshape(outputs[1]["data"], (30, classes)), model.predict_proba(X), rtol=1e-5
    )
    app.close()


@pytest.mark.slow
def test_lightgbm_answers_as_the_library(tmp_path: Path) -> None:
    import lightgbm

    X, y = house_data()
    model = lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(X, y)
    bundle = write_bundle(
        tmp_path / "bundle",
        artefact=model.booster_.model_to_string().encode(),
        format="lightgbm",
        profile=profile_of(X, model.predict(X)),
        example=HOUSE_ROW,
    )
    app = App(bundle, tmp_path / "log")
    X, _ = house_data(30, seed=4)
    assert ask(app, X) == pytest.approx(model.predict(X).tolist())
    app.close()


@pytest.mark.slow
def test_a_bundle_of_the_packer_is_served(tmp_path: Path) -> None:
    import joblib
    import pandas as pd
    from sklearn.ensemble import RandomForestRegressor

    from tidegauge.pack import pack_model

    X, y = house_data()
    frame = pd.DataFrame(X, columns=list(HOUSE_FEATURES))
    model = RandomForestRegressor(5, max_depth=6, random_state=0).fit(frame, y)
    joblib.dump(model, tmp_path / "model.joblib")
    frame.assign(price=y).to_parquet(tmp_path / "train.parquet")
    pack_model(
        tmp_path / "model.joblib", tmp_path / "train.parquet", tmp_path / "house-prices", target="price"
    )
    app = App(tmp_path / "house-prices", tmp_path / "log")
    assert ask(app, X[:20]) == pytest.approx(model.predict(frame[:20]).tolist(), rel=1e-5)
    app.close()


# --- texts, missing values, labels -----------------------------------------------------------------------


@pytest.fixture(scope="module", params=["onnx", "skops"])
def flights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = tmp_path_factory.mktemp("flights")
    bundle = flight_bundle(folder / "bundle", format=request.param)
    return App(bundle, folder / "log", trusted_types=frozenset({"numpy.dtype"}))


@pytest.mark.slow
def test_a_pipeline_over_texts_answers_as_the_model(flights: App) -> None:
    frame = flight_frame()
    X = frame.drop(columns="late").fillna({"carrier": ""})
    model = flight_pipeline().fit(X, frame["late"])
    rows = [
        {"temp": 30.0, "carrier": "UA", "distance": 500.0},
        {"temp": -5.0, "carrier": "AA", "distance": 2500.0},
        {"temp": 11.0, "carrier": "never seen", "distance": 2500.0},
    ]
    import pandas as pd

    answer = flights.post("/v1/models/late-flights:predict", {"instances": rows})[1]
    assert answer["predictions"] == model.predict(pd.DataFrame(rows)).tolist()
    inputs = [
        {"name": "carrier", "shape": [3], "datatype": "BYTES", "data": [row["carrier"] for row in rows]},
        {"name": "temp", "shape": [3], "datatype": "FP64", "data": [row["temp"] for row in rows]},
        {"name": "distance", "shape": [3], "datatype": "FP64", "data": [row["distance"] for row in rows]},
    ]
    label, probability = flights.post("/v2/models/late-flights/infer", {"inputs": inputs})[1]["outputs"]
    assert (label["datatype"], label["data"]) == ("BYTES", answer["predictions"])
    assert probability["parameters"] == {"classes": '["late","on time"]'}
    np.testing.assert_allclose(
        np.reshape(probability["data"], (3, 2)), model.predict_proba(pd.DataFrame(rows)), atol=1e-4
    )


@pytest.mark.slow
def test_a_missing_value_is_answered_where_training_had_some_and_logged_as_missing(flights: App) -> None:
    assert flights.loaded.schema.accepts_missing[:2] == (True, True)
    status, answer = flights.post("/predict", {"features": {**FLIGHT_ROW, "temp": None, "carrier": None}})
    assert status == 200
    _, frames, _ = read_log(flights.settings.log_dir)
    row = np.frombuffer(frames[-1].payload, "<f8")
    profile = flights.loaded.profile
    assert np.isnan(row[:2]).all()
    assert row[2] == FLIGHT_ROW["distance"]
    assert row[3] == profile.prediction.codes[answer["prediction"]]
    assert profile.count_matrix(row[None]).missing.tolist() == [1, 1, 0, 0]


@pytest.mark.slow
def test_a_category_is_logged_as_its_code_and_another_value_as_none_of_them(flights: App) -> None:
    for carrier, code in (("UA", flights.loaded.profile.feature("carrier").codes["UA"]), ("ZZ", 3)):
        flights.post("/predict", {"features": {**FLIGHT_ROW, "carrier": carrier}})
        _, frames, _ = read_log(flights.settings.log_dir)
        assert np.frombuffer(frames[-1].payload, "<f8")[1] == code


@pytest.mark.slow
def test_texts_and_numbers_do_not_fit_into_one_tensor(flights: App) -> None:
    tensor = {"name": "all", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    status, answer = flights.post("/v2/models/late-flights/infer", {"inputs": [tensor]})
    assert status == 422
    assert "one tensor per feature" in answer["error"]


def test_onnx_takes_no_missing_value_that_training_never_had(tmp_path: Path) -> None:
    loaded = load(Settings(bundle=house_bundle(tmp_path)))
    assert loaded.schema.accepts_missing == (False,) * 5


# --- what does not fit -----------------------------------------------------------------------------------


def joblib_bundle(folder: Path) -> Path:
    return house_bundle(folder, format="joblib")


def pickle_called_onnx(folder: Path) -> Path:
    bundle = joblib_bundle(folder)
    edit_manifest(bundle, model__format="onnx")
    return bundle


def onnx_called(kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        bundle = house_bundle(folder)
        edit_manifest(bundle, model__format=kind)
        return bundle

    return make


def changed_model(folder: Path) -> Path:
    bundle = house_bundle(folder)
    path = bundle / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    return bundle


def missing_model(folder: Path) -> Path:
    bundle = house_bundle(folder)
    (bundle / "model.onnx").unlink()
    return bundle


def other_profile(folder: Path) -> Path:
    bundle = house_bundle(folder)
    X, y = house_data(100)
    profile = Profile.fit(X, 16, list(HOUSE_FEATURES), prediction=y)
    profile.save(bundle / PROFILE_FILE)
    edit_manifest(bundle, profile__sha256=file_sha256(bundle / PROFILE_FILE))
    return bundle


def profile_of_another_model(folder: Path) -> Path:
    bundle = house_bundle(folder)
    X, y = house_data(100)
    profile = Profile.fit(X[:, :4], 16, list(HOUSE_FEATURES[:4]), prediction=y)
    profile.save(bundle / PROFILE_FILE)
    edit_manifest(
        bundle,
        profile__sha256=file_sha256(bundle / PROFILE_FILE),
        profile__hash=profile.hash,
        features=[{"name": n, "kind": "numeric", "dtype": "float64"} for n in HOUSE_FEATURES[:4]],
        example={"features": dict.fromkeys(HOUSE_FEATURES[:4], 1)},
    )
    return bundle


def other_features(folder: Path) -> Path:
    bundle = house_bundle(folder)
    names = (*HOUSE_FEATURES[:4], "garden")
    edit_manifest(bundle, features=[{"name": n, "kind": "numeric", "dtype": "float32"} for n in names])
    return bundle


def no_example(folder: Path) -> Path:
    bundle = house_bundle(folder)
    edit_manifest(bundle, example={})
    return bundle


def example_of_another_model(folder: Path) -> Path:
    bundle = house_bundle(folder)
    edit_manifest(bundle, example={"features": {**HOUSE_ROW, "age": "old"}})
    return bundle


def no_manifest(folder: Path) -> Path:
    folder.mkdir()
    return folder


def torn_manifest(folder: Path) -> Path:
    bundle = house_bundle(folder)
    (bundle / "manifest.json").write_text((bundle / "manifest.json").read_text()[:200])
    return bundle


def path_in_manifest(folder: Path) -> Path:
    bundle = house_bundle(folder)
    edit_manifest(bundle, model__file="../model.onnx")
    return bundle


def labels_for_a_number(folder: Path) -> Path:
    bundle = flight_bundle(folder)
    frame = flight_frame()
    profile = Profile.fit(frame.drop(columns="late"), 16, prediction=np.arange(len(frame)))
    profile.save(bundle / PROFILE_FILE)
    edit_manifest(bundle, profile__sha256=file_sha256(bundle / PROFILE_FILE), profile__hash=profile.hash)
    return bundle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (joblib_bundle, ("pickle", "--allow-pickle")),
        (pickle_called_onnx, ("model.joblib", "cannot be read as onnx")),
        (onnx_called("skops"), ("model.onnx", "cannot be read as skops")),
        (onnx_called("xgboost"), ("cannot be read as xgboost",)),
        (onnx_called("lightgbm"), ("cannot be read as lightgbm",)),
        (
            lambda folder: house_bundle(folder, format="skops"),
            ("not trusted", "sklearn.tree", "--trusted-types"),
        ),
        (changed_model, ("sha256", "model.onnx")),
        (missing_model, ("model.onnx", "cannot be read")),
        (other_profile, ("profile", "hash")),
        (profile_of_another_model, ("5 features", "has 4")),
        (other_features, ("garden", "profile")),
        (no_example, ("example", "warm-up")),
        (example_of_another_model, ("example", "'age'")),
        (no_manifest, ("manifest.json", "tidegauge pack")),
        (torn_manifest, ("manifest.json", "JSON")),
        (path_in_manifest, ("../model.onnx", "plain file name")),
        (labels_for_a_number, ("prediction", "numeric")),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    bundle = make(tmp_path / "bundle")
    with pytest.raises(BundleError) as caught:
        load(Settings(bundle=bundle))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.slow
def test_a_pickle_runs_no_code_without_the_opt_in(tmp_path: Path) -> None:
    import os
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    for kind in ("joblib", "skops", "onnx", "lightgbm", "xgboost"):
        bundle = house_bundle(tmp_path / kind)
        path = bundle / "model.onnx"
        path.write_bytes(pickle.dumps(Bomb()))
        edit_manifest(bundle, model__format=kind, model__sha256=file_sha256(path))
        with pytest.raises(BundleError):
            load(Settings(bundle=bundle))
        assert not (tmp_path / "exploded").exists(), kind


def test_the_manifest_s_own_list_of_trusted_types_is_not_believed(tmp_path: Path) -> None:
    bundle = house_bundle(tmp_path, format="skops")
    edit_manifest(bundle, model__trusted_types=sorted(SKLEARN_TREE))
    with pytest.raises(BundleError, match="not trusted"):
        load(Settings(bundle=bundle))


def test_the_example_in_the_manifest_is_a_request(tmp_path: Path) -> None:
    bundle = house_bundle(tmp_path / "bundle")
    app = App(bundle, tmp_path / "log")
    example = json.loads((bundle / "manifest.json").read_text())["example"]
    assert app.post("/predict", example)[0] == 200
    app.close()
