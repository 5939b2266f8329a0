"""The sidecar as a process: kills, signals, tokens, an aggregator that is away."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.capture_log_writer import LogWriter
from support.ledger import Ledger
from support.ledger_server import LedgerServer, serving
from support.pod import small_profile, some_rows
from support.sidecar_process import SidecarProcess, running
from support.waiting import wait_for

COLUMNS = 4


@pytest.fixture
def server() -> Iterator[LedgerServer]:
    with serving(Ledger(small_profile(), knows_profile=False)) as server:
        yield server


@pytest.fixture
def sidecar(tmp_path: Path, server: LedgerServer) -> SidecarProcess:
    small_profile().save(tmp_path / "profile.json")
    (tmp_path / "log").mkdir()
    return SidecarProcess(tmp_path / "log", tmp_path / "profile.json", [server.url])


def a_writer(sidecar: SidecarProcess, name: str = "w0", segment_bytes: int = 1 << 20) -> LogWriter:
    return LogWriter(sidecar.log_dir, name, small_profile().hash, COLUMNS, segment_bytes=segment_bytes)


class Traffic(threading.Thread):
    """Answers rows until told to stop; some are dropped by a full log, and servers die and are followed."""

    def __init__(self, sidecar: SidecarProcess) -> None:
        super().__init__(daemon=True)
        self.sidecar = sidecar
        self.writers = [a_writer(sidecar, segment_bytes=4000)]
        self.stopped = threading.Event()

    def run(self) -> None:
        rng = random.Random(8)
        while not self.stopped.is_set():
            writer = self.writers[-1]
            writer.answer(some_rows(rng.randint(1, 20), rng.getrandbits(30)), time.time_ns())
            if rng.random() < 0.05:
                writer.drop(rng.randint(1, 9))
            if rng.random() < 0.01:
                writer.tear(some_rows(3, 1), time.time_ns(), rng.randint(1, 100))
                self.writers.append(a_writer(self.sidecar, f"w{len(self.writers)}", segment_bytes=4000))
            time.sleep(0.005)
        self.writers[-1].die()

    @property
    def answered(self) -> int:
        return sum(writer.answered for writer in self.writers)

    def rows(self) -> np.ndarray:
        return np.concatenate([rows for writer in self.writers for rows in writer.logged])


def check_exact(server: LedgerServer, traffic: Traffic) -> None:
    ledger = server.ledger
    assert ledger.rows + sum(ledger.lost.values()) == traffic.answered
    assert ledger.lost.keys() <= {"full", "corrupt"}
    assert ledger.counts() == small_profile().count_matrix(traffic.rows())
    assert ledger.panes[-1].final


def test_kill_nine_at_random_moments_loses_and_doubles_nothing(
    sidecar: SidecarProcess, server: LedgerServer
) -> None:
    server.moods = ["take", "take", "lose_answer", "503", "away"]
    traffic = Traffic(sidecar)
    rng = random.Random(2)
    with running(sidecar):
        traffic.start()
        for _ in range(6):
            time.sleep(rng.uniform(0.1, 1.5))  # a random moment, not a condition
            sidecar.kill()
            sidecar.start()
        traffic.stopped.set()
        traffic.join()
        server.moods = ["take"]
        sidecar.terminate()
        sidecar.wait()
    check_exact(server, traffic)


def test_sigterm_waits_for_the_servers_last_row(sidecar: SidecarProcess, server: LedgerServer) -> None:
    traffic = Traffic(sidecar)
    with running(sidecar):
        traffic.start()
        wait_for(lambda: server.ledger.rows > 0, "a first pane")
        sidecar.terminate()
        time.sleep(1)  # the server goes on for a while
        traffic.stopped.set()
        traffic.join()
        sidecar.wait()
    check_exact(server, traffic)
    assert not list(sidecar.log_dir.glob("w*")), "nothing of the log is left"


def test_panes_wait_for_an_aggregator_that_comes_later(sidecar: SidecarProcess, server: LedgerServer) -> None:
    server.moods = ["away"]
    traffic = Traffic(sidecar)
    spool = sidecar.log_dir / "sidecar"
    with running(sidecar):
        traffic.start()
        wait_for(lambda: len(list(spool.glob("*.spool"))) >= 3, "three panes in the spool")
        assert sidecar.get("/healthz") == '{"status": "ok"}'
        traffic.stopped.set()
        traffic.join()
        sidecar.terminate()
        said = sidecar.wait()
    assert "panes are not acknowledged; they stay in the log folder" in said
    assert said.count("aggregator 0 answers nothing") == 1, "a trouble is said once"
    server.moods = ["take"]
    with running(sidecar):
        wait_for(lambda: not list(spool.glob("*.spool")), "an empty spool")
        sidecar.terminate()
        sidecar.wait()
    check_exact_without_final(server, traffic)


def check_exact_without_final(server: LedgerServer, traffic: Traffic) -> None:
    assert server.ledger.rows + sum(server.ledger.lost.values()) == traffic.answered
    assert server.ledger.counts() == small_profile().count_matrix(traffic.rows())


def test_a_new_token_is_taken_up_without_a_restart(
    sidecar: SidecarProcess, server: LedgerServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    server.token = "new"
    sidecar.more = ["--token-file", str(token)]
    writer = a_writer(sidecar)
    writer.answer(some_rows(5, 1), time.time_ns())
    with running(sidecar):
        wait_for(lambda: server.unauthorized, "a pane, refused for its token")
        token.write_text("new\n")
        wait_for(lambda: server.ledger.rows == 5, "the pane, sent with the new token")
        writer.die()
        sidecar.terminate()
        assert "answers 401" in sidecar.wait()


def test_features_go_to_their_shards(sidecar: SidecarProcess, server: LedgerServer) -> None:
    traffic = Traffic(sidecar)
    with serving(Ledger(small_profile(), knows_profile=False)) as other:
        sidecar.urls.append(other.url)
        with running(sidecar):
            traffic.start()
            wait_for(lambda: server.ledger.rows > 0 and other.ledger.rows > 0, "a pane at each shard")
            traffic.stopped.set()
            traffic.join()
            sidecar.terminate()
            sidecar.wait()
        counted = small_profile().count_matrix(traffic.rows())
        for index, ledger in enumerate((server.ledger, other.ledger)):
            shard = small_profile().shard(index, 2)
            assert ledger.counts(shard) == counted.select(shard)


def test_the_metrics_are_served(sidecar: SidecarProcess, server: LedgerServer) -> None:
    traffic = Traffic(sidecar)
    with running(sidecar):
        traffic.start()
        wait_for(lambda: server.ledger.rows > 0, "a first pane")
        text = wait_for(
            lambda: (t := sidecar.get("/metrics")) and "pod_statistic{" in t and t, "D of the pod"
        )
        assert 'tidegauge_sidecar_panes_total{model="house-prices",result="closed"}' in text
        traffic.stopped.set()
        traffic.join()
        sidecar.terminate()
        sidecar.wait()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda s: s.profile.unlink(), "No such file"),
        (lambda s: s.profile.write_text("{}"), "profile"),
    ],
)
def test_a_sidecar_that_cannot_start_says_why_in_one_line(
    sidecar: SidecarProcess, spoil, complaint: str
) -> None:
    spoil(sidecar)
    command = [sys.executable, "-m", "tidegauge_sidecar", "--log-dir", str(sidecar.log_dir), "--port", "0"]
    command += ["--profile", str(sidecar.profile), "--model", "m", "--aggregator-urls", sidecar.urls[0]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_more_shards_than_features_are_refused_at_the_start(sidecar: SidecarProcess) -> None:
    """Nothing could ever be sent: it ends with what to set, and writes no log without end."""
    most = len(small_profile().monitored)
    command = [sys.executable, "-m", "tidegauge_sidecar", "--log-dir", str(sidecar.log_dir), "--port", "0"]
    command += ["--profile", str(sidecar.profile), "--model", "m"]
    command += ["--aggregator-urls", ",".join(sidecar.urls * (most + 1))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"tidegauge-sidecar: {most + 1} aggregators: the profile has {most} monitored")
    assert line.endswith(f"set spec.aggregator.replicas to at most {most}")


def test_a_second_sidecar_on_the_same_folder_gives_up(sidecar: SidecarProcess) -> None:
    with running(sidecar):
        command = [
            sys.executable,
            "-m",
            "tidegauge_sidecar",
            "--log-dir",
            str(sidecar.log_dir),
            "--port",
            "0",
        ]
        command += ["--profile", str(sidecar.profile), "--model", "m", "--aggregator-urls", sidecar.urls[0]]
        command += ["--pane-seconds", "1"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert result.returncode == 1
        assert "another sidecar reads this log folder" in result.stderr
