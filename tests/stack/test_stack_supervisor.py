"""The supervisor with toy programs: restart, order of the end, and nothing left running."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.waiting import wait_for

from tidegauge.errors import ResourceError
from tidegauge.local.demo import stop
from tidegauge.local.network import free_ports, is_free, listen, unhealthy
from tidegauge.local.process_group import ProcessGroup
from tidegauge.local.supervisor import Program, Role, Supervisor

WAIT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def guard():
    with ProcessGroup() as guard:
        yield guard


class Toys:
    """Toy programs under a supervisor, each ready once it printed a line."""

    def __init__(
        self, folder: Path, group: int, codes: dict[str, tuple[Role, str]], inherited: tuple[int, ...]
    ) -> None:
        self.lines: list[str] = []
        programs = [
            Program(
                name,
                role,
                (sys.executable, "-c", code),
                os.environ,
                folder / f"{name}.log",
                0,
                "/",
                inherited,
            )
            for name, (role, code) in codes.items()
        ]
        self.supervisor = Supervisor(programs, group, self.unready, self.lines.append, is_free)

    @staticmethod
    def unready(program: Program) -> str | None:
        return None if program.log_file.read_bytes() else ""

    def until_ready(self) -> None:
        wait_for(lambda: self.supervisor.step() and self.supervisor.ready, "all toys ready")

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(next(p.pid for p in self.supervisor.state() if p.name == name))


@pytest.fixture
def toys(tmp_path, guard):
    made: list[Toys] = []

    def make(inherited: tuple[int, ...] = (), **codes: tuple[Role, str]) -> Toys:
        made.append(Toys(tmp_path, guard.group, codes, inherited))
        return made[-1]

    yield make
    for each in made:
        each.supervisor.kill()


def test_a_killed_process_starts_again_under_the_same_name(toys):
    stack = toys(a=(Role.SERVER, WAIT))
    stack.until_ready()
    first = stack.process("a")
    first.kill()
    wait_for(lambda: stack.supervisor.step() and stack.supervisor.ready, "the restart")
    state = stack.supervisor.state()[0]
    assert state.pid != first.pid
    assert state.restarts == 1
    assert stack.lines == ["a was killed by SIGKILL, starts again at once"]


def test_a_process_that_fails_tells_its_last_words_and_waits_longer_each_time(toys):
    stack = toys(a=(Role.SERVER, "raise SystemExit('the bundle is not there')"))
    wait_for(lambda: (stack.supervisor.step(), len(stack.lines) == 2)[1], "two failures")
    assert stack.lines[0] == "a ended with exit code 1, starts again at once: the bundle is not there"
    assert stack.lines[1] == "a ended with exit code 1, starts again in 1 s: the bundle is not there"


def test_servers_end_before_sidecars_and_sidecars_before_aggregators(toys, tmp_path):
    order = tmp_path / "order"

    def noting(name: str) -> str:
        note = f"open({str(order)!r}, 'a').write('{name} ')"
        return WAIT.replace("lambda *_: sys.exit(0)", f"lambda *_: ({note}, sys.exit(0))")

    stack = toys(
        g=(Role.AGGREGATOR, noting("aggregator")),
        s=(Role.SIDECAR, noting("sidecar")),
        m=(Role.SERVER, noting("server")),
    )
    stack.until_ready()
    assert stack.supervisor.stop(grace_seconds=10) == []
    assert order.read_text().split() == ["server", "sidecar", "aggregator"]


def test_a_process_deaf_to_sigterm_is_killed_and_named(toys):
    stack = toys(a=(Role.SERVER, DEAF), b=(Role.SERVER, WAIT))
    stack.until_ready()
    deaf = stack.process("a")
    assert stack.supervisor.stop(grace_seconds=0.2) == ["a"]
    assert not deaf.is_running()


OWNER = """
import subprocess, sys, time
from tidegauge.local.process_group import ProcessGroup
guard = ProcessGroup()
child = subprocess.Popen([sys.executable, "-c", {deaf!r}], process_group=guard.group, stdout=subprocess.PIPE)
child.stdout.readline()
print(guard.group, child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_an_owner_however_it_ends(how):
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.format(deaf=DEAF)], stdout=subprocess.PIPE, text=True
    ) as owner:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        children = [psutil.Process(pid) for pid in pids]
        owner.send_signal(how)
        assert psutil.wait_procs(children, timeout=10)[1] == []


SERVE = """
import socket
listener = socket.socket(fileno={fd})
print("up", flush=True)
while True:
    connection = listener.accept()[0]
    connection.recv(999)
    connection.send(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
"""


def test_a_shared_socket_is_served_by_the_processes_that_live(toys):
    with listen(0) as front:
        port, code = front.getsockname()[1], SERVE.format(fd=front.fileno())
        stack = toys(inherited=(front.fileno(),), a=(Role.SERVER, code), b=(Role.SERVER, code))
        stack.until_ready()
        assert unhealthy(port, "/") is None
        stack.process("a").kill()
        wait_for(lambda: stack.supervisor.step() and stack.lines, "the death noticed")
        assert all(unhealthy(port, "/", 5.0) is None for _ in range(20))


def test_free_ports_are_different_and_outside_the_range_of_outgoing_connections():
    ports = free_ports(20, random.Random(1))
    assert len(set(ports)) == 20
    assert max(ports) < 32768


def test_the_demos_stack_that_does_not_end_is_killed_and_said():
    deaf = DEAF.replace("SIGTERM", "SIGINT")
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as stack:
        stack.stdout.readline()
        with pytest.raises(ResourceError, match="was killed"):
            stop(stack, 0.2)
        assert stack.wait(10) == -signal.SIGKILL


def test_a_program_whose_port_was_taken_is_not_started_for_ever(guard, tmp_path):
    with listen(0) as foreign:
        port = foreign.getsockname()[1]
        command = (sys.executable, "-c", f"import socket; socket.create_server(('127.0.0.1', {port}))")
        program = Program("agg", Role.AGGREGATOR, command, os.environ, tmp_path / "agg.log", port, "/")
        supervisor = Supervisor([program], guard.group, lambda _: "", print, is_free)
        with pytest.raises(ResourceError, match=f"agg cannot have port {port}, which another program took"):
            wait_for(lambda: supervisor.step() and False, "the end")
        supervisor.kill()
