"""What is in an archive of images: an OCI layout, as buildah writes it, or what `docker save` writes."""

import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

NAME = "io.containerd.image.name"  # the annotation by which containerd finds a name
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Layer:
    """A layer as it lies on a node: the digest and the size of what is unpacked, the paths of its files."""

    digest: str
    bytes: int
    files: frozenset[str]


@dataclass(frozen=True)
class Image:
    """An image: what it says of itself (user, entry point, labels and so on), and its layers."""

    configuration: dict[str, Any]
    layers: tuple[Layer, ...]


@cache
def read_image(path: Path, name: str) -> Image:
    """The image that an archive has under a name."""
    with tarfile.open(path) as archive:
        configuration, members = _located(archive, name)
        document = json.loads(_member(archive, configuration))
        digests = document["rootfs"]["diff_ids"]
        layers = [_layer(archive, *one) for one in zip(members, digests, strict=True)]
    return Image(document["config"], tuple(layers))


def _located(archive: tarfile.TarFile, name: str) -> tuple[str, list[str]]:
    """The archive's members with an image's configuration and with its layers."""
    if "manifest.json" in archive.getnames():  # `docker save`, whatever else it writes beside
        saved = json.loads(_member(archive, "manifest.json"))
        found = next(one for one in saved if name in one["RepoTags"])
        return found["Config"], found["Layers"]
    index = json.loads(_member(archive, "index.json"))
    entry = next(one for one in index["manifests"] if one["annotations"][NAME] == name)
    manifest = json.loads(_member(archive, _blob(entry)))
    return _blob(manifest["config"]), [_blob(layer) for layer in manifest["layers"]]


def _blob(descriptor: dict[str, str]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"


def _layer(archive: tarfile.TarFile, member: str, digest: str) -> Layer:
    size = len(_unpacked(_member(archive, member)))
    with tarfile.open(fileobj=archive.extractfile(member), mode="r|*") as content:
        return Layer(digest, size, frozenset(_files(content)))


def _files(content: tarfile.TarFile) -> Iterator[str]:
    return (member.name.removeprefix("./") for member in content if not member.isdir())


def _unpacked(layer: bytes) -> bytes:
    """A layer's bytes; `docker save` leaves them as they are."""
    return zlib.decompress(layer, wbits=31) if layer.startswith(_GZIP) else layer


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()
