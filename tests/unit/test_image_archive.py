"""Archives of images: what buildah writes and what `docker save` writes say the same."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.image_archive import NAME, read_image

IMAGE = "localhost/tidegauge/operator:e2e"
CONFIGURATION = {"User": "65532:65532"}
FILES = (["bin/sh", "bin/pip"], ["usr/lib/x"], ["opt/tidegauge/pyvenv.cfg"])


def packed(files: dict[str, bytes], path: Path | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    if path:
        path.write_bytes(out.getvalue())
    return out.getvalue()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


LAYERS = [packed(dict.fromkeys(files, b"x")) for files in FILES]
CONFIG = json.dumps(
    {"config": CONFIGURATION, "rootfs": {"diff_ids": [digest_of(layer) for layer in LAYERS]}}
).encode()


def oci_layout(path: Path) -> None:
    """As buildah writes it: layers compressed, found by digests from the index on."""
    blobs: dict[str, bytes] = {}

    def kept(content: bytes) -> dict[str, Any]:
        blobs[f"blobs/{digest_of(content).replace(':', '/')}"] = content
        return {"digest": digest_of(content)}

    layers = [kept(gzip.compress(layer)) for layer in LAYERS]
    manifest = kept(json.dumps({"config": kept(CONFIG), "layers": layers}).encode())
    others = {"annotations": {NAME: "localhost/other:e2e"}, "digest": "sha256:0"}
    index = {"manifests": [others, {**manifest, "annotations": {NAME: IMAGE}}]}
    packed({"index.json": json.dumps(index).encode(), **blobs}, path)


def docker_save(path: Path) -> None:
    """As Docker writes it: layers as they are, named by a manifest of all images."""
    members = {f"{number}/layer.tar": layer for number, layer in enumerate(LAYERS)}
    others = {"RepoTags": ["localhost/other:e2e"], "Config": "", "Layers": []}
    ours = {"RepoTags": [IMAGE], "Config": "config.json", "Layers": list(members)}
    manifest = json.dumps([others, ours]).encode()
    packed({**members, "config.json": CONFIG, "manifest.json": manifest, "index.json": b"{}"}, path)


@pytest.mark.parametrize("write", [oci_layout, docker_save])
def test_an_image_has_the_layers_that_it_was_made_of(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "images.tar")
    image = read_image(tmp_path / "images.tar", IMAGE)
    assert image.configuration == CONFIGURATION
    assert [sorted(layer.files) for layer in image.layers] == [sorted(files) for files in FILES]
    assert [layer.bytes for layer in image.layers] == [len(layer) for layer in LAYERS]
    assert [layer.digest for layer in image.layers] == [digest_of(layer) for layer in LAYERS]
