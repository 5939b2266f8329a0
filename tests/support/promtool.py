"""Prometheus's promtool: the machine's own, or built once from `tests/promtool` into the cache."""

import os
import shutil
from pathlib import Path

from support.controlplane.build import Tell
from support.go_program import GoProgram

# Without the clients of all clouds' service discoveries, which rules have no need of.
_BUILT = GoProgram(
    name="promtool",
    module="promtool",
    package="github.com/prometheus/prometheus/cmd/promtool",
    minutes=3,
    flags=("-tags", "remove_all_sd"),
)


def promtool(tell: Tell) -> Path:
    """The program: `PROMTOOL` names it, else it is on the PATH, else it is built; `tell` hears of that.

    Raises
    ------
    Unavailable
        It is not there and cannot be built, with the reason.
    """
    if own := os.environ.get("PROMTOOL") or shutil.which("promtool"):
        return Path(own)
    return _BUILT.path(tell)
