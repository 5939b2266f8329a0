"""kube-proxy's configuration."""

from pathlib import Path
from typing import Any

from support.node.box import POD_NETWORK
from support.node.kubelet import NODE_NAME


def config(kubeconfig: Path) -> dict[str, Any]:
    """KubeProxyConfiguration; the limits of conntrack are the machine's and stay as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        "mode": "iptables",
        "iptables": {"minSyncPeriod": "100ms"},
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "hostnameOverride": NODE_NAME,
        "oomScoreAdj": 0,
    }
