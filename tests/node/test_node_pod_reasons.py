"""What a real kubelet says of pods that fail, read by what the operator reads it with."""

from support.controlplane.api import Document
from support.node import busybox
from support.node.node import Node
from support.waiting import wait_for
from tidegauge_operator.pod_reasons import Failure, pod_failure

from tidegauge.contract import Exit

CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
SLEEPS = "sleep 1000"
TRIED_AGAIN = ("BundleInvalid", "CrashLoopBackOff", "OOMKilled", "RunContainerError", "StorageUnreadable")


def shell(name: str, script: str, **more: object) -> Document:
    """A container that runs a script in place of one of the programs."""
    return {
        "name": name,
        "image": busybox.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "securityContext": CONFINED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **more,
    }


def says(line: str, code: int) -> str:
    """A script that ends as the programs do: something in the log, the reason as its last line."""
    return f"(echo 'begins'; echo '{line}') >&2; exit {code}"


INITIALIZER = shell("storage-initializer", "exit 0")
SIDECAR = shell("drift-sidecar", SLEEPS, restartPolicy="Always")
MODEL = shell("model", SLEEPS)
CASES: dict[str, tuple[list[Document], list[Document], str, str]] = {
    # case: init containers, containers, reason, words
    "storage": (
        [
            shell("storage-initializer", says("manifest.json of s3://a cannot be read: x", Exit.STORAGE)),
            SIDECAR,
        ],
        [MODEL],
        "StorageUnreadable",
        "manifest.json of s3://a cannot be read: x. Check the address",
    ),
    "bundle": (
        [INITIALIZER, SIDECAR],
        [shell("model", says("the profile cannot be used", Exit.BUNDLE))],
        "BundleInvalid",
        ": the profile cannot be used. Pack the model anew",
    ),
    "sidecar": (
        [INITIALIZER, shell("drift-sidecar", says("no token", 1), restartPolicy="Always")],
        [MODEL],
        "CrashLoopBackOff",
        "container drift-sidecar ended with exit code 1: no token. See",
    ),
    "image": (
        [INITIALIZER, SIDECAR],
        [{**MODEL, "image": "localhost:9/tidegauge/missing:1", "imagePullPolicy": "IfNotPresent"}],
        "ImagePullBackOff",
        "image localhost:9/tidegauge/missing:1 of container model: failed to pull",
    ),
    "name": (
        [INITIALIZER, SIDECAR],
        [{**MODEL, "image": "Not A Name"}],
        "InvalidImageName",
        "image Not A Name of container model",
    ),
    "memory": (
        [INITIALIZER, SIDECAR],
        [shell("model", "tail /dev/zero", resources={"limits": {"memory": "16Mi"}})],
        "OOMKilled",
        "Raise spec.model.resources.limits.memory",
    ),
    "secret": (
        [INITIALIZER, SIDECAR],
        [{**MODEL, "envFrom": [{"secretRef": {"name": "not-there"}}]}],
        "CreateContainerConfigError",
        'container model: secret "not-there" not found',
    ),
    "program": (
        [INITIALIZER, SIDECAR],
        [{**MODEL, "command": ["/not/there"]}],
        "RunContainerError",
        "container model: failed to create containerd task",
    ),
    "room": (
        [INITIALIZER, SIDECAR],
        [shell("model", SLEEPS, resources={"requests": {"cpu": "1000"}})],
        "Unschedulable",
        "1 Insufficient cpu. Make room in the cluster",
    ),
    "claim": (
        [INITIALIZER, SIDECAR],
        [{**MODEL, "volumeMounts": [{"name": "bundle", "mountPath": "/bundle"}]}],
        "Unschedulable",
        'persistentvolumeclaim "not-there" not found',
    ),
}


def a_pod(namespace: str, case: str) -> Document:
    first, containers, _, _ = CASES[case]
    claim = {"name": "bundle", "persistentVolumeClaim": {"claimName": "not-there"}}
    user = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": case, "namespace": namespace},
        "spec": {
            "securityContext": user,
            "terminationGracePeriodSeconds": 1,
            "initContainers": first,
            "containers": containers,
            "volumes": [claim] if case == "claim" else [],
        },
    }


def test_a_real_kubelets_words_come_to_a_reason_that_stays(node: Node, namespace: str) -> None:
    for case in CASES:
        node.api.create(a_pod(namespace, case))
    told: dict[str, list[Failure]] = {case: [] for case in CASES}

    def all_failed_again() -> bool:
        """See each fail twice more, where it is tried again: nothing new may be said then."""
        seen = {pod["metadata"]["name"]: pod for pod in node.api.list("v1", "Pod", namespace)}
        for case, pod in seen.items():
            if (failure := pod_failure(pod)) is not None and failure not in told[case]:
                told[case].append(failure)
        return all(told[case] and is_tried_again(pod, CASES[case][2]) for case, pod in seen.items())

    wait_for(all_failed_again, "the pods fail", 120, every=0.2)
    for case, (_, _, reason, words) in CASES.items():
        assert [failure.reason for failure in told[case]] == [reason], case
        assert words in told[case][0].message, told[case]


def is_tried_again(pod: Document, reason: str) -> bool:
    status = pod.get("status", {})
    each = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    if reason == "ImagePullBackOff":
        return any(one["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for one in each)
    retried = any(one["restartCount"] > 1 and "terminated" in one["lastState"] for one in each)
    return retried or reason not in TRIED_AGAIN
