"""A cluster by the machine's own settings: `USE_EXISTING_CLUSTER`, `KUBEBUILDER_ASSETS`, or built here."""

import os
import shutil
from pathlib import Path

from support.cache import Tell
from support.controlplane.assets import find_assets
from support.controlplane.cluster import Cluster, ExistingCluster, OwnCluster
from support.controlplane.unavailable import Unavailable


def prepare(tell: Tell) -> None:
    """Make sure that a cluster can be had, building its programs if need be.

    Raises
    ------
    Unavailable
        It cannot, with the reason.
    """
    if uses_existing():
        ExistingCluster.check_context(kubectl_of_the_machine())
    else:
        find_assets(tell)


def provide(folder: Path, tell: Tell, controllers: bool) -> Cluster:
    """A cluster that is ready; what it writes goes into the folder.

    Raises
    ------
    Unavailable
        There is none to be had, or none with controllers.
    """
    if uses_existing():
        return ExistingCluster(kubectl_of_the_machine(), folder)
    return OwnCluster(find_assets(tell), folder, controllers)


def uses_existing() -> bool:
    """Whether the current kubeconfig's cluster is to be used, as envtest reads it."""
    return os.environ.get("USE_EXISTING_CLUSTER", "").lower() in ("1", "true")


def kubectl_of_the_machine() -> Path:
    """The kubectl on the PATH, which knows how to log in to the cluster that stands.

    Raises
    ------
    Unavailable
        There is none.
    """
    if (kubectl := shutil.which("kubectl")) is None:
        raise Unavailable("USE_EXISTING_CLUSTER is set, but there is no kubectl on the PATH")
    return Path(kubectl)
