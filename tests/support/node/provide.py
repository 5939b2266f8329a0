"""A node by the machine's own settings: `USE_EXISTING_CLUSTER`, else one made here."""

from pathlib import Path

from support.cache import Tell
from support.controlplane.assets import find_assets
from support.controlplane.cluster import ExistingCluster
from support.controlplane.provide import kubectl_of_the_machine, uses_existing
from support.node import dns, metrics_server
from support.node.existing_node import ExistingNode
from support.node.node import Node
from support.node.own_node import OwnNode
from support.node.packages import ensure_packages

_NEEDED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


def prepare(tell: Tell) -> None:
    """Make sure that a node can be had, building its programs if need be.

    Raises
    ------
    Unavailable
        It cannot, with the reason.
    """
    if uses_existing():
        ExistingCluster.check_context(kubectl_of_the_machine())
        return
    ensure_packages(tell)
    assets = find_assets(tell)
    for program in _NEEDED:
        _ = assets[program]
    for built in (dns.PROGRAM, metrics_server.PROGRAM):
        built.path(tell)


def provide(folder: Path, tell: Tell) -> Node:
    """A node that is ready; what it writes goes into the folder."""
    if uses_existing():
        return ExistingNode(kubectl_of_the_machine(), folder)
    return OwnNode(find_assets(tell), folder, tell)
