"""The real local stack as a user starts it, `tidegauge up`, with what tests need around it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil
from support.waiting import wait_for

from tidegauge.local.network import unhealthy
from tidegauge.local.state import STATE_FILE, ProcessState, StackState, load_state
from tidegauge.protocol.names import Env, Metric

READY_SECONDS = 90.0
STOP_SECONDS = 120.0

DOCUMENT = """
apiVersion: tidegauge.io/v1alpha1
kind: DriftMonitoredModel
metadata: {{name: house-prices}}
spec:
  model: {{storageUri: {bundle}}}
  drift: {{capture: {{logSize: {log_size}}}}}
  aggregator: {{replicas: {shards}}}
"""


class LocalStack:
    """`tidegauge up` in a process of its own.

    Parameters
    ----------
    folder
        Where YAML and state go; it may hold mount points already.
    bundle
        The packed model.
    wrapper
        Words before the command, for example of `unshare`.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Path,
        *,
        replicas: int = 3,
        pane_seconds: int = 1,
        log_size: str = "64Mi",
        shards: int = 1,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.folder = folder / "stack"
        self.folder.mkdir(exist_ok=True)
        document = folder / "dmm.yaml"
        document.write_text(DOCUMENT.format(bundle=bundle, log_size=log_size, shards=shards))
        options = [
            "--replicas",
            replicas,
            "--pane-seconds",
            pane_seconds,
            "--port",
            0,
            "--aggregator-port",
            0,
        ]
        command = [
            sys.executable,
            "-m",
            "tidegauge",
            "up",
            "-f",
            document,
            "--dir",
            self.folder,
            *options,
        ]
        self.output = folder / "up.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*wrapper, *(str(word) for word in command)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "200", Env.DRAIN_SECONDS: "0", **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            self.until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # --- what is there ---------------------------------------------------------------------------------

    @property
    def state(self) -> StackState:
        return load_state(self.folder)

    @property
    def port(self) -> int:
        return int(self.state.url.rsplit(":", 1)[1])

    def processes(self, role: str) -> list[ProcessState]:
        return [process for process in self.state.processes if process.role == role]

    def until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"tidegauge up ended:\n{self.logs()}"
            return self.is_written and self.state.ready

        try:
            wait_for(ready, "the stack ready", READY_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    @property
    def is_written(self) -> bool:
        """Whether the state file is this run's, not that of one before in the same folder."""
        return (self.folder / STATE_FILE).exists() and self.state.pid == self.process.pid

    def logs(self) -> str:
        """The last lines of every process, for a failing test."""
        files = [self.output, *sorted((self.folder / "logs").glob("*.log"))]
        return "\n".join(f"== {f.name}\n" + "\n".join(f.read_text().splitlines()[-12:]) for f in files)

    def rows_counted(self) -> int:
        """Rows that the first aggregator holds now."""
        return int(sum(metric(Metric.AGGREGATOR_ROWS, self.processes("aggregator")[0].port).values()))

    # --- what happens to it ----------------------------------------------------------------------------

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End everything, whatever state it is in; nothing may be left."""
        started = self.descendants()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        psutil.wait_procs(started, timeout=10)
        left = [
            process
            for process in started
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
        for process in left:
            process.kill()
        assert not left, f"left running by tidegauge up: {left}"

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class Aggregator:
    """An aggregator by itself over a stack's data, to see what is durable."""

    def __init__(self, data: Path, wrapper: Sequence[str] = ()) -> None:
        command = [
            *wrapper,
            sys.executable,
            "-m",
            "tidegauge_aggregator",
            "--data-dir",
            str(data),
            "--port",
            "0",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.port = int(json.loads(self.process.stdout.readline())["port"])

    def __enter__(self) -> Self:
        wait_for(lambda: unhealthy(self.port, "/readyz") is None, "the aggregator ready")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def rows_counted(self) -> int:
        return int(sum(metric(Metric.AGGREGATOR_ROWS, self.port).values()))

    def rows_lost(self) -> dict[str, int]:
        found = metric(Metric.AGGREGATOR_ROWS_LOST, self.port)
        return {re.search(r'reason="(\w+)"', labels)[1]: int(rows) for labels, rows in found.items() if rows}


def metric(name: Metric, port: int) -> dict[str, float]:
    """Values of a metric by its labels' text, from one process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {m[1] or "": float(m[2]) for m in re.finditer(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)}
