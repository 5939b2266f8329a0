"""What breaks, and what must happen: living servers answer on, every row is counted once or reported lost."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.counting_client import Counted, CountingClient
from support.local_stack import Aggregator, LocalStack, metric
from support.serving_bundles import house_bundle
from support.waiting import wait_for

from tidegauge.protocol.names import Metric

MOUNT = 'mount -t tmpfs -o size={size} tmpfs "{folder}" && echo mounted && exec sleep 600'


class SmallDisk:
    """Mounted at `folder` for programs that are started with the words of `inside` before their command.

    Skips the test where such a mount cannot be made.
    """

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir(parents=True)
        command = ["unshare", "-m", "sh", "-c", MOUNT.format(size=size, folder=folder)]
        try:
            self._keeper = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        except OSError as error:
            pytest.skip(f"a full disk needs unshare and mount: {error}")
        if self._keeper.stdout.readline() != "mounted\n":
            pytest.skip(
                f"a full disk needs a mount namespace, for root only: {self._keeper.communicate()[1].strip()}"
            )
        self.inside = ["nsenter", "-m", "-t", str(self._keeper.pid)]
        self._filler = Path(f"/proc/{self._keeper.pid}/root{folder}/filler")

    def fill(self) -> None:
        """Take all room that is left."""
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017

    def free(self) -> None:
        """Give that room back."""
        self._filler.unlink()

    def remove(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()


KILLS = 50
CONNECTIONS = 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


def body(number: int) -> bytes:
    row = {
        "bedrooms": 1 + number % 6,
        "bathrooms": 1 + number % 3,
        "sqft": 1500 + number % 1000,
        "age": number % 50,
        "location_score": 1 + number % 9,
    }
    return json.dumps({"features": row}).encode()


def panes_waiting(stack: LocalStack) -> int:
    return int(
        sum(sum(metric(Metric.SIDECAR_SPOOL_PANES, p.port).values()) for p in stack.processes("sidecar"))
    )


def assert_every_row_is_accounted_for(
    stack: LocalStack, counted: Counted, rows_per_request: int = 1, wrapper: Sequence[str] = ()
) -> dict[str, int]:
    """Stop the stack, then ask what its data holds; returns rows lost by reason."""
    # At its end a sidecar sends for 10 s and leaves the rest for its next start: on a busy machine there may
    # be too much to send after all these faults.
    sidecars = stack.processes("sidecar")
    wait_for(lambda: panes_waiting(stack) <= len(sidecars), "the sidecars have sent what they had", 60)
    assert stack.stop() == 0, stack.logs()
    with Aggregator(stack.folder / "aggregator-0", wrapper) as aggregator:
        in_counts, lost = aggregator.rows_counted(), aggregator.rows_lost()
    told = in_counts + sum(lost.values())
    answered, in_doubt = rows_per_request * counted.answered, rows_per_request * counted.in_doubt
    assert answered <= told <= answered + in_doubt, (
        f"{answered} rows answered, {in_doubt} in doubt, {in_counts} counted, lost {lost}\n{stack.logs()}"
    )
    return lost


@dataclass
class Killer:
    """Kills processes of a stack with -9, never the last server that answers: the living must not fail."""

    stack: LocalStack
    rng: random.Random
    moments: list[float] = field(default_factory=list)  # of servers killed

    def strike(self) -> list[str]:
        """Kill one process or two; returns their names."""
        victims = []
        for _ in range(self.rng.choice((1, 1, 2))):
            role = self.rng.choice(("server", "sidecar", "aggregator"))
            living = [p for p in self.stack.processes(role) if p.name not in victims and _lives(p.pid)]
            if living and not (role == "server" and self._servers_left() < 2):
                victim = self.rng.choice(living)
                self._kill(victim.pid, role)
                victims.append(victim.name)
        return victims

    def _servers_left(self) -> int:
        return sum(p.ready and _lives(p.pid) for p in self.stack.processes("server"))

    def _kill(self, pid: int, role: str) -> None:
        if role == "server":
            self.moments.append(time.monotonic())
        os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_fifty_kills_at_random_moments_lose_no_row_and_count_none_twice(tmp_path, bundle):
    rng = random.Random(50)
    with (
        LocalStack(tmp_path, bundle) as stack,
        CountingClient(stack.port, body, connections=CONNECTIONS) as client,
    ):
        wait_for(lambda: client.answered > 500, "traffic before")
        killer = Killer(stack, rng)
        killed, quiet_until = 0, time.monotonic()
        while killed < KILLS:
            killed += len(killer.strike())
            if rng.random() < 0.4:  # else strike again while they start
                stack.until_ready()
            time.sleep(rng.uniform(0, 1))  # the random moment
        stack.until_ready()
        counted = client.finish()
        assert counted.refused == []
        assert counted.unsent == 0
        assert counted.in_doubt <= CONNECTIONS * len(killer.moments)
        stray = [b for b in counted.breaks if not any(0 <= b - moment < 3 for moment in killer.moments)]
        assert stray == [], "connections broke although no server was killed"
        assert_living_servers_were_as_quick(counted, quiet_until)
        lost = assert_every_row_is_accounted_for(stack, counted)
        assert sum(lost.values()) <= counted.in_doubt


def assert_living_servers_were_as_quick(counted: Counted, quiet_until: float) -> None:
    """Wide bounds: programs that start again take the processor from those that answer."""
    quiet = counted.quantile_seconds(0.9, until=quiet_until)
    during = counted.quantile_seconds(0.9, since=quiet_until)
    assert during < 10 * quiet + 0.25, f"90 % of answers within {quiet:.3f} s before, {during:.3f} s during"
    assert counted.slowest_seconds(since=quiet_until) < 10


def test_an_aggregator_whose_disk_is_gone_reports_its_rows_as_lost(tmp_path, bundle):
    with (
        LocalStack(tmp_path, bundle) as stack,
        CountingClient(stack.port, body, connections=CONNECTIONS) as client,
    ):
        wait_for(lambda: stack.rows_counted() > 500, "rows counted before")
        (aggregator,) = stack.processes("aggregator")
        shutil.rmtree(stack.folder / "aggregator-0")
        os.kill(aggregator.pid, signal.SIGKILL)
        wait_for(lambda: stack.processes("aggregator")[0].pid != aggregator.pid, "the restart")
        before = client.answered
        wait_for(lambda: client.answered > before + 500, "traffic after")
        stack.until_ready()
        counted = client.finish()
        assert (counted.refused, counted.in_doubt, counted.unsent) == ([], 0, 0)
        lost = assert_every_row_is_accounted_for(stack, counted)
        assert set(lost) == {"store"}


def test_a_slow_aggregator_slows_no_answer_and_loses_no_row(tmp_path, bundle):
    with (
        LocalStack(tmp_path, bundle) as stack,
        CountingClient(stack.port, body, connections=CONNECTIONS) as client,
    ):
        wait_for(lambda: client.answered > 500, "traffic before")
        (aggregator,) = stack.processes("aggregator")
        stopped = time.monotonic()
        for _ in range(4):  # by fits and starts, twelve seconds long
            os.kill(aggregator.pid, signal.SIGSTOP)
            time.sleep(2.5)
            os.kill(aggregator.pid, signal.SIGCONT)
            time.sleep(0.5)
        moved_on = time.monotonic()
        counted = client.finish()
        assert_answers_went_on(counted, stopped, moved_on)
        assert assert_every_row_is_accounted_for(stack, counted) == {}


def assert_answers_went_on(counted: Counted, since: float, until: float) -> None:
    """No request failed, and answers took no longer than in the quiet time before."""
    assert (counted.refused, counted.in_doubt, counted.unsent) == ([], 0, 0)
    quiet, during = counted.quantile_seconds(0.9, until=since), counted.quantile_seconds(0.9, since, until)
    assert during < 3 * quiet + 0.05
    assert counted.slowest_seconds(since, until) < 5


BATCH = 100


def batch(number: int) -> bytes:
    instances = [json.loads(body(BATCH * number + i))["features"] for i in range(BATCH)]
    return json.dumps({"instances": instances}).encode()


def test_rows_that_a_full_log_cannot_take_are_reported_to_the_row(tmp_path, bundle):
    with LocalStack(tmp_path, bundle, replicas=2, log_size="1Mi") as stack:
        sidecars = [process.pid for process in stack.processes("sidecar")]
        for pid in sidecars:
            os.kill(pid, signal.SIGSTOP)
        path = "/v1/models/house-prices:predict"
        with CountingClient(stack.port, batch, path=path, connections=CONNECTIONS, pause=0.002) as client:
            enough = 4 * (1 << 20) // (BATCH * 6 * 4)
            wait_for(lambda: client.answered > enough, "more rows than two logs hold", 60)
            for pid in sidecars:
                os.kill(pid, signal.SIGCONT)
            before = client.answered
            wait_for(lambda: client.answered > before + 50, "traffic after")
            counted = client.finish()
        assert (counted.refused, counted.in_doubt, counted.unsent) == ([], 0, 0)
        lost = assert_every_row_is_accounted_for(stack, counted, BATCH)
        assert set(lost) == {"full"}


# --- full disks ---


@pytest.fixture
def small_disk():
    made: list[SmallDisk] = []

    def make(folder: Path, size: str) -> SmallDisk:
        made.append(SmallDisk(folder, size))
        return made[-1]

    yield make
    for disk in made:
        disk.remove()


def refused_for_a_full_disk(stack: LocalStack) -> float:
    (aggregator,) = stack.processes("aggregator")
    refused = metric(Metric.AGGREGATOR_REFUSED, aggregator.port)
    return sum(number for labels, number in refused.items() if "disk_full" in labels)


def rows_dropped(stack: LocalStack) -> float:
    told = [metric(Metric.CAPTURE_ROWS, server.port) for server in stack.processes("server")]
    return sum(rows for each in told for labels, rows in each.items() if "dropped" in labels)


def test_an_aggregator_with_a_full_disk_takes_up_where_it_stopped(tmp_path, bundle, small_disk):
    disk = small_disk(tmp_path / "stack" / "aggregator-0", "32m")
    with LocalStack(tmp_path, bundle, wrapper=disk.inside) as stack:
        with CountingClient(stack.port, body, connections=CONNECTIONS) as client:
            wait_for(lambda: client.answered > 500, "traffic before")
            disk.fill()
            full, before = time.monotonic(), client.answered
            wait_for(lambda: refused_for_a_full_disk(stack), "a pane refused", 60)
            wait_for(lambda: client.answered > before + 1000, "traffic while the disk is full")
            disk.free()
            freed, before = time.monotonic(), client.answered
            wait_for(lambda: client.answered > before + 500, "traffic after")
            counted = client.finish()
        assert_answers_went_on(counted, full, freed)
        assert assert_every_row_is_accounted_for(stack, counted, wrapper=disk.inside) == {}


def test_a_pod_whose_volume_is_full_answers_on_and_reports_what_it_lost(tmp_path, bundle, small_disk):
    disk = small_disk(tmp_path / "stack" / "pods", "3m")
    with LocalStack(tmp_path, bundle, replicas=2, wrapper=disk.inside) as stack:
        path = "/v1/models/house-prices:predict"
        with CountingClient(stack.port, batch, path=path, connections=CONNECTIONS) as client:
            wait_for(lambda: client.answered > 20, "traffic before")
            disk.fill()
            full, before = time.monotonic(), client.answered
            wait_for(lambda: rows_dropped(stack), "the room that servers had set aside is used up")
            wait_for(lambda: client.answered > before + 300, "traffic while the volume is full")
            disk.free()
            freed, before = time.monotonic(), client.answered
            wait_for(lambda: client.answered > before + 50, "traffic after")
            counted = client.finish()
        assert_answers_went_on(counted, full, freed)
        lost = assert_every_row_is_accounted_for(stack, counted, BATCH)
        assert set(lost) == {"full"}
