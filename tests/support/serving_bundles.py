"""Bundles for the server's tests, written by hand, so that a test can also write a wrong one."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.profile.profile import NumericFeature, Profile
from tidegauge.protocol.bundle import Feature, Manifest, ModelFile, Prediction, ProfileFile, file_sha256
from tidegauge.protocol.coercion import default_type
from tidegauge.protocol.names import MANIFEST_FILE, PROFILE_FILE

HOUSE_FEATURES = ("bedrooms", "bathrooms", "sqft", "age", "location_score")
HOUSE_ROW = {"bedrooms": 3, "bathrooms": 2, "sqft": 2000, "age": 10, "location_score": 7}


def house_data(rows: int = 2_000, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """House-price-like rows ``(n, 5)`` and prices ``(n,)``."""
    rng = np.random.default_rng(seed)
    X = rng.normal([3.04, 1.99, 1998, 24.7, 5.53], [1.44, 0.82, 496, 14.8, 2.6], (rows, 5))
    y = 50_000 * X[:, 0] + 150 * X[:, 2] - 900 * X[:, 3] + 20_000 * X[:, 4] + rng.normal(0, 5_000, rows)
    return X, y


def onnx_bytes(model: Any, X: np.ndarray) -> bytes:
    """A fitted scikit-learn model as ONNX: one float tensor in; probabilities as a tensor."""
    from skl2onnx import to_onnx

    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    return to_onnx(model, X[:1].astype(np.float32), options=options).SerializeToString()


def write_bundle(
    folder: Path,
    *,
    artefact: bytes,
    format: str,  # noqa: A002
    profile: Profile,
    example: Mapping[str, Any],
    classes: Sequence[Any] = (),
    name: str = "house-prices",
    file: str = "",
) -> Path:
    """Write model, profile and manifest into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = {"xgboost": "ubj", "lightgbm": "txt"}.get(format, format)
    model_file = folder / (file or f"model.{suffix}")
    model_file.write_bytes(artefact)
    profile.save(folder / PROFILE_FILE)
    prediction = profile.prediction
    manifest = Manifest(
        name=name,
        created="2026-01-01T00:00:00Z",
        model=ModelFile(
            format=format, file=model_file.name, sha256=file_sha256(model_file), classes=tuple(classes)
        ),
        profile=ProfileFile(file=PROFILE_FILE, sha256=file_sha256(folder / PROFILE_FILE), hash=profile.hash),
        features=tuple(
            Feature(name=f.name, kind=f.kind, dtype=getattr(f, "dtype", "string"), type=default_type(f.kind))
            for f in profile.features
        ),
        prediction=Prediction(
            kind=prediction.kind if prediction else "numeric",
            dtype=prediction.dtype if isinstance(prediction, NumericFeature) else "float64",
        ),
        example={"features": dict(example)},
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())
    return folder


def house_bundle(folder: Path, model: Any = None, *, format: str = "onnx", dtype: str = "float32") -> Path:  # noqa: A002
    """A regressor of house prices (a small forest unless given) as a bundle."""
    from sklearn.ensemble import RandomForestRegressor

    X, y = house_data()
    X = X.astype(dtype)
    if model is None:
        model = RandomForestRegressor(5, max_depth=6, random_state=0)
    model.fit(X, y)
    profile = Profile.fit(
        X,
        256,
        list(HOUSE_FEATURES),
        prediction=model.predict(X).astype(dtype),
        dtypes={**dict.fromkeys(HOUSE_FEATURES, dtype), "prediction": dtype},
    )
    artefact = onnx_bytes(model, X) if format == "onnx" else sklearn_bytes(model, format)
    return write_bundle(folder, artefact=artefact, format=format, profile=profile, example=HOUSE_ROW)


def sklearn_bytes(model: Any, format: str) -> bytes:  # noqa: A002
    """A fitted scikit-learn model as skops or joblib file."""
    import io

    if format == "skops":
        import skops.io

        data: bytes = skops.io.dumps(model)
        return data
    import joblib

    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Overwrite fields of the manifest, ``model__format="onnx"`` for a nested one."""
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        part = document
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(document))


def flight_frame(rows: int = 1_500, seed: int = 5) -> Any:
    """Flight-like rows: numbers with gaps, texts with gaps, and whether the flight was late."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "temp": np.where(rng.random(rows) < 0.05, np.nan, rng.normal(10, 8, rows)),
            "carrier": rng.choice(["AA", "UA", "DL", None], rows, p=[0.4, 0.3, 0.25, 0.05]),
            "distance": rng.integers(100, 3000, rows).astype(float),
        }
    )
    late = (frame["temp"].fillna(10) + 8 * (frame["carrier"] == "UA") + rng.normal(0, 4, rows)) > 14
    return frame.assign(late=np.where(late, "late", "on time"))


FLIGHT_ROW = {"temp": 12.5, "carrier": "UA", "distance": 800.0}


def flight_pipeline() -> Any:
    """An unfitted classifier of flights: imputation for numbers, one-hot texts, trees."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
            ("numbers", SimpleImputer(), ["temp", "distance"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=2000))


def flight_bundle(folder: Path, *, format: str = "onnx") -> Path:  # noqa: A002
    """A classifier of late flights over numbers and texts, with missing values in training."""
    artefact, profile, classes = _fitted_flights(format)
    return write_bundle(
        folder,
        artefact=artefact,
        format=format,
        profile=profile,
        example=FLIGHT_ROW,
        classes=classes,
        name="late-flights",
    )


@cache
def _fitted_flights(format: str) -> tuple[bytes, Profile, list[str]]:  # noqa: A002
    """Model file, profile and classes: made once a process, since many modules serve this bundle."""
    frame = flight_frame()
    X = frame.drop(columns="late")
    if format == "onnx":
        X["carrier"] = X["carrier"].where(X["carrier"].notna(), "")
    model = flight_pipeline().fit(X, frame["late"])
    profile = Profile.fit(frame.drop(columns="late"), 128, prediction=model.predict(X))
    artefact = _flights_onnx(model, X) if format == "onnx" else sklearn_bytes(model, format)
    return artefact, profile, model.classes_.tolist()


def _flights_onnx(model: Any, X: Any) -> bytes:
    import pandas as pd
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = [
        (name, (StringTensorType if pd.api.types.is_string_dtype(X[name]) else FloatTensorType)([None, 1]))
        for name in X
    ]
    converted = convert_sklearn(model, initial_types=inputs, options={id(model): {"zipmap": False}})
    data: bytes = converted.SerializeToString()
    return data
