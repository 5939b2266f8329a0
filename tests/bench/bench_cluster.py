"""The whole line on a real node: from apply to Ready, from drift to the condition, what a sidecar costs.

It needs what the node tier needs, and is run only when it is named.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.cluster_load import Feeder, pod_load
from bench.rows import Row
from support.controlplane.progress import progress
from support.helm import HELM, Helm
from support.images import images
from support.installation import Installation
from support.node.kubelet import NODE_NAME
from support.node.provide import prepare, provide
from support.story import CLAIM, Story, build_example
from support.waiting import wait_for

READY_SECONDS = 30
POD_READY_SECONDS = 3
DRIFT_SECONDS = 60
ROWS_PER_SECOND = 50
MOVED = "sqft"
FEWER = 0.03
SIDECAR_ROWS_PER_SECOND = 1_000
SIDECAR_MEGABYTES = 60
SIDECAR_CORES = 0.05
LOAD_CONNECTIONS = 8
MODEL_CORES = "500m"  # as a pod has a limit: what the sidecar uses is not taken from the model's
SIDECAR = "drift-sidecar"
_OF_A_POD = ("containers", "initContainers", "volumes", "securityContext", "serviceAccountName")


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    applies: int
    pods: int
    drifts: int
    baseline_seconds: int
    rounds: int
    round_seconds: float
    sidecar_seconds: int


FULL = Extent(
    applies=7, pods=7, drifts=5, baseline_seconds=120, rounds=30, round_seconds=2.0, sidecar_seconds=60
)
QUICK = Extent(
    applies=2, pods=2, drifts=1, baseline_seconds=60, rounds=2, round_seconds=2.0, sidecar_seconds=30
)


def run(quick: bool) -> list[Row]:
    extent = QUICK if quick else FULL
    with _story() as story:
        return [
            _apply_to_ready(story, extent),
            _pod_to_ready(story, extent),
            _drift_to_condition(story, extent),
            _with_and_without_sidecar(story, extent, MODEL_CORES),
            _with_and_without_sidecar(story, extent, None),
            *_sidecar(story, extent),
        ]


@contextmanager
def _story() -> Iterator[Story]:
    tell = progress()
    prepare(tell)
    with tempfile.TemporaryDirectory(prefix="tidegauge-node-") as scratch:
        folder = Path(scratch, "node")
        folder.mkdir()
        node = provide(folder, tell)
        try:
            built = images(tell)
            node.load_image(built.archive)
            helm = Helm(HELM.find(tell), folder / "helm", node.cluster.kubeconfig())
            Installation(node, helm, built).install()
            bundle = build_example(Path(scratch, "example"))
            namespace = node.new_namespace()
            node.claim_with(namespace, CLAIM, bundle.parent)
            yield Story(node, namespace, bundle=bundle)
        finally:
            node.stop()


def _apply_to_ready(story: Story, extent: Extent) -> Row:
    took = []
    for _ in range(extent.applies):
        started = time.monotonic()
        _apply(story, replicas=3)
        took.append(time.monotonic() - started)
        _delete(story)
    median = statistics.median(took)
    return Row(
        "from kubectl apply to Ready, 3 model pods, images present",
        f"median {median:.1f} s, most {max(took):.1f} s",
        f"<= {READY_SECONDS} s",
        median <= READY_SECONDS,
        {"seconds": took},
    )


def _pod_to_ready(story: Story, extent: Extent) -> Row:
    """One pod more of a model that stands: sandbox, initializer, sidecar, server, probes."""
    _apply(story, replicas=1)
    took = []
    for _ in range(extent.pods):
        started = time.monotonic()
        _bare_pod(story, "with", None)
        took.append(time.monotonic() - started)
        story.kubectl("delete", "pod", "bench-with", "--grace-period=1")
    _delete(story)
    median = statistics.median(took)
    return Row(
        "a model pod from its object to Ready, image present",
        f"median {median:.1f} s, most {max(took):.1f} s",
        f"<= {POD_READY_SECONDS} s",
        median <= POD_READY_SECONDS,
        {"seconds": took},
    )


def _drift_to_condition(story: Story, extent: Extent) -> Row:
    took = []
    for number in range(extent.drifts):
        _apply(story)
        with Feeder(story, ROWS_PER_SECOND, seed=number) as feeder:
            time.sleep(extent.baseline_seconds)
            assert story.condition("DataDriftDetected").get("status") != "True", "an alarm without drift"
            started = time.monotonic()
            feeder.move(MOVED)
            wait_for(
                lambda: story.condition("DataDriftDetected").get("status") == "True",
                "DataDriftDetected=True",
                600,
                every=0.2,
            )
            took.append(time.monotonic() - started)
        _delete(story)
    median = statistics.median(took)
    return Row(
        f"from the first drifted row to DataDriftDetected=True, 0.5 sd, {ROWS_PER_SECOND} rows/s",
        f"median {median:.0f} s, most {max(took):.0f} s",
        f"<= {DRIFT_SECONDS} s",
        median <= DRIFT_SECONDS,
        {"seconds": took, "baseline_seconds": extent.baseline_seconds},
    )


def _with_and_without_sidecar(story: Story, extent: Extent, cores: str | None) -> Row:
    """Two pods of the same model take turns; the one without a sidecar is the Deployment's pod less that."""
    _apply(story, replicas=1)
    pods = {who: _bare_pod(story, who, cores) for who in ("with", "without")}
    rates: dict[str, list[float]] = {who: [] for who in pods}
    for address in pods.values():
        pod_load(story, address, LOAD_CONNECTIONS, 1.0)
    for number in range(extent.rounds):
        for who, address in sorted(pods.items(), reverse=bool(number % 2)):
            rates[who].append(pod_load(story, address, LOAD_CONNECTIONS, extent.round_seconds).per_second)
    for who in pods:
        story.kubectl("delete", "pod", f"bench-{who}", "--grace-period=1")
    _delete(story)
    fewer = 1 - statistics.median(a / b for a, b in zip(rates["with"], rates["without"], strict=True))
    with_it, without = (statistics.median(rates[who]) for who in ("with", "without"))
    limit = f"model limited to {cores} cpu" if cores else "no limit, load and pods share the node"
    return Row(
        f"requests/s through a model pod with its sidecar, {LOAD_CONNECTIONS} connections, {limit}",
        f"{fewer:.1%} fewer ({with_it:,.0f} against {without:,.0f})",
        f"<= {FEWER:.0%} fewer",
        fewer <= FEWER,
        {"rates": rates},
    )


def _bare_pod(story: Story, who: str, cores: str | None) -> str:
    """A pod like the Deployment's that no Service leads to; its address."""
    spec = story.pods()[0]["spec"]
    wanted = {name: spec[name] for name in _OF_A_POD if name in spec}
    if who == "without":
        wanted["initContainers"] = [one for one in wanted["initContainers"] if one["name"] != SIDECAR]
    if cores:
        for one in wanted["containers"]:
            one["resources"] = {**one.get("resources", {}), "limits": {"cpu": cores}}
    name = f"bench-{who}"
    metadata = {"namespace": story.namespace, "name": name}
    story.node.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": wanted})
    found: str = story.node.wait_for_pod(story.namespace, name)["status"]["podIP"]
    return found


def _sidecar(story: Story, extent: Extent) -> list[Row]:
    _apply(story, replicas=1)
    pod = story.pods()[0]["metadata"]["name"]
    with Feeder(story, SIDECAR_ROWS_PER_SECOND, seed=1):
        time.sleep(10)
        before, rows_before, at = _use(story, pod), story.rows_counted_by(pod), time.monotonic()
        time.sleep(extent.sidecar_seconds)
        after, rows_after = _use(story, pod), story.rows_counted_by(pod)
        seconds = time.monotonic() - at
    _delete(story)
    # The kubelet's figures bear their own times: they are some seconds old.
    cores = (after["nanoseconds"] - before["nanoseconds"]) / 1e9 / (after["at"] - before["at"])
    megabytes = after["bytes"] / 1e6
    rate = (rows_after - rows_before) / seconds
    enough = rate >= 0.95 * SIDECAR_ROWS_PER_SECOND  # else the machine was too busy to send as many
    return [
        Row(
            f"sidecar's memory at {rate:,.0f} rows/s counted",
            f"{megabytes:.0f} MB",
            f"<= {SIDECAR_MEGABYTES} MB at {SIDECAR_ROWS_PER_SECOND:,} rows/s",
            megabytes <= SIDECAR_MEGABYTES if enough else None,
        ),
        Row(
            f"sidecar's CPU at {rate:,.0f} rows/s counted",
            f"{cores:.1%} of a core",
            f"<= {SIDECAR_CORES:.0%} at {SIDECAR_ROWS_PER_SECOND:,} rows/s",
            cores <= SIDECAR_CORES if enough else None,
        ),
    ]


def _apply(story: Story, replicas: int = 2) -> None:
    story.apply("bundle", lambda spec: spec.update(replicas=replicas))
    story.wait_until("Ready", 300)


def _delete(story: Story) -> None:
    """Take the model away and wait until its pods and its claims are gone, so that the next begins afresh."""
    story.delete()
    which = f"app.kubernetes.io/instance={story.name}"  # a label that the StatefulSet's claims have too

    def is_gone() -> bool:
        kinds = ("Pod", "PersistentVolumeClaim")
        return not any(
            story.node.api.list("v1", kind, story.namespace, labelSelector=which) for kind in kinds
        )

    wait_for(is_gone, "its pods and claims are gone", 120, every=0.2)
    story.node.prepare_volumes()


def _use(story: Story, pod: str) -> dict[str, Any]:
    """What the kubelet says of a pod's sidecar: CPU used so far, memory, and when that was."""
    summary = story.node.api.request("GET", f"/api/v1/nodes/{NODE_NAME}/proxy/stats/summary")
    containers = next(one for one in summary["pods"] if one["podRef"]["name"] == pod)["containers"]
    found = next(one for one in containers if one["name"] == SIDECAR)
    return {
        "nanoseconds": found["cpu"]["usageCoreNanoSeconds"],
        "bytes": found["memory"]["workingSetBytes"],
        "at": datetime.fromisoformat(found["cpu"]["time"]).timestamp(),
    }
