"""`make cluster` and `make cluster-down`: the node kept running, with tidegauge and the example on it.

`up` starts a process that holds the node, and returns when the model is Ready; `down` ends that process.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from support.cache import Tell
from support.controlplane.api import Refused
from support.controlplane.assets import find_assets
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.helm import HELM, Helm
from support.images import Images, images
from support.installation import Installation
from support.node.own_node import OwnNode
from support.node.owners import Owner, owners
from support.node.provide import prepare
from support.story import CLAIM, EXAMPLE, Story, build_example

from tidegauge.protocol.names import AGGREGATOR_PORT

NAME = "tg-node-standing"  # a machine has one
NAMESPACE = "ml"
_TESTS = Path(__file__).parents[2]
_START_SECONDS = 600
_STOCK_SECONDS = 10.0
_STOP_SECONDS = 60


def standing() -> Owner | None:
    """The process that holds the node, if one does."""
    owner = owners().get(NAME)
    return owner if owner and owner.lives() else None


def up(tell: Tell) -> int:
    """Start the node, unless it stands; print how to use it."""
    if owner := standing():
        print(_greeting(owner.folder))
        return 0
    built = _prepared(tell)
    folder = Path(tempfile.mkdtemp(prefix="tidegauge-node-"))
    log = folder / "cluster.log"
    with log.open("ab") as out:
        holder = subprocess.Popen(
            [sys.executable, "-m", "support.node.standing", "hold", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=_TESTS.parent,
            env={**os.environ, "TIDEGAUGE_IMAGES": f"{built.archive}={built.tag}"},
            start_new_session=True,
        )
    if not _wait_for_greeting(holder, folder, tell):
        print(f"the cluster does not start; its log is {log}", file=sys.stderr)
        return 1
    print(_greeting(folder))
    return 0


def down() -> int:
    """End the node and remove what it wrote."""
    if (owner := standing()) is None:
        print("no cluster is running")
        return 0
    os.kill(owner.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while owner.lives():
        if time.monotonic() > deadline:
            print(f"the process {owner.pid} does not end; see {owner.folder}", file=sys.stderr)
            return 1
        time.sleep(0.2)
    print("the cluster is gone")
    return 0


def hold(folder: Path) -> int:
    """Run the node with tidegauge and the example until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    with _running(folder) as node:
        _fill(node, folder)
        while True:  # models come and go, and each aggregator's claim takes a volume for good
            time.sleep(_STOCK_SECONDS)
            with contextlib.suppress(httpx.TransportError, Refused):  # the next time, then
                node.prepare_volumes()
    shutil.rmtree(folder)  # after a failure the logs stay
    return 0


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[OwnNode]:
    node = OwnNode(find_assets(_log), folder, _log, NAME)
    try:
        yield node
    except _Asked:
        _log("asked to end\n")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is begun is ended
        node.stop()


class _Asked(Exception):
    """SIGTERM."""


def _end(*_: object) -> None:
    raise _Asked


def _fill(node: OwnNode, folder: Path) -> None:
    built = images(_log)
    node.load_image(built.archive)
    _log("installing tidegauge\n")
    Installation(node, Helm(HELM.find(_log), folder / "helm", node.cluster.kubeconfig()), built).install()
    _log(f"applying {EXAMPLE.name}\n")
    bundle = build_example(folder / "example")
    node.new_namespace(NAMESPACE)
    node.claim_with(NAMESPACE, CLAIM, bundle.parent)
    story = Story(node, NAMESPACE, bundle=bundle)
    story.apply("bundle")
    story.wait_until("Ready", _START_SECONDS)
    new = folder / "greeting.new"
    new.write_text(_words(node, story, bundle, built.name("serving")))
    new.rename(folder / "greeting")


def _words(node: OwnNode, story: Story, bundle: Path, image: str) -> str:
    kubeconfig = shlex.quote(str(node.cluster.kubeconfig()))
    programs = f"{node.cluster.kubectl_program.parent}:{Path(sys.executable).parent}"
    profile = shlex.quote(str(bundle / "profile.json"))
    report = f"http://127.0.0.1:{AGGREGATOR_PORT}"
    simulate = f"tidegauge simulate --profile {profile} --model-url {story.address()} --rate 100"
    return f"""\
A Kubernetes with one node runs, tidegauge on it, and the model {story.name} in the namespace {NAMESPACE}.

  export KUBECONFIG={kubeconfig} PATH=$PATH:{shlex.quote(programs)}
  kubectl get dmm -n {NAMESPACE}
  {simulate} --scenario baseline --for 1m
  {simulate} --scenario moderate --move sqft --for 1m
  kubectl port-forward -n {NAMESPACE} statefulset/{story.name}-aggregator {AGGREGATOR_PORT} > /dev/null &
  curl --silent --retry 20 --retry-connrefused --retry-delay 1 {report}/readyz
  tidegauge report --aggregator-url {report}

The example's bundle lies at {story.uri("bundle")}. An image with a shell, for pods of your own: {image}
It goes on until `make cluster-down`.
"""


def _prepared(tell: Tell) -> Images:
    """Everything that is built beforehand, with the progress in sight."""
    prepare(tell)
    HELM.find(tell)
    return images(tell)


def _wait_for_greeting(holder: subprocess.Popen[bytes], folder: Path, tell: Tell) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    told = 0
    while not (folder / "greeting").exists():
        lines = (folder / "cluster.log").read_text().splitlines()
        for line in lines[told:]:
            tell(f"{line}\n")
        told = len(lines)
        if holder.poll() is not None or time.monotonic() > deadline:
            holder.terminate()
            return False
        time.sleep(0.2)
    return True


def _greeting(folder: Path) -> str:
    greeting = folder / "greeting"
    return greeting.read_text() if greeting.exists() else f"it is starting; see {folder}/cluster.log"


def _log(text: str) -> None:
    print(text, end="", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m support.node.standing", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "hold"])
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    try:
        if arguments.command == "hold":
            return hold(arguments.folder)
        return up(progress()) if arguments.command == "up" else down()
    except Unavailable as reason:
        print(f"not possible here: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
