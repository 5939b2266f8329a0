"""What a real kubelet says of pods that fail, read by what the operator reads it with."""

from support.controlplane.api import Document
from support.node.node import Node
from support.restricted import container, pod
from support.waiting import wait_for
from tidegauge_operator.status.pod_reasons import Failure, pod_failure

from tidegauge.protocol.names import Exit

SLEEPS = "sleep 1000"
TRIED_AGAIN = ("BundleInvalid", "CrashLoopBackOff", "OOMKilled", "RunContainerError", "StorageUnreadable")


Case = tuple[list[Document], list[Document], str, str]  # init containers, containers, reason, words


def says(line: str, code: int) -> str:
    """A script that ends as the programs do: something in the log, the reason as its last line."""
    return f"(echo 'begins'; echo '{line}') >&2; exit {code}"


def cases(image: str) -> dict[str, Case]:
    """What can happen to a pod, by name; the image has a shell."""

    def shell(name: str, script: str, **more: object) -> Document:
        """A container that runs a script in place of one of the programs."""
        return container(
            name, image, "sh", "-c", script, terminationMessagePolicy="FallbackToLogsOnError", **more
        )

    initializer = shell("storage-initializer", "exit 0")
    sidecar = shell("drift-sidecar", SLEEPS, restartPolicy="Always")
    model = shell("model", SLEEPS)
    return {
        "storage": (
            [
                shell("storage-initializer", says("manifest.json of s3://a cannot be read: x", Exit.STORAGE)),
                sidecar,
            ],
            [model],
            "StorageUnreadable",
            "manifest.json of s3://a cannot be read: x. Check the address",
        ),
        "bundle": (
            [initializer, sidecar],
            [shell("model", says("the profile cannot be used", Exit.BUNDLE))],
            "BundleInvalid",
            ": the profile cannot be used. Pack the model again",
        ),
        "sidecar": (
            [initializer, shell("drift-sidecar", says("no token", 1), restartPolicy="Always")],
            [model],
            "CrashLoopBackOff",
            "container drift-sidecar ended with exit code 1: no token. See",
        ),
        "image": (
            [initializer, sidecar],
            [{**model, "image": "localhost:9/tidegauge/missing:1", "imagePullPolicy": "IfNotPresent"}],
            "ImagePullBackOff",
            "image localhost:9/tidegauge/missing:1 of container model: failed to pull",
        ),
        "name": (
            [initializer, sidecar],
            [{**model, "image": "Not A Name"}],
            "InvalidImageName",
            "image Not A Name of container model",
        ),
        "memory": (
            [initializer, sidecar],
            [shell("model", "tail /dev/zero", resources={"limits": {"memory": "16Mi"}})],
            "OOMKilled",
            "Raise spec.model.resources.limits.memory",
        ),
        "secret": (
            [initializer, sidecar],
            [{**model, "envFrom": [{"secretRef": {"name": "not-there"}}]}],
            "CreateContainerConfigError",
            'container model: secret "not-there" not found',
        ),
        "keys": (
            [{**initializer, "envFrom": [{"secretRef": {"name": "no-keys"}}]}, sidecar],
            [model],
            "CreateContainerConfigError",
            'container storage-initializer: secret "no-keys" not found. Make it',
        ),
        "program": (
            [initializer, sidecar],
            [{**model, "command": ["/not/there"]}],
            "RunContainerError",
            "container model: failed to create containerd task",
        ),
        "room": (
            [initializer, sidecar],
            [shell("model", SLEEPS, resources={"requests": {"cpu": "1000"}})],
            "Unschedulable",
            " Insufficient cpu. Make room in the cluster",
        ),
        "claim": (
            [initializer, sidecar],
            [{**model, "volumeMounts": [{"name": "bundle", "mountPath": "/bundle"}]}],
            "Unschedulable",
            'persistentvolumeclaim "not-there" not found',
        ),
    }


def test_a_real_kubelets_words_come_to_a_reason_that_stays(node: Node, namespace: str) -> None:
    expected = cases(node.shell_image)
    claim = {"name": "bundle", "persistentVolumeClaim": {"claimName": "not-there"}}
    for case, (first, containers, _, _) in expected.items():
        volumes = [claim] if case == "claim" else []
        node.api.create(pod(namespace, case, *containers, initContainers=first, volumes=volumes))
    told: dict[str, list[Failure]] = {case: [] for case in expected}

    def all_failed_again() -> bool:
        """See each fail twice more, where it is tried again: nothing new may be said then."""
        seen = {one["metadata"]["name"]: one for one in node.api.list("v1", "Pod", namespace)}
        for case, found in seen.items():
            if (failure := pod_failure(found)) is not None and failure not in told[case]:
                told[case].append(failure)
        return all(told[case] and is_tried_again(found, expected[case][2]) for case, found in seen.items())

    wait_for(all_failed_again, "the pods fail", 120, every=0.2)
    for case, (_, _, reason, words) in expected.items():
        assert [failure.reason for failure in told[case]] == [reason], case
        assert words in told[case][0].message, told[case]


def is_tried_again(found: Document, reason: str) -> bool:
    status = found.get("status", {})
    each = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    if reason == "ImagePullBackOff":
        return any(one["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for one in each)
    retried = any(one["restartCount"] > 1 and "terminated" in one["lastState"] for one in each)
    return retried or reason not in TRIED_AGAIN
