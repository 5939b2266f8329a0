"""Keeps programs running as the kubelet would: starts them, restarts the dead, stops them in order."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tidegauge.errors import ResourceError
from tidegauge.kit.backoff import Backoff
from tidegauge.local.network import FREE_IT
from tidegauge.local.state import ProcessState

__all__ = ["Program", "Role", "Supervisor", "restart_wait"]

_POLL_SECONDS: Final = 0.02
_LATE_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 5.0  # a process that lived so long starts again at once
_BACKOFF: Final = Backoff(first_seconds=1.0, most_seconds=5.0, jitter=0.0)  # short: a person waits


class Role(StrEnum):
    """The role of a process; the order is the order of stopping, so that no row is left behind."""

    SERVER = "server"
    SIDECAR = "sidecar"
    AGGREGATOR = "aggregator"


@dataclass(frozen=True)
class Program:
    """How to start one process, and how to see that it is ready."""

    name: str
    role: Role
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_file: Path
    port: int
    ready_path: str
    inherited: tuple[int, ...] = ()


@dataclass
class _Kept:
    program: Program
    short_lives: int = 0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    restarts: int = -1  # the first start is none
    ready: bool = False
    told: str = ""


class Supervisor:
    """Runs programs until it is stopped; single-threaded: nothing happens outside a call.

    Parameters
    ----------
    programs
        What to run.
    group
        Process group that all of them join.
    unready
        Why a program is not ready, "" when it says nothing, None when it is ready.
    tell
        Takes one line for people when something ends or starts again.
    is_free
        Whether nobody listens on a port.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        programs: Iterable[Program],
        group: int,
        unready: Callable[[Program], str | None],
        tell: Callable[[str], None],
        is_free: Callable[[int], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept = [_Kept(program) for program in programs]
        self._group = group
        self._unready = unready
        self._tell = tell
        self._is_free = is_free
        self._clock = clock

    def step(self) -> bool:
        """Start what is due, notice what ended or became ready; returns whether anything changed.

        Raises
        ------
        ResourceError
            A program's port was taken by another one: starting it again would not help.
        """
        changed = [self._step(kept) for kept in self._kept]
        return any(changed)

    def state(self) -> list[ProcessState]:
        """Return all processes as they are now."""
        return [_state(kept) for kept in self._kept]

    @property
    def ready(self) -> bool:
        """Whether every process runs and is ready."""
        return all(kept.ready for kept in self._kept)

    def stop(self, grace_seconds: float) -> list[str]:
        """End everything role by role; returns the names of those that had to be killed."""
        return [name for role in Role for name in self._stop_role(role, grace_seconds)]

    def kill(self) -> None:
        """End everything at once."""
        for kept in self._kept:
            _kill(kept)

    def _step(self, kept: _Kept) -> bool:
        if kept.process is None:
            if self._clock() < kept.due_at:
                return False
            self._start(kept)
            return True
        if (code := kept.process.poll()) is not None:
            self._plan_restart(kept, code)
            return True
        return not kept.ready and self._probe(kept)

    def _probe(self, kept: _Kept) -> bool:
        """Whether the process has become ready; if it takes long, each reason is printed once."""
        reason = self._unready(kept.program)
        kept.ready = reason is None
        is_late = self._clock() - kept.started_at > _LATE_SECONDS
        if reason and is_late and reason != kept.told:
            kept.told = reason
            self._tell(f"{kept.program.name} is not ready: {reason}")
        return kept.ready

    def _start(self, kept: _Kept) -> None:
        program = kept.program
        with program.log_file.open("ab") as log:
            kept.process = subprocess.Popen(
                program.command,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=program.inherited,
                process_group=self._group,
            )
        kept.started_at = self._clock()
        kept.restarts += 1

    def _plan_restart(self, kept: _Kept, code: int) -> None:
        if code > 0 and not self._is_free(kept.program.port):
            name, port = kept.program.name, kept.program.port
            raise ResourceError(f"{name} cannot have port {port}, which another program took: {FREE_IT}")
        now = self._clock()
        delay, kept.short_lives = restart_wait(kept.short_lives, now - kept.started_at)
        kept.process, kept.ready, kept.due_at = None, False, now + delay
        when = f"in {delay:.0f} s" if delay else "at once"
        self._tell(f"{kept.program.name} {_how_it_ended(code)}, starts again {when}{_last_words(kept, code)}")

    def _stop_role(self, role: Role, grace_seconds: float) -> list[str]:
        living = [kept for kept in self._kept if kept.program.role is role and kept.process is not None]
        for kept in living:
            assert kept.process is not None
            kept.process.terminate()
        deadline = self._clock() + grace_seconds
        while any(_lives(kept) for kept in living) and self._clock() < deadline:
            time.sleep(_POLL_SECONDS)
        killed = [kept.program.name for kept in living if _lives(kept)]
        for kept in living:
            _kill(kept)
        return killed


def restart_wait(short_lives: int, lived_seconds: float) -> tuple[float, int]:
    """Return seconds until a dead process starts again, and how many short lives in a row that makes."""
    before = 0 if lived_seconds >= _SETTLED_SECONDS else short_lives
    return _BACKOFF.wait_seconds(before, 0.0), before + 1


def _lives(kept: _Kept) -> bool:
    return kept.process is not None and kept.process.poll() is None


def _kill(kept: _Kept) -> None:
    if kept.process is not None:
        kept.process.kill()
        kept.process.wait()
        kept.process, kept.ready = None, False


def _state(kept: _Kept) -> ProcessState:
    return ProcessState(
        name=kept.program.name,
        role=kept.program.role,
        pid=kept.process.pid if kept.process else 0,
        port=kept.program.port,
        ready=kept.ready,
        restarts=max(kept.restarts, 0),
        log_file=str(kept.program.log_file),
    )


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _last_words(kept: _Kept, code: int) -> str:
    """The last line a failing process wrote: its errors are one line that says why."""
    if code <= 0:
        return ""
    lines = kept.program.log_file.read_text(errors="replace").splitlines()
    return f": {lines[-1].strip()}" if lines else ""
