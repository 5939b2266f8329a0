"""Names of columns and classes as tables have them: numbers, any texts, and what no request can hold."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from support.packs import SERVER, ask, pack
from support.serving_app import App

from tidegauge.errors import BundleError, SchemaError
from tidegauge.pack import pack_model

pytestmark = pytest.mark.slow


def table(*names: Any) -> pd.DataFrame:
    values = np.random.default_rng(8).normal(size=(60, len(names)))
    return pd.DataFrame(values, columns=list(names))


def packed(frame: pd.DataFrame, folder: Path) -> Any:
    known = all(isinstance(name, str) for name in frame)
    rows = frame if known else frame.to_numpy()
    model = LinearRegression().fit(rows, frame.iloc[:, 0] + 1)
    return pack(model, frame, folder, target=None, exclude=[])


@pytest.mark.parametrize(
    "names", [("age 🚀", "b"), ("two\nlines", " b"), ("x" * 3000, "é/\\"), ("features", "null")], ids=repr
)
def test_any_text_is_a_name(names: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "a folder, with ünï"
    folder.mkdir()
    made = packed(table(*names), folder)
    app = App(made.folder, tmp_path / "log")
    assert app.post("/predict", {"features": dict.fromkeys(names, 2.0)})[1]["prediction"] == pytest.approx(
        3.0
    )
    app.close()


@pytest.mark.parametrize("names", [(0, 1), (2020, 2021), (1.5, 2.5)], ids=repr)
def test_numbers_become_names_as_texts(names: tuple[Any, Any], tmp_path: Path) -> None:
    frame = table(*names)
    made = packed(frame, tmp_path)
    assert [feature.name for feature in made.manifest.features] == [str(name) for name in names]
    rows = frame.set_axis([str(name) for name in names], axis=1)
    np.testing.assert_allclose(ask(made, rows), frame.iloc[:, 0] + 1, atol=1e-5)


def test_a_category_under_a_number_keeps_its_type(tmp_path: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = table("a").assign(k=pd.Categorical([1, 2, 3] * 20)).set_axis([0, 1], axis=1)
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features=[1]).fit(
        frame.to_numpy(float), frame[0]
    )
    joblib.dump(model, tmp_path / "m.joblib")
    frame.to_parquet(tmp_path / "t.parquet")
    made = pack_model(tmp_path / "m.joblib", tmp_path / "t.parquet", tmp_path / "b", server=SERVER)
    assert [feature.type for feature in made.manifest.features] == ["number", "category"]


def test_a_feature_without_a_name_is_refused_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"feature 2 of 2 has no name.*exclude=\[''\]"):
        packed(table("a", ""), tmp_path)


def test_a_column_without_a_name_that_is_no_feature_does_no_harm(tmp_path: Path) -> None:
    frame = table("a", "b")
    model = LinearRegression().fit(frame, frame["a"])
    assert pack(model, frame.assign(**{"": 1}), tmp_path, target=None, exclude=[]).manifest.features


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(np.array([b"x", b"y"] * 30), "bytes"), (np.array(["2020-01-01", "2021-01-01"] * 30, "M8[D]"), "date")],
    ids=["bytes", "dates"],
)
def test_classes_that_no_answer_can_hold_are_refused_with_what_helps(
    labels: Any, kind: str, tmp_path: Path
) -> None:
    frame = table("a", "b")
    model = DecisionTreeClassifier().fit(frame, labels)
    with pytest.raises(BundleError, match=rf"classes are of type {kind}.*\.astype\(str\)"):
        pack(model, frame, tmp_path, target=None, exclude=[])


@pytest.mark.parametrize("label", ['say "hi"\n', "x" * 5000, "", "1.0"], ids=lambda text: repr(text[:9]))
def test_any_text_is_a_class(label: str, tmp_path: Path) -> None:
    frame = table("a", "b")
    model = DecisionTreeClassifier().fit(frame, [label, "1"] * 30)
    made = pack(model, frame, tmp_path, target=None, exclude=[])
    assert ask(made, frame).tolist() == model.predict(frame).tolist()
