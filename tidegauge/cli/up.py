"""``tidegauge up``: the local stack."""

import contextlib
import shlex
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from tidegauge.cli.loading import load_resource
from tidegauge.cli.tables import Column, print_table
from tidegauge.local.plan import allowing, of_bundle, with_bundle
from tidegauge.local.stack import Options, Stack, clear_pods, running
from tidegauge.local.state import STATE_FILE, StackState
from tidegauge.resource import DriftMonitoredModel

_STEP_SECONDS: Final = 0.05
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    document: Path | None,
    bundle: Path | None,
    replicas: int | None,
    port: int,
    aggregator_port: int,
    pane_seconds: float,
    trusted_types: tuple[str, ...],
    allow_pickle: bool,
    folder: Path | None,
) -> None:
    """Run a stack until Ctrl-C."""
    resource = _resource(document, bundle)
    resource = allowing(resource, trusted_types, pickle=allow_pickle)
    options = Options(replicas, port, aggregator_port, int(pane_seconds))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    start = Path() if document is None else document.parent
    with (
        _ending_signals() as asked_to_end,
        _folder(folder) as stack_folder,
        running(resource, start.resolve(), stack_folder, options, console.print) as stack,
    ):
        _run(stack, stack_folder, console, asked_to_end)
        clear_pods(stack_folder)


def _resource(document: Path | None, bundle: Path | None) -> DriftMonitoredModel:
    """What to run: from a YAML, from a bundle alone, or the YAML with that bundle."""
    if document is None:
        assert bundle is not None, "the command asks for one of both"
        return of_bundle(bundle.resolve())
    resource = load_resource(document)
    return resource if bundle is None else with_bundle(resource, bundle.resolve())


class _Asked:
    """Remembers that an end was asked for; asked twice, it ends at once."""

    def __init__(self) -> None:
        self.yes = False

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.yes:
            raise KeyboardInterrupt
        self.yes = True


@contextlib.contextmanager
def _ending_signals() -> Iterator[_Asked]:
    asked = _Asked()
    before = {number: signal.signal(number, asked) for number in _ENDING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="tidegauge-") as temporary:
        yield Path(temporary)


def _run(stack: Stack, folder: Path, console: Console, asked_to_end: _Asked) -> None:
    told_ready = False
    stack.step()
    console.print(f"{stack.state.model} at {stack.state.url}")
    _print_processes(stack.state)
    console.print(f"Logs in {folder}/logs/PROCESS.log; the same table for programs in {folder / STATE_FILE}")
    while not asked_to_end.yes:
        stack.step()
        if stack.was_ready and not told_ready:
            told_ready = True
            console.print(_ready_lines(stack.state, folder))
        time.sleep(_STEP_SECONDS)
    console.print("Stopping: servers drain, sidecars send their last pane, then the aggregator ends.")
    for name in stack.stop():
        console.print(f"{name} did not end in time and was killed")
    console.print("Stopped.")


def _ready_lines(state: StackState, folder: Path) -> str:
    place = shlex.quote(str(folder))
    return (
        f"Ready: {state.model} answers at {state.url} (try {state.url}/docs), "
        f"the verdict is at {' '.join(state.aggregator_urls)}. Ctrl-C ends it.\n"
        "In another terminal:\n"
        f"  tidegauge simulate --dir {place} --scenario high\n"
        f"  tidegauge report --dir {place}"
    )


_COLUMNS: Final = (
    Column("process", names=True),
    Column("role"),
    *(Column(title, "right") for title in ("pid", "port")),
)


def _print_processes(state: StackState) -> None:
    print_table(_COLUMNS, ((p.name, p.role, str(p.pid), str(p.port)) for p in state.processes))
