"""Reference data to a `Profile`, in two passes: the first chooses the cells, the second counts every row.

Data in memory are one chunk, a file is many. Where a file's values all fit into the sample that the first
pass keeps, its profile is the one of the same data in memory.
"""

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.counting.cells import CellCounter
from tidegauge.data.columns import UNFIT, Column, Kind, feature_values, kind_of
from tidegauge.data.csv_table import Kind as CsvKind
from tidegauge.data.frames import named_column, not_one_a_row, read_columns
from tidegauge.data.sources import chunks_of, is_csv, is_path, reading_of
from tidegauge.data.times import TimeOrder, epoch_seconds, require_clear_times
from tidegauge.errors import ProfileError, SchemaError, TidegaugeWarning
from tidegauge.fit.builders import CategoricalBuilder, NumericBuilder, warn_of_mixture
from tidegauge.fit.roles import require_one_role
from tidegauge.fit.time_functions import TimeFunctions
from tidegauge.nearest import or_nearest
from tidegauge.profile.features import DTYPES, HOURS, MAX_CUT_POINTS, DesignEffect, Feature, NumericFeature
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import NOT_GIVEN, Argument, found

__all__ = ["SAMPLE_ROWS", "FitOptions", "fit_profile"]

SAMPLE_ROWS: Final = 1_000_000  # values kept per feature of a file in the first pass, at most
SAMPLE_VALUES: Final = 20_000_000  # and of all features together: about 240 MB
SLICE_VALUES: Final = 20_000_000  # held at once to put rows of a file in order of time: 160 MB
_SAMPLE_SEED: Final = 1
_NAMELESS: Final = re.compile(r"Unnamed: \d+")  # what pandas.read_csv calls a column without a name

Chunk = dict[str, Column]
Builder = NumericBuilder | CategoricalBuilder


@dataclass(frozen=True)
class FitOptions:
    """The arguments of `Profile.fit`, which documents them."""

    cut_points: int = 1024
    feature_names: tuple[str, ...] | None = None
    prediction: Any = None
    time: Any = None
    hour_of_day: bool = False
    dtypes: dict[str, str] = field(default_factory=dict)
    categorical: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not _is_whole(self.cut_points) or not 1 <= self.cut_points <= MAX_CUT_POINTS:
            raise ProfileError(
                f"it must be a whole number from 1 to {MAX_CUT_POINTS}",
                argument="cut_points",
                value=self.cut_points,
            )
        if self.feature_names == ():
            raise ProfileError(
                "name one feature at least, or leave it out to take all",
                argument="feature_names",
                value=self.feature_names,
            )
        for name, dtype in self.dtypes.items():
            if dtype not in DTYPES:
                rule = f"it must be {' or '.join(DTYPES)}"
                raise ProfileError(rule, argument="dtypes", keys=(name,), value=dtype)
        if both := sorted(self.categorical & self.dtypes.keys()):
            name = both[0]
            raise ProfileError(
                (Argument("categorical", [name]), " says that it has no dtype"),
                argument=Argument("dtypes", {name: self.dtypes[name]}),
                step="leave one of them out",
            )
        if self.hour_of_day and self.time is None:
            raise ProfileError(
                "it needs the rows' times",
                argument=Argument("hour_of_day", self.hour_of_day),
                step=("pass ", Argument("time"), " with their column"),
            )


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True)
class _Part:
    """A chunk's monitored columns, the prediction last, and its rows' times."""

    columns: dict[str, Column]
    seconds: npt.NDArray[np.float64] | None
    rows: int
    nameless: tuple[str, ...] = ()


def fit_profile(data: Any, options: FitOptions) -> Profile:
    """Make a profile of a frame, an array, rows or a file; see `Profile.fit`."""
    require_one_role(_named_by(options, selects=not isinstance(data, np.ndarray)))
    options = _with_prediction_renamed(options)
    parts = _parts_of(data, options)
    features = _first_pass(parts(), options, whole=not is_path(data), typed=not is_csv(data))
    times = TimeOrder()
    profile = _second_pass(parts(), features, options, times)
    return profile if options.time is None else _with_design_effects(profile, parts, times)


def _named_by(options: FitOptions, *, selects: bool) -> dict[str, Collection[str]]:
    """The columns that each argument names; `feature_names` selects columns, or labels those of an array."""
    columns: dict[str, Collection[str]] = {
        "prediction": _named(options.prediction),
        "time": _named(options.time),
        "dtypes": {name: dtype for name, dtype in options.dtypes.items() if name != PREDICTION},
        "categorical": options.categorical - {PREDICTION},
        "exclude": options.exclude,
    }
    return columns | {"feature_names": options.feature_names or ()} if selects else columns


def _with_prediction_renamed(options: FitOptions) -> FitOptions:
    """The same options; `dtypes` and `categorical` call the prediction as the profile does."""
    column = options.prediction
    if not isinstance(column, str):
        return options
    dtypes = {PREDICTION if name == column else name: dtype for name, dtype in options.dtypes.items()}
    categorical = {PREDICTION if name == column else name for name in options.categorical}
    return replace(options, dtypes=dtypes, categorical=frozenset(categorical))


def _named(column: Any) -> Collection[str]:
    return (column,) if isinstance(column, str) else ()


# --- data to parts -----------------------------------------------------------------------------------------


def _parts_of(data: Any, options: FitOptions) -> Callable[[], Iterator[_Part]]:
    """A function that goes through the data from the start."""
    if not is_path(data):
        part = _part(read_columns(data, options.feature_names), options, first=True)
        return lambda: iter([part])
    for argument, given in (("prediction", options.prediction), ("time", options.time)):
        if given is not None and not isinstance(given, str):
            rule = "of a file it must be the name of one of the columns"
            raise ProfileError(rule, argument=argument, value=given)
    reading = reading_of(data, _known_kinds(options))
    _warn_of_padded(reading.padded, options)
    return lambda: (_part(chunk, options, first=i == 0) for i, chunk in enumerate(chunks_of(data, reading)))


def _warn_of_padded(padded: Mapping[str, str], options: FitOptions) -> None:
    left_out = {options.prediction, options.time, *options.exclude}
    taken = padded.keys() if options.feature_names is None else padded.keys() & {*options.feature_names}
    for name in [name for name in padded if name in taken and name not in left_out]:
        words = f"column {name!r} has numbers with zeros in front ({padded[name]!r})"
        warning = TidegaugeWarning(
            "it is taken as numeric, without the zeros",
            argument=found("rows", padded[name], words, name),
            step=("pass ", Argument("categorical", [name]), " if they are codes"),
        )
        warnings.warn(warning, stacklevel=2)


def _known_kinds(options: FitOptions) -> dict[str, CsvKind]:
    """Return the kinds of a CSV file's columns from the arguments."""
    kinds: dict[str, CsvKind] = dict.fromkeys(options.dtypes, "number")
    kinds |= dict.fromkeys(options.categorical, "category")
    if PREDICTION in kinds and options.prediction is not None:
        kinds[options.prediction] = kinds.pop(PREDICTION)
    return kinds if options.time is None else kinds | {options.time: "time"}


def _part(chunk: Chunk, options: FitOptions, *, first: bool) -> _Part:
    nameless = () if options.feature_names else tuple(filter(_NAMELESS.fullmatch, chunk))
    left_out = {*nameless, *(name for name, column in chunk.items() if column.index)}
    named = _feature_names(list(chunk), options)
    columns = {name: chunk[name] for name in named if options.feature_names or name not in left_out}
    if not columns:
        raise ProfileError("no features are left: the rows have no column but the index of a frame")
    if options.prediction is not None:
        columns[PREDICTION] = named_column(chunk, options.prediction, "prediction")
    seconds = None
    if options.time is not None:
        seconds = _seconds(chunk, options.time, first=first)
    rows = len(next(iter(columns.values())))
    for what, given in (("prediction", columns.get(PREDICTION)), ("time", seconds)):
        if given is not None and len(given) != rows:
            raise not_one_a_row(what, len(given), rows)
    return _Part(columns, seconds, rows, nameless)


def _seconds(chunk: Chunk, time: Any, *, first: bool) -> npt.NDArray[np.float64]:
    column, name = named_column(chunk, time, "time"), time if isinstance(time, str) else None
    seconds = epoch_seconds(column, name)
    if first:
        require_clear_times(column, seconds, name)
    return seconds


def _no_column(options: FitOptions, name: str, columns: Sequence[str]) -> SchemaError:
    """Which argument names a column that is not there, and the nearest one that is."""
    arguments = {
        "exclude": options.exclude,
        "categorical": options.categorical,
        "dtypes": options.dtypes,
        "feature_names": options.feature_names or (),
    }
    argument = next(argument for argument, names in arguments.items() if name in names)
    return SchemaError("no such column", argument=Argument(argument, [name]), step=or_nearest(name, columns))


def _feature_names(columns: Sequence[str], options: FitOptions) -> list[str]:
    """The columns that are features, in order; raises `SchemaError` for names that no column has."""
    if not columns:
        raise ProfileError("no columns: a profile needs at least one feature")
    asked = {*options.exclude, *options.categorical, *options.dtypes} - {PREDICTION}
    unknown = sorted({*(options.feature_names or ()), *asked} - set(columns))
    if unknown:
        raise _no_column(options, unknown[0], columns)
    named = {name for name in (options.time, options.prediction) if isinstance(name, str)}
    names = [name for name in options.feature_names or columns if name not in options.exclude | named]
    if PREDICTION in names:
        raise ProfileError(
            f"a feature named {PREDICTION!r}: the name is kept for the model's prediction",
            step=(
                "pass ",
                Argument("prediction", PREDICTION),
                " if that is what it holds, else rename or exclude it",
            ),
        )
    if not names:
        raise ProfileError("no features are left: every column is excluded, the time or the prediction")
    return names


# --- the first pass: cells ---------------------------------------------------------------------------------


def _first_pass(parts: Iterator[_Part], options: FitOptions, *, whole: bool, typed: bool) -> list[Feature]:
    builders: dict[str, Builder | None] = {}
    random = np.random.default_rng(_SAMPLE_SEED)
    rows = 0
    for part in parts:
        if rows == 0:
            _warn_of_nameless(part.nameless, options)
        rows += part.rows
        sample = None if whole else min(SAMPLE_ROWS, SAMPLE_VALUES // len(part.columns))
        priorities = None if whole else random.random(part.rows, dtype=np.float32)
        for name, column in part.columns.items():
            builder = builders.setdefault(name, None) or _builder(name, column, options, sample, typed=typed)
            builders[name] = builder
            if isinstance(builder, NumericBuilder):
                builder.add(column, priorities)
            elif builder is not None:
                builder.add(column)
    if rows == 0:
        raise ProfileError("no reference rows: a profile needs at least one")
    return [_built(name, builder) for name, builder in builders.items()]


def _warn_of_nameless(names: tuple[str, ...], options: FitOptions) -> None:
    for name in [name for name in names if name not in options.exclude]:
        warning = TidegaugeWarning(
            "it is left out, as the index that pandas' to_csv writes without index=False",
            argument=found("rows", NOT_GIVEN, f"column {name!r} had no name in its file", name),
            step=(Argument("exclude", [name]), " says that this is right"),
        )
        warnings.warn(warning, stacklevel=2)


def _builder(
    name: str, column: Column, options: FitOptions, sample: int | None, *, typed: bool
) -> Builder | None:
    """An empty builder of the column's kind; None while it has no values to tell by.

    `typed` says whether the data say of what type a value is: in a CSV file all are texts.
    """
    kind = kind_of(column)
    if kind in UNFIT:
        raise _unfit(name, kind)
    if name in options.categorical:
        return CategoricalBuilder(name)
    if name in options.dtypes:
        return NumericBuilder(name, options.dtypes[name], options.cut_points, sample, typed=typed)
    if kind == "numeric":
        dtype = "float32" if column.values.dtype in (np.float32, np.float16) else "float64"
        return NumericBuilder(name, dtype, options.cut_points, sample, typed=typed)
    if kind == "mixed":
        warn_of_mixture(name)
    if kind == "empty":
        return None
    return CategoricalBuilder(name, meant=typed, declared=column.categorical or name == PREDICTION)


def _unfit(name: str, kind: Kind) -> SchemaError:
    holds, advice = UNFIT[kind]
    time = (", or use it as ", Argument("time", name)) if kind == "time" else ()
    step = (f"{advice}, or exclude it (", Argument("exclude", [name]), ")", *time)
    said = found("rows", NOT_GIVEN, f"column {name!r} holds {holds}", name)
    return SchemaError("no feature may hold them", argument=said, step=step)


def _built(name: str, builder: Builder | None) -> Feature:
    if builder is None or builder.empty:
        said = found("rows", NOT_GIVEN, f"column {name!r} has no values", name)
        warnings.warn(TidegaugeWarning("only its missing rate can drift", argument=said), stacklevel=2)
    return NumericBuilder(name, "float64", 1, None).feature() if builder is None else builder.feature()


# --- the second pass: counts -------------------------------------------------------------------------------


def _second_pass(
    parts: Iterator[_Part], features: list[Feature], options: FitOptions, times: TimeOrder
) -> Profile:
    counter = CellCounter(features)
    hourly = [CellCounter(features) for _ in range(HOURS if options.hour_of_day else 0)]
    functions = TimeFunctions(features, hour_of_day=options.hour_of_day)
    for part in parts:
        columns = [feature_values(part.columns[feature.name], feature) for feature in features]
        counter.add(columns)
        if part.seconds is not None:
            times.add(part.seconds)
            functions.add(columns, part.seconds)
        if hourly and part.seconds is not None:
            _add_by_hour(hourly, columns, part.seconds)
    functions.warn()
    return _profile(_counted(features, counter, hourly), counter.rows)


def _profile(monitored: list[Feature], rows: int) -> Profile:
    prediction = monitored.pop() if monitored[-1].name == PREDICTION else None
    return Profile(tuple(monitored), prediction, rows)


def _add_by_hour(
    hourly: list[CellCounter], columns: list[npt.NDArray[Any]], seconds: npt.NDArray[np.float64]
) -> None:
    hours = (seconds // 3600 % HOURS).astype(np.int64)
    for hour in np.unique(hours).tolist():
        chosen = hours == hour
        hourly[hour].add([column[chosen] for column in columns])


def _counted(features: list[Feature], counter: CellCounter, hourly: list[CellCounter]) -> list[Feature]:
    """The features with their reference counts."""
    cells, missing, beyond = counter.totals()
    by_hour = np.array([one.totals()[0] for one in hourly]) if hourly else None
    counted: list[Feature] = []
    begin = 0
    for i, feature in enumerate(features):
        part = slice(begin, begin + feature.cells)
        shared: dict[str, Any] = {
            "counts": cells[part],
            "missing": int(missing[i]),
            "hourly": None if by_hour is None else by_hour[:, part],
        }
        if isinstance(feature, NumericFeature):
            shared["beyond"] = int(beyond[i])
        counted.append(replace(feature, **shared))
        begin = part.stop
    return counted


# --- a third pass where times are known: how much rows of one time resemble each other ----------------------


def _with_design_effects(profile: Profile, parts: Callable[[], Iterator[_Part]], times: TimeOrder) -> Profile:
    from tidegauge.stats.design_effect import from_reference

    slices = times.slices(SLICE_VALUES // len(profile.monitored))
    effects = from_reference(profile, _rows_in_order(profile, parts, slices))
    pairs = list(zip(profile.monitored, effects, strict=True))
    if unknown := [repr(feature.name) for feature, effect in pairs if effect is None and feature.total]:
        warning = TidegaugeWarning(
            "their rows fill fewer than 12 windows of 10 s, so how much rows of one time resemble each other "
            "is learned from live rows",
            argument=found("time", NOT_GIVEN, f"no design effect is known for {', '.join(unknown)}"),
            step="take rows of a longer time",
        )
        warnings.warn(warning, stacklevel=2)
    return _profile(
        [replace(feature, design_effect=_rounded(effect)) for feature, effect in pairs], profile.rows
    )


def _rows_in_order(
    profile: Profile, parts: Callable[[], Iterator[_Part]], slices: Sequence[tuple[float, float]] | None
) -> Iterator[tuple[list[npt.NDArray[Any]], npt.NDArray[np.float64]]]:
    """Values and times, part by part in order of time; out of order, one slice of time at each pass."""
    for low, high in slices or ((-np.inf, np.inf),):
        taken = []
        for part in parts():
            assert part.seconds is not None
            columns = [feature_values(part.columns[feature.name], feature) for feature in profile.monitored]
            if slices is None:
                yield columns, part.seconds
                continue
            chosen = (part.seconds >= low) & (part.seconds < high)
            taken.append(([column[chosen] for column in columns], part.seconds[chosen]))
        if taken:
            columns = [np.concatenate(each) for each in zip(*(one for one, _ in taken), strict=True)]
            yield columns, np.concatenate([seconds for _, seconds in taken])


def _rounded(effect: DesignEffect | None) -> DesignEffect | None:
    """To three decimals: the rest depends on the order of additions, and the profile's hash must not."""
    return effect and DesignEffect(effect.window_seconds, tuple(round(value, 3) for value in effect.values))
