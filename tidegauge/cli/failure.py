"""Errors that the user can do something about, and what to install for a command."""

import contextlib
from collections.abc import Iterator

import click

from tidegauge.protocol.names import Verdict

__all__ = ["EXIT_CODES", "INTERRUPTED", "Failure", "needs_extra"]

INTERRUPTED = 130  # what shells say of a program that ended by Ctrl-C
EXIT_CODES = {Verdict.STABLE: 0, Verdict.DRIFTING: 3, Verdict.UNKNOWN: 4, Verdict.LEARNING: 5}


class Failure(click.ClickException):
    """An error that the user can fix, printed in one line."""

    exit_code = 2

    def show(self, file: object = None) -> None:  # noqa: ARG002
        """Print the line to standard error."""
        click.echo(f"tidegauge: {' '.join(self.message.split())}", err=True)


@contextlib.contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Name a missing package and what to install, around the imports of a command."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        if package == "tidegauge":
            raise
        command = click.get_current_context().info_name
        raise Failure(f"{command} needs {package}: in a checkout pip install '.[{extra}]'") from missing
