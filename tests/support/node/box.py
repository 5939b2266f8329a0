"""The box a node lives in: a network, processes and mounts of its own, gone in one stroke.

Its first process reads a pipe from the tests. When the pipe ends, however the tests ended, that process ends,
and the kernel takes all others of the box with it: kubelet, containerd, shims, containers, and their mounts.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from support.controlplane.programs import Program, Programs
from support.node.owners import forget, note_owner
from support.waiting import wait_for

ADDRESS = "10.88.0.1"  # of the node, on the bridge that pods share
POD_NETWORK = "10.88.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
BRIDGE = "cni0"

_NETNS = Path("/run/netns")
_NSENTER = shutil.which("nsenter") or "nsenter"
_CLONE_NEWNET = 0x40000000

# What the kubelet would set for the whole machine: it finds it as wished, and nothing outside changes.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

# Folders that container programs have fixed in their code are the box's own.
_MOUNTS = """
set -e
mount -t tmpfs tmpfs /run
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
cd "$1/sysctl"
find . -type f | while read -r name; do mount --bind "$name" "/proc/sys/$name"; done
cd /
exec "$2" -S -E -c "$3"
"""

# The first process inherits orphans: it lets the kernel reap them.
_FIRST = """
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""


class Box:
    """Namespaces and cgroups under one name, `tg-node-...`.

    Parameters
    ----------
    name
        Of the network namespace (see `ip netns list`) and of the cgroups.
    folder
        Everything the programs write goes here.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._first: subprocess.Popen[bytes] | None = None
        note_owner(name, folder)
        _make_folders(folder)
        make_cgroups(name)  # before the try: where the name is taken, it is another's
        try:
            _run("ip", "netns", "add", name)
            self._first_pid = self._start_first()
            self._make_network()
        except BaseException:
            self.end()
            self.remove()
            raise

    def in_network(self) -> list[str]:
        """What to put before a command so that it runs in the box's network."""
        # Not `ip netns exec`: it mounts /sys anew, without the cgroups.
        return [_NSENTER, f"--net={_NETNS / self.name}"]

    def inside(self) -> list[str]:
        """What to put before a command so that it runs inside: network, processes and mounts."""
        return [_NSENTER, f"--target={self._first_pid}", "--net", "--mount", "--pid"]

    def start(self, programs: Programs, executable: str, *flags: str, name: str = "") -> Program:
        """Start a program inside."""
        nsenter, *where = self.inside()
        return programs.start(
            Path(nsenter),
            *where,
            executable,
            *flags,
            name=name or Path(executable).name,
            kind=BoxedProgram,
        )

    def end(self) -> None:
        """End all processes inside, at once."""
        if self._first is None:
            return
        assert self._first.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._first.stdin.close()
        try:
            self._first.wait(10)
        except subprocess.TimeoutExpired:
            self._first.kill()
            self._first.wait()

    def remove(self) -> None:
        """Remove network and cgroups; the folder stays. Those who share only the network have ended."""
        remove_network_and_cgroups(self.name)

    def _start_first(self) -> int:
        """Start the first process and wait for its word; its pid as seen from here."""
        log = self.folder / "box.log"
        with log.open("ab") as errors:
            self._first = subprocess.Popen(
                [
                    *self.in_network(),
                    *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
                    *("sh", "-c", _MOUNTS, "sh", str(self.folder), sys.executable, _FIRST),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._first.stdout is not None
        if self._first.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the box does not start: {log.read_text()}")
        (pid,) = _children(self._first.pid)
        return pid

    def _make_network(self) -> None:
        inside = self.in_network()
        _run(*inside, "ip", "link", "set", "lo", "up")
        _run(*inside, "ip", "link", "add", BRIDGE, "type", "bridge")
        _run(*inside, "ip", "addr", "add", f"{ADDRESS}/16", "dev", BRIDGE)
        _run(*inside, "ip", "link", "set", BRIDGE, "up")
        # Without a route of its own the node could not reach Services: there is no default route.
        _run(*inside, "ip", "route", "add", SERVICE_NETWORK, "dev", BRIDGE)
        _run(*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


class BoxedProgram(Program):
    """A program in the box; the process seen from here only waits for it."""

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal; none where it has ended already."""
        ended_or_there = wait_for(
            lambda: self.process.poll() is not None or _children(self.process.pid), "it starts or ends", 5
        )
        if isinstance(ended_or_there, list):
            with contextlib.suppress(ProcessLookupError):
                os.kill(ended_or_there[0], sign)


def enter_network(name: str) -> None:
    """Move this thread into a box's network."""
    with (_NETNS / name).open() as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network {name}")


def cgroup_roots() -> list[Path]:
    """Where the trees of cgroups begin: one in version 2, one per controller in version 1."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [path.parent for path in root.glob("*/cgroup.procs")]


def make_cgroups(name: str) -> None:
    """A place of the node's own in each tree of cgroups."""
    for root in cgroup_roots():
        group = root / name
        group.mkdir()
        if root.name == "cpuset":  # in version 1 a new one is empty, and nothing may enter it
            for file in ("cpuset.cpus", "cpuset.mems"):
                (group / file).write_text((root / file).read_text())


def remove_network_and_cgroups(name: str) -> None:
    """Remove what bears this name; all processes of the box are gone."""
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30)  # there may be none
    for root in cgroup_roots():
        for path, _, _ in os.walk(root / name, topdown=False):
            wait_for(lambda path=path: _removed(Path(path)), f"the cgroup {path} is empty", 20)
    forget(name)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process is still on its way out
        return False
    return True


def _make_folders(folder: Path) -> None:
    for name in ("lib", "log"):
        (folder / name).mkdir()
    for setting, value in _KERNEL_SETTINGS.items():
        file = folder / "sysctl" / setting
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
