"""``python -m tidegauge_operator``: the operator."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from tidegauge.kit.start import start
from tidegauge_operator.controller.main import run
from tidegauge_operator.settings import PROGRAM, Settings, parse_settings

__all__ = ["main"]

QUIET: Final = {
    "kubernetes.aio.config.kube_config": "error",  # a file that is not there is our last line
    "kopf.objects": "warning",  # else one line for each event
    "kopf._core.reactor.running": "error",  # signals are ours
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes; return the exit code."""
    return start(PROGRAM, parse_settings, _work, arguments, QUIET)


def _work(settings: Settings) -> None:
    asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
