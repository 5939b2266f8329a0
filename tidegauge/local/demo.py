"""``make demo``: drift found by the real programs, in about a minute.

Each step is a command that a user could type, printed before it runs.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console

from tidegauge.errors import ResourceError, TidegaugeError
from tidegauge.local.reports import fetch_shards
from tidegauge.local.stack import STOP_GRACE_SECONDS
from tidegauge.local.state import STATE_FILE, StackState, load_state
from tidegauge.local.supervisor import Role
from tidegauge.report.model import Report

__all__ = ["main", "stop"]

EXAMPLE: Final = Path("examples/house-prices")
REPLICAS: Final = 3
PANE_SECONDS: Final = 2
BASELINE_ROWS: Final = 6000
DRIFT_ROWS: Final = 3000
MOVED: Final = ("sqft", "age")
RATE: Final = 600
READY_SECONDS: Final = 60
VERDICT_SECONDS: Final = 40
EXIT_DRIFTING: Final = 3
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS: Final = len(Role) * STOP_GRACE_SECONDS + 10


def main() -> int:
    """Run the demo; returns the exit code: 0 when every step showed what it should."""
    console = Console(soft_wrap=True, highlight=False)
    if not (EXAMPLE / "build.py").exists():
        console.print(f"The demo needs {EXAMPLE}: run it from the root of a checkout.")
        return 2
    for number in ENDING:
        signal.signal(number, _end)
    try:
        with tempfile.TemporaryDirectory(prefix="tidegauge-demo-") as folder:
            Demo(console, Path(folder)).run()
    except (TidegaugeError, subprocess.CalledProcessError) as error:
        console.print(f"[red]The demo failed:[/] {error}")
        return 1
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """Leave as an exception does, which ends the stack on its way."""
    raise SystemExit(128 + number)


class Demo:
    """The steps, over one folder."""

    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._folder = folder
        self._stack = folder / "stack"
        self._bundle = folder / "bundle"
        self._started = time.monotonic()

    def run(self) -> None:
        """Run all steps in order; raises `ResourceError` if one does not show what it should."""
        self._title("Fit a random forest on 20,000 houses and pack it with its reference profile")
        self._command([sys.executable, str(EXAMPLE / "build.py"), str(self._folder)])
        self._title(f"Start {REPLICAS} model servers, {REPLICAS} drift sidecars and an aggregator")
        self._console.print(
            f"[dim]A pane lasts {PANE_SECONDS} s here, to keep this short; it is 10 s by default.[/]"
        )
        with self._running():
            self._show_stable()
            self._show_drift()
            self._show_account()
        self._title(f"Stopped cleanly, {time.monotonic() - self._started:.0f} s in all")

    def _show_stable(self) -> None:
        self._title("Send houses like those of the training data: the verdict is Stable")
        self._simulate("--rows", str(BASELINE_ROWS))
        self._report(0, "--wait", "Stable", "--timeout", str(VERDICT_SECONDS))

    def _show_drift(self) -> None:
        self._title(
            f"Now {' and '.join(MOVED)} move by two standard deviations: Drifting, and these two are named"
        )
        self._simulate("--rows", str(DRIFT_ROWS), *(word for name in MOVED for word in ("--move", name)))
        self._until(lambda report: set(MOVED) <= {feature.name for feature in report.drifting})
        self._report(EXIT_DRIFTING)

    def _show_account(self) -> None:
        self._title("Every answered row is counted, exactly once")
        answered = BASELINE_ROWS + DRIFT_ROWS
        report = self._until(lambda report: sum(_rows(report)) >= answered)
        counted, lost = _rows(report)
        self._console.print(f"rows answered {answered:,} = rows counted {counted:,} + rows lost {lost:,}")
        if counted + lost != answered:
            raise ResourceError(f"{answered} rows were answered, {counted} counted and {lost} reported lost")

    # --- how -------------------------------------------------------------------------------------------

    def _title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/]")

    def _command(self, command: Sequence[str], *, check: bool = True) -> int:
        self._console.print(f"[cyan]$ {_shown(command, self._folder)}[/]")
        return subprocess.run(command, check=check).returncode

    def _tidegauge(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tidegauge", *arguments]

    def _simulate(self, *arguments: str) -> None:
        target = ("--profile", str(self._bundle), "--dir", str(self._stack), "--rate", str(RATE))
        self._command(self._tidegauge("simulate", *target, *arguments))

    def _report(self, code: int, *arguments: str) -> None:
        """Show the report; raises `ResourceError` when its exit code is another."""
        found = self._command(self._tidegauge("report", "--dir", str(self._stack), *arguments), check=False)
        if found != code:
            raise ResourceError(f"tidegauge report ended with exit code {found}, not {code}")

    @property
    def _state(self) -> StackState:
        return load_state(self._stack)

    def _until(self, holds: Callable[[Report], bool]) -> Report:
        """The first report for which something holds, or the last one in time."""
        deadline = time.monotonic() + VERDICT_SECONDS
        while True:
            state = self._state
            report = fetch_shards(state.aggregator_urls, state.model, state.id).report
            if holds(report) or time.monotonic() > deadline:
                return report
            time.sleep(PANE_SECONDS / 4)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        options = ("--replicas", str(REPLICAS), "--pane-seconds", str(PANE_SECONDS))
        ports = ("--port", "0", "--aggregator-port", "0")
        what = (str(self._bundle),)
        command = self._tidegauge("up", *what, *options, *ports, "--dir", str(self._stack))
        self._console.print(f"[cyan]$ {_shown(command, self._folder)}[/]")
        # A session of its own: Ctrl-C ends the demo, and the demo ends the stack.
        with subprocess.Popen(command, start_new_session=True) as stack:
            try:
                self._await_ready(stack)
                yield
            finally:
                code = stop(stack, STOP_SECONDS)
        if code != 0:
            raise ResourceError(f"the stack ended with exit code {code}")

    def _await_ready(self, stack: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ((self._stack / STATE_FILE).exists() and self._state.ready):
            if stack.poll() is not None or time.monotonic() > deadline:
                raise ResourceError(f"the stack was not ready within {READY_SECONDS} s")
            time.sleep(0.1)


def stop(stack: subprocess.Popen[bytes], within_seconds: float) -> int:
    """End the stack as Ctrl-C does; its exit code, a `ResourceError` if it had to be killed."""
    stack.send_signal(signal.SIGINT)
    try:
        return stack.wait(within_seconds)
    except subprocess.TimeoutExpired:
        stack.kill()  # what it started goes with it
        raise ResourceError(f"the stack did not end within {within_seconds:.0f} s and was killed") from None


def _rows(report: Report) -> tuple[int, int]:
    """Rows counted and rows lost."""
    coverage = report.coverage
    return (coverage.rows_counted, coverage.rows_lost) if coverage else (0, 0)


def _shown(command: Sequence[str], folder: Path) -> str:
    """A command as a user would type it."""
    words = list(command[1:] if command[0] == sys.executable else command)
    words = ["tidegauge", *words[2:]] if words[:2] == ["-m", "tidegauge"] else ["python", *words]
    return shlex.join(words).replace(str(folder) + os.sep, "demo/").replace(str(folder), "demo")


if __name__ == "__main__":
    sys.exit(main())
