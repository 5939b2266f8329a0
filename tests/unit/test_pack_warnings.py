"""What packing says of features that cannot be watched: it is said once, and the advice can be followed."""

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

from tidegauge.cli import main

ROWS = 3000
FEATURES = ["customer_id", "minute", "weekday", "sqft"]
WATCHED_NOT = "the model needs it, so name it in spec.drift.features.exclude of its resource"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The lines of a packing whose model was fitted on an identifier and on functions of the time."""
    folder = tmp_path_factory.mktemp("packed")
    random = np.random.default_rng(4)
    time = 1.79e9 + np.sort(random.random(ROWS)) * 40 * 86_400
    table = pd.DataFrame(
        {
            "customer_id": 70_000 + np.arange(ROWS),
            "minute": time // 60 % 1440,
            "weekday": time // 86_400 % 7,
            "sqft": random.gamma(3.0, 40.0, ROWS),
        }
    )
    model = LinearRegression().fit(table, table["sqft"])
    joblib.dump(model, folder / "model.joblib")
    table.assign(price=table["sqft"], time=time).to_parquet(folder / "rows.parquet")
    files = ["--model", str(folder / "model.joblib"), "--data", str(folder / "rows.parquet")]
    options = ["--target", "price", "--time", "time", "-o", str(folder / "bundle")]
    result = CliRunner().invoke(main, ["pack", *files, *options])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["customer_id", "minute", "weekday"])
def test_packing_does_not_advise_to_exclude_what_the_model_needs(printed, name):
    warnings = [line for line in printed if f"'{name}'" in line and "warning:" in line]
    assert warnings
    assert all(line.endswith(WATCHED_NOT) for line in warnings)
    assert not any("--exclude" in line for line in printed)


@pytest.mark.slow
def test_packing_says_each_warning_once(printed):
    warnings = [line for line in printed if "warning:" in line]
    assert len(warnings) == len(set(warnings)) >= 3
    assert not any("'sqft'" in line for line in warnings)
