"""An image of one static busybox: the sandbox of every pod, and a shell for tests. No registry is asked."""

import hashlib
import io
import json
import platform
import shutil
import tarfile
from pathlib import Path

IMAGE = "localhost/tidegauge/busybox:1"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_TOOLS = ("cat", "echo", "httpd", "ls", "mkdir", "nslookup", "sh", "sleep", "tar", "wget")


def write_archive(path: Path) -> Path:
    """Write the image as `docker save` would."""
    program = shutil.which("busybox")
    assert program, "busybox-static is one of the packages"
    layer = _layer(Path(program))
    config = json.dumps(
        {
            "architecture": _MACHINES[platform.machine()],
            "os": "linux",
            "config": {"Cmd": ["/bin/sleep", "2147483647"], "Env": ["PATH=/bin"], "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        for file, content in {
            "layer.tar": layer,
            name: config,
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            archive.addfile(_entry(file, len(content)), io.BytesIO(content))
    return path


def _layer(program: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        content = program.read_bytes()
        layer.addfile(_entry("bin/busybox", len(content)), io.BytesIO(content))
        for tool in _TOOLS:
            link = _entry(f"bin/{tool}", 0)
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            layer.addfile(link)
        scratch = _entry("tmp", 0)
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        layer.addfile(scratch)
    return out.getvalue()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755
    return entry
