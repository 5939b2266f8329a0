"""Programs in Go that tests need: built once per version from a module under `tests/`, into the cache."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.cache import Tell, built_once, cache_folder
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

    def find(self, tell: Tell) -> Path:
        """The machine's own program: the one that NAME in capitals tells, or on the PATH; else `path`."""
        own = os.environ.get(self.name.upper()) or shutil.which(self.name)
        return Path(own) if own else self.path(tell)

    def path(self, tell: Tell) -> Path:
        """The program, built if need be; `tell` hears of that.

        Raises
        ------
        Unavailable
            It cannot be built, with the reason.
        """
        program = cache_folder() / f"{self.name}-{self._key()}"
        return built_once(self.name, program, lambda new: self._build(new, tell), tell)

    def _command(self) -> list[str]:
        return ["go", "build", "-trimpath", "-ldflags", "-s -w", *self.flags]

    def _key(self) -> str:
        digest = hashlib.sha256(" ".join([*self._command(), self.package]).encode())
        for path in sorted((TESTS / self.module).iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:12]

    def _build(self, new: Path, tell: Tell) -> None:
        if shutil.which("go") is None:
            raise Unavailable(f"no Go to build {self.name} with")
        tell(f"building {self.name}, once; about {self.minutes} minutes on 2 cores\n")
        built = subprocess.run(
            politely([*self._command(), "-o", str(new), self.package]),
            cwd=TESTS / self.module,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            why = (built.stderr.strip().splitlines() or ["no message"])[-1]
            raise Unavailable(f"{self.name} cannot be built: {why}")


def politely(command: list[str]) -> list[str]:
    """The command so that others on the machine go first, where that can be asked."""
    return [*(["nice", "-n", "10"] if shutil.which("nice") else []), *command]
