"""The images of the programs, built once per version of what they are made of, into the cache.

``python -m support.images`` builds them and prints the archive. Neither Docker nor a registry is needed: the
base is a Debian made on the spot, wheels are fetched by this machine's pip, buildah does the rest.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cache import Tell, built_once, cache_folder, made
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.image_archive import NAME, Layer, read_image

ROOT = Path(__file__).parents[2]
PROGRAMS = ("operator", "serving", "drift-sidecar", "aggregator")
EXTRAS = ("operator", "serving", "sidecar", "aggregator")
# What layers of third-party packages come from. The builder does not look into mounts when it decides whether
# a layer of its cache is still right, so a change of these gets a cache of its own.
RECIPE = ("Dockerfile", "constraints.txt", "images/install.py", "pyproject.toml")

_DEBIAN = ("--variant=minbase", "--include=python3,python3-venv")
_NO_DOCUMENTATION = tuple(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale"))
_NO_PACKAGE_LISTS = "rm -rf $1/etc/apt/sources.list* $1/var/lib/apt/lists/*"
_BASE = "localhost/tidegauge/base:bookworm"
_MACHINE = "x86_64"  # which the wheels are fetched for
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux_2_5")
_TITLE = "org.opencontainers.image.ref.name"  # by which Docker and kind find a name; containerd by another
ENVIRONMENT = "opt/tidegauge/pyvenv.cfg"


@dataclass(frozen=True)
class Images:
    """Built images.

    Parameters
    ----------
    archive
        One OCI archive with all of them; what they share is in it once.
    tag
        Of all of them.
    """

    archive: Path
    tag: str

    def name(self, program: str) -> str:
        """By which the archive calls a program's image."""
        return f"localhost/tidegauge/{program}:{self.tag}"

    def configuration(self, program: str) -> dict[str, Any]:
        """What the image says of itself: user, entry point, labels and so on."""
        return read_image(self.archive, self.name(program)).configuration

    def layers(self, program: str) -> tuple[list[Layer], list[Layer]]:
        """Those of the image's base, however many, and those above it, the environment first."""
        layers = read_image(self.archive, self.name(program)).layers
        above = next(i for i, layer in enumerate(layers) if ENVIRONMENT in layer.files)
        return list(layers[:above]), list(layers[above:])


def images(tell: Tell) -> Images:
    """The images of the programs as they stand in this checkout, built if need be.

    `TIDEGAUGE_IMAGES` as ARCHIVE=TAG names others that were built already.

    Raises
    ------
    Unavailable
        They cannot be built on this machine, with the reason.
    """
    if given := os.environ.get("TIDEGAUGE_IMAGES"):
        archive, _, given_tag = given.rpartition("=")
        return Images(Path(archive), given_tag)
    check_machine(platform.machine())
    tag = _hash(_files(["Dockerfile", ".dockerignore", *_context()]))
    found = Images(cache_folder() / f"images-{tag}.tar", tag)
    built_once("images", found.archive, lambda new: _build(found, new, tell), tell)
    return found


def check_machine(machine: str) -> None:
    """Raise `Unavailable` where images of another architecture would be needed."""
    if machine != _MACHINE:
        raise Unavailable(f"images are built for {_MACHINE} only here, and this machine is {machine}")


def _build(wanted: Images, archive: Path, tell: Tell) -> None:
    for program in ("buildah", "mmdebstrap"):
        if shutil.which(program) is None:
            raise Unavailable(f"no {program} to build images with")
    tell("building images; about 3 minutes when nothing is there yet\n")
    recipe = _hash(_files(RECIPE))
    builder = _Builder(cache_folder() / f"buildah-{recipe}")
    wheels = made(cache_folder() / f"wheels-{recipe}", lambda new: _fetch_wheels(new, tell))
    if not builder.holds(_BASE):
        _make_base(builder, tell)
    layout = wanted.archive.with_suffix(".layout")
    shutil.rmtree(layout, ignore_errors=True)
    for program in PROGRAMS:
        tell(f"building the image of {program}\n")
        arguments = {"BASE": _BASE, "PIP_NO_INDEX": "1", "REVISION": wanted.tag}
        name = wanted.name(program)
        builder.run(
            *("bud", "--quiet", "--isolation", "chroot", "--layers", "--target", program, "--tag", name),
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *(f"--build-context=wheels={wheels}", str(ROOT)),
        )
        builder.run("push", "--quiet", name, f"oci:{layout}:{name}")
    _pack(layout, archive)


class _Builder:
    """buildah with a store of its own, which keeps layers for the next build."""

    def __init__(self, store: Path) -> None:
        store.mkdir(exist_ok=True)
        self._command = ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run")]
        driver = "overlay" if self._has_overlay() else "vfs"
        self._command += ["--storage-driver", driver]

    def _has_overlay(self) -> bool:
        done = subprocess.run([*self._command, "--storage-driver", "overlay", "info"], capture_output=True)
        return done.returncode == 0

    def holds(self, image: str) -> bool:
        done = subprocess.run([*self._command, "inspect", "--type", "image", image], capture_output=True)
        return done.returncode == 0

    def run(self, *arguments: str) -> None:
        _run([*self._command, *arguments])


def _make_base(builder: _Builder, tell: Tell) -> None:
    """The base as an image of this store; the Debian itself is made once."""
    context = made(cache_folder() / f"base-{_hash([])}", lambda new: _make_debian(new, tell))
    builder.run("bud", "--quiet", "--isolation", "chroot", "--tag", _BASE, str(context))


def _make_debian(context: Path, tell: Tell) -> None:
    tell("making a Debian base\n")
    context.mkdir()
    options = (*_DEBIAN, *_NO_DOCUMENTATION, f"--customize-hook={_NO_PACKAGE_LISTS}")
    target = ("bookworm", str(context / "base.tar"), str(_package_sources()))
    _fetch(["mmdebstrap", "--quiet", *options, *target])
    (context / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["python3"]\n')


def _package_sources() -> Path:
    """Where this machine gets its packages from."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists():
            return path
    raise Unavailable("a base image can be made on Debian only")


def _fetch_wheels(folder: Path, tell: Tell) -> None:
    """The wheels of everything that the images need, for the base's Python."""
    tell("fetching wheels\n")
    _fetch(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--dest", str(folder), "--constraint", str(ROOT / "constraints.txt")),
            *("--python-version", "3.11", "--only-binary=:all:"),
            *(f"--platform={each}_{_MACHINE}" for each in _PLATFORMS),
            *_requirements(),
        ]
    )


def _requirements() -> list[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    return sorted({*document["build-system"]["requires"], *project["dependencies"], *extras})


def _pack(layout: Path, archive: Path) -> None:
    """Pack an OCI layout, its images named as both Docker and containerd look for names."""
    index = layout / "index.json"
    document = json.loads(index.read_text())
    for entry in document["manifests"]:
        entry["annotations"][NAME] = entry["annotations"][_TITLE]
    index.write_text(json.dumps(document))
    with tarfile.open(archive, "w") as packed:
        for path in sorted(layout.rglob("*")):
            packed.add(path, path.relative_to(layout), recursive=False)
    shutil.rmtree(layout)


def _context() -> list[str]:
    """What `.dockerignore` lets through to the builder."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in sorted(names):
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(" ".join(_DEBIAN).encode())
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _fetch(command: list[str]) -> None:
    """Run a command that needs what others provide."""
    try:
        _run(command)
    except RuntimeError as error:
        raise Unavailable(f"no images: {' '.join(str(error).split())[-300:]}") from error


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")


if __name__ == "__main__":
    try:
        print(images(progress()).archive)
    except Unavailable as reason:
        sys.exit(f"not possible here: {reason}")
