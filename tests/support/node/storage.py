"""Volumes made beforehand: folders of the node.

They are of type `local`, which honours a pod's `fsGroup`; `hostPath` does not.
"""

import shutil
from pathlib import Path

from support.controlplane.api import Api, Document
from support.node.kubelet import NODE_NAME

CLASS = "local"
_SIZE = "2Gi"


def storage_class() -> Document:
    """The default class; a claim is bound when its pod is placed."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def volume(name: str, path: Path, mode: str = "ReadWriteOnce", claim: Document | None = None) -> Document:
    """A volume that is a folder of the node, for any claim or for a certain one."""
    reserved = {"claimRef": claim} if claim else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": _SIZE},
            "accessModes": [mode],
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(path)},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {
                                    "key": "kubernetes.io/hostname",
                                    "operator": "In",
                                    "values": [NODE_NAME],
                                }
                            ]
                        }
                    ]
                }
            },
            **reserved,
        },
    }


class Storage:
    """The node's volumes."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._folder = folder
        self._made = 0

    def stock(self, count: int) -> None:
        """See that so many volumes are free; call it before claims are made."""
        free = [one for one in self._volumes() if one.get("status", {}).get("phase") == "Available"]
        for _ in range(count - len(free)):
            self._made += 1
            self._api.apply(volume(f"local-{self._made}", self._new_folder(f"local-{self._made}")))

    def claim_with(self, namespace: str, name: str, content: Path) -> None:
        """A claim in the namespace whose volume holds a copy of this folder; any pod may read it."""
        where = f"{namespace}-{name}"
        shutil.copytree(content, self._folder / where)
        _open_to_all(self._folder / where)
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        reference = {**kind, "namespace": namespace, "name": name}
        self._api.apply(volume(where, self._folder / where, "ReadOnlyMany", reference))
        self._api.apply(
            {
                **kind,
                "metadata": {"namespace": namespace, "name": name},
                "spec": {
                    "accessModes": ["ReadOnlyMany"],
                    "resources": {"requests": {"storage": "1Gi"}},
                    "storageClassName": CLASS,
                    "volumeName": where,
                },
            }
        )

    def _volumes(self) -> list[Document]:
        items: list[Document] = self._api.request("GET", "/api/v1/persistentvolumes")["items"]
        return items

    def _new_folder(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir(parents=True)
        path.chmod(0o777)  # a pod's user is not known beforehand
        return path


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
