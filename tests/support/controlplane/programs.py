"""Programs that tests start, and that end with the tests, whatever ends the tests."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

# Told of each program by a line on its input. When the input ends with programs still named, the process that
# started them is gone without having stopped them (kill -9, a crash): the guard does it then.
_GUARD = """
import os, signal, sys, time
pids = set()
for line in sys.stdin:
    (pids.add if int(line) > 0 else pids.discard)(abs(int(line)))
def send(sign):
    for pid in pids.copy():
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            pids.discard(pid)
send(signal.SIGTERM)
deadline = time.monotonic() + 5
while pids and time.monotonic() < deadline:
    time.sleep(0.05)
    send(0)
send(signal.SIGKILL)
"""


class Program:
    """A running program whose output goes to a log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = log.stem
        self.process = process
        self.log = log

    def ended(self) -> str | None:
        """Why the program is no longer there, with the end of its log; None while it runs."""
        if (code := self.process.poll()) is None:
            return None
        last = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        return f"{self.name} ended with code {code}: {last}"

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal; none where it has ended already."""
        self.process.send_signal(sign)

    def stop(self, patience_seconds: float = 10.0) -> None:
        """End it: asked first, then forced."""
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


class Programs:
    """Started in order, stopped in reverse order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Program] = []
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True
        )

    def start(
        self,
        executable: Path,
        *flags: str,
        name: str = "",
        env: dict[str, str] | None = None,
        kind: type[Program] = Program,
    ) -> Program:
        """Start one; its log is NAME.log in the folder."""
        log = self.folder / f"{name or executable.name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [executable, *flags],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the programs in order
            )
        self._tell_guard(process.pid)
        program = kind(process, log)
        self._running.append(program)
        return program

    def stop(self, program: Program) -> None:
        """Stop one of them."""
        program.stop()
        self._tell_guard(-program.process.pid)
        self._running.remove(program)

    def stop_all(self) -> None:
        """Stop what still runs, the last started first."""
        for program in reversed(self._running.copy()):
            self.stop(program)
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait()

    def failures(self) -> list[str]:
        """Why programs are gone that nobody stopped."""
        return [why for program in self._running if (why := program.ended())]

    def kill(self, program: Program) -> None:
        """End one as a crash would."""
        program.signal(signal.SIGKILL)
        self.stop(program)

    def _tell_guard(self, pid: int) -> None:
        self._guard.stdin.write(b"%d\n" % pid)
        self._guard.stdin.flush()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def listens(port: int) -> bool:
    """Whether somebody listens on a port of the loopback interface."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
