"""The node itself: what every other test of this tier stands on."""

from pathlib import Path

import httpx
import pytest
from support.controlplane.api import Refused
from support.node.node import Node
from support.node.own_node import OwnNode
from support.node.web import page_server, replicated, service, shell
from support.restricted import pod, pod_spec
from support.waiting import wait_for


def test_a_pod_with_a_native_sidecar_runs_under_the_restricted_level(node: Node, namespace: str) -> None:
    shared = {"name": "shared", "mountPath": "/shared"}
    sidecar = shell(
        node,
        "sidecar",
        "echo ready > /shared/told; sleep 1000",
        restartPolicy="Always",
        volumeMounts=[shared],
    )
    main = shell(node, "main", "cat /shared/told; id; sleep 1000", volumeMounts=[shared])
    volume = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    node.api.create(pod(namespace, "two", main, initContainers=[sidecar], volumes=[volume]))
    node.wait_for_pod(namespace, "two")
    assert node.logs(namespace, "two", "main").startswith("ready")
    assert "Uid:\t65532" in node.exec(namespace, "two", "cat", "/proc/self/status", container="main")


def test_a_service_answers_from_all_its_pods_inside_and_outside(node: Node, namespace: str) -> None:
    node.api.create(replicated("Deployment", namespace, "web", page_server(node), replicas=2))
    node.api.create(service(namespace, "web"))
    node.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s", timeout_seconds=70)
    pods = {one["metadata"]["name"] for one in node.api.list("v1", "Pod", namespace)}
    address = node.address_of(namespace, "web", 80)
    seen: set[str] = set()

    def both_answered() -> bool:
        seen.add(httpx.get(address).text.strip())
        return seen == pods

    wait_for(both_answered, "both pods answer through the Service")
    a_pod = min(pods)
    assert node.exec(namespace, a_pod, "wget", "-qO-", f"http://web.{namespace}").strip() in pods


def test_names_of_pods_are_known_in_pods_and_missing_ones_are_not(node: Node, namespace: str) -> None:
    node.api.create(service(namespace, "each", clusterIP="None"))
    node.api.create(replicated("StatefulSet", namespace, "each", page_server(node), serviceName="each"))
    node.wait_for_pod(namespace, "each-0")
    told = node.exec(
        namespace, "each-0", "wget", "-qO-", f"http://each-0.each.{namespace}.svc.cluster.local:8080"
    )
    assert told.strip() == "each-0"
    missing = f"each-1.each.{namespace}.svc.cluster.local"
    said = node.kubectl("exec", "-n", namespace, "each-0", "--", "nslookup", missing, check=False)
    assert "NXDOMAIN" in said


def test_a_claim_binds_and_its_data_survive_the_pod(node: Node, namespace: str) -> None:
    keeper = shell(
        node,
        "keeper",
        "echo line >> /data/lines; exec sleep 1000",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    keepers = replicated("StatefulSet", namespace, "keeper", pod_spec(keeper), volumeClaimTemplates=[claim])
    node.api.create(keepers)
    first = node.wait_for_pod(namespace, "keeper-0")
    node.api.delete(first)
    wait_for(
        lambda: (node.api.find(first) or first)["metadata"]["uid"] != first["metadata"]["uid"], "a new pod"
    )
    node.wait_for_pod(namespace, "keeper-0")
    assert node.exec(namespace, "keeper-0", "cat", "/data/lines").count("line") == 2


def test_a_claim_can_be_made_with_what_pods_shall_read(node: Node, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir(mode=0o700)
    (tmp_path / "deep/file").write_text("for pods\n")
    node.claim_with(namespace, "bundle", tmp_path)
    mounted = [{"name": "bundle", "mountPath": "/bundle", "readOnly": True}]
    reader = shell(node, "reader", "cat /bundle/deep/file; exec sleep 1000", volumeMounts=mounted)
    volume = {"name": "bundle", "persistentVolumeClaim": {"claimName": "bundle", "readOnly": True}}
    node.api.create(pod(namespace, "reader", reader, volumes=[volume]))
    node.wait_for_pod(namespace, "reader")
    assert node.logs(namespace, "reader") == "for pods\n"


def test_the_use_of_each_container_is_measured_and_the_autoscaler_acts_on_it(
    node: Node, namespace: str
) -> None:
    busy = shell(
        node, "busy", "while :; do :; done", resources={"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}}
    )
    node.api.create(replicated("Deployment", namespace, "busy", pod_spec(busy), replicas=1))
    target = {"type": "Utilization", "averageUtilization": 120}
    metric = {
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "busy", "target": target},
    }
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"}
    node.api.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"namespace": namespace, "name": "busy"},
            "spec": {"scaleTargetRef": scaled, "maxReplicas": 2, "metrics": [metric]},
        }
    )
    wait_for(lambda: len(node.api.list("v1", "Pod", namespace)) == 2, "a second pod", 120, every=0.5)
    figures = node.kubectl("top", "pods", "--containers", "-n", namespace, "--no-headers")
    whose, which, cpu, memory = figures.splitlines()[0].split()
    assert (whose.partition("-")[0], which) == ("busy", "busy")
    assert 50 < int(cpu.removesuffix("m")) < 150
    assert memory.endswith("Mi")


def test_network_policies_are_accepted(node: Node, namespace: str) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": "none-but-these"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8080}]}]},
    }
    assert node.api.create(policy)["spec"]["ingress"]


def test_the_restricted_level_refuses_what_it_must(node: Node, namespace: str) -> None:
    loose = pod(namespace, "loose")
    loose["spec"] = {"containers": [{"name": "c", "image": node.shell_image}]}
    with pytest.raises(Refused, match="violates PodSecurity"):
        node.api.create(loose)


def test_pods_outlive_a_kubelet_and_a_killed_container_comes_back(node: Node, namespace: str) -> None:
    own = own_node(node)
    node.api.create(replicated("Deployment", namespace, "web", page_server(node), replicas=1))
    node.api.create(service(namespace, "web"))
    node.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s", timeout_seconds=70)
    address = node.address_of(namespace, "web", 80)
    (name,) = (one["metadata"]["name"] for one in node.api.list("v1", "Pod", namespace))
    own.kill_kubelet()
    assert httpx.get(address).text.strip() == name
    own.start_kubelet()
    own.kill_container(namespace, name, "web")

    def restarted() -> bool:
        states = node.api.list("v1", "Pod", namespace)[0]["status"]["containerStatuses"]
        return states[0]["restartCount"] == 1 and states[0]["ready"]

    wait_for(restarted, "the container is back", 90, every=0.2)
    assert httpx.get(address).text.strip() == name


def test_the_node_goes_on_after_etcd_and_the_api_server_were_away(node: Node, namespace: str) -> None:
    own = own_node(node)
    own.control.pause_etcd()
    own.control.resume_etcd()
    own.control.pause_api_server()
    own.control.resume_api_server()
    node.api.create(pod(namespace, "later", shell(node, "main", "sleep 1000")))
    node.wait_for_pod(namespace, "later")


def own_node(node: Node) -> OwnNode:
    """The node, if it was made here; a test that stops its parts is skipped elsewhere."""
    if not isinstance(node, OwnNode):
        pytest.skip("stops parts of the node: not on a cluster that others made")
    return node
