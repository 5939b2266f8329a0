"""The command `tidegauge`: one file per command or group of commands."""

import errno
import importlib
from typing import Final

import click

from tidegauge.__about__ import __version__
from tidegauge.cli.words import in_options
from tidegauge.errors import TidegaugeError

__all__ = ["main"]

# Commands are imported when they are called: `tidegauge report` need not wait for pandas or scikit-learn.
_COMMANDS: Final = {
    "pack": "tidegauge.cli.pack",
    "profile": "tidegauge.cli.profile",
    "replay": "tidegauge.cli.replay",
    "report": "tidegauge.cli.report",
    "simulate": "tidegauge.cli.simulate",
    "up": "tidegauge.cli.up",
}
_EXTRAS: Final = {"pack": "pack", "up": "local"}  # what to install for a command, if it is not the CLI's own


class _Commands(click.Group):
    """Commands by name; our own errors and those of files are one line with exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        try:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name]).command
        except ModuleNotFoundError as missing:
            needed = str(missing.name).partition(".")[0]
            if needed == "tidegauge":
                raise
            extra = _EXTRAS.get(cmd_name, "cli")
            raise Failure(f"{cmd_name} needs {needed}: in a checkout pip install '.[{extra}]'") from missing
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TidegaugeError as error:
            raise Failure(in_options(str(error))) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has enough; click ends quietly
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror or error}") from error


class Failure(click.ClickException):
    """An error the user can do something about, told in one line."""

    exit_code = 2

    def show(self, file: object = None) -> None:  # noqa: ARG002
        """Print the line to standard error."""
        click.echo(f"tidegauge: {' '.join(self.message.split())}", err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="tidegauge")
def main() -> None:
    """Serve models and measure, exactly, how far live data has drifted from training data."""
