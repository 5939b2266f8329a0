"""Profiles, resources and folders that commands are given, and warnings as lines."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegauge.cli.option_names import in_options, typed
from tidegauge.errors import ProfileError, ResourceError, TidegaugeWarning
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PROFILE_FILE
from tidegauge.telling import found

if TYPE_CHECKING:
    from tidegauge.resource import DriftMonitoredModel

__all__ = ["check_folder", "load_profile", "load_resource", "warnings_as_lines"]


def load_profile(path: Path) -> Profile:
    """Return the profile of a file, or of the bundle in a folder; raises `ProfileError`."""
    return Profile.load(path / PROFILE_FILE if path.is_dir() else path)


def load_resource(path: Path) -> "DriftMonitoredModel":
    """Return the resource of a YAML; raises `ResourceError` with the file's name."""
    from tidegauge.resource import load  # needs YAML, which commands without a document do not load

    try:
        return load(path.read_bytes())
    except ResourceError as error:
        raise error.located(path) from error


def check_folder(output: Path) -> None:
    """Raise `ProfileError` when the folder of a file to be written is not there, before any work."""
    if not output.parent.is_dir():
        said = found("output", output, typed("--output", output))
        raise ProfileError(f"there is no folder {output.parent}", argument=said, step="make it first")


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each warning once as a line on standard error, without the place in our code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(_worded(warning.message) for warning in caught):
        click.echo(f"tidegauge: warning: {text}", err=True)


def _worded(message: Warning | str) -> str:
    text = in_options(message) if isinstance(message, TidegaugeWarning) else str(message)
    return " ".join(text.split())
