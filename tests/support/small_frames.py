"""A small frame with every kind of column, and the profile of a single column."""

from typing import Any

import numpy as np
import pandas as pd

from tidegauge import Profile

_RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "sqft": _RANDOM.normal(2000, 500, 3000),
        "rooms": _RANDOM.integers(1, 7, 3000),
        "city": _RANDOM.choice(["Bonn", "Köln", "Trier"], 3000, p=[0.5, 0.3, 0.2]),
        "garden": _RANDOM.random(3000) < 0.4,
    }
)


def fit_one(values: Any, **options: Any) -> Any:
    """The only feature of a profile of one column named x."""
    return Profile.fit({"x": values}, **options).features[0]
