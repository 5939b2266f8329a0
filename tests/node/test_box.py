"""The box that a node lives in: what is in it ends with it, and nothing outside is touched."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.node.box import Box, cgroup_roots
from support.node.leftovers import remove_leftovers
from support.node.owners import Owner, owners
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("machine")

TESTS = Path(__file__).parents[1]
MAKER = """
import sys, time
from pathlib import Path
from support.controlplane.programs import Programs
from support.node.box import Box
folder = Path(sys.argv[1])
box = Box("tg-node-" + folder.name.replace("_", "-"), folder)
box.start(Programs(folder), "sleep", "1000", name="long")
print(box.name, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[str]:
    """The name of a box whose maker was killed while a program ran inside."""
    folder = tmp_path / f"box-{os.getpid()}"
    folder.mkdir()
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert maker.stdout is not None
    name = maker.stdout.readline().strip()
    assert processes_in_network(name)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    maker.stdout.close()
    yield name
    remove_leftovers(print)


def processes_in_network(name: str) -> list[str]:
    """Pids of those whose network is that of this box."""
    return subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()


def test_all_processes_of_a_box_end_when_its_maker_is_killed(killed: str) -> None:
    wait_for(lambda: not processes_in_network(killed), "all are gone", 10)


def test_what_killed_tests_left_is_removed_at_the_next_start(killed: str, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir())
    remove_leftovers(print)
    assert killed not in owners()
    assert killed not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    assert not [root for root in cgroup_roots() if (root / killed).exists()]
    assert not list(tmp_path.iterdir())


def test_a_box_whose_maker_lives_is_left_alone(tmp_path: Path) -> None:
    name = f"tg-node-living-{os.getpid()}"
    box = Box(name, tmp_path)
    try:
        remove_leftovers(print)
        assert name in owners()
        assert processes_in_network(name)
    finally:
        box.end()
        box.remove()
    assert name not in owners()


def test_a_box_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tg-node-broken-{os.getpid()}"
    ip = shutil.which("ip")
    assert ip
    for folder in ("bin", "box"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin/ip").symlink_to(ip)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # without unshare
    with pytest.raises(RuntimeError, match=r"the box does not start: .*unshare"):
        Box(name, tmp_path / "box")
    assert name not in owners()
    assert not Path("/run/netns", name).exists()
    assert not [root for root in cgroup_roots() if (root / name).exists()]


def test_a_pid_that_went_to_another_process_is_not_the_maker() -> None:
    assert not Owner(os.getpid(), "1", Path("/nowhere")).lives()


def test_the_machine_keeps_its_settings_and_folders(tmp_path: Path) -> None:
    def outside() -> dict[str, str]:
        settings = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")
        values = {one: Path("/proc/sys", one).read_text() for one in settings}
        links = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True).stdout
        return {**values, "links": str([one["ifname"] for one in json.loads(links)])}

    before = outside()
    box = Box(f"tg-node-quiet-{os.getpid()}", tmp_path)
    try:
        subprocess.run([*box.inside(), "mkdir", f"/var/lib/{box.name}", f"/run/{box.name}"], check=True)
        assert outside() == before
        assert (tmp_path / "lib" / box.name).is_dir()
        assert not Path("/var/lib", box.name).exists()
        assert not Path("/run", box.name).exists()
    finally:
        box.end()
        box.remove()
