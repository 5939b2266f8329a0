"""The bundle folder: whole or not there, equal from equal inputs, refused when it is not what it says."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from support.packs import NOON, NUMBERS, ask, pack, training_table

from tidegauge import BundleError, DataNotFound, ProfileError, SchemaError
from tidegauge.pack import pack_model, verify_bundle
from tidegauge.pack.folder import write_folder
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest, file_sha256

pytestmark = pytest.mark.slow


@pytest.fixture
def packed(tmp_path):
    table = training_table()
    return pack(Ridge().fit(table[NUMBERS], table["y"]), table, tmp_path, name="ridge-1")


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_says_all_that_a_server_needs(packed):
    manifest = verify_bundle(packed.folder)
    assert manifest == packed.manifest
    assert manifest.name == "ridge-1"
    assert manifest.created == "2026-01-02T12:00:00Z"
    assert [feature.name for feature in manifest.features] == NUMBERS
    assert manifest.prediction.kind == "numeric"
    assert manifest.profile.hash == Profile.load(packed.folder / "profile.json").hash
    assert {"numpy", "tidegauge", "python"} <= manifest.versions.keys()


def test_the_example_is_a_row_that_the_model_answers(packed):
    example = pd.DataFrame([packed.manifest.example["features"]])
    assert list(example) == NUMBERS
    assert np.isfinite(ask(packed, example)).all()


def test_the_profile_holds_the_models_own_predictions(packed):
    prediction = packed.profile.prediction
    assert prediction is not None
    assert prediction.total == packed.profile.rows == 600
    assert prediction.mean == pytest.approx(float(ask(packed, training_table()).mean()), rel=1e-5)


def test_the_same_inputs_give_the_same_bytes_but_for_the_time(packed, tmp_path):
    before = files_of(packed.folder)
    again = pack_model(
        tmp_path / "model.joblib",
        tmp_path / "train.parquet",
        tmp_path / "again",
        target="y",
        name="ridge-1",
        exclude=["city of x"],
        clock=lambda: NOON + timedelta(days=1),
    )
    after = files_of(again.folder)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["manifest.json"]
    old, new = (json.loads(files["manifest.json"]) for files in (before, after))
    assert {key for key in old if old[key] != new[key]} == {"created"}


def test_skops_files_are_the_same_bytes_in_two_processes(tmp_path):
    table = training_table()
    model = RandomForestRegressor(3, random_state=0).fit(table[NUMBERS], table["y"])
    first = pack(model, table, tmp_path, model_format="skops").manifest.model.sha256
    script = (
        "import sys; from tidegauge.pack import pack_model; folder = sys.argv[1]; "
        "print(pack_model(folder + '/model.joblib', folder + '/train.parquet', folder + '/other', "
        "target='y', exclude=['city of x'], model_format='skops').manifest.model.sha256)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.split() == [first], run.stderr


def test_a_bundle_is_replaced_by_the_next(packed, tmp_path):
    table = training_table(seed=2)
    pack(LinearRegression().fit(table[NUMBERS], table["y"]), table, tmp_path, name="linear-2")
    assert verify_bundle(packed.folder).name == "linear-2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "model.joblib", "train.parquet"]


def test_a_folder_that_is_no_bundle_is_left_alone(packed, tmp_path):
    (packed.folder / "manifest.json").unlink()
    with pytest.raises(BundleError, match="not a bundle"):
        pack(Ridge().fit(training_table()[NUMBERS], training_table()["y"]), training_table(), tmp_path)
    assert (packed.folder / "model.onnx").exists()


def test_a_bundle_that_cannot_be_replaced_stays_under_its_name(packed, monkeypatch, tmp_path):
    """The folder beside it is taken away before it gets the name."""

    def rename_once(source, target):
        monkeypatch.undo()
        os.rename(source, target)
        shutil.rmtree(next(path for path in tmp_path.glob(".bundle-*") if (path / "new").exists()))

    before = files_of(packed.folder)
    monkeypatch.setattr("tidegauge.pack.folder.os", SimpleNamespace(rename=rename_once))
    with pytest.raises(FileNotFoundError):
        write_folder(packed.folder, {"new": b""})
    assert files_of(packed.folder) == before
    assert not list(tmp_path.glob(".bundle-*"))


@pytest.mark.parametrize(
    ("output", "name", "message"),
    [("___", None, "no name"), ("bundle", "Not a label", "DNS label"), (".", "ridge-2", "not a bundle")],
)
def test_where_a_bundle_cannot_be_written_is_said_before_the_model_is_loaded(output, name, message, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(BundleError, match=message):
        pack_model(tmp_path / "none.joblib", tmp_path / "none.parquet", tmp_path / output, name=name)


@pytest.mark.parametrize("name", ["model.onnx", "profile.json"])
def test_a_changed_file_is_found(packed, name):
    path = packed.folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match=f"{name}.*sha256"):
        verify_bundle(packed.folder)


@pytest.mark.parametrize("name", ["model.onnx", "profile.json", "manifest.json"])
def test_a_missing_file_is_named(packed, name):
    (packed.folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        verify_bundle(packed.folder)


def test_a_profile_of_other_features_is_refused(packed):
    other = Profile.fit({"z": np.arange(10.0)})
    other.save(packed.folder / "profile.json")
    document = json.loads((packed.folder / "manifest.json").read_text())
    document["profile"] |= {"sha256": file_sha256(packed.folder / "profile.json"), "hash": other.hash}
    (packed.folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match="names features"):
        verify_bundle(packed.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "tidegauge.io/bundle/v9"}, "schema"),
        ({"name": "Not A Label"}, "name='Not A Label'"),
        ({"features": []}, "features"),
        ({"features": [{"name": "a", "kind": "numeric", "dtype": "float32"}] * 2}, "each name once"),
        ({"features": [{"name": "a", "kind": "odd", "dtype": "float32"}]}, "kind='odd'"),
        ({"features": "abc"}, "features='abc'"),
        ({"prediction": None}, "prediction"),
        ({"model": {}}, "model.format"),
    ],
)
def test_a_manifest_that_breaks_a_rule_names_it(packed, change, message):
    document = json.loads((packed.folder / "manifest.json").read_text()) | change
    with pytest.raises(BundleError, match=message):
        Manifest.from_json(json.dumps(document))


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a/b", "", ".."])
def test_a_manifest_cannot_point_out_of_its_folder(packed, file):
    document = json.loads((packed.folder / "manifest.json").read_text())
    document["model"]["file"] = file
    with pytest.raises(BundleError, match="plain file name"):
        Manifest.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(BundleError):
        Manifest.from_json(text)


# --- what cannot be packed ---------------------------------------------------------------------------------


def fitted(table):
    return Ridge().fit(table[NUMBERS], table["y"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "cost"}, "target='cost': no such column; there are a, b"),
        ({"target": "a"}, "target='a': the model was fitted on this column"),
        ({"exclude": ["nothing"]}, r"exclude=\['nothing'\]: no such column"),
        ({"time": "when"}, "time='when': no such column"),
    ],
)
def test_a_column_that_is_not_there_or_not_free_is_named(options, message, tmp_path):
    table = training_table()
    with pytest.raises(SchemaError, match=message):
        pack(fitted(table), table, tmp_path, **options)


def test_data_without_a_feature_of_the_model_is_refused(tmp_path):
    table = training_table()
    with pytest.raises(SchemaError, match="has no column c, which the model was fitted on"):
        pack(fitted(table), table.drop(columns="c"), tmp_path)


def test_a_model_without_names_needs_as_many_columns(tmp_path):
    table = training_table()
    model = Ridge().fit(table[["a", "b"]].to_numpy(), table["y"])
    with pytest.raises(SchemaError, match="takes 2 features, the training data has 3"):
        pack(model, table, tmp_path)


def test_dates_are_no_feature(tmp_path):
    table = training_table()
    model = Ridge().fit(table[NUMBERS].to_numpy(), table["y"])
    table["c"] = pd.Timestamp("2026-01-01")
    with pytest.raises(SchemaError, match=r"column 'c'.*numbers or texts"):
        pack(model, table, tmp_path)


class Endless(Ridge):
    def predict(self, X):
        return np.where(np.arange(len(X)) == 2, np.inf, 0.0)


class Pairs(Ridge):
    def predict(self, X):
        return np.zeros((len(X), 2))


class Own(Ridge):
    """An estimator that no converter knows."""


class Raising(Ridge):
    def predict(self, X):  # noqa: ARG002
        raise RuntimeError("no such thing")


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Endless, "training row 2 is inf"), (Pairs, "shape.*one value a row"), (Raising, "no such thing")],
)
def test_predictions_that_cannot_be_served_are_refused(kind, message, tmp_path):
    table = training_table()
    with pytest.raises(BundleError, match=message):
        pack(kind().fit(table[NUMBERS], table["y"]), table, tmp_path)
    assert not (tmp_path / "bundle").exists()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    training_table().to_parquet(tmp_path / "train.parquet")
    (tmp_path / "broken.joblib").write_bytes(b"not a model")
    joblib.dump({"a": 1}, tmp_path / "dict.joblib")
    for name, message in (
        ("broken.joblib", "cannot be loaded"),
        ("dict.joblib", "predict"),
        ("none", "cannot be"),
    ):
        with pytest.raises(BundleError, match=message):
            pack_model(tmp_path / name, tmp_path / "train.parquet", tmp_path / "bundle", target="y")


def test_a_table_that_is_none_is_refused(tmp_path):
    table = training_table()
    joblib.dump(fitted(table), tmp_path / "model.joblib")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    table.head(0).to_csv(tmp_path / "empty.csv", index=False)
    for name, error, message in (
        ("broken.parquet", SchemaError, "cannot be read"),
        ("empty.csv", SchemaError, "no rows"),
        ("none.csv", DataNotFound, "none.csv: there is no such file"),
    ):
        with pytest.raises(error, match=message):
            pack_model(tmp_path / "model.joblib", tmp_path / name, tmp_path / "bundle", target="y")


def test_a_column_that_is_there_twice_is_refused_in_the_words_of_a_profile(tmp_path):
    table = training_table()
    joblib.dump(fitted(table), tmp_path / "model.joblib")
    twice = tmp_path / "train.csv"
    pd.concat([table, table[["b"]]], axis=1).to_csv(twice, index=False)
    for take in (
        lambda: pack_model(tmp_path / "model.joblib", twice, tmp_path / "bundle", target="y"),
        lambda: Profile.fit(twice),
    ):
        with pytest.raises(SchemaError, match=r"^column 'b' is there twice: rename or drop one$"):
            take()


def test_a_form_that_does_not_fit_is_refused_when_it_was_asked_for(tmp_path):
    table = training_table()
    with pytest.raises(
        BundleError,
        match="no form of this Own answers as it does: onnx: there is no converter for Own; model_format=",
    ):
        pack(Own().fit(table[NUMBERS], table["y"]), table, tmp_path, model_format="onnx")


def test_a_time_column_gives_the_profile_its_design_effect(tmp_path):
    table = training_table()
    table["when"] = pd.date_range("2026-01-01", periods=len(table), freq="10min")
    packed = pack(fitted(table), table, tmp_path, time="when", hour_of_day=True)
    feature = packed.profile.feature("a")
    assert "when" not in packed.profile.names
    assert feature.design_effect is not None
    assert feature.hourly is not None


def test_hours_of_the_day_need_times(tmp_path):
    table = training_table()
    with pytest.raises(ProfileError, match="time"):
        pack(fitted(table), table, tmp_path, hour_of_day=True)
