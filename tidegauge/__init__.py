"""Tidegauge measures, exactly, how far live data has drifted from training data.

The public names are loaded when they are first used, so that a program that only counts rows never
imports scipy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidegauge.__about__ import __version__
from tidegauge.errors import (
    BundleError,
    DataNotFound,
    PolicyError,
    ProfileError,
    ProfileMismatch,
    ResourceError,
    SchemaError,
    StorageError,
    TidegaugeError,
    WireError,
)

if TYPE_CHECKING:
    from tidegauge.backtest import replay
    from tidegauge.counts import KS, Accumulator, Counts
    from tidegauge.monitor import Monitor
    from tidegauge.policy import Policy
    from tidegauge.profile import CategoricalFeature, NumericFeature, Profile
    from tidegauge.report import Report
    from tidegauge.rowscore import RowScorer

_HOMES = {
    "Accumulator": "counts",
    "CategoricalFeature": "profile",
    "Counts": "counts",
    "KS": "counts",
    "Monitor": "monitor",
    "NumericFeature": "profile",
    "Policy": "policy",
    "Profile": "profile",
    "Report": "report",
    "RowScorer": "rowscore",
    "replay": "backtest",
}

__all__ = [
    "KS",
    "Accumulator",
    "BundleError",
    "CategoricalFeature",
    "Counts",
    "DataNotFound",
    "Monitor",
    "NumericFeature",
    "Policy",
    "PolicyError",
    "Profile",
    "ProfileError",
    "ProfileMismatch",
    "Report",
    "ResourceError",
    "RowScorer",
    "SchemaError",
    "StorageError",
    "TidegaugeError",
    "WireError",
    "__version__",
    "replay",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
