"""The command `tidegauge`: one file per command, and its options in `commands`.

It imports `data`, `errors`, `kit`, `local`, `monitor`, `nearest`, `pack`, `profile`, `protocol`, `report`,
`resource`, `telling`; from outside `click`, `numpy`, `pyarrow`, `rich`. Options and help import click
alone; the rest is imported when a command runs.
It has clock, files, network and processes: it is the edge.
"""

import contextlib
import errno
import importlib
from collections.abc import Iterator
from typing import Any, Final

import click

from tidegauge.__about__ import __version__
from tidegauge.cli.failure import INTERRUPTED, Failure
from tidegauge.cli.group import Group
from tidegauge.cli.option_names import in_options
from tidegauge.errors import TidegaugeError

__all__ = ["main"]

COMMANDS: Final = ("pack", "profile", "replay", "report", "simulate", "up")


class _Commands(Group):
    """Commands by name; our own errors and those of files are one line with exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"tidegauge.cli.commands.{cmd_name}").command
        return command

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        with _told():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: click.Context) -> object:
        with _told():
            return super().invoke(ctx)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What ends a command, as one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        click.echo("tidegauge: interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from interrupt
    except TidegaugeError as error:
        raise Failure(in_options(error)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has enough; click ends quietly
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{where}{error.strerror or error}") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="tidegauge")
def main() -> None:
    """Serve models and measure, exactly, how far live data has drifted from training data."""
