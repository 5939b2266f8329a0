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
    TidegaugeWarning,
    WireError,
)

if TYPE_CHECKING:
    from tidegauge.counting.counts import Accumulator, Counts
    from tidegauge.counting.ks import KS
    from tidegauge.counting.row_score import RowScorer
    from tidegauge.monitor.monitor import Monitor
    from tidegauge.monitor.policy import Policy
    from tidegauge.monitor.replay import replay
    from tidegauge.profile.features import CategoricalFeature, NumericFeature
    from tidegauge.profile.profile import Profile
    from tidegauge.report.model import Report

_HOMES = {
    "Accumulator": "counting.counts",
    "CategoricalFeature": "profile.features",
    "Counts": "counting.counts",
    "KS": "counting.ks",
    "Monitor": "monitor.monitor",
    "NumericFeature": "profile.features",
    "Policy": "monitor.policy",
    "Profile": "profile.profile",
    "Report": "report.model",
    "RowScorer": "counting.row_score",
    "replay": "monitor.replay",
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
    "TidegaugeWarning",
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
