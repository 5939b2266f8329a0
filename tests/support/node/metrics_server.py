"""metrics-server as a program on the node, made known to the API server as `metrics.k8s.io`."""

from pathlib import Path

from support.controlplane.api import Document
from support.go_program import GoProgram

PROGRAM = GoProgram(
    name="metrics-server",
    module="metrics-server",
    package="sigs.k8s.io/metrics-server/cmd/metrics-server",
    minutes=2,
)
PORT = 4443
_NAME = {"name": "metrics-server", "namespace": "kube-system"}


def flags(address: str, kubeconfig: Path, folder: Path) -> list[str]:
    """The flags; figures are ten seconds old at most."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={address}",
        f"--secure-port={PORT}",
        f"--cert-dir={folder}",
        "--kubelet-insecure-tls",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",  # it refuses one as long as the resolution
    ]


def objects(address: str) -> list[Document]:
    """A Service without selector, its one endpoint, and the group that it serves."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _NAME,
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT, "protocol": "TCP"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**_NAME, "labels": {"kubernetes.io/service-name": _NAME["name"]}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": _NAME,
            },
        },
    ]
