"""From process start to ready: how long, and what is imported until then at what cost."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.rows import Row
from bench.serving_setup import pin

READY_SECONDS = 0.7
STARTS = 9
_LOAD = """
import sys
from pathlib import Path
import tidegauge_serving.__main__
from tidegauge_serving.settings import Settings
from tidegauge_serving.predict.startup import load
load(Settings(bundle=Path(sys.argv[1])))
"""


def start_rows(bundle: Path) -> list[Row]:
    """The start of a server with an ONNX bundle, with bytecode as the images have it."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bundle.parent / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    _seconds_to_ready(bundle, environment)  # makes the bytecode
    seconds = [_seconds_to_ready(bundle, environment) for _ in range(STARTS)]
    median = statistics.median(seconds)
    costs = import_costs(bundle, environment)
    listed = ", ".join(f"{name} {cost * 1e3:.0f}" for name, cost in list(costs.items())[:7])
    detail: dict[str, object] = {"seconds": seconds, "import_seconds": costs}
    return [
        Row(
            f"from process start to ready, ONNX bundle, median of {STARTS}",
            f"{median:.2f} s",
            f"<= {READY_SECONDS:g} s",
            median <= READY_SECONDS,
            detail,
        ),
        Row("imports until then, ms", f"{sum(costs.values()) * 1e3:.0f}: {listed}"),
    ]


def _seconds_to_ready(bundle: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "tidegauge_serving", "--host", "127.0.0.1", "--port", "0"]
    started = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--bundle", str(bundle)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        pin(server.pid)
        assert server.stdout is not None
        connection = http.client.HTTPConnection("127.0.0.1", json.loads(server.stdout.readline())["port"])
        while True:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return time.perf_counter() - started
            assert time.perf_counter() - started < 60, "not ready within a minute"
            time.sleep(0.002)
    finally:
        server.kill()
        server.communicate()


def import_costs(bundle: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of imports until a bundle is loaded, by the package that asked for them, the dearest first.

    Each module counts for the outermost package above it that is no part of Tidegauge: what only uvicorn
    needs is uvicorn's. The least of several runs; what Python reports makes each import a little slower.
    """
    command = [sys.executable, "-X", "importtime", "-c", _LOAD, str(bundle)]
    found: dict[str, float] = {}
    for _ in range(5):
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for name, seconds in _by_package(run.stderr).items():
            found[name] = min(seconds, found.get(name, seconds))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _by_package(report: str) -> dict[str, float]:
    found: dict[str, float] = {}
    above: list[str] = []  # the names that the next line of the report, read backwards, may be below
    for line in reversed([line for line in report.splitlines() if line.startswith("import time:")][1:]):
        own, _, name = line.removeprefix("import time:").split("|")
        depth = (len(name) - len(name.lstrip()) - 1) // 2
        above[depth:] = [name.strip()]
        package = _package(above)
        found[package] = found.get(package, 0.0) + int(own) / 1e6
    return found


def _package(names: list[str]) -> str:
    for name in names:
        top = name.partition(".")[0]
        if not top.startswith("tidegauge"):
            library = top not in sys.stdlib_module_names
            return top if library or top in ("asyncio", "logging") else "the rest of Python's library"
    return "tidegauge"
