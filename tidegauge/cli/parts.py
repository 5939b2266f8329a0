"""What several commands share: argument types and warnings as lines."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from tidegauge.cli.words import in_options
from tidegauge.contract import PROFILE_FILE
from tidegauge.profile import Profile

__all__ = ["existing_file", "existing_folder", "load_profile", "profile_path", "warnings_as_lines"]

existing_file: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
profile_path: Final = click.Path(exists=True, path_type=Path)
existing_folder: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def load_profile(path: Path) -> Profile:
    """The profile of a file, or of the bundle in a folder; raises `ProfileError`."""
    return Profile.load(path / PROFILE_FILE if path.is_dir() else path)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each warning as one line on standard error, without the place in our code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for warning in caught:
        click.echo(f"tidegauge: warning: {in_options(' '.join(str(warning.message).split()))}", err=True)
