"""A Kubernetes with one node that runs real pods, as tests use it."""

import secrets
from pathlib import Path

from support.controlplane.api import Api, Document
from support.controlplane.cluster import Cluster
from support.restricted import RESTRICTED, namespace
from support.waiting import wait_for


class Node:
    """What tests ask of a cluster with a node, wherever it comes from.

    Attributes
    ----------
    cluster
        The API server: `cluster.api(user, groups)` is the API as another user, `cluster.kubeconfig()` a
        kubeconfig file for a program outside.
    own
        Whether the node was made here, so that kubelet, etcd and the like may be stopped.
    shell_image
        An image with a shell and small tools (busybox), there without loading.
    """

    own = False
    shell_image: str

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def api(self) -> Api:
        """The API as the administrator sees it."""
        return self.cluster.admin

    def kubectl(
        self, *arguments: str, typed: str | None = None, check: bool = True, timeout_seconds: float = 60
    ) -> str:
        """What kubectl prints, as the administrator; both streams where it may fail."""
        return self.cluster.kubectl(*arguments, typed=typed, check=check, timeout_seconds=timeout_seconds)

    def new_namespace(self, name: str = "") -> str:
        """A namespace that admits only pods of the `restricted` level; removed with the node."""
        self.prepare_volumes()
        name = name or f"test-{secrets.token_hex(4)}"
        self.api.apply(namespace(name, RESTRICTED))
        return name

    def remove_namespace(self, name: str) -> None:
        """Remove a namespace with all that is in it; what it holds goes in the next seconds."""
        document = namespace(name)
        if self.api.find(document):
            self.api.delete(document)

    def wait_until_removed(self, name: str, timeout_seconds: float = 120) -> None:
        """Wait until a removed namespace and all that was in it are gone."""
        document = namespace(name)
        wait_for(lambda: self.api.find(document) is None, f"{name} is gone", timeout_seconds, every=0.2)

    def load_image(self, archive: Path) -> None:
        """Make an archive's images (OCI or `docker save`) known to the node under the names they bear."""
        raise NotImplementedError

    def logs(self, namespace: str, pod: str, container: str = "") -> str:
        """What a container has printed."""
        which = ["-c", container] if container else []
        return self.kubectl("logs", "-n", namespace, pod, *which)

    def exec(self, namespace: str, pod: str, *command: str, container: str = "") -> str:
        """What a command prints in a container; it fails where the command fails."""
        which = ["-c", container] if container else []
        return self.kubectl("exec", "-n", namespace, pod, *which, "--", *command)

    def address_of(self, namespace: str, service: str, port: int) -> str:
        """A base address, ``http://...`` without a slash at its end, by which tests reach a Service."""
        raise NotImplementedError

    def connections_to(self, namespace: str, service: str, port: int, image: str) -> int:
        """A loopback port of which each connection is one to the Service; a pod of the image may be between.

        Requests on it fail only where the Service fails them.
        """
        raise NotImplementedError

    def claim_with(self, namespace: str, name: str, content: Path) -> None:
        """A claim called `name` whose volume holds a copy of a folder, for pods of the namespace to read."""
        raise NotImplementedError

    def prepare_volumes(self) -> None:
        """See that claims find volumes."""

    def wait_for_pod(self, namespace: str, pod: str, timeout_seconds: float = 60) -> Document:
        """Wait until a pod is ready; fails with what the cluster says of it."""
        named: Document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": pod},
        }

        def ready() -> Document | None:
            found = self.api.find(named)
            return found if found and is_ready(found) else None

        try:
            return wait_for(ready, f"the pod {pod} is ready", timeout_seconds, every=0.1)
        except AssertionError as late:
            said = self.kubectl("describe", "pod", "-n", namespace, pod, check=False)
            raise AssertionError(f"{late}\n{said}") from late

    def stop(self) -> None:
        """End what was started, remove what was made."""
        self.cluster.stop()


def is_ready(document: Document) -> bool:
    """Whether an object's condition Ready is True."""
    conditions = document.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
