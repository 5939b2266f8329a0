"""From what a kubelet says of a pod to a reason and a next step."""

from typing import Any

import pytest
from support.pods import DONE, RUNNING, a_pod, container, ended, unscheduled, waiting
from tidegauge_operator.children.labels import Component
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.kube.cache import Key
from tidegauge_operator.status.pod_reasons import creation_failure, pod_failure

from tidegauge.protocol.names import Exit

KEY = Key("ml", "iris")
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "example.com/model:1": '
    "example.com/model:1: not found"
)
BACK_OFF = f'Back-off pulling image "example.com/model:1": ErrImagePull: {NOT_FOUND}'
UNREACHED = "manifest.json of s3://models/iris/1 cannot be read: ConnectTimeoutError: timed out\n"
LOG = "2026-11-22T12:00:00.000+00:00 ERROR tidegauge_serving not ready: no such type\nno such type\n"
LOOPING = waiting("CrashLoopBackOff", "back-off 40s restarting failed container=model pod=iris-7d9f-x2x4p")
BROUGHT = container("storage-initializer", DONE, ready=True)
SIDECAR = container("drift-sidecar", RUNNING, ready=True)
LATER = container("model", waiting("PodInitializing"))

FAILING: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    # case: the pod, its reason, words of its message
    "no place": (
        unscheduled(
            "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes "
            "are available: 3 No preemption victims found for incoming pod."
        ),
        "Unschedulable",
        ("0/3 nodes are available: 3 Insufficient cpu. Make room", "spec.model.resources"),
    ),
    "no place for an aggregator": (
        unscheduled("0/3 nodes are available: 3 Insufficient memory.", "aggregator"),
        "Unschedulable",
        ("spec.aggregator.resources",),
    ),
    "no node of these labels": (
        unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
        "Unschedulable",
        ("affinity/selector. Look at spec.model.nodeSelector",),
    ),
    "no node without a taint": (
        unscheduled("0/1 nodes are available: 1 node(s) had untolerated taint(s).", "aggregator"),
        "Unschedulable",
        ("spec.aggregator.tolerations",),
    ),
    "no claim": (
        unscheduled('0/1 nodes are available: persistentvolumeclaim "models" not found.'),
        "Unschedulable",
        ('"models" not found', "kubectl describe pvc", "spec.model.storageUri"),
    ),
    "no volume for an aggregator": (
        unscheduled("pod has unbound immediate PersistentVolumeClaims", "aggregator"),
        "Unschedulable",
        ("unbound immediate", "spec.aggregator.storage"),
    ),
    "image missing": (
        a_pod(BROUGHT, SIDECAR, container("model", waiting("ErrImagePull", NOT_FOUND))),
        "ImagePullBackOff",
        ("image example.com/model:1 of container model: failed to pull", "not found. Check its name"),
    ),
    "image missing, tried again": (
        a_pod(BROUGHT, SIDECAR, container("model", waiting("ImagePullBackOff", BACK_OFF))),
        "ImagePullBackOff",
        ("image example.com/model:1 of container model: failed to pull", "not found. Check its name"),
    ),
    "image missing, as older kubelets say it": (
        a_pod(
            container("model", waiting("ImagePullBackOff", 'Back-off pulling image "example.com/model:1"'))
        ),
        "ImagePullBackOff",
        ("image example.com/model:1 of container model cannot be pulled. Check its name",),
    ),
    "image with a bad name": (
        a_pod(container("model", waiting("InvalidImageName", 'couldn\'t parse image name "A B"'))),
        "InvalidImageName",
        ("couldn't parse",),
    ),
    "storage unreachable": (
        a_pod(container("storage-initializer", ended(Exit.STORAGE, UNREACHED)), LATER),
        "StorageUnreadable",
        ("manifest.json of s3://models/iris/1 cannot be read", "Check the address", "ServiceAccount iris"),
    ),
    "storage unreachable, waiting": (
        a_pod(container("storage-initializer", LOOPING, ended(Exit.STORAGE, UNREACHED)), LATER),
        "StorageUnreadable",
        ("s3://models/iris/1",),
    ),
    "storage unreachable, tried again": (
        a_pod(container("storage-initializer", RUNNING, ended(Exit.STORAGE, UNREACHED)), LATER),
        "StorageUnreadable",
        ("s3://models/iris/1",),
    ),
    "bundle that is not what it says": (
        a_pod(
            container("storage-initializer", ended(Exit.BUNDLE, "profile.json has the sha256 ab\n")), LATER
        ),
        "BundleInvalid",
        ("profile.json has the sha256 ab. Pack the model again",),
    ),
    "initializer that fails otherwise": (
        a_pod(container("storage-initializer", ended(1, "No space left on device\n")), LATER),
        "CrashLoopBackOff",
        ("storage-initializer ended with exit code 1: No space left", "logs --previous -c storage-init"),
    ),
    "bad model": (
        a_pod(BROUGHT, SIDECAR, container("model", LOOPING, ended(Exit.BUNDLE, LOG))),
        "BundleInvalid",
        (": no such type. Pack the model again",),
    ),
    "bad profile, which ends the sidecar and the server": (
        a_pod(
            BROUGHT,
            container("drift-sidecar", LOOPING, ended(1, "tidegauge-sidecar: not a profile\n")),
            container("model", LOOPING, ended(Exit.BUNDLE, "the bundle's profile cannot be used: x\n")),
        ),
        "BundleInvalid",
        ("the bundle's profile cannot be used: x",),
    ),
    "sidecar alone": (
        a_pod(
            BROUGHT,
            container("drift-sidecar", LOOPING, ended(1, "tidegauge-sidecar: no such token\n")),
            container("model", RUNNING, ready=True),
        ),
        "CrashLoopBackOff",
        ("drift-sidecar ended with exit code 1: tidegauge-sidecar: no such token",),
    ),
    "crash": (
        a_pod(BROUGHT, SIDECAR, container("model", LOOPING, ended(139))),
        "CrashLoopBackOff",
        ("container model ended with exit code 139. See kubectl logs --previous -c model",),
    ),
    "ends without an error, again and again": (
        a_pod(BROUGHT, SIDECAR, container("model", LOOPING, DONE)),
        "CrashLoopBackOff",
        ("exit code 0",),
    ),
    "too little memory": (
        a_pod(BROUGHT, SIDECAR, container("model", LOOPING, ended(137, reason="OOMKilled"))),
        "OOMKilled",
        ("container model was killed", "Raise spec.model.resources.limits.memory"),
    ),
    "too little memory for a sidecar": (
        a_pod(BROUGHT, container("drift-sidecar", ended(137, reason="OOMKilled")), LATER),
        "OOMKilled",
        ("Raise spec.drift.sidecar.resources.limits.memory",),
    ),
    "too little memory for an aggregator": (
        a_pod(container("aggregator", ended(137, reason="OOMKilled")), component="aggregator"),
        "OOMKilled",
        ("Raise spec.aggregator.resources.limits.memory",),
    ),
    "a Secret is missing": (
        a_pod(container("aggregator", waiting("CreateContainerConfigError", 'secret "t" not found'))),
        "CreateContainerConfigError",
        ('container aggregator: secret "t" not found. kubectl describe',),
    ),
    "the storage's Secret is missing": (
        a_pod(
            container("storage-initializer", waiting("CreateContainerConfigError", 'secret "s3" not found')),
            LATER,
        ),
        "CreateContainerConfigError",
        ('secret "s3" not found. Make it in the model\'s namespace', "spec.model.storageSecretName"),
    ),
    "no such program": (
        a_pod(container("model", LOOPING, ended(128, 'exec: "python": not found', "StartError"))),
        "RunContainerError",
        ('container model: exec: "python": not found. kubectl describe',),
    ),
    "evicted": (
        a_pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory. "),
        "Evicted",
        ("low on resource: memory. kubectl describe",),
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_pod_that_fails_has_a_reason_and_a_next_step(case: str) -> None:
    pod, reason, words = FAILING[case]
    found = pod_failure(pod)
    assert found is not None
    assert found.reason == reason
    assert found.message.startswith("pod iris-7d9f-x2x4p: ")
    assert all(word in found.message for word in words), found.message
    assert "\n" not in found.message
    assert ".." not in found.message


WELL: dict[str, dict[str, Any]] = {
    "new": a_pod(phase="Pending"),
    "scheduled": a_pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "True"}]),
    "begins": a_pod(container("storage-initializer", waiting("PodInitializing")), LATER),
    "makes its volumes": a_pod(container("model", waiting("ContainerCreating"))),
    "brings the bundle": a_pod(container("storage-initializer", RUNNING), LATER),
    "loads the model": a_pod(BROUGHT, SIDECAR, container("model", RUNNING)),
    "answers": a_pod(BROUGHT, SIDECAR, container("model", RUNNING, ready=True), phase="Running"),
    "answers again": a_pod(BROUGHT, SIDECAR, container("model", RUNNING, ended(137), ready=True)),
    "was told to start anew": a_pod(BROUGHT, SIDECAR, container("model", RUNNING, DONE)),
}


@pytest.mark.parametrize("case", WELL)
def test_a_pod_that_is_well_or_starting_has_no_reason(case: str) -> None:
    assert pod_failure(WELL[case]) is None


@pytest.mark.parametrize("case", FAILING)
def test_a_pod_that_is_being_deleted_has_no_reason(case: str) -> None:
    pod, _, _ = FAILING[case]
    going = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-11-22T12:00:00Z"}}
    assert pod_failure(going) is None


def test_who_may_not_read_the_storage_is_named_by_what_it_reads_with() -> None:
    pod = a_pod(container("storage-initializer", ended(Exit.STORAGE, UNREACHED)), LATER)
    initializer = {"name": "storage-initializer", "envFrom": [{"secretRef": {"name": "minio"}}]}
    pod["spec"]["initContainers"] = [initializer]
    assert "that the keys in Secret minio may read it" in str(pod_failure(pod))


def test_a_pods_reason_stays_while_the_same_failure_repeats() -> None:
    """Each new word would be a write to the API server."""
    over = ended(Exit.BUNDLE, LOG)
    states = [(over, None), (LOOPING, over), (RUNNING, over), (over, over)]
    told = {pod_failure(a_pod(container("model", now, last))) for now, last in states}
    assert len(told) == 1
    pulls = [waiting("ErrImagePull", NOT_FOUND), waiting("ImagePullBackOff", BACK_OFF)]
    assert len({pod_failure(a_pod(container("model", state))) for state in pulls}) == 1


def test_a_long_last_line_is_cut() -> None:
    found = pod_failure(a_pod(container("model", ended(1, "x" * 2000))))
    assert found is not None
    assert len(found.message) < 700


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        (
            'pods "iris-7d9f-abcde" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2',
            "QuotaExceeded",
            "exceeded quota: few, requested: pods=1, used: pods=2. Raise the quota",
        ),
        (
            "create Pod iris-aggregator-0 in StatefulSet iris-aggregator failed error: "
            'pods "iris-aggregator-0" is forbidden: exceeded quota: few, requested: pods=1',
            "QuotaExceeded",
            "exceeded quota: few, requested: pods=1. Raise the quota",
        ),
        (
            'pods "iris-7d9f-abcde" is forbidden: violates PodSecurity "restricted:latest": unrestricted',
            "FailedCreate",
            'violates PodSecurity "restricted:latest": unrestricted. Change spec',
        ),
    ],
)
def test_pods_that_may_not_be_made(said: str, reason: str, words: str) -> None:
    found = creation_failure(said)
    assert (found.reason, found.message[: len(words)]) == (reason, words)


# --- what is kept of them -------------------------------------------------------------------------------


def test_a_pod_is_reported_only_when_its_failure_changed() -> None:
    failures = PodFailures()
    assert failures.update(WELL["begins"]) is None
    assert failures.update(FAILING["image missing"][0]) == KEY
    assert failures.update(FAILING["image missing, tried again"][0]) is None
    assert failures.update(WELL["answers"]) == KEY
    assert failures.update(WELL["answers"]) is None
    assert not failures.uids(), "of pods that are well nothing is kept"


def test_a_pod_that_is_gone_is_forgotten() -> None:
    failures = PodFailures()
    failures.update(FAILING["crash"][0])
    assert failures.remove(FAILING["crash"][0]) == KEY
    assert failures.of(KEY, Component.MODEL) is None
    failures.update(FAILING["crash"][0])
    assert failures.forget({"another"}) == set()
    assert failures.forget(failures.uids()) == {KEY}
    assert failures.of(KEY, Component.MODEL) is None


def test_each_component_has_its_own_and_the_newest_pod_speaks() -> None:
    failures = PodFailures()
    older, newer = (
        a_pod(container("model", ended(1)), name="z"),
        a_pod(container("model", ended(2)), name="a"),
    )
    newer["metadata"]["creationTimestamp"] = "2026-11-22T13:00:00Z"
    failures.update(newer)
    failures.update(older)
    failures.update(FAILING["too little memory for an aggregator"][0])
    found = failures.of(KEY, Component.MODEL), failures.of(KEY, Component.AGGREGATOR)
    assert [failure and failure.message.partition(".")[0] for failure in found] == [
        "pod a: container model ended with exit code 2",
        "pod iris-7d9f-x2x4p: container aggregator was killed because it ran out of memory",
    ]
