"""The kubelet's configuration."""

from pathlib import Path
from typing import Any

from support.node.box import ADDRESS
from support.node.containerd import SOCKET
from support.node.dns import DOMAIN

NODE_NAME = "tidegauge-node"
USER = (f"system:node:{NODE_NAME}", ("system:nodes",))


def config(cgroup: str, authority: Path) -> dict[str, Any]:
    """KubeletConfiguration; any version of cgroups, swap or none, and no disk is too full."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "clusterDNS": [ADDRESS],
        "clusterDomain": DOMAIN,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "evictionHard": {f"{what}": "0%" for what in ("nodefs.available", "imagefs.available")},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "oomScoreAdj": 0,
        "registerNode": True,
        "resolvConf": "",  # names outside the cluster are not for pods
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "syncFrequency": "10s",
    }


def flags(config_file: Path, kubeconfig: Path) -> list[str]:
    """The kubelet's flags; it writes to /var/lib/kubelet, which is the box's own."""
    return [
        f"--config={config_file}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={ADDRESS}",
    ]
