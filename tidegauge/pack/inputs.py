"""The user's inputs: a model's file and a table, checked against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from tidegauge.data.frames import read_column
from tidegauge.data.sources import chunks_of, is_csv, reading_of
from tidegauge.data.times import epoch_seconds, require_clear_times
from tidegauge.errors import ProfileError, SchemaError
from tidegauge.model.asking import Gap, gap_of, takes_texts
from tidegauge.nearest import listed, or_nearest
from tidegauge.pack.categories import columns_of, with_own_categories
from tidegauge.protocol.coercion import TYPES_OF_KIND, ColumnType, Label
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import Argument, found

__all__ = ["TEXT", "Column", "Training", "load_table", "training_rows"]

TEXT: Final = "string"  # the dtype of a categorical column that the model takes as text
_LEAVE_OUT: Final = (
    *("name the column that is predicted with ", Argument("target")),
    *(", and those that are no features with ", Argument("exclude")),
)
_OF_DTYPE: Final[dict[str, ColumnType]] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
_OF_VALUES: Final[dict[str, ColumnType]] = {  # by pandas' words for what a column of objects holds
    "boolean": "boolean",
    "integer": "integer",
    **dict.fromkeys(("floating", "mixed-integer-float", "decimal"), "number"),
    **dict.fromkeys(("string", "empty"), "text"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One feature as the model takes it.

    Parameters
    ----------
    name
        Its name.
    type
        What it is in the training data.
    categories
        A category column's categories, in the order of their codes.
    """

    name: str
    type: ColumnType
    categories: tuple[Label, ...] = ()

    @property
    def kind(self) -> Literal["numeric", "categorical"]:
        """A number, or a text that is a category."""
        return "categorical" if self.type in TYPES_OF_KIND["categorical"] else "numeric"


@dataclass(frozen=True, slots=True)
class Training:
    """Rows the model was trained on.

    Parameters
    ----------
    frame
        The features in the model's order, shape ``(n, features)``.
    columns
        What each of them is.
    named
        Whether the model was fitted on named columns, so that it must be asked with them.
    time
        The rows' times if a time column was named.
    texts
        Whether the model takes its one column of texts as a sequence, not as rows.
    gap
        What a missing text or truth value is to the model; None for what the table's reader gives.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    named: bool
    time: "pd.Series[Any] | None" = None
    texts: bool = False
    gap: Gap | None = None

    @property
    def numeric(self) -> bool:
        """Whether every feature is a number."""
        return all(column.kind == "numeric" for column in self.columns)

    def model_input(self, frame: pd.DataFrame | None = None) -> pd.DataFrame | npt.NDArray[Any]:
        """Return the rows of training, or others of their columns, as the original model takes them."""
        rows = _with_gaps(self.frame if frame is None else frame, self.gap)
        if self.texts:
            return rows.iloc[:, 0].astype(object).to_numpy()
        return rows if self.named else rows.to_numpy()


def _with_gaps(rows: pd.DataFrame, gap: Gap | None) -> pd.DataFrame:
    """Return the rows with the model's own missing value in columns of texts and truth values."""
    if gap is None:
        return rows
    fill = None if gap == "None" else np.nan
    gaps = {
        str(name): rows[name].astype(object).where(rows[name].notna(), fill)
        for name in rows
        if rows[name].dtype.kind == "O" and rows[name].isna().any()
        if not isinstance(rows[name].dtype, pd.CategoricalDtype)
    }
    return rows.assign(**gaps)


def load_table(path: Path | str) -> pd.DataFrame:
    """Read a Parquet or CSV file, known by its suffix.

    Raises
    ------
    SchemaError
        Any other file, one without rows, or one with a column's name twice.
    """
    path = Path(path)
    try:
        frame = _read_parquet(path) if path.suffix in (".parquet", ".pq") else _read_csv(path)
    except (ProfileError, SchemaError):
        raise
    except (OSError, ValueError) as error:
        raise SchemaError(f"the training data {path} cannot be read as Parquet or CSV: {error}") from error
    if frame.empty:
        raise SchemaError(f"the training data {path} has no rows")
    return frame


def _with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with texts for names: pandas takes numbers too, and a request has none."""
    names = [str(name) for name in frame.columns]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise SchemaError(
            "rename or drop one", argument=found("data", twice, f"column {twice!r} is there twice", twice)
        )
    return frame.set_axis(names, axis=1)


def _read_parquet(path: Path) -> pd.DataFrame:
    """The table; Parquet keeps categories that are texts, of others only pandas' note that they were some."""
    frame = _with_text_names(pd.read_parquet(path))
    noted = (pq.read_schema(path).pandas_metadata or {}).get("columns", ())
    lost = [each["name"] for each in noted if each["pandas_type"] == "categorical"]
    return frame.astype({name: "category" for name in lost if name in frame})


def _read_csv(path: Path) -> pd.DataFrame:
    """The table as every other command reads it, with the types that pandas gives."""
    if not is_csv(path):
        raise SchemaError(f"the training data {path} must be Parquet or CSV, with a name that says so")
    reading = reading_of(path, {})
    chunks = list(chunks_of(path, reading))
    if not chunks:
        raise SchemaError(f"the training data {path} has no rows")
    return pd.DataFrame({name: _series([chunk[name].values for chunk in chunks]) for name in chunks[0]})


def _series(parts: "list[npt.NDArray[Any]]") -> "pd.Series[Any]":
    values = np.concatenate(parts)
    if values.dtype != object:
        return pd.Series(values)
    return pd.Series([np.nan if value is None else value for value in values.tolist()]).infer_objects()


def training_rows(
    model: Any,
    table: pd.DataFrame,
    *,
    target: str | None = None,
    time: str | None = None,
    exclude: Sequence[str] = (),
) -> Training:
    """Return the table's columns that the model takes, in the model's order.

    Raises
    ------
    SchemaError
        A named column is not there, the number of features is not the model's, or a column holds neither
        numbers nor text.
    """
    others = _named_columns(list(map(str, table.columns)), target, time, exclude)
    known = getattr(model, "feature_names_in_", None)
    if known is None:
        names = [str(name) for name in table.columns if name not in others]
    else:
        names = columns_of([str(name) for name in known], list(map(str, table.columns)))
        _require_features(names, list(map(str, table.columns)))
    _require_free(names)
    _require_fit(names, others, getattr(model, "n_features_in_", None))
    frame = with_own_categories(model, table[names])
    columns = tuple(_column(frame, name) for name in names)
    texts = takes_texts(model)
    if texts:
        _require_one_text(columns)
    times = None if time is None else _times(table, time)
    return Training(frame, columns, known is not None, times, texts, gap_of(model))


def _require_one_text(columns: Sequence[Column]) -> None:
    if [column.type for column in columns] != ["text"]:
        found = listed([f"{column.name} ({column.type})" for column in columns])
        rule = f"the model takes one column of texts, the training data has {found}"
        raise SchemaError(rule, step=_LEAVE_OUT)


def _named_columns(
    known: Sequence[str], target: str | None, time: str | None, exclude: Sequence[str]
) -> dict[str, Argument]:
    """The columns that are no features, and the argument that says so of each."""
    said = {name: Argument("exclude", [name]) for name in exclude}
    if time is not None:
        said[time] = Argument("time", time)
    if target is not None:
        said[target] = Argument("target", target)
    for name, argument in said.items():
        if name not in known:
            raise SchemaError("no such column", argument=argument, step=or_nearest(name, known))
    return said


def _times(table: pd.DataFrame, name: str) -> "pd.Series[Any]":
    """The rows' times, checked here once: no form of the model can mend them."""
    column = read_column(table[name].to_numpy(), name)
    require_clear_times(column, epoch_seconds(column, name), name)
    return table[name]


def _require_features(names: Sequence[str], known: Sequence[str]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise SchemaError(
            f"the training data has no {columns} {listed(missing)}, which the model was fitted on; "
            f"{or_nearest(missing[0], known)}"
        )


def _require_free(names: Sequence[str]) -> None:
    if "" in names:
        raise SchemaError(
            f"feature {names.index('') + 1} of {len(names)} has no name, and a request names each",
            step=(
                "name the column and train the model with it, or exclude it if pandas wrote it as an index (",
                Argument("exclude", [""]),
                ")",
            ),
        )
    if PREDICTION in names:
        raise SchemaError(
            f"a feature named {PREDICTION!r}: the name is kept for the model's own prediction",
            step=(
                "exclude the column if it is no feature (",
                Argument("exclude", [PREDICTION]),
                "), else train the model with another name",
            ),
        )


def _require_fit(names: Sequence[str], others: Mapping[str, Argument], expected: int | None) -> None:
    taken = next((name for name in names if name in others), None)
    if taken is not None:
        rule = "the model was fitted on this column, so it is a feature"
        raise SchemaError(rule, argument=others[taken])
    if expected is not None and expected != len(names):
        raise SchemaError(
            f"the model takes {expected} features, the training data has {len(names)}: {listed(names)}",
            step=_LEAVE_OUT,
        )


def _column(frame: pd.DataFrame, name: str) -> Column:
    values = frame[name]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _category_column(name, values.dtype.categories)
    column_type = _OF_DTYPE.get(values.dtype.kind)
    column_type = column_type or _OF_VALUES.get(pd.api.types.infer_dtype(values, skipna=True))
    if column_type is None:
        raise SchemaError(
            "a feature holds numbers or texts",
            argument=found("data", str(values.dtype), f"column {name!r} is of type {values.dtype}", name),
            step="turn dates into numbers before the model, mixed values into texts",
        )
    return Column(name, column_type)


def _category_column(name: str, categories: "pd.Index[Any]") -> Column:
    labels = categories.tolist()
    odd = next((label for label in labels if not isinstance(label, str | bool | int | float)), None)
    if odd is not None:
        words = f"column {name!r} has categories of type {type(odd).__name__}, which no request can hold"
        step = "train the model with texts for categories, .astype(str).astype('category')"
        raise SchemaError(step, argument=found("data", odd, words, name))
    return Column(name, "category", tuple(labels))
