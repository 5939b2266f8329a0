"""What a node leaves behind whose tests were killed: names and folders; its processes went with the box."""

import shutil

from support.cache import Tell
from support.node.box import remove_network_and_cgroups
from support.node.owners import owners


def remove_leftovers(tell: Tell) -> None:
    """Remove boxes whose maker is gone, and nothing else."""
    for name, owner in owners().items():
        if not owner.lives():
            tell(f"removing {name}, which killed tests left behind\n")
            shutil.rmtree(owner.folder, ignore_errors=True)
            remove_network_and_cgroups(name)
