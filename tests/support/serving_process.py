"""The real server as a process."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.waiting import wait_for


@dataclass
class ServingProcess:
    """A running server and its port."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, bytes]:
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str, body: bytes | dict[str, Any], **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        status, answer = self._ask(urllib.request.Request(url, data, headers))
        return status, json.loads(answer)

    def _ask(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wait_ready(self) -> "ServingProcess":
        wait_for(lambda: self.get("/readyz")[0] == 200, "the server is ready", 60)
        return self

    def wait_refusal(self) -> str:
        """The one-line reason why the server does not become ready."""

        def reason() -> str:
            message: str = json.loads(self.get("/readyz")[1]).get("error", "")
            return "" if "being loaded" in message else message

        return wait_for(reason, "a reason not to be ready", 60)


@contextmanager
def serving(
    bundle: Path,
    *arguments: str,
    scratch: Path,
    cpu: int | None = None,
    pass_fds: Sequence[int] = (),
    tree: Path | None = None,
) -> Iterator[ServingProcess]:
    """Start a server on a free port, of this tree or another; end it with SIGKILL whatever happened."""
    command = [sys.executable, "-m", "tidegauge_serving", "--host", "127.0.0.1", "--port", "0"]
    command += ["--bundle", str(bundle), *arguments]
    log = scratch / f"serving-{os.urandom(4).hex()}.log"
    environment = dict(os.environ)
    if tree is not None:
        environment["PYTHONPATH"] = os.pathsep.join((str(tree), str(tree / "serving")))
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            pass_fds=pass_fds,
            cwd=tree,
            env=environment,
        )
    try:
        if cpu is not None:
            os.sched_setaffinity(process.pid, {cpu})
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield ServingProcess(process, json.loads(line)["port"], log)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
