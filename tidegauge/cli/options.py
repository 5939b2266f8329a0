"""What several commands' options share: types of arguments, and options that exclude each other."""

from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from tidegauge.cli.failure import Failure
from tidegauge.cli.words import typed

__all__ = [
    "DEFAULT_ROWS",
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


def is_given(name: str) -> bool:
    """Whether the user typed the option of this parameter."""
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
    option = max(parameter.opts, key=len)
    return option if value is True else " ".join(typed(option, each) for each in values)
