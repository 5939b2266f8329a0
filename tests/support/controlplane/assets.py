"""Where the programs of a control plane are: those the machine names, else those built here."""

import os
from pathlib import Path

from support.cache import Tell
from support.controlplane.build import build
from support.controlplane.unavailable import Unavailable

_NEEDED = {
    "etcd": "TEST_ASSET_ETCD",
    "kube-apiserver": "TEST_ASSET_KUBE_APISERVER",
    "kubectl": "TEST_ASSET_KUBECTL",
}


class Assets:
    """Paths of the programs, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, program: str) -> Path:
        own = os.environ.get(_NEEDED.get(program, ""))
        path = Path(own) if own else self.folder / program
        if not path.exists():
            raise Unavailable(f"no {program} in {self.folder}")
        return path


def find_assets(tell: Tell) -> Assets:
    """The programs that `KUBEBUILDER_ASSETS` names (as setup-envtest prints it), else those built here.

    Raises
    ------
    Unavailable
        Neither is there.
    """
    if named := os.environ.get("KUBEBUILDER_ASSETS"):
        assets = Assets(Path(named))
        for program in _NEEDED:
            _ = assets[program]
        return assets
    return Assets(build(tell))
