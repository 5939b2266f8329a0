"""What a column is for: a feature, the time, the prediction or the target, and never two of these."""

from collections.abc import Collection, Mapping
from typing import Final

from tidegauge.errors import ProfileError
from tidegauge.telling import Argument

__all__ = ["require_one_role"]

# Arguments that contradict each other when they name the same column.
_CONTRADICTING: Final = (
    ("feature_names", "exclude"),
    ("feature_names", "time"),
    ("feature_names", "prediction"),
    ("time", "target"),
    ("time", "prediction"),
    ("prediction", "exclude"),
    ("categorical", "exclude"),
    ("categorical", "time"),
    ("dtypes", "exclude"),
    ("dtypes", "time"),
)
_OF_FEATURES: Final = ("categorical", "dtypes")
_SINGLE: Final = ("time", "prediction", "target")


def require_one_role(columns: Mapping[str, Collection[str]]) -> None:
    """Refuse columns that two arguments use in ways that cannot both hold.

    Parameters
    ----------
    columns
        The columns that each argument names. Leave out `feature_names` where it labels an array.

    Raises
    ------
    ProfileError
        Two arguments contradict each other, or one describes a column that `feature_names` leaves out.
    """
    for one, other in _CONTRADICTING:
        if both := {*columns.get(one, ())} & {*columns.get(other, ())}:
            pair = (_naming(columns, one, min(both)), " and ", _naming(columns, other, min(both)))
            raise ProfileError(pair, step="give one of them")
    if features := {*columns.get("feature_names", ())}:
        _require_taken(columns, features)


def _require_taken(columns: Mapping[str, Collection[str]], features: set[str]) -> None:
    for argument in _OF_FEATURES:
        if left_out := {*columns.get(argument, ())} - features - {*columns.get("prediction", ())}:
            raise ProfileError(
                (Argument("feature_names"), " does not name it"),
                argument=_naming(columns, argument, min(left_out)),
                step="name it there too",
            )


def _naming(columns: Mapping[str, Collection[str]], argument: str, column: str) -> Argument:
    given = columns[argument]
    if isinstance(given, Mapping):
        return Argument(argument, {column: given[column]})
    return Argument(argument, column if argument in _SINGLE else [column])
