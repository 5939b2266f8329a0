"""Tidegauge on a cluster, as the chart installs it, and away again with all that it leaves."""

from pathlib import Path

from support.chart_files import NAMESPACE
from support.controlplane.api import Document
from support.helm import CHART, Helm
from support.images import Images
from support.node.node import Node
from support.restricted import namespace
from support.waiting import wait_for

RELEASE = "tidegauge"
OPERATOR = "tidegauge-operator"
DEFINITION: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "driftmonitoredmodels.tidegauge.io"},
}


class Installation:
    """The release `tidegauge`; a cluster has room for one.

    Parameters
    ----------
    node
        The cluster.
    helm
        Helm, for that cluster.
    images
        What its programs run, loaded already.
    """

    namespace = NAMESPACE

    def __init__(self, node: Node, helm: Helm, images: Images) -> None:
        self._node, self.helm, self.images = node, helm, images

    @property
    def image_values(self) -> list[str]:
        """Options by which Helm is told of the images."""
        return ["--set", "image.registry=localhost", "--set-string", f"image.tag={self.images.tag}"]

    def install(self, *options: str, chart: Path = CHART) -> None:
        """Install or upgrade, and wait until the operator is ready."""
        place = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"]
        self.helm("upgrade", "--install", RELEASE, str(chart), *place, *self.image_values, *options)

    def uninstall(self) -> None:
        """Uninstall; the definition stays, and what models run."""
        self.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")

    def remove(self) -> None:
        """Take everything away: all models, the release, the definition, the namespace."""
        if self.definition() is not None:
            self._node.kubectl("delete", "driftmonitoredmodels", "--all", "--all-namespaces")
        self.uninstall()
        for left in (DEFINITION, namespace(NAMESPACE)):
            if self._node.api.find(left) is not None:
                self._node.api.delete(left)
        wait_for(lambda: self.definition() is None, "the definition is gone", 60, every=0.2)
        wait_for(
            lambda: self._node.api.find(namespace(NAMESPACE)) is None, "the namespace is gone", 60, every=0.2
        )

    def definition(self) -> Document | None:
        """The definition of the resource, if it is there."""
        return self._node.api.find(DEFINITION)

    def operator(self) -> Document | None:
        """The operator's Deployment, if it is there."""
        metadata = {"name": OPERATOR, "namespace": NAMESPACE}
        return self._node.api.find({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})

    def pods(self) -> list[Document]:
        """The operator's pods."""
        which = f"app.kubernetes.io/name={OPERATOR}"
        return self._node.api.list("v1", "Pod", NAMESPACE, labelSelector=which)
