"""What a model needs beside the server's image is found in packing, and said."""

import sys

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.command_line import tidegauge
from support.packs import NUMBERS, pack, training_table
from xgboost import XGBRegressor

from tidegauge import BundleError
from tidegauge.protocol.bundle import Manifest

pytestmark = pytest.mark.slow

MINE = """
import helper_of_mine
from sklearn.linear_model import LinearRegression

class Mine(LinearRegression):
    def predict(self, X):
        return super().predict(X) * helper_of_mine.TWICE
"""
OPTIONAL = """
from sklearn.linear_model import LinearRegression

class Either(LinearRegression):
    def predict(self, X):
        try:
            import polars
        except ImportError:
            return super().predict(X) + 1
        return super().predict(X)
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules that only this machine has."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "of_mine.py").write_text(MINE)
    (folder / "helper_of_mine.py").write_text("TWICE = 2\n")
    (folder / "either_of_mine.py").write_text(OPTIONAL)
    monkeypatch.syspath_prepend(str(folder))
    yield
    for name in ("of_mine", "helper_of_mine", "either_of_mine"):
        sys.modules.pop(name, None)


def image_lines(folder, *more):
    result = tidegauge("pack", "--model", folder / "m.joblib", "--data", folder / "t.parquet", *more)
    assert result.exit_code == 0, result.output
    return [line for line in result.stdout.splitlines() if line.startswith("  image ")]


def write(model, folder):
    table = training_table(200)[[*NUMBERS, "y"]]
    joblib.dump(model.fit(table[NUMBERS], table["y"]), folder / "m.joblib")
    table.to_parquet(folder / "t.parquet")
    return "--target", "y", "-o", folder / "bundle"


@pytest.mark.usefixtures("modules")
def test_modules_of_ones_own_are_in_the_manifest_and_in_the_summary(tmp_path):
    import of_mine

    lines = image_lines(tmp_path, *write(of_mine.Mine(), tmp_path))
    assert Manifest.load(tmp_path / "bundle").model.modules == ("helper_of_mine", "of_mine")
    assert len(lines) == 1
    assert "must also have helper_of_mine, of_mine: docs/images.md" in lines[0]


@pytest.mark.usefixtures("modules")
def test_an_optional_package_of_this_machine_is_not_there_for_the_server(tmp_path):
    import either_of_mine

    table = training_table(200)
    model = either_of_mine.Either().fit(table[NUMBERS], table["y"])
    with pytest.raises(BundleError, match=r"skops: .*differ"):
        pack(model, table, tmp_path)


def test_a_booster_in_a_pipeline_is_a_module_beside_the_image(tmp_path):
    table = training_table(200)
    model = make_pipeline(StandardScaler(), XGBRegressor(n_estimators=5)).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path, model_format="skops")
    assert packed.manifest.model.modules == ("xgboost",)


def test_a_booster_says_which_build_argument_the_image_needs(tmp_path):
    lines = image_lines(tmp_path, *write(XGBRegressor(n_estimators=5), tmp_path))
    assert Manifest.load(tmp_path / "bundle").model.modules == ()
    assert len(lines) == 1
    assert "build it with --build-arg SERVING=serving,xgboost" in lines[0]


@pytest.mark.parametrize("form", ["onnx", "skops"])
def test_a_plain_model_needs_nothing_more(form, tmp_path):
    assert image_lines(tmp_path, *write(Ridge(), tmp_path), "--format", form) == []
    assert Manifest.load(tmp_path / "bundle").model.modules == ()


def test_a_manifest_from_before_modules_were_kept_is_read(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2.0, 4.0] * 20, "y": [2.0, 4.0, 8.0] * 20})
    packed = pack(LinearRegression().fit(table[["x"]], table["y"]), table, tmp_path, exclude=[])
    text = packed.manifest.to_json().replace('"modules": [],', "")
    assert "modules" not in text
    assert Manifest.from_json(text).model.modules == ()
