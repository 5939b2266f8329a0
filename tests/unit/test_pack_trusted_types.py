"""The types that a skops model needs trusted do not depend on what the packing process imported before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import importlib, json, sys
from pathlib import Path
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
import joblib, numpy as np, pandas as pd
from sklearn.experimental import enable_halving_search_cv
from sklearn.linear_model import Ridge
from sklearn.model_selection import HalvingGridSearchCV
from tidegauge.pack import pack_model

folder = Path(sys.argv[1])
rows = pd.DataFrame(np.random.default_rng(5).normal(size=(120, 2)), columns=["sqft", "age"])
search = HalvingGridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, min_resources=40, random_state=0)
joblib.dump(search.fit(rows, rows.sqft - rows.age), folder / "model.joblib")
rows.to_parquet(folder / "rows.parquet")
described = pack_model(folder / "model.joblib", folder / "rows.parquet", folder / "bundle").manifest.model
print(json.dumps([described.format, described.trusted_types]))
"""
ORDERS = {
    "skops first": ["skops.io"],
    "the experiment first": ["sklearn.experimental.enable_halving_search_cv"],
}


@pytest.mark.slow
def test_a_bundle_names_the_same_types_whatever_was_imported_before_packing(tmp_path: Path) -> None:
    packed = {}
    for order, modules in ORDERS.items():
        folder = tmp_path / order
        folder.mkdir()
        command = [sys.executable, "-c", SCRIPT, str(folder), json.dumps(modules)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert ended.returncode == 0, ended.stderr
        packed[order] = json.loads(ended.stdout.splitlines()[-1])
    assert packed["the experiment first"] == packed["skops first"]
    form, trusted = packed["skops first"]
    assert form == "skops"
    assert "sklearn.model_selection._search_successive_halving.HalvingGridSearchCV" in trusted
