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

import click
from rich.console import Console
from rich.table import Table

from tidegauge import resource as custom_resource
from tidegauge.contract import AGGREGATOR_PORT, PANE_SECONDS, SERVING_PORT
from tidegauge.local.plan import with_bundle
from tidegauge.local.stack import Options, Stack, clear_pods, running
from tidegauge.local.state import STATE_FILE, StackState

_STEP_SECONDS: Final = 0.05
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(name="up", short_help="Run a model with its monitor on this machine.")
@click.option(
    "-f",
    "--file",
    "document",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML of a DriftMonitoredModel. A relative storageUri starts from its folder.",
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a bundle, in place of the file's storageUri and profileUri.",
)
@click.option(
    "--replicas", type=click.IntRange(min=1, max=64), help="Pods to run.  [default: as in the file]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=SERVING_PORT,
    help="Front port that all replicas share; 0 is any free one.",
)
@click.option(
    "--aggregator-port",
    type=click.IntRange(0, 65535),
    default=AGGREGATOR_PORT,
    help="Port of the aggregator, further shards take the next ones; 0 is any free one.",
)
@click.option(
    "--pane-seconds", type=click.IntRange(1, 3600), default=PANE_SECONDS, help="Length of a pane in seconds."
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for logs, the aggregator's data and stack.json; it stays.  [default: a temporary one]",
)
def command(
    document: Path,
    bundle: Path | None,
    replicas: int | None,
    port: int,
    aggregator_port: int,
    pane_seconds: int,
    folder: Path | None,
) -> None:
    """Run a model's pods and aggregator as local processes until Ctrl-C.

    The same programs as in the cluster, from the same YAML. What dies is started again, as the kubelet
    would do it.
    """
    resource = custom_resource.load(document.read_bytes())
    if bundle is not None:
        resource = with_bundle(resource, bundle.resolve())
    options = Options(replicas, port, aggregator_port, pane_seconds)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with (
        _ending_signals() as asked_to_end,
        _folder(folder) as stack_folder,
        running(resource, document.parent.resolve(), stack_folder, options, console.print) as stack,
    ):
        _run(stack, stack_folder, console, asked_to_end)
        clear_pods(stack_folder)


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
    console.print(_table(stack.state))
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
        f"the verdict stands at {' '.join(state.aggregator_urls)}. Ctrl-C ends it.\n"
        "In another terminal:\n"
        f"  tidegauge simulate --dir {place} --scenario high\n"
        f"  tidegauge report --dir {place}"
    )


def _table(state: StackState) -> Table:
    table = Table(title=f"{state.model} at {state.url}", title_justify="left")
    for column in ("process", "role", "pid", "port"):
        table.add_column(column, justify="right" if column in ("pid", "port") else "left", no_wrap=True)
    for process in state.processes:
        table.add_row(process.name, process.role, str(process.pid), str(process.port))
    return table
