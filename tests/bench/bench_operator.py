"""The operator with 500 models on a control plane of its own: how long, how much memory, how quiet.

API server, etcd, controller manager and scheduler run beside it on the same machine; there are no nodes, so
pods stay pending. Every model has an autoscaler without metrics, whose status never rests: that must not make
the operator work. Its requests are counted by the API server's audit log.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import yaml
from bench.rows import Row
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.assets import find_assets
from support.controlplane.cluster import OwnCluster
from support.controlplane.programs import free_ports
from support.controlplane.progress import progress
from support.waiting import wait_for
from tidegauge_operator.kube.kinds import CHILDREN

REPOSITORY = Path(__file__).parents[2]
CRD = REPOSITORY / "crds/driftmonitoredmodels.tidegauge.io.yaml"
ROLE = REPOSITORY / "deploy/operator/role.yaml"
NAMESPACE = "default"
OPERATOR = "system:serviceaccount:tidegauge:operator"
OURS = "app.kubernetes.io/managed-by=tidegauge-operator"
OBJECTS = 12  # of one model
CALM_SECONDS = 20


def run(quick: bool) -> list[Row]:
    """Rows of the table; `quick` takes 50 models and a minute of quiet."""
    models, quiet_seconds, edits = (50, 60, 10) if quick else (500, 600, 30)
    with tempfile.TemporaryDirectory() as folder:
        cluster = _AuditedCluster(find_assets(progress()), Path(folder), controllers=True)
        try:
            _install(cluster)
            with _operator(cluster) as process:
                return _measure(cluster, process, models, quiet_seconds, edits)
        finally:
            cluster.stop()


class _AuditedCluster(OwnCluster):
    """A control plane that writes down what the operator asks of it."""

    autoscaler_seconds = 15

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def _api_server_flags(self) -> list[str]:
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [{"level": "Metadata", "users": [OPERATOR]}, {"level": "None"}],
        }
        path = self.folder / "audit.yaml"
        path.write_text(yaml.safe_dump(policy))
        return [
            *super()._api_server_flags(),
            "--service-cluster-ip-range=10.0.0.0/16",  # the last one counts; a /24 is full with 254 models
            f"--audit-policy-file={path}",
            f"--audit-log-path={self.audit_log}",
        ]

    def asked(self) -> Counter[str]:
        """How often the operator has asked, by verb."""
        return Counter(json.loads(line)["verb"] for line in self.audit_log.read_text().splitlines())


def _measure(
    cluster: _AuditedCluster, process: psutil.Process, models: int, quiet_seconds: int, edits: int
) -> list[Row]:
    applied_seconds, seconds = _create(cluster, models)
    processor_seconds = sum(process.cpu_times()[:2])
    created = cluster.asked()
    _wait_until_calm(cluster)
    reaction = [_edit(cluster, number) for number in range(edits)]
    _let_pods_be_late(cluster, models)
    _wait_until_calm(cluster)
    rate, writes = _rest(cluster, quiet_seconds)
    memory = process.memory_info().rss / 1e6
    whole, middle = models == 500, statistics.median(reaction)
    detail = {"applied_seconds": applied_seconds, "processor_seconds": processor_seconds}
    detail |= created
    return [
        Row(
            f"{models} models, from the first apply to all objects",
            f"{seconds:.0f} s",
            "<= 60 s",
            seconds <= 60 if whole else None,
            detail,
        ),
        Row("memory of its process", f"{memory:.0f} MB", "<= 120 MB", memory <= 120 if whole else None),
        Row(f"writes in {quiet_seconds} s of quiet", str(writes), "0", writes == 0),
        Row("requests in that time beside watches", f"{rate:.2f} /s", "<= 1 /s", rate <= 1),
        Row(
            f"one edit to the object applied, median of {edits}",
            f"{middle:.2f} s",
            "<= 0.5 s",
            middle <= 0.5,
            {"largest": max(reaction)},
        ),
    ]


def _create(cluster: _AuditedCluster, models: int) -> tuple[float, float]:
    """Apply the models as a user does; the seconds that took, and until all their objects were there."""
    file = cluster.folder / "models.yaml"
    file.write_text(yaml.safe_dump_all([_model(number) for number in range(models)]))
    started = time.monotonic()
    command = [cluster.kubectl_program, "apply", "-f", file]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as kubectl:
        assert kubectl.wait(900) == 0
        applied_seconds = time.monotonic() - started
        last = CHILDREN[6]  # the autoscaler is the last of a model's objects
        wait_for(lambda: _number(cluster, last.path(NAMESPACE)) >= models, "all objects", 1800, 0.5)
    seconds = time.monotonic() - started
    kinds = [kind.path(NAMESPACE) for kind in CHILDREN if kind.watched and not kind.optional]
    objects = Counter(model for path in kinds for model in _models_of(cluster, path))
    assert set(objects.values()) == {OBJECTS}, Counter(objects.values())
    return applied_seconds, seconds


def _number(cluster: _AuditedCluster, path: str) -> int:
    """How many objects there are, asked so that the API server need not show them all each time."""
    answer = cluster.admin.request("GET", path, limit="1")
    return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))


def _models_of(cluster: _AuditedCluster, path: str) -> list[str]:
    items = cluster.admin.request("GET", path, labelSelector=OURS)["items"]
    return [item["metadata"]["labels"]["tidegauge.io/model"] for item in items]


def _model(number: int, uri: str = "s3://models/m/1") -> Document:
    spec = {"model": {"storageUri": uri}, "autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
    return merged(SMALLEST, {"metadata": {"name": f"m-{number}", "namespace": NAMESPACE}, "spec": spec})


def _deployment(number: int) -> Document:
    named = {"name": f"m-{number}", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named}


def _edit(cluster: _AuditedCluster, number: int) -> float:
    """Edit a model; the seconds until its Deployment says so."""
    uri = "s3://models/m/2"
    change = {"spec": {"model": {"storageUri": uri}}}
    started = time.monotonic()
    cluster.admin.merge(_model(number), change)
    wait_for(
        lambda: uri in str(cluster.admin.get(_deployment(number))["spec"]), "the edit is applied", every=0.01
    )
    return time.monotonic() - started


def _let_pods_be_late(cluster: _AuditedCluster, models: int) -> None:
    """Without nodes no pod starts, and that a Deployment's deadline is over would be news to be written."""
    for number in range(models):
        cluster.admin.apply({**_deployment(number), "spec": {"progressDeadlineSeconds": 7200}})


def _rest(cluster: _AuditedCluster, seconds: int) -> tuple[float, int]:
    """The operator's requests a second beside watches, and its writes."""
    before, started = cluster.asked(), time.monotonic()
    time.sleep(seconds)
    asked = cluster.asked() - before
    del asked["watch"]
    writes = sum(number for verb, number in asked.items() if verb not in ("get", "list"))
    return sum(asked.values()) / (time.monotonic() - started), writes


def _wait_until_calm(cluster: _AuditedCluster) -> None:
    last, since = -1, time.monotonic()
    deadline = since + 600
    while time.monotonic() - since < CALM_SECONDS:
        assert time.monotonic() < deadline, "the operator does not come to rest"
        asked = cluster.asked()
        if (writes := sum(asked.values()) - asked["watch"] - asked["list"] - asked["get"]) != last:
            last, since = writes, time.monotonic()
        time.sleep(1)


@contextlib.contextmanager
def _operator(cluster: _AuditedCluster) -> Iterator[psutil.Process]:
    """The program as it is installed, with its roles alone."""
    (port,) = free_ports(1)
    kubeconfig = cluster.kubeconfig(OPERATOR, ("system:serviceaccounts",))
    command = [sys.executable, "-m", "tidegauge_operator", "--kubeconfig", kubeconfig, "--port", str(port)]
    with (cluster.folder / "operator.log").open("wb") as log:
        program = subprocess.Popen(command, stderr=log)
    try:
        wait_for(lambda: _is_ready(port), "the operator is ready")
        yield psutil.Process(program.pid)
    finally:
        program.terminate()
        program.wait(60)


def _is_ready(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


def _install(cluster: _AuditedCluster) -> None:
    cluster.admin.apply(yaml.safe_load(CRD.read_text()))
    for role in yaml.safe_load_all(ROLE.read_text()):
        cluster.admin.apply(role)
        cluster.admin.apply(_bound(role["metadata"]["name"]))

    def served() -> bool:
        with contextlib.suppress(Refused):
            cluster.admin.list("tidegauge.io/v1alpha1", "DriftMonitoredModel", NAMESPACE)
            return True
        return False

    wait_for(served, "the resource is served")


def _bound(role: str) -> Document:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": OPERATOR}],
    }
