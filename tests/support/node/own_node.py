"""The node made here: control plane, containerd, kubelet, kube-proxy, DNS and metrics in a box."""

import contextlib
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from support.cache import Tell
from support.controlplane.assets import Assets
from support.node import busybox, containerd, dns, kubelet, metrics_server, proxy, storage
from support.node.box import ADDRESS, Box
from support.node.control_plane import ControlPlane
from support.node.leftovers import remove_leftovers
from support.node.node import Node, is_ready
from support.waiting import wait_for

_VOLUMES_FREE = 8


class OwnNode(Node):
    """One node in a box; everything ends with it, whatever ends the tests.

    Parameters
    ----------
    assets
        The programs of the control plane, kubelet and kube-proxy among them.
    folder
        A new folder for all that is written: logs, volumes, images.
    tell
        Hears a line at each step.
    name
        Of the box; one of its own where none is given.
    """

    own = True
    shell_image = busybox.IMAGE

    def __init__(self, assets: Assets, folder: Path, tell: Tell, name: str = "") -> None:
        self.folder = folder
        self._assets = assets
        self._started = time.monotonic()
        self._tell = tell
        coredns, metrics = dns.PROGRAM.path(tell), metrics_server.PROGRAM.path(tell)
        remove_leftovers(tell)
        self._say("network, etcd and API server")
        self.box = Box(name or f"tg-node-{secrets.token_hex(4)}", folder)
        try:
            self.control = ControlPlane(assets, folder, self.box)
        except BaseException:
            self._end_box()
            raise
        super().__init__(self.control)
        try:
            self._start_node()
            self._start_services(coredns, metrics)
            self._say("waiting for the node")
            wait_for(self._is_ready, "the node is ready", 90, every=0.1)
        except BaseException:
            self.stop()
            raise
        self._say("the node is ready")

    def load_image(self, archive: Path) -> None:
        """Import an archive into containerd."""
        self._say(f"loading {archive.name}")
        self._ctr("images", "import", str(archive))

    def name_image(self, name: str, also: str) -> None:
        """Give a loaded image another name."""
        self._ctr("images", "tag", "--force", name, also)

    def address_of(self, namespace: str, service: str, port: int) -> str:
        """A loopback port that leads to the Service's cluster address, through kube-proxy, per connection."""
        return f"http://127.0.0.1:{self.connections_to(namespace, service, port)}"

    def connections_to(self, namespace: str, service: str, port: int, image: str = "") -> int:  # noqa: ARG002
        """The same port's number; nothing stands between."""
        found = self.api.request("GET", f"/api/v1/namespaces/{namespace}/services/{service}")
        return self.control.forward(f"{found['spec']['clusterIP']}:{port}")

    def claim_with(self, namespace: str, name: str, content: Path) -> None:
        """A claim and a volume made for each other, with a copy of the folder."""
        self._storage.claim_with(namespace, name, content)

    def prepare_volumes(self) -> None:
        """Make new volumes for those that claims have taken."""
        self._storage.stock(_VOLUMES_FREE)

    def kill_kubelet(self) -> None:
        """Take the kubelet away, as a crash would; containers go on."""
        self.control.kill_program(self._kubelet)

    def start_kubelet(self) -> None:
        """Bring the kubelet back."""
        config = self.folder / "kubelet.yaml"
        kubeconfig = self.control.inner_kubeconfig(*kubelet.USER)
        config.write_text(yaml.safe_dump(kubelet.config(self.box.name, self.folder / "ca.crt")))
        self._kubelet = self.control.start_inside(
            str(self._assets["kubelet"]), *kubelet.flags(config, kubeconfig)
        )

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        """End a container's processes with SIGKILL; the kubelet starts it again."""
        self._ctr("tasks", "kill", "--all", "-s", "SIGKILL", self._container_id(namespace, pod, container))

    @contextlib.contextmanager
    def frozen(self, namespace: str, pod: str, container: str) -> Iterator[None]:
        """A container's processes stand still in the meantime, as if they hung."""
        container_id = self._container_id(namespace, pod, container)
        self._ctr("tasks", "pause", container_id)
        try:
            yield
        finally:
            self._ctr("tasks", "resume", container_id)

    @contextlib.contextmanager
    def cordoned(self) -> Iterator[None]:
        """The node takes no new pods in the meantime; it is the only one, so they wait."""
        self.kubectl("cordon", kubelet.NODE_NAME)
        try:
            yield
        finally:
            self.kubectl("uncordon", kubelet.NODE_NAME)

    def stop(self) -> None:
        """End everything: the box with all pods first, then the control plane; the logs stay."""
        self.box.end()
        try:
            self.cluster.stop()
        finally:
            self._end_box()
            self._remove_bulk()

    def _start_node(self) -> None:
        self._say("containerd, kubelet and kube-proxy")
        config = containerd.write_files(self.folder, busybox.IMAGE)
        self.control.start_inside(shutil.which("containerd") or "containerd", "--config", str(config))
        wait_for(self._containerd_answers, "containerd answers", 30, every=0.1)
        self.load_image(busybox.write_archive(self.folder / "busybox.tar"))
        self.start_kubelet()
        config = self.folder / "kube-proxy.yaml"
        config.write_text(yaml.safe_dump(proxy.config(self.control.inner_kubeconfig())))
        self.control.start_inside(str(self._assets["kube-proxy"]), f"--config={config}")

    def _start_services(self, coredns: Path, metrics: Path) -> None:
        inner = self.control.inner_kubeconfig()
        corefile = self.folder / "Corefile"
        corefile.write_text(dns.corefile(ADDRESS, inner))
        self.control.start_in_network(coredns, "-conf", str(corefile), name="coredns")
        self.control.start_in_network(
            metrics, *metrics_server.flags(ADDRESS, inner, self.folder), name="metrics-server"
        )
        self._storage = storage.Storage(self.api, self.folder / "volumes")
        for document in [*metrics_server.objects(ADDRESS), storage.storage_class()]:
            self.api.apply(document)
        self.prepare_volumes()

    def _is_ready(self) -> bool:
        self.control.check_programs()
        found = self.api.request("GET", "/api/v1/nodes")["items"]
        return bool(found) and is_ready(found[0]) and not found[0]["spec"].get("taints")

    def _containerd_answers(self) -> bool:
        self.control.check_programs()
        done = subprocess.run(self._ctr_command("version"), capture_output=True, timeout=20)
        return done.returncode == 0

    def _container_id(self, namespace: str, pod: str, container: str) -> str:
        found = self.api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}")["status"]
        states = found.get("containerStatuses", []) + found.get("initContainerStatuses", [])
        container_id: str = next(one["containerID"] for one in states if one["name"] == container)
        return container_id.removeprefix("containerd://")

    def _ctr(self, *arguments: str) -> None:
        done = subprocess.run(self._ctr_command(*arguments), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"ctr {' '.join(arguments)}: {done.stderr}"

    def _ctr_command(self, *arguments: str) -> list[str]:
        return [*self.box.inside(), "ctr", "--namespace=k8s.io", *arguments]

    def _end_box(self) -> None:
        self.box.end()
        self.box.remove()

    def _remove_bulk(self) -> None:
        """Keep the logs, not the images and the data."""
        for name in ("lib", "etcd", "volumes"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _say(self, what: str) -> None:
        self._tell(f"node, {time.monotonic() - self._started:.0f} s: {what}\n")
