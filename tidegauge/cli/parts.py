"""What several commands share: profiles of files and bundles, and warnings as lines."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import click

from tidegauge.cli.words import in_options
from tidegauge.contract import PROFILE_FILE
from tidegauge.profile import Profile

__all__ = ["load_profile", "warnings_as_lines"]


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
