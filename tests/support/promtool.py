"""Prometheus's promtool: the machine's own, or built once from `tests/promtool` into the cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from support.controlplane.build import Tell, cache_folder
from support.controlplane.unavailable import Unavailable

SOURCE = Path(__file__).parents[1] / "promtool"
PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"
# Without the clients of all clouds' service discoveries, which rules have no need of.
FLAGS = ("-trimpath", "-ldflags", "-s -w", "-tags", "remove_all_sd")


def promtool(tell: Tell) -> Path:
    """The program: `PROMTOOL` names it, else it is on the PATH, else it is built; `tell` hears of that.

    Raises
    ------
    Unavailable
        It is not there and cannot be built, with the reason.
    """
    if own := os.environ.get("PROMTOOL") or shutil.which("promtool"):
        return Path(own)
    program = cache_folder() / f"promtool-{_key()}"
    if not program.exists():
        _build(program, tell)
    return program


def _key() -> str:
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((SOURCE / name).read_bytes())
    return digest.hexdigest()[:12]


def _build(program: Path, tell: Tell) -> None:
    if shutil.which("go") is None:
        raise Unavailable("no promtool on the PATH, and no Go to build it with")
    program.parent.mkdir(parents=True, exist_ok=True)
    new = program.with_suffix(".new")
    with program.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return
        tell("building promtool, once; about 3 minutes on 2 cores\n")
        built = subprocess.run(
            ["nice", "-n", "10", "go", "build", *FLAGS, "-o", str(new), PACKAGE],
            cwd=SOURCE,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            why = (built.stderr.strip().splitlines() or ["no message"])[-1]
            raise Unavailable(f"promtool cannot be built: {why}")
        new.rename(program)
