"""Builds `tests/controlplane` once per version of its files, into a cache outside the tree."""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from support.cache import Tell, built_once, cache_folder
from support.controlplane.unavailable import Unavailable
from support.go_program import politely

SOURCE = Path(__file__).parents[2] / "controlplane"
PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)


def built_folder() -> Path:
    """Where the programs of this version of the files are, or will be."""
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache_folder() / f"controlplane-{machine}-{_key()}"


def build(tell: Tell) -> Path:
    """The folder of programs, built if need be; `tell` hears a line of progress now and then.

    Raises
    ------
    Unavailable
        There is no Go, it is too old, or the modules cannot be fetched.
    """
    return built_once("controlplane", built_folder(), lambda new: _build_into(new, tell), tell)


def _key() -> str:
    digest = hashlib.sha256(" ".join(_go_build(Path("OUT"))).encode())
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _go_build(output: Path) -> list[str]:
    # Stamped with the version: an unstamped program says v0.0.0, which breaks the checks of version skew.
    major, minor, patch = kubernetes_version()
    stamp = "-X k8s.io/component-base/version.git"
    version = f"{stamp}Version=v{major}.{minor}.{patch} {stamp}Major={major} {stamp}Minor={minor}"
    return ["go", "build", "-v", "-trimpath", "-ldflags", f"-s -w {version}", "-o", str(output), "."]


def kubernetes_version() -> tuple[int, int, int]:
    """The version that go.mod asks for."""
    found = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)", (SOURCE / "go.mod").read_text())
    assert found, "go.mod names no version of k8s.io/kubernetes"
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def _build_into(new: Path, tell: Tell) -> None:
    if shutil.which("go") is None:
        raise Unavailable("no Go to build a control plane with, and KUBEBUILDER_ASSETS is not set")
    new.mkdir()
    packages = _fetched_packages(new, tell)
    _compile(new, packages, tell)
    for program in PROGRAMS:
        (new / program).symlink_to("controlplane")
    (new / "packages").unlink()


def _fetched_packages(new: Path, tell: Tell) -> int:
    """How many packages the program consists of; on the way all their sources are fetched."""
    log = new / "fetch.log"
    listing = new / "packages"
    with listing.open("w") as out:
        code = _watched(["go", "list", "-deps", "."], log, out, tell, "fetching modules: {} so far")
    if code:
        why = (log.read_text().strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"the modules of the control plane cannot be fetched: {why}")
    return len(listing.read_text().splitlines())


def _compile(new: Path, packages: int, tell: Tell) -> None:
    log = new / "build.log"
    says = "compiling: {} " + f"of at most {packages} packages, once; about 5 minutes on 2 cores"
    if _watched(_go_build(new / "controlplane"), log, subprocess.DEVNULL, tell, says):
        raise RuntimeError(f"the control plane does not compile: {log.read_text()[-2000:]}")


def _watched(command: list[str], log: Path, out: object, tell: Tell, says: str) -> int:
    """Run a Go command, telling every few seconds how many lines it has logged; its exit code."""
    environment = {**os.environ, "CGO_ENABLED": "0"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            politely(command),
            cwd=SOURCE,
            stdout=out,
            stderr=errors,
            env=environment,  # type: ignore[call-overload]
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(timeout=3)
                tell(says.format(log.read_text().count("\n")))
        finally:
            process.kill()
            process.wait()
