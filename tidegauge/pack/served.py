"""The model server's own answers, from a process that lacks what its image lacks.

Packing may not import the server, so it starts ``python -m tidegauge_serving.check``: only the modules that
the image holds, no locale but C, one thread.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
import numpy.typing as npt

from tidegauge.errors import BundleError
from tidegauge.protocol.bundle import Label

__all__ = ["Alone", "Rows", "Served", "Server"]

_Also = frozenset[str]  # modules beside those of the image
_IMAGE: Final = {  # a path without locales: glibc then has C and C.UTF-8 only, as a slim image
    "LC_ALL": "C",
    "LOCPATH": os.devnull,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """What to ask.

    Parameters
    ----------
    values
        Shape ``(n, features)``; NaN is missing.
    texts
        The categorical features' values by position; None is missing.
    alone
        Rows to ask one by one, by name.
    """

    values: npt.NDArray[np.float64]
    texts: Mapping[int, Sequence[Label | None]]
    alone: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Alone:
    """The answer to one row asked alone.

    `refused` says why there is none; `by_schema` that the row was refused before a model saw it.
    """

    label: Any = None
    probability: list[float] | None = None
    refused: str | None = None
    by_schema: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """A server's answers: labels ``(n,)``, probabilities ``(n, classes)``, and those to single rows.

    `modules` are those that the image lacks and the model needs, `trusted_types` the types of a skops file
    that its owner must trust. This process may not say which: what it imported before would decide.
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None
    alone: tuple[Alone, ...]
    modules: tuple[str, ...] = ()
    trusted_types: tuple[str, ...] = ()


class Server:
    """Processes that answer rows of a bundle: one as the image is, and others with more modules."""

    def __init__(self) -> None:
        self._processes: dict[_Also, subprocess.Popen[bytes]] = {}
        self._errors: dict[_Also, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for also in list(self._processes):
            self._end(also)

    def ask(self, bundle: Path, rows: Rows, needs: Collection[str] = ()) -> Served:
        """Ask a bundle, in an image that has what it needs.

        Parameters
        ----------
        bundle
            Its folder.
        rows
            What to ask.
        needs
            Modules that its form needs beside those of the image. A module that is found missing is added,
            but for pandas: forms that need it say so.

        Raises
        ------
        BundleError
            The server could not serve it, or failed at the rows.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _write(folder, rows)
            modules: list[str] = []
            while True:
                also = frozenset({*needs, *modules})
                reply = self._reply({"bundle": str(bundle), "rows": name}, also)
                missing = reply.get("missing")
                if missing is None or missing == "pandas" or missing in also:
                    break
                modules.append(missing)
            if "error" in reply:
                raise BundleError(reply["error"])
            trusted = tuple(reply.get("trusted", ()))
            return replace(_read(folder), modules=tuple(sorted(modules)), trusted_types=trusted)

    def _reply(self, request: dict[str, str], also: _Also) -> dict[str, Any]:
        process = self._processes.get(also) or self._start(also)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: its last words say why
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if line:
            reply: dict[str, Any] = json.loads(line)
            return reply
        return {"error": f"the server ended: {self._end(also)}"}

    def _start(self, also: _Also) -> "subprocess.Popen[bytes]":
        path = os.pathsep.join(each for each in sys.path if each)
        self._errors[also] = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the process
        self._processes[also] = subprocess.Popen(
            [sys.executable, "-m", "tidegauge_serving.check", *(f"--also={each}" for each in sorted(also))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors[also],
            env={**os.environ, **_IMAGE, "PYTHONPATH": path},
        )
        return self._processes[also]

    def _end(self, also: _Also) -> str:
        """End the process; its last words."""
        process, errors = self._processes.pop(also), self._errors.pop(also)
        with process, errors:
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines()
        return words[-1][:300] if words else f"exit code {process.returncode}"


def _write(folder: Path, rows: Rows) -> None:
    np.save(folder / "values.npy", rows.values)
    (folder / "texts.json").write_text(json.dumps({at: list(column) for at, column in rows.texts.items()}))
    lines = (json.dumps({"features": dict(row)}) for row in rows.alone)
    (folder / "alone.jsonl").write_text("\n".join(lines))


def _read(folder: Path) -> Served:
    texts = folder / "labels.json"
    if texts.exists():
        labels = np.array(json.loads(texts.read_text()), dtype=object)
    else:
        labels = np.load(folder / "labels.npy", allow_pickle=False)
    file = folder / "probabilities.npy"
    probabilities = np.load(file, allow_pickle=False) if file.exists() else None
    return Served(labels, probabilities, tuple(map(_alone, json.loads((folder / "alone.json").read_text()))))


def _alone(found: Mapping[str, Any]) -> Alone:
    if "refused" in found:
        return Alone(refused=found["refused"], by_schema=found["by"] == "schema")
    return Alone(found["label"], found["probability"])
