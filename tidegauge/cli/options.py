"""What several commands' options share: types of arguments, and options that exclude each other."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from click.core import ParameterSource

from tidegauge.cli.failure import Failure
from tidegauge.cli.option_names import typed
from tidegauge.kit.kinds import any_number
from tidegauge.protocol.duration import RULE, seconds_of

__all__ = [
    "DEFAULT_ROWS",
    "Duration",
    "Number",
    "existing_file",
    "existing_folder",
    "give_one",
    "hour_of_day_option",
    "is_given",
    "profile_path",
    "time_option",
]

DEFAULT_ROWS: Final = 10_000  # that `simulate` sends

existing_file: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
profile_path: Final = click.Path(exists=True, path_type=Path)
existing_folder: Final = click.Path(exists=True, file_okay=False, path_type=Path)
time_option: Final = click.option(
    "--time",
    metavar="COLUMN",
    help="Column with the rows' times. Rows that come together then raise fewer false alarms.",
)
hour_of_day_option: Final = click.option(
    "--hour-of-day", is_flag=True, help="Keep a reference for each hour of the day (UTC). Needs --time."
)


class Seconds(float):
    """A number of seconds that prints as it was typed."""

    _text: str

    def __new__(cls, seconds: float, text: str) -> "Seconds":
        """Keep the text beside the number."""
        found = super().__new__(cls, seconds)
        found._text = text
        return found

    def __str__(self) -> str:
        return self._text


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A duration in seconds, from the syntax of YAML or a number of seconds.

    Parameters
    ----------
    least, most
        Seconds that it may have.
    whole
        Whether they must be whole ones.
    """

    name = "duration"

    def __init__(self, least: float = 0.001, most: float = math.inf, *, whole: bool = False) -> None:
        self._least, self._most, self._whole = least, most, whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        """Return its seconds; raises `Failure` with the rule."""
        seconds = _seconds(value)
        if seconds is None:
            self._refuse(value, param, f"{RULE}, or a number of seconds")
        if not self._least <= seconds <= self._most or math.isinf(seconds):
            bound = f"from {self._least:g} to {self._most:g} seconds"
            self._refuse(value, param, bound if math.isfinite(self._most) else "above 0")
        if self._whole and not seconds.is_integer():
            self._refuse(value, param, "whole seconds")
        return Seconds(seconds, str(value))

    def _refuse(self, value: Any, param: click.Parameter | None, rule: str) -> NoReturn:
        option = _long(param) if param is not None else "the duration"
        raise Failure(f"{typed(option, value)}: it must be {rule}")


class Number(click.ParamType):  # type: ignore[type-arg]
    """A number as the programs' settings take it, with the same words for a mistake.

    click's own types read with Python, which takes ``8_0`` for 80.

    Parameters
    ----------
    kind
        One of `tidegauge.kit.kinds`.
    """

    name = "number"

    def __init__(self, kind: Callable[[str], float]) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        """Return the number; raises `Failure` with the rule."""
        try:
            return self._kind(str(value))
        except ValueError as error:
            option = _long(param) if param is not None else "the number"
            raise Failure(f"{typed(option, value)}: {error}") from None


def _seconds(value: Any) -> float | None:
    if isinstance(value, str) and (found := seconds_of(value)) is not None:
        return float(found)
    try:
        return any_number(str(value))
    except ValueError:
        return None


def is_given(name: str) -> bool:
    """Return whether the user typed the option of this parameter."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def give_one(*names: str, because: str = "") -> None:
    """Refuse two options that say different things.

    Parameters
    ----------
    names
        Parameters of which the user may give one.
    because
        Why they exclude each other, to stand before "give one of them".

    Raises
    ------
    Failure
        Two are given.
    """
    given = [_typed(name) for name in names if is_given(name)]
    if len(given) > 1:
        raise Failure(f"{' and '.join(given)}: {because}{'; ' * bool(because)}give one of them")


def _typed(name: str) -> str:
    """An option with its value, as the user may have typed it."""
    context = click.get_current_context()
    (parameter,) = (each for each in context.command.params if each.name == name)
    value: Any = context.params[name]
    values = value if isinstance(value, tuple) else (value,)
    option = _long(parameter)
    return option if value is True else " ".join(typed(option, each) for each in values)


def _long(parameter: click.Parameter) -> str:
    """The name of an option as messages have it; one of an earlier version comes after it."""
    return next(name for name in parameter.opts if name.startswith("--"))
