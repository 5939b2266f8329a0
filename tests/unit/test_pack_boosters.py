"""Boosters as people have them: renamed columns, categories, native boosters, the libraries' own files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.packs import SERVER
from support.serving_app import App

from tidegauge.errors import BundleError, SchemaError
from tidegauge.pack import Packed, pack_model
from tidegauge.protocol.bundle import Manifest

pytestmark = pytest.mark.slow

ROWS = 240
LIGHTGBM = {"n_estimators": 8, "verbose": -1, "min_child_samples": 5}


def shop(categories: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    frame = pd.DataFrame(
        {
            "unit price": rng.lognormal(2, 1, ROWS),
            "on sale": rng.random(ROWS) < 0.3,
            "shelf no": rng.integers(1, 9, ROWS),
        }
    )
    if categories:
        frame["kind"] = pd.Categorical(rng.choice(["tea", "milk", None], ROWS), categories=["tea", "milk"])
        frame["size"] = pd.Categorical(rng.choice([30, 4, 7], ROWS), categories=[30, 4, 7])
    return frame


def sold(frame: pd.DataFrame) -> pd.Series:
    amount = frame["unit price"] + 20 * frame["on sale"] + frame["shelf no"]
    if "kind" in frame:
        amount = amount + 30 * (frame["kind"] == "milk") + 2 * frame["size"].astype(float)
    return amount


def pack(
    folder: Path, model: Any, frame: pd.DataFrame, name: str = "m.joblib", data: str = "d.parquet"
) -> Packed:
    file = folder / name
    if not file.exists():
        joblib.dump(model, file)
    frame.to_csv(folder / data, index=False) if data.endswith("csv") else frame.to_parquet(folder / data)
    return pack_model(file, folder / data, folder / "m", server=SERVER)


def served_answers(packed: Packed, frame: pd.DataFrame) -> list[Any]:
    trusted = frozenset(packed.manifest.model.trusted_types)
    app = App(packed.folder, packed.folder.parent / "log", trusted_types=trusted)
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    status, answer = app.post("/v1/models/m:predict", {"instances": rows})
    app.close()
    assert status == 200, answer
    predictions: list[Any] = answer["predictions"]
    return predictions


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "lightgbm": lambda: lightgbm.LGBMRegressor(**LIGHTGBM),
    "xgboost": lambda: xgboost.XGBRegressor(n_estimators=8, enable_categorical=True),
}


@pytest.mark.parametrize("data", ["d.parquet", "d.csv"])
@pytest.mark.parametrize("library", ESTIMATORS)
def test_categories_are_served_by_the_codes_of_training(library: str, data: str, tmp_path: Path) -> None:
    frame = shop()
    model = ESTIMATORS[library]().fit(frame, sold(frame))
    packed = pack(tmp_path, model, frame, data=data)
    assert packed.manifest.model.format == library
    kept = {f.name: f.categories for f in packed.manifest.features if f.type == "category"}
    assert kept == {"kind": ("tea", "milk"), "size": (30, 4, 7)}
    assert served_answers(packed, frame) == pytest.approx(model.predict(frame).tolist(), rel=1e-5)


def test_lightgbm_s_renamed_columns_are_asked_by_the_names_of_the_table(tmp_path: Path) -> None:
    frame = shop(categories=False)
    model = lightgbm.LGBMRegressor(**LIGHTGBM).fit(frame, sold(frame))
    assert "unit_price" in model.feature_name_
    packed = pack(tmp_path, model, frame)
    assert [feature.name for feature in packed.manifest.features] == list(frame)
    assert served_answers(packed, frame) == pytest.approx(model.predict(frame).tolist())


def test_lightgbm_takes_a_name_that_is_there_before_one_that_would_be_renamed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a_b": np.arange(60.0), "a b": 1.0})
    model = lightgbm.LGBMRegressor(**LIGHTGBM).fit(frame[["a_b"]], frame["a_b"])
    assert [feature.name for feature in pack(tmp_path, model, frame).manifest.features] == ["a_b"]


@pytest.mark.parametrize("library", ESTIMATORS)
def test_categories_in_a_pipeline_reach_its_booster_as_categories(library: str, tmp_path: Path) -> None:
    """Such a pipeline is packed as skops and asked with a pandas frame."""
    frame = shop().rename(columns=lambda name: name.replace(" ", "_"))
    scale = ColumnTransformer(
        [("scale", StandardScaler(), ["unit_price"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(scale, ESTIMATORS[library]()).fit(frame, sold(shop()))
    packed = pack(tmp_path, model, frame)
    assert packed.manifest.model.format == "skops"
    assert served_answers(packed, frame) == pytest.approx(model.predict(frame).tolist(), rel=1e-5)


def test_a_category_that_training_did_not_have_is_refused_by_xgboost_and_missing_for_lightgbm(
    tmp_path: Path,
) -> None:
    frame = shop()
    row = json.loads(frame.dropna().head(1).to_json(orient="records"))[0]
    for library, make in ESTIMATORS.items():
        folder = tmp_path / library
        folder.mkdir()
        model = make().fit(frame, sold(frame))
        app = App(pack(folder, model, frame).folder, folder / "log")
        strange = app.post("/predict", {"features": {**row, "kind": "rice"}})
        missing = app.post("/predict", {"features": {**row, "kind": None}})
        if library == "xgboost":
            assert (strange[0], strange[1]["reason"]) == (422, "model_refused")
            assert "feature 'kind' is 'rice'" in strange[1]["error"]
        else:
            assert strange[1]["prediction"] == missing[1]["prediction"]
        assert missing[0] == 200
        app.close()


def native(library: str, kind: str, frame: pd.DataFrame) -> tuple[Any, Callable[[], Any]]:
    """A booster without an estimator, and what its library's own predict answers."""
    y = sold(frame)
    label = y if kind == "number" else pd.qcut(y, 2 if kind == "binary" else 3, labels=False)
    if library == "xgboost":
        objective = {"number": "reg:squarederror", "binary": "binary:logistic"}.get(kind, f"multi:{kind}")
        parameters = {"objective": objective, "num_class": 3 if kind.startswith("soft") else None}
        given = {name: value for name, value in parameters.items() if value}
        matrix = xgboost.DMatrix(frame, label=label, enable_categorical=True)
        booster = xgboost.train(given, matrix, 6)
        return booster, lambda: booster.predict(xgboost.DMatrix(frame, enable_categorical=True))
    given = {"objective": {"number": "regression", "binary": "binary"}.get(kind, "multiclass"), "verbose": -1}
    given |= {"num_class": 3} if kind.startswith("soft") else {}
    trained = lightgbm.train(given, lightgbm.Dataset(frame, label=label), 6)
    return trained, lambda: trained.predict(frame)


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        *[("xgboost", kind) for kind in ("number", "binary", "softprob", "softmax")],
        *[("lightgbm", kind) for kind in ("number", "binary", "softprob")],
    ],
)
@pytest.mark.parametrize("how", ["joblib", "file"])
def test_a_native_booster_answers_as_its_library(library: str, kind: str, how: str, tmp_path: Path) -> None:
    frame = shop()
    booster, predict = native(library, kind, frame)
    name = {"joblib": "m.joblib", "file": "m.json" if library == "xgboost" else "m.txt"}[how]
    if how == "file":
        booster.save_model(tmp_path / name)
    packed = pack(tmp_path, booster, frame, name)
    assert packed.manifest.model.format == library
    answers = np.asarray(predict())
    expected = answers.argmax(axis=1) if answers.ndim == 2 else answers
    found = served_answers(packed, frame)
    if kind.startswith("soft"):
        assert packed.manifest.model.classes == (0, 1, 2)
        assert found == expected.astype(int).tolist()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_the_file_of_an_xgboost_estimator_is_that_estimator_again(suffix: str, tmp_path: Path) -> None:
    frame = shop(categories=False)
    labels = (sold(frame) > 15).astype(int)
    model = xgboost.XGBClassifier(n_estimators=5).fit(frame, labels)
    model.save_model(tmp_path / f"model.{suffix}")
    (tmp_path / f"model.{suffix}").rename(tmp_path / "renamed")  # its first bytes tell, not its name
    packed = pack(tmp_path, None, frame, "renamed")
    assert packed.manifest.model.classes == (0, 1)
    assert served_answers(packed, frame) == model.predict(frame).tolist()


def test_trees_after_the_best_iteration_count_for_a_booster_as_for_xgboost_train(tmp_path: Path) -> None:
    frame = shop(categories=False)
    rng = np.random.default_rng(0)
    train = xgboost.DMatrix(frame, label=sold(frame) + rng.normal(0, 20, ROWS))
    held_out = xgboost.DMatrix(frame, label=sold(frame) + rng.normal(0, 20, ROWS))
    booster = xgboost.train(
        {}, train, 60, evals=[(held_out, "e")], early_stopping_rounds=5, verbose_eval=False
    )
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    packed = pack(tmp_path, booster, frame)
    np.testing.assert_allclose(served_answers(packed, frame), booster.predict(train), rtol=1e-5)


def test_rows_with_another_category_are_not_the_training_rows(tmp_path: Path) -> None:
    frame = shop()
    model = xgboost.XGBRegressor(n_estimators=3, enable_categorical=True).fit(frame, sold(frame))
    other = frame.assign(kind=frame["kind"].astype(object).where(frame.index > 0, "rice"))
    with pytest.raises(SchemaError, match=r"'kind' holds 'rice': the model's categories are"):
        pack(tmp_path, model, other)


# --- what is not a model, by its first bytes --------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"CBM1\x00\x00", "CatBoost.*format='onnx'"),
        (b"\x89HDF\r\n\x1a\n", "Keras.*ONNX"),
        (b"<?xml version='1.0'?><PMML/>", "PMML.*estimator"),
        (b"binf\x00\x00", "old binary format.*save_model"),
        (b"GGUF\x03", "language model"),
        (b"not a model", "no model that is known.*XGBoost .json"),
        (b"", "no model that is known"),
        (b'{"a": 1}', "no model that is known"),
        (b'{"learner": {"oh": 1}}', "cannot be loaded"),
        (b"tree\nversion=v4\n", "cannot be loaded"),
        (b"PK\x03\x04 cut off", "zip file that is cut off"),
        (b"\x80\x05\x95", "cannot be loaded"),
    ],
)
def test_a_file_of_another_kind_is_told_with_the_nearest_that_packs(
    head: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(head)
    with pytest.raises(BundleError, match=words):
        pack(tmp_path, None, shop(), "model")


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("archive/data.pkl", "PyTorch.*torch.onnx.export"),
        ("metadata.json", "Keras.*ONNX"),
        ("model.ini", "H2O MOJO"),
        ("x.txt", "zip file without a model"),
    ],
)
def test_a_zip_of_another_library_is_told(member: str, words: str, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr(member, "")
    with pytest.raises(BundleError, match=words):
        pack(tmp_path, None, shop(), "model.zip")


def test_a_file_that_is_told_by_its_bytes_is_not_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its name says: a pickle would run what is in it."""
    frame = shop(categories=False)
    model = xgboost.XGBRegressor(n_estimators=2).fit(frame, sold(frame))
    model.save_model(tmp_path / "m.json")
    (tmp_path / "m.json").rename(tmp_path / "m.pkl")
    monkeypatch.setattr(joblib, "load", sys.exit)
    assert pack(tmp_path, None, frame, "m.pkl").manifest.model.format == "xgboost"


def test_the_manifest_holds_no_code_of_a_category_that_is_missing(tmp_path: Path) -> None:
    frame = shop()
    model = lightgbm.LGBMRegressor(**LIGHTGBM).fit(frame, sold(frame))
    folder = pack(tmp_path, model, frame).folder
    assert all(None not in feature.categories for feature in Manifest.load(folder).features)
