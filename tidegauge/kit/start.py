"""Start a program and end it: settings, log, one line of reason where it cannot go on."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tidegauge.__about__ import __version__
from tidegauge.errors import TidegaugeError
from tidegauge.kit.log import configure_log
from tidegauge.kit.settings import CommonSettings

__all__ = ["start"]

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=CommonSettings)
FAILED = 1
INTERRUPTED = 130  # what shells say of a program that ended by Ctrl-C


def start(
    program: str,
    parse: Callable[[Sequence[str], Mapping[str, str]], S],
    work: Callable[[S], int | None],
    arguments: Sequence[str] | None,
    quiet: Mapping[str, str],
    expected: tuple[type[Exception], ...] = (),
) -> int:
    """Run a program to its end and return its exit code.

    Parameters
    ----------
    program
        Its name, which its last line begins with.
    parse
        Reads its settings.
    work
        What it does; its exit code, where that is not 0.
    arguments
        Its command line, without its name; None for that of this process.
    quiet
        As in `tidegauge.kit.log.configure_log`.
    expected
        Its own errors that a person can do something about.
    """
    settings = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    configure_log(settings.log_level, settings.log_format, quiet)
    logger.debug("%s %s has %s", program, __version__, settings)
    failures: tuple[type[Exception], ...] = (TidegaugeError, OSError, *expected)
    try:
        return work(settings) or 0
    except failures as error:
        logger.debug("where it failed:", exc_info=True)
        print(f"{program}: {_reason(error)}", file=sys.stderr)  # the last line is what Kubernetes shows
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _reason(error: Exception) -> str:
    """The error in one line; one of the operating system without its number."""
    if isinstance(error, OSError) and not isinstance(error, TidegaugeError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return " ".join(str(error).split())
