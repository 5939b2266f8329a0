"""The tests' own cluster: who may do what, what comes back, and that nothing of it outlives the tests."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.assets import find_assets
from support.controlplane.cluster import Cluster, ExistingCluster, OwnCluster
from support.controlplane.provide import uses_existing
from support.controlplane.unavailable import Unavailable
from support.waiting import wait_for

from tidegauge.resource import crd
from tidegauge.resource.fields import NAME_PATTERN

TESTS = Path(__file__).parents[1]
own_only = pytest.mark.skipif(uses_existing(), reason="about the cluster that the tests start themselves")


def reader_of_models(namespace: str) -> list[Document]:
    """A role that may read models, bound to the group auditors."""
    named = {"name": "reads-models", "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": named,
            "rules": [{"apiGroups": ["tidegauge.io"], "resources": [crd.PLURAL], "verbs": ["list"]}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": named,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reads-models"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "auditors"}],
        },
    ]


def a_deployment(namespace: str, name: str, **more: object) -> Document:
    return workload("Deployment", namespace, name, {"replicas": 2}, more)


def workload(kind: str, namespace: str, name: str, spec: Document, more: Document) -> Document:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model", "image": "none"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **more},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def pods(cluster: Cluster, namespace: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.admin.list("v1", "Pod", namespace)]


def test_a_user_may_do_what_the_groups_may(cluster: Cluster, namespace: str) -> None:
    for document in reader_of_models(namespace):
        cluster.admin.create(document)
    ann = cluster.api("ann", ("auditors",))
    assert ann.list("tidegauge.io/v1alpha1", "DriftMonitoredModel", namespace) == []
    with pytest.raises(Refused, match='User "ann" cannot create resource'):
        ann.create(merged(SMALLEST, {"metadata": {"namespace": namespace}}))


def test_a_kubeconfig_makes_a_program_that_user(cluster: Cluster) -> None:
    said = subprocess.run(
        [cluster.kubectl_program, "auth", "whoami", "-o", "yaml"],
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig("ann", ("auditors",)))},
        check=True,
        capture_output=True,
    )
    who = yaml.safe_load(said.stdout)["status"]["userInfo"]
    assert (who["username"], who["groups"][0]) == ("ann", "auditors")


def test_controllers_make_pods(whole_cluster: Cluster, whole_namespace: str) -> None:
    whole_cluster.admin.create(a_deployment(whole_namespace, "served"))
    wait_for(lambda: len(pods(whole_cluster, whole_namespace)) == 2, "two pods")


def test_what_a_model_owns_goes_with_it(whole_cluster: Cluster, whole_namespace: str) -> None:
    model = whole_cluster.admin.create(merged(SMALLEST, {"metadata": {"namespace": whole_namespace}}))
    owner = {
        "apiVersion": model["apiVersion"],
        "kind": model["kind"],
        "name": model["metadata"]["name"],
        "uid": model["metadata"]["uid"],
        "controller": True,
    }
    child = a_deployment(whole_namespace, "served", ownerReferences=[owner])
    whole_cluster.admin.create(child)
    whole_cluster.admin.delete(model)
    wait_for(lambda: whole_cluster.admin.find(child) is None, "the Deployment is gone with its owner")
    wait_for(lambda: pods(whole_cluster, whole_namespace) == [], "and its pods")


def test_the_longest_name_is_the_longest_that_works(whole_cluster: Cluster, whole_namespace: str) -> None:
    longest = "m" * (int(NAME_PATTERN.partition("{0,")[2].partition("}")[0]) + 2)
    spec = {"serviceName": "x", "replicas": 1}
    fits = workload("StatefulSet", whole_namespace, f"{longest}-aggregator", spec, {})
    whole_cluster.admin.create(fits)
    wait_for(lambda: pods(whole_cluster, whole_namespace), "the aggregator's pod")
    too_long = workload("StatefulSet", whole_namespace, f"{longest}m-aggregator", spec, {})
    whole_cluster.admin.create(too_long)
    event = wait_for(lambda: failure_of(whole_cluster, too_long), "the event that it has no pod")
    assert "must be no more than 63" in event


def failure_of(cluster: Cluster, document: Document) -> str:
    events = cluster.admin.list("v1", "Event", document["metadata"]["namespace"])
    about = [e for e in events if e["involvedObject"]["name"] == document["metadata"]["name"]]
    return " ".join(event["message"] for event in about if event["reason"] == "FailedCreate")


@own_only
def test_an_api_server_that_went_away_comes_back_with_everything(cluster: OwnCluster, namespace: str) -> None:
    cluster.admin.create(a_deployment(namespace, "kept"))
    cluster.pause_api_server()
    with pytest.raises(httpx.TransportError):
        cluster.admin.find(a_deployment(namespace, "kept"))
    cluster.resume_api_server()
    assert cluster.admin.find(a_deployment(namespace, "kept"))


def test_nothing_outlives_tests_that_are_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from support.controlplane.programs import Programs\n"
        "programs = Programs(Path(sys.argv[1])); sleep = Path(sys.argv[2])\n"
        "for name in 'one', 'two': programs.start(sleep, '600', name=name)\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(shutil.which("sleep"))],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdout
    assert tests.stdout.readline() == "ready\n"
    started = psutil.Process(tests.pid).children(recursive=True)
    assert len(started) == 3, "the two programs and the shell of their group"
    tests.send_signal(signal.SIGKILL)
    tests.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


@own_only
def test_a_cluster_that_stands_already_is_used_through_its_kubeconfig(
    cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(a_kubeconfig_with_context(cluster, "kind-here", tmp_path)))
    existing = ExistingCluster(cluster.kubectl_program, tmp_path)
    try:
        existing.admin.create(merged(SMALLEST, {"metadata": {"namespace": namespace}}))
        assert existing.kubectl("get", "dmm", "-n", namespace, "-o", "name").endswith("/house-prices\n")
        with pytest.raises(Refused, match='User "ann" cannot list'):
            existing.api("ann").list("tidegauge.io/v1alpha1", "DriftMonitoredModel", namespace)
    finally:
        existing.stop()


@own_only
def test_a_cluster_that_is_not_for_tests_is_left_alone(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(a_kubeconfig_with_context(cluster, "production", tmp_path)))
    with pytest.raises(Unavailable, match="the context is production"):
        ExistingCluster(cluster.kubectl_program, tmp_path)


def a_kubeconfig_with_context(cluster: Cluster, context: str, folder: Path) -> Path:
    config = yaml.safe_load(cluster.kubeconfig().read_text())
    config["contexts"][0]["name"] = config["current-context"] = context
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_assets_of_the_machine_are_preferred(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / program).symlink_to(cluster.kubectl_program)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert find_assets(print)["etcd"] == tmp_path / "etcd"
    with pytest.raises(Unavailable, match="no kube-scheduler in"):
        find_assets(print)["kube-scheduler"]


def test_assets_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(Unavailable, match="no etcd in"):
        find_assets(print)
