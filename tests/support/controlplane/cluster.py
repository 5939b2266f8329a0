"""A cluster for tests: started here, or the one that stands already."""

import os
import re
import ssl
import subprocess
import zlib
from pathlib import Path
from typing import Any

import httpx
import yaml
from support.controlplane.api import Api, Refused
from support.controlplane.assets import Assets
from support.controlplane.certificates import Authority, Pair
from support.controlplane.programs import Program, Programs, free_ports, listens
from support.controlplane.unavailable import Unavailable
from support.waiting import wait_for

ADMIN = ("tidegauge-admin", ("system:masters",))


class Cluster:
    """What tests ask of a cluster, wherever it comes from."""

    address: str
    admin: Api

    def __init__(self, folder: Path, kubectl: Path) -> None:
        self.folder = folder
        self.kubectl_program = kubectl
        self._programs = Programs(folder)
        self._apis: list[Api] = []

    def api(self, user: str, groups: tuple[str, ...] = ()) -> Api:
        """The API as this user of these groups sees it."""
        raise NotImplementedError

    def kubeconfig(self, user: str = ADMIN[0], groups: tuple[str, ...] = ADMIN[1]) -> Path:
        """A kubeconfig file by which a program is this user of these groups."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what was started, the last first; a cluster that stood before stays."""
        for api in self._apis:
            api.close()
        self._programs.stop_all()

    def wait_until_ready(self) -> None:
        """Wait for the API server, or for one of the programs to end too early."""
        wait_for(self._is_ready, "the API server is ready", timeout_seconds=60)

    def _is_ready(self) -> bool:
        assert not (failures := self._programs.failures()), "\n".join(failures)
        try:
            self.admin.request("GET", "/readyz")
        except (Refused, httpx.TransportError):
            return False
        return True

    def kubectl(
        self, *arguments: str, typed: str | None = None, check: bool = True, timeout_seconds: float = 60
    ) -> str:
        """What kubectl prints, as the administrator; both streams where it may fail."""
        result = subprocess.run(
            [self.kubectl_program, f"--cache-dir={self.folder}/discovery", *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig())},
            input=typed,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if check else subprocess.STDOUT,
            timeout=timeout_seconds,
        )
        assert not check or result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
        return result.stdout


class OwnCluster(Cluster):
    """etcd and an API server on loopback ports, alone or with the controllers and the scheduler.

    Without controllers objects stay as applied: no pods, no garbage collection, namespaces never end.
    """

    host = "127.0.0.1"  # where the API server listens
    more_addresses: tuple[str, ...] = ()  # that lead to it
    autoscaler_seconds = 2  # how often it looks; Kubernetes' default is 15

    def __init__(self, assets: Assets, folder: Path, controllers: bool = False) -> None:
        super().__init__(folder, assets["kubectl"])
        self._assets = assets
        try:
            self._authority = Authority(folder)
            self._etcd, self._etcd_peer, self._port, *self._controller_ports = self._ports()
            self.address = self._outer_address()
            self._server_pair = self._authority.server("apiserver", *self.more_addresses)
            self._account_key = self._authority.bare_key("service-accounts")
            self.admin = self.api(*ADMIN)
            self.etcd = self._start_etcd()
            self.api_server = self._start_api_server()
            self.wait_until_ready()
            if controllers:
                self._start_controllers()
        except BaseException:
            self.stop()
            raise

    def api(self, user: str, groups: tuple[str, ...] = ()) -> Api:
        """The API as this user of these groups sees it."""
        pair = self._client(user, groups)
        tls = ssl.create_default_context(cafile=str(self._authority.certificate))
        tls.load_cert_chain(pair.certificate, pair.key)
        self._apis.append(Api(self.address, tls))
        return self._apis[-1]

    def kubeconfig(self, user: str = ADMIN[0], groups: tuple[str, ...] = ADMIN[1]) -> Path:
        """A kubeconfig file with a client certificate of this user."""
        return self._kubeconfig(self.address, user, groups)

    def _kubeconfig(self, address: str, user: str, groups: tuple[str, ...], name: str = "") -> Path:
        pair = self._client(user, groups)
        path = self.folder / f"{pair.key.stem}{name}.kubeconfig"
        path.write_text(
            yaml.safe_dump(
                _kubeconfig(
                    {"server": address, "certificate-authority": str(self._authority.certificate)},
                    {"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
                )
            )
        )
        return path

    def pause_api_server(self) -> None:
        """Take the API server away, as a crash would."""
        self._programs.kill(self.api_server)

    def resume_api_server(self) -> None:
        """Bring the API server back on the same port."""
        self.api_server = self._start_api_server()
        self.wait_until_ready()

    def _ports(self) -> list[int]:
        """Of etcd, its peers, the API server, the controller manager and the scheduler."""
        return free_ports(5)

    def _outer_address(self) -> str:
        """Where tests find the API server."""
        return f"https://{self.host}:{self._port}"

    def _start(self, program: str, *flags: str) -> Program:
        return self._programs.start(self._assets[program], *flags)

    def _client(self, user: str, groups: tuple[str, ...]) -> Pair:
        who = ",".join((user, *groups))
        file = f"user-{re.sub(r'[^a-z0-9]+', '-', user.lower())}-{zlib.crc32(who.encode()):08x}"
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        return pair if pair.key.exists() else self._authority.client(file, user, groups)

    def _start_etcd(self) -> Program:
        return self._start(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{self._etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{self._etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{self._etcd_peer}",
            "--unsafe-no-fsync=true",
        )

    def _start_api_server(self) -> Program:
        return self._start("kube-apiserver", *self._api_server_flags())

    def _api_server_flags(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            f"--bind-address={self.host}",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder}",
            f"--tls-cert-file={self._server_pair.certificate}",
            f"--tls-private-key-file={self._server_pair.key}",
            f"--client-ca-file={self._authority.certificate}",
            "--allow-privileged=true",
            f"--service-account-issuer={self.address}/",
            f"--service-account-key-file={self._account_key.certificate}",
            f"--service-account-signing-key-file={self._account_key.key}",
            *self._api_server_role(),
        ]

    def _api_server_role(self) -> list[str]:
        return [
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",  # a loopback address may not be an endpoint
        ]

    def _start_controllers(self) -> None:
        own = str(self._kubeconfig(f"https://{self.host}:{self._port}", *ADMIN, "-controllers"))
        common = [
            f"--kubeconfig={own}",
            f"--authentication-kubeconfig={own}",
            f"--authorization-kubeconfig={own}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ]
        manager_port, scheduler_port = self._controller_ports
        self._start(
            "kube-controller-manager",
            *common,
            f"--secure-port={manager_port}",
            f"--root-ca-file={self._authority.certificate}",
            f"--service-account-private-key-file={self._account_key.key}",
            "--use-service-account-credentials",
            f"--horizontal-pod-autoscaler-sync-period={self.autoscaler_seconds}s",
            "--horizontal-pod-autoscaler-downscale-stabilization=5s",
        )
        self._start("kube-scheduler", *common, f"--secure-port={scheduler_port}")


class ExistingCluster(Cluster):
    """The cluster of the current kubeconfig, through `kubectl proxy`, so that any kind of login works.

    Users are impersonated. Only a cluster made for tests is touched, told by its context's name.
    """

    TEST_CONTEXTS = re.compile(r"^(kind|k3d|minikube|tidegauge)(-|$)")

    @classmethod
    def check_context(cls, kubectl: Path) -> None:
        """Make sure that the current context is of a cluster made for tests.

        Raises
        ------
        Unavailable
            It is not.
        """
        command = [kubectl, "config", "current-context"]
        said = subprocess.run(command, text=True, capture_output=True, timeout=30)
        context = said.stdout.strip() or "not set"
        if not cls.TEST_CONTEXTS.match(context):
            raise Unavailable(
                f"the context is {context}: tests touch only kind-*, k3d-*, minikube and tidegauge-*"
            )

    def __init__(self, kubectl: Path, folder: Path) -> None:
        self.check_context(kubectl)
        super().__init__(folder, kubectl)
        (port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        try:
            # It refuses exec unless told otherwise, and must be given some path to refuse.
            self._programs.start(kubectl, "proxy", f"--port={port}", "--reject-paths=^/none$")
            self.admin = self.api("")
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def forward(self, namespace: str, pod: str, port: int) -> int:
        """A loopback port that leads to a port of a pod, while both are there."""
        (outer,) = free_ports(1)
        where = ("-n", namespace, f"pod/{pod}", f"{outer}:{port}")
        self._programs.start(self.kubectl_program, "port-forward", *where, name=f"forward-{pod}")
        wait_for(lambda: listens(outer), f"the way to {pod} is open", 20)
        return outer

    def api(self, user: str, groups: tuple[str, ...] = ()) -> Api:
        """The API as this user of these groups would see it."""
        self._apis.append(Api(self.address, user=user, groups=groups))
        return self._apis[-1]

    def kubeconfig(self, user: str = "", groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig file that leads through the proxy."""
        acting = {"as": user, "as-groups": list(groups)} if user else {}
        path = self.folder / f"{user or 'admin'}.kubeconfig"
        path.write_text(yaml.safe_dump(_kubeconfig({"server": self.address}, acting)))
        return path


def _kubeconfig(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [
            {"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": "default"}}
        ],
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": user}],
    }
