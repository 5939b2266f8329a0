"""The sidecar as a process."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class SidecarProcess:
    """Starts `python -m tidegauge_sidecar`, and again after a kill."""

    log_dir: Path
    profile: Path
    urls: list[str]
    pane_seconds: int = 1
    more: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    port: int = 0

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "tidegauge_sidecar",
            "--log-dir",
            self.log_dir,
            "--profile",
            self.profile,
        ]
        command += [
            "--model",
            "house-prices",
            "--aggregator-urls",
            ",".join(self.urls),
            "--host",
            "127.0.0.1",
        ]
        command += ["--port", "0", "--pane-seconds", self.pane_seconds, "--pod", "pod-0", *self.more]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"no port: {self.process.communicate(timeout=10)[1]}"
        self.port = json.loads(line)["port"]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=10)

    def terminate(self) -> None:
        assert self.process is not None
        self.process.terminate()

    def wait(self, timeout_seconds: float = 40) -> str:
        """Its exit, which must be 0; what it said on stderr."""
        assert self.process is not None
        _, said = self.process.communicate(timeout=timeout_seconds)
        assert self.process.returncode == 0, said
        return said

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return str(response.read().decode())


@contextmanager
def running(sidecar: SidecarProcess) -> Iterator[SidecarProcess]:
    sidecar.start()
    try:
        yield sidecar
    finally:
        if sidecar.process is not None and sidecar.process.poll() is None:
            sidecar.kill()
