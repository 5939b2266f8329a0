"""`make e2e-kind`: the node tier on a kind cluster of its own, with images that Docker builds.

The cluster has a kubeconfig file of its own; a person's kubeconfig is neither read nor written.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.cache import cache_folder
from support.controlplane.unavailable import Unavailable
from support.images import PROGRAMS, ROOT

CLUSTER = "tidegauge-e2e"
CONTEXT = f"kind-{CLUSTER}"
CONFIG = ROOT / "tests/node/kind.yaml"
TAG = "e2e"
METRICS_SERVER = "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.8.0/components.yaml"
_INSECURE = (
    '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--kubelet-insecure-tls"}]'
)
Command = list[str]


def create() -> list[Command]:
    """What makes the cluster, with figures for the autoscaler."""
    metrics = ["kubectl", "--namespace=kube-system"]
    return [
        ["kind", "create", "cluster", f"--name={CLUSTER}", f"--config={CONFIG}", "--wait=180s"],
        ["kubectl", "apply", f"--filename={METRICS_SERVER}"],
        [*metrics, "patch", "deployment", "metrics-server", "--type=json", f"--patch={_INSECURE}"],
    ]


def build_images(archive: Path) -> list[Command]:
    """What builds the images and writes them into one archive."""
    names = [f"localhost/tidegauge/{program}:{TAG}" for program in PROGRAMS]
    built = [
        ["docker", "build", f"--target={program}", f"--tag={name}", f"--build-arg=REVISION={TAG}", str(ROOT)]
        for program, name in zip(PROGRAMS, names, strict=True)
    ]
    return [*built, ["docker", "save", f"--output={archive}", *names]]


def run_tests() -> Command:
    """What runs the tier; tests of this machine's own containers are left out."""
    return [sys.executable, "-m", "pytest", "tests/node", "--ignore=tests/node/test_box.py", "-m", "not soak"]


def delete() -> list[Command]:
    """What ends the cluster."""
    return [["kind", "delete", "cluster", f"--name={CLUSTER}"]]


def check_context(environment: dict[str, str]) -> None:
    """Make sure that kubectl would speak to this cluster and no other.

    Raises
    ------
    Unavailable
        It would not.
    """
    command = ["kubectl", "config", "current-context"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    if (context := said.stdout.strip() or "not set") != CONTEXT:
        raise Unavailable(f"the context is {context}: these tests touch only {CONTEXT}")


def main() -> int:
    """Create the cluster if need be, run the tier on it, delete it unless KEEP=1."""
    archive = cache_folder() / "images-kind.tar"
    environment = {
        **os.environ,
        "KUBECONFIG": str(cache_folder() / f"{CLUSTER}.kubeconfig"),
        "USE_EXISTING_CLUSTER": "true",
        "TIDEGAUGE_IMAGES": f"{archive}={TAG}",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # a platform of their own, which `kind load` looks for in vain
    }
    try:
        _check_tools()
        _run(build_images(archive), environment)
        with _cluster(environment):
            return subprocess.run(run_tests(), env=environment, cwd=ROOT).returncode
    except Unavailable as reason:
        print(f"not possible here: {reason}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _cluster(environment: dict[str, str]) -> Iterator[None]:
    """The cluster, made if need be, and deleted however the tests end, unless KEEP=1."""
    try:
        if CLUSTER not in _output(["kind", "get", "clusters"], environment).split():
            _run(create()[:1], environment)
            check_context(environment)
            _run(create()[1:], environment)
        check_context(environment)
        yield
    finally:
        if os.environ.get("KEEP") != "1":
            _run(delete(), environment)


def _check_tools() -> None:
    missing = [tool for tool in ("docker", "kind", "kubectl") if shutil.which(tool) is None]
    if not any(shutil.which(tool) for tool in ("helm", "go")):
        missing.append("helm")  # without it nothing is installed, and every story skipped
    if missing:
        raise Unavailable(f"not on the PATH: {' '.join(missing)}")


def _run(commands: list[Command], environment: dict[str, str]) -> None:
    for command in commands:
        print("+", " ".join(command), file=sys.stderr, flush=True)
        if code := subprocess.run(command, env=environment).returncode:
            raise Unavailable(f"{command[0]} {command[1]} ended with code {code}")


def _output(command: Command, environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30).stdout


if __name__ == "__main__":
    sys.exit(main())
