"""Frames packed with the types of their columns, served, and what people send of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from support.packs import SERVER
from support.serving_app import App, read_log

from tidegauge.pack import pack_model
from tidegauge.protocol.bundle import Manifest


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
