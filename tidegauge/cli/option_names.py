"""Arguments of the library as options of the command line."""

import shlex
from typing import Final

from tidegauge.errors import TidegaugeError, TidegaugeWarning
from tidegauge.telling import Argument

__all__ = ["OPTIONS", "in_options", "typed"]

# By argument, or by its part where each part has an option of its own.
OPTIONS: Final = {
    "allow_pickle": "--allow-pickle",
    "categorical": "--categorical",
    "critical": "--critical",
    "cut_points": "--cut-points",
    "dtypes": "--float32",
    "exclude": "--exclude",
    "feature_names": "--feature",
    "false_alarms": "--false-alarms",
    "hour_of_day": "--hour-of-day",
    "model_format": "--format",
    "pane": "--pane",
    "period": "--period",
    "prediction": "--prediction",
    "rows_per_pane": "--rows-per-pane",
    "target": "--target",
    "time": "--time",
    "trusted_types": "--trusted-type",
    "warning": "--warning",
}


def typed(option: str, value: object) -> str:
    """Return an option with its value as a shell takes it: ``--exclude 'Unnamed: 0'``."""
    text = f"{value:.15g}" if type(value) is float else str(value)
    return f"{option} {shlex.quote(text)}"


def in_options(message: TidegaugeError | TidegaugeWarning) -> str:
    """Return the message with options in place of arguments: ``--exclude id`` for ``exclude=['id']``."""
    return message.worded(_option)


def _option(argument: Argument) -> str:
    if argument.words:
        return argument.words  # a field or a column, which may be called like an option
    option = next((OPTIONS[name] for name in (*argument.keys[-1:], argument.name) if name in OPTIONS), None)
    if option is None:
        return str(argument)  # no command has such an option
    value = argument.value
    if isinstance(value, list | dict | tuple) and len(value) == 1:
        (value,) = value  # of dtypes={'x': 'float32'} the option says the type
    return typed(option, value) if _is_typed(value) else option


def _is_typed(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
