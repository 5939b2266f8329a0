"""containerd with the CRI and CNI settings that fit the box."""

import json
from pathlib import Path

from support.node.box import BRIDGE, POD_NETWORK
from support.node.packages import CNI_PLUGINS

SOCKET = "/run/containerd/containerd.sock"


def may_lower_oom_score() -> bool:
    """Whether this machine may make a process a worse candidate for the OOM killer (CAP_SYS_RESOURCE)."""
    bounds = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff")
    )
    return bool(int(bounds.split()[1], 16) >> 24 & 1)


def config(sandbox_image: str) -> str:
    """containerd's own file; paths are those inside the box."""
    restrict = "false" if may_lower_oom_score() else "true"
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = {restrict}
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "/var/lib/cni/net.d"
"""


def network() -> str:
    """The pod network: a bridge, with addresses handed out on the node."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "isGateway": True,
                    "hairpinMode": True,  # a pod may reach itself through its Service
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": POD_NETWORK}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def write_files(folder: Path, sandbox_image: str) -> Path:
    """Write both into the box's folder; the path of containerd's own file."""
    (folder / "lib/cni/net.d").mkdir(parents=True)
    (folder / "lib/cni/net.d/10-pods.conflist").write_text(network())
    path = folder / "containerd.toml"
    path.write_text(config(sandbox_image))
    return path
