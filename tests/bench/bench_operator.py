"""The operator with 500 models on a control plane of its own: how long, how much memory, how quiet.

API server, etcd, controller manager and scheduler run beside it on the same machine; there are no nodes.
Every model has an autoscaler without metrics, whose status never rests: that must not make the operator work.
"""

import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import yaml
from bench.rows import Row
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster
from support.controlplane.progress import progress
from support.controlplane.provide import prepare, provide
from support.operator_rig import RunningOperator
from support.waiting import wait_for

CRD = Path(__file__).parents[2] / "crds/driftmonitoredmodels.tidegauge.io.yaml"
CHILD_KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
)
NAMESPACE = "default"
OURS = "app.kubernetes.io/managed-by=tidegauge-operator"


def run(quick: bool) -> list[Row]:
    """Rows of the table; `quick` takes 50 models and a minute of quiet."""
    models, quiet_seconds, edits = (50, 60, 10) if quick else (500, 600, 30)
    prepare(progress())
    with tempfile.TemporaryDirectory() as folder:
        cluster = provide(Path(folder), progress(), controllers=True)
        try:
            _install(cluster)
            with _operator(cluster.kubeconfig()) as (process, pipe):
                return _measure(cluster, process, pipe, models, quiet_seconds, edits)
        finally:
            cluster.stop()


def _measure(
    cluster: Cluster, process: psutil.Process, pipe: Connection, models: int, quiet_seconds: int, edits: int
) -> list[Row]:
    started = time.monotonic()
    for number in range(models):
        cluster.admin.apply(_model(number))
    applied_seconds = time.monotonic() - started
    wait_for(lambda: _complete(cluster, models), "all children", timeout_seconds=300, every=1.0)
    seconds = time.monotonic() - started
    _wait_until_calm(pipe)
    reaction = [_edit(cluster, number) for number in range(edits)]
    _wait_until_calm(pipe)
    (requests, writes), before = _asked(pipe), time.monotonic()
    time.sleep(quiet_seconds)
    (later_requests, later_writes), elapsed = _asked(pipe), time.monotonic() - before
    memory = process.memory_info().rss / 2**20
    rate = (later_requests - requests) / elapsed
    whole = models == 500
    return [
        Row(
            f"{models} models, from the first apply to all objects",
            f"{seconds:.0f} s",
            "<= 60 s",
            seconds <= 60 if whole else None,
            {"applied_seconds": applied_seconds},
        ),
        Row(
            "memory of the operator's process",
            f"{memory:.0f} MB",
            "<= 120 MB",
            memory <= 120 if whole else None,
        ),
        Row(
            f"writes in {quiet_seconds} s of quiet",
            f"{later_writes - writes}",
            "0",
            later_writes == writes,
        ),
        Row("requests in that time beside watches", f"{rate:.2f} /s", "<= 1 /s", rate <= 1),
        Row(
            "one edit to the object applied, median",
            f"{statistics.median(reaction):.2f} s",
            "<= 0.5 s",
            statistics.median(reaction) <= 0.5,
            {"largest": max(reaction)},
        ),
    ]


def _model(number: int, uri: str = "s3://models/m/1") -> Document:
    spec = {"model": {"storageUri": uri}, "autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
    return merged(SMALLEST, {"metadata": {"name": f"m-{number}", "namespace": NAMESPACE}, "spec": spec})


def _complete(cluster: Cluster, models: int) -> bool:
    listed = (
        cluster.admin.list(version, kind, NAMESPACE, labelSelector=OURS) for version, kind in CHILD_KINDS
    )
    return all(len(items) >= models for items in listed)


def _edit(cluster: Cluster, number: int) -> float:
    uri = "s3://models/m/2"
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"m-{number}", "namespace": NAMESPACE},
    }
    started = time.monotonic()
    cluster.admin.apply(_model(number, uri))
    wait_for(lambda: uri in str(cluster.admin.get(deployment)["spec"]), "the edit is applied", every=0.01)
    return time.monotonic() - started


def _asked(pipe: Connection) -> tuple[int, int]:
    """How many requests and writes the operator has made."""
    pipe.send("count")
    counted: tuple[int, int] = pipe.recv()
    return counted


def _wait_until_calm(pipe: Connection) -> None:
    last = -1
    while last != (last := _asked(pipe)[1]):
        time.sleep(5)


@contextlib.contextmanager
def _operator(kubeconfig: Path) -> Iterator[tuple[psutil.Process, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(kubeconfig, theirs))
    process.start()
    try:
        assert ours.recv() == "running"
        yield psutil.Process(process.pid), ours
    finally:
        with contextlib.suppress(OSError):
            ours.send("stop")
        process.join(60)


def _serve(kubeconfig: Path, pipe: Connection) -> None:
    """The operator's process."""
    running = RunningOperator(kubeconfig, (NAMESPACE,), report_seconds=15.0, definitions_seconds=30.0)
    pipe.send("running")
    while pipe.recv() == "count":
        pipe.send((len(running.cluster.requests), len(running.cluster.writes)))
    running.stop()


def _install(cluster: Cluster) -> None:
    cluster.admin.apply(yaml.safe_load(CRD.read_text()))

    def served() -> bool:
        with contextlib.suppress(Refused):
            cluster.admin.list("tidegauge.io/v1alpha1", "DriftMonitoredModel", NAMESPACE)
            return True
        return False

    wait_for(served, "the resource is served")
