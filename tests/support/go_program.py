"""Programs in Go that tests need: built once per version from a module under `tests/`, into the cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from support.controlplane.build import Tell, cache_folder
from support.controlplane.unavailable import Unavailable

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class GoProgram:
    """What to build: a package, as the go.mod and go.sum of `tests/MODULE` pin it.

    Parameters
    ----------
    name
        Of the program; the file in the cache is called NAME-HASH.
    module
        Folder under `tests/` with go.mod and go.sum, and a main.go where the package is ".".
    package
        Import path of the command.
    minutes
        How long a cold build takes on 2 cores, for the one who waits.
    flags
        More flags of `go build`.
    """

    name: str
    module: str
    package: str
    minutes: int
    flags: tuple[str, ...] = ()

    def path(self, tell: Tell) -> Path:
        """The program, built if need be; `tell` hears of that.

        Raises
        ------
        Unavailable
            It cannot be built, with the reason.
        """
        program = cache_folder() / f"{self.name}-{self._key()}"
        if not program.exists():
            self._build(program, tell)
        return program

    def _command(self) -> list[str]:
        return ["go", "build", "-trimpath", "-ldflags", "-s -w", *self.flags]

    def _key(self) -> str:
        digest = hashlib.sha256(" ".join([*self._command(), self.package]).encode())
        for path in sorted((TESTS / self.module).iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:12]

    def _build(self, program: Path, tell: Tell) -> None:
        if shutil.which("go") is None:
            raise Unavailable(f"no Go to build {self.name} with")
        program.parent.mkdir(parents=True, exist_ok=True)
        with program.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if program.exists():
                return
            tell(f"building {self.name}, once; about {self.minutes} minutes on 2 cores\n")
            started = time.monotonic()
            self._compile(program.with_suffix(".new"))
            program.with_suffix(".new").rename(program)
            tell(f"{self.name} built in {time.monotonic() - started:.0f} s\n")

    def _compile(self, new: Path) -> None:
        built = subprocess.run(
            ["nice", "-n", "10", *self._command(), "-o", str(new), self.package],
            cwd=TESTS / self.module,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            why = (built.stderr.strip().splitlines() or ["no message"])[-1]
            raise Unavailable(f"{self.name} cannot be built: {why}")
