"""Make the house-prices example: synthetic training data, a random forest, and the bundle that serves it.

    python examples/house-prices/build.py [OUTPUT_FOLDER]

writes data/train.parquet, data/model.joblib and bundle/ into the folder, by default this file's own.
"""

import argparse
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

from tidegauge.pack import Packed, pack_model

ROWS = 20_000
SEED = 7
TARGET = "price"


def features(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Houses. Each feature is a stratified sample, so that its moments are those of its distribution.

    Mean and standard deviation: bedrooms 3.04, 1.44; bathrooms 1.99, 0.82; sqft 1998, 496; age 24.7, 14.8;
    location_score 5.53, 2.60.
    """
    bedrooms = stats.rv_discrete(values=([1, 2, 3, 4, 5, 6], [0.197, 0.197, 0.2, 0.198, 0.195, 0.013]))
    bathrooms = stats.rv_discrete(values=([1, 2, 3, 4], [0.34, 0.333, 0.324, 0.003]))
    sqft = stats.norm(loc=1998, scale=496)
    age = stats.beta(1.227, 1.754, loc=0, scale=60)
    location_score = stats.beta(1.004, 0.991, loc=1, scale=9)
    return pd.DataFrame(
        {
            "bedrooms": bedrooms.ppf(strata(rows, rng)).astype(np.int64),
            "bathrooms": bathrooms.ppf(strata(rows, rng)).astype(np.int64),
            "sqft": np.clip(sqft.ppf(strata(rows, rng)), 300, None).round(),
            "age": age.ppf(strata(rows, rng)).round(1),
            "location_score": location_score.ppf(strata(rows, rng)).round(2),
        }
    )


def strata(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform numbers, one in each of `rows` equal parts of (0, 1), in random order."""
    return (rng.permutation(rows) + rng.random(rows)) / rows


def price(houses: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """What a house sells for, in dollars, with noise of 20,000."""
    fair = (
        20_000
        + 9_000 * houses["bedrooms"]
        + 14_000 * houses["bathrooms"]
        + 120 * houses["sqft"]
        - 1_100 * houses["age"]
        + 16_000 * houses["location_score"]
    )
    return (fair + rng.normal(0, 20_000, len(houses))).round()


def training_data(rows: int = ROWS, seed: int = SEED) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    houses = features(rows, rng)
    return houses.assign(price=price(houses, rng))


def train(data: pd.DataFrame) -> RandomForestRegressor:
    """Leaves of 20 houses keep the noise of single sales out of the forest, and the forest small."""
    forest = RandomForestRegressor(n_estimators=100, min_samples_leaf=20, n_jobs=-1, random_state=SEED)
    return forest.fit(data.drop(columns=TARGET), data[TARGET])


def build(folder: Path) -> Packed:
    model, table = folder / "data/model.joblib", folder / "data/train.parquet"
    table.parent.mkdir(parents=True, exist_ok=True)
    data = training_data()
    data.to_parquet(table)
    joblib.dump(train(data), model)
    return pack_model(model, table, folder / "bundle", target=TARGET, name="house-prices")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the house-prices example.")
    parser.add_argument("output", nargs="?", type=Path, default=Path(__file__).parent)
    packed = build(parser.parse_args().output)
    model = packed.manifest.model
    print(f"{packed.folder}: {model.format}, largest relative difference {model.max_relative_difference:.1e}")


if __name__ == "__main__":
    main()
