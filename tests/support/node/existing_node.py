"""A cluster that others made: kind on a laptop, or any other that is meant for tests."""

import re
import shutil
import subprocess
from pathlib import Path

from support.controlplane.api import Document
from support.controlplane.cluster import ExistingCluster
from support.controlplane.unavailable import Unavailable
from support.node.node import Node
from support.restricted import container, pod

SHELL_IMAGE = "docker.io/library/busybox:1.36"  # pulled by the cluster
RELAY_PORT = 8080
_LOADERS = {  # by the context's name: how an archive of images comes to its nodes
    r"kind-(?P<name>.+)": ("kind", "load", "image-archive", "{archive}", "--name", "{name}"),
    r"k3d-(?P<name>.+)": ("k3d", "image", "import", "{archive}", "--cluster", "{name}"),
    r"minikube": ("minikube", "image", "load", "{archive}"),
}


class ExistingNode(Node):
    """The cluster of the current kubeconfig; its parts are not stopped, and what is made there is removed.

    Attributes
    ----------
    made
        Namespaces to remove.
    """

    shell_image = SHELL_IMAGE

    def __init__(self, kubectl: Path, folder: Path) -> None:
        self._existing = ExistingCluster(kubectl, folder)
        super().__init__(self._existing)
        self._kubectl = kubectl
        self.made: list[str] = []

    def new_namespace(self, name: str = "") -> str:
        """A namespace that is removed at the end, if no test has done it."""
        made = super().new_namespace(name)
        self.made.append(made)
        return made

    def load_image(self, archive: Path) -> None:
        """Load an archive with the tool that made the cluster."""
        command = load_command(self._context(), archive)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def address_of(self, namespace: str, service: str, port: int) -> str:
        """The API server's own way to a Service; it chooses a pod for each request."""
        return f"{self.cluster.address}/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    def connections_to(self, namespace: str, service: str, port: int, image: str) -> int:
        """Through a pod, which outlives those behind the Service: a forwarded port ends with its pod."""
        relay = relay_to(namespace, service, port, image)
        if self.api.find(relay) is None:
            self.api.create(relay)
            self.wait_for_pod(namespace, relay["metadata"]["name"])
        return self._existing.forward(namespace, relay["metadata"]["name"], RELAY_PORT)

    def claim_with(self, namespace: str, name: str, content: Path) -> None:
        """A claim of the default class, filled by a pod that is gone afterwards."""
        for document in claim_and_filler(namespace, name):
            self.api.create(document)
        filler = f"fill-{name}"
        self.wait_for_pod(namespace, filler, 180)
        self.kubectl("cp", f"{content}/.", f"{namespace}/{filler}:/content", timeout_seconds=300)
        self.kubectl("delete", "pod", "-n", namespace, filler, "--grace-period=1")

    def stop(self) -> None:
        """Remove the namespaces that were made, and wait until they are gone."""
        for name in self.made:
            self.remove_namespace(name)
        for name in self.made:
            self.wait_until_removed(name)
        super().stop()

    def _context(self) -> str:
        command = [self._kubectl, "config", "current-context"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return said.stdout.strip()


def load_command(context: str, archive: Path) -> list[str]:
    """What brings an archive of images to the cluster of this context.

    Raises
    ------
    Unavailable
        Nobody knows how, or the tool for it is not there.
    """
    for pattern, command in _LOADERS.items():
        if found := re.fullmatch(pattern, context):
            if shutil.which(command[0]) is None:
                raise Unavailable(f"the context is {context}, but there is no {command[0]} on the PATH")
            return [part.format(archive=archive, **found.groupdict()) for part in command]
    raise Unavailable(f"no way to load images into {context}: kind, k3d and minikube are known")


def relay_to(namespace: str, service: str, port: int, image: str) -> Document:
    """A pod of an image with Python, whose port leads to a Service by a connection each."""
    program = (Path(__file__).with_name("relay.py")).read_text()
    command = ("python", "-c", program, str(RELAY_PORT), f"{service}:{port}")
    return pod(namespace, f"way-to-{service}", container("relay", image, *command))


def claim_and_filler(namespace: str, name: str) -> list[Document]:
    """A claim, and a pod that mounts it at /content and waits."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    mounts = [{"name": "content", "mountPath": "/content"}]
    filler = container("filler", SHELL_IMAGE, "sleep", "3600", volumeMounts=mounts)
    volume = {"name": "content", "persistentVolumeClaim": {"claimName": name}}
    return [claim, pod(namespace, f"fill-{name}", filler, volumes=[volume])]
