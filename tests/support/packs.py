"""Small training tables, packed; and the packed model asked through the server's own loader."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from tidegauge_serving.models import Predictions, load_model
from tidegauge_serving.rows.schema import RowSchema

from tidegauge.pack import Packed, Server, pack_model

NUMBERS = ["a", "b", "c"]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SERVER = Server()  # one for all tests of a run: its processes end with this one


def training_table(rows: int = 600, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "a": rng.normal(50, 10, rows),
            "b": rng.integers(0, 5, rows),
            "c": rng.exponential(3, rows),
            "city of x": rng.choice(["oslo", "rome", "bonn"], rows, p=[0.5, 0.3, 0.2]),
        }
    )
    table["y"] = 3 * table["a"] + 20 * table["b"] - table["c"] ** 2 + rng.normal(0, 5, rows) + 500
    return table


def pack(model: Any, table: pd.DataFrame, folder: Path, **options: Any) -> Packed:
    """Write model and table to files as a user has them, and pack them."""
    joblib.dump(model, folder / "model.joblib")
    table.to_parquet(folder / "train.parquet")
    given = {"target": "y", "exclude": ["city of x"], "clock": lambda: NOON, "server": SERVER, **options}
    return pack_model(folder / "model.joblib", folder / "train.parquet", folder / "bundle", **given)


def ask(packed: Packed, table: pd.DataFrame) -> Any:
    """The packed model's labels or numbers for a table's rows."""
    return np.asarray(predictions(packed, table).labels)


def predictions(packed: Packed, table: pd.DataFrame) -> Predictions:
    """The packed model's answers to a table's rows, by the server's loader and its decoding of columns."""
    manifest, profile = packed.manifest, packed.profile
    model = load_model(
        packed.folder,
        manifest,
        profile,
        allow_pickle=True,
        trusted_types=frozenset(manifest.model.trusted_types),
    )
    columns = [table[feature.name].to_list() for feature in manifest.features]
    schema = RowSchema(profile.features, manifest.features, [True] * len(columns))
    return model.predict(schema.block_of_columns(columns))
