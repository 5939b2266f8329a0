"""The Debian packages that a node needs, and whether they are there."""

import os
import shutil
import subprocess
from pathlib import Path

from support.cache import Tell
from support.controlplane.unavailable import Unavailable

CNI_PLUGINS = Path("/usr/lib/cni")
_NEEDED = {  # package -> a program of it
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "containernetworking-plugins": str(CNI_PLUGINS / "bridge"),
    "busybox-static": "busybox",
    "buildah": "buildah",  # the rest is for building images
    "mmdebstrap": "mmdebstrap",
    "fuse-overlayfs": "fuse-overlayfs",
    "uidmap": "newuidmap",
}


def ensure_packages(tell: Tell) -> None:
    """See that all is there; under `CI=true` or `INSTALL=1` install what is not.

    Raises
    ------
    Unavailable
        Not root, not Linux, or packages are missing and may not or cannot be installed.
    """
    if os.uname().sysname != "Linux" or os.geteuid() != 0:
        raise Unavailable("a node needs Linux and root (containers, network namespaces)")
    if not (missing := missing_packages()):
        return
    if not _may_install():
        raise Unavailable(f"missing Debian packages: {' '.join(missing)}; INSTALL=1 installs them")
    tell(f"installing {' '.join(missing)}\n")
    _apt("update", "-q")
    _apt("install", "-y", "-q", "--no-install-recommends", *missing)
    if still := missing_packages():
        raise Unavailable(f"installed, but without their programs: {' '.join(still)}")


def missing_packages() -> list[str]:
    """Those whose program is not there."""
    return [package for package, program in _NEEDED.items() if shutil.which(program) is None]


def _may_install() -> bool:
    return os.environ.get("CI", "").lower() == "true" or os.environ.get("INSTALL") == "1"


def _apt(*arguments: str) -> None:
    if shutil.which("apt-get") is None:
        raise Unavailable("no apt-get to install packages with")
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"apt-get {arguments[0]} failed: {why}")
