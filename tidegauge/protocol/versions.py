"""Documents of earlier versions, brought forward one version at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegauge.errors import WireError
from tidegauge.telling import found, told

__all__ = ["Step", "brought_forward"]

Step = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def brought_forward(
    document: Mapping[str, Any], version: object, steps: Sequence[Step], what: str
) -> Mapping[str, Any]:
    """Return a document as the newest version has it.

    Parameters
    ----------
    document
        What was stored.
    version
        The version that it says it has: a whole number from 1 on, where it is right.
    steps
        Each makes the next version of a document: the first makes version 2 of version 1. So the newest
        version is one more than there are steps.
    what
        What the document is, for the message: ``"a report"``.

    Raises
    ------
    WireError
        A later program wrote it, or it has no such version.
    """
    newest = len(steps) + 1
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= newest:
        said = found("version", version, f"the version of {what} is {told(version)}")
        later = isinstance(version, int) and version > newest
        step = "start the newer program that wrote it" if later else ""
        known = "version 1" if newest == 1 else f"versions 1 to {newest}"
        raise WireError(f"this program reads {known}", argument=said, step=step)
    for step_forward in steps[version - 1 :]:
        document = step_forward(document)
    return document
