"""etcd, API server and controllers in a box's network, where pods find them at the node's address."""

import sys
from pathlib import Path

from support.controlplane.assets import Assets
from support.controlplane.cluster import ADMIN, OwnCluster
from support.controlplane.programs import Program, free_ports, listens
from support.node.box import ADDRESS, SERVICE_NETWORK, Box
from support.waiting import wait_for

_TESTS = Path(__file__).parents[2]
_API_SERVICE = "10.96.0.1"  # the first address of the Services' network is `kubernetes`
_PROXY_USER = "front-proxy"


class ControlPlane(OwnCluster):
    """The same programs in the box; a loopback port leads from outside to the API server."""

    host = ADDRESS
    more_addresses = (ADDRESS, _API_SERVICE)

    def __init__(self, assets: Assets, folder: Path, box: Box) -> None:
        self.box = box
        self._forwarded: dict[str, int] = {}
        super().__init__(assets, folder, controllers=True)

    def inner_kubeconfig(self, user: str = ADMIN[0], groups: tuple[str, ...] = ADMIN[1]) -> Path:
        """A kubeconfig file for a program in the box's network."""
        return self._kubeconfig(f"https://{ADDRESS}:{self._port}", user, groups, "-inside")

    def forward(self, target: str) -> int:
        """A loopback port that leads to HOST:PORT in the box's network, while the cluster runs."""
        if target not in self._forwarded:
            (port,) = free_ports(1)
            self._programs.start(
                Path(sys.executable),
                *("-m", "support.node.forward", self.box.name, str(port), target),
                name=f"forward-{target.replace(':', '-')}",
                env={"PYTHONPATH": str(_TESTS)},
            )
            wait_for(lambda: listens(port), f"the way to {target} is open", 20)
            self._forwarded[target] = port
        return self._forwarded[target]

    def start_inside(self, executable: str, *flags: str, name: str = "") -> Program:
        """Start a program in the whole box: network, processes and mounts."""
        return self.box.start(self._programs, executable, *flags, name=name)

    def start_in_network(self, executable: Path, *flags: str, name: str = "") -> Program:
        """Start a program that shares only the network."""
        nsenter, *where = self.box.in_network()
        command = (str(executable), *flags)
        return self._programs.start(Path(nsenter), *where, *command, name=name or executable.name)

    def kill_program(self, program: Program) -> None:
        """End a program that was started here, as a crash would."""
        self._programs.kill(program)

    def check_programs(self) -> None:
        """Fail where a program is gone that nobody stopped."""
        assert not (failures := self._programs.failures()), "\n".join(failures)

    def pause_etcd(self) -> None:
        """Take etcd away, as a crash would."""
        self._programs.kill(self.etcd)

    def resume_etcd(self) -> None:
        """Bring etcd back with its data."""
        self.etcd = self._start_etcd()
        self.wait_until_ready()

    def _ports(self) -> list[int]:
        return [2379, 2380, 6443, 10257, 10259]

    def _outer_address(self) -> str:
        return f"https://127.0.0.1:{self.forward(f'{self.host}:{self._port}')}"

    def _start(self, program: str, *flags: str) -> Program:
        return self.start_in_network(self._assets[program], *flags)

    def _api_server_role(self) -> list[str]:
        kubelet = self._client("kubelet-client", ("system:masters",))
        proxy = self._client(_PROXY_USER, ())
        return [
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            f"--requestheader-client-ca-file={self._authority.certificate}",
            f"--requestheader-allowed-names={_PROXY_USER}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--enable-aggregator-routing=true",  # metrics-server is asked at its own address
        ]
