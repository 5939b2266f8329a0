"""A classifier's labels are of the type of its classes, whatever format it is packed in."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.serving_app import App, read_log
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, house_data

from tidegauge.pack import pack_model

pytestmark = pytest.mark.slow


def test_truth_values_are_answered_and_logged_alike_in_every_format(tmp_path: Path) -> None:
    X, y = house_data()
    frame = pd.DataFrame(X, columns=list(HOUSE_FEATURES)).assign(dear=y > np.median(y))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[list(HOUSE_FEATURES)], frame.dear)
    joblib.dump(model, tmp_path / "model.joblib")
    frame.to_parquet(tmp_path / "train.parquet")
    batch = {"name": "x", "shape": [9, 5], "datatype": "FP64", "data": X[:9].ravel().tolist()}
    found = {}
    for kind in ("onnx", "skops"):
        bundle, files = tmp_path / kind, (tmp_path / "model.joblib", tmp_path / "train.parquet")
        pack_model(*files, bundle, target="dear", name="dear", model_format=kind)
        app = App(bundle, tmp_path / f"log-{kind}")
        alone = app.post("/predict", {"features": HOUSE_ROW})[1]["prediction"]
        label, probability = app.post("/v2/models/dear/infer", {"inputs": [batch]})[1]["outputs"]
        v1 = app.post("/v1/models/dear:predict", {"instances": X[:9].tolist()})[1]
        assert v1["predictions"] == label["data"] == model.predict(frame[list(HOUSE_FEATURES)])[:9].tolist()
        _, frames, _ = read_log(app.settings.log_dir)
        code = np.frombuffer(frames[0].payload, "<f8")[5]
        about = app.get("/v2/models/dear")[1]["outputs"]
        found[kind] = alone, label, probability["parameters"], code, about
        app.close()
    assert found["onnx"] == found["skops"]
    assert found["onnx"][0] is True
    assert found["onnx"][1]["datatype"] == "BOOL"
