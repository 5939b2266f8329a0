"""Environments with one extra alone: what it names, what those packages need, and nothing else.

Nothing is downloaded. The packages are those of this environment, by symbolic links, chosen by the metadata
that pip would follow.
"""

import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = (ROOT, *(ROOT / name for name in ("serving", "drift_sidecar", "aggregator", "operator")))


def make_environment(folder: Path, extras: set[str]) -> Path:
    """Make a virtual environment as ``pip install '.[EXTRAS]'`` would; returns its Python."""
    venv.create(folder, symlinks=True)
    packages = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for package in needed(extras):
        for name in {
            file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            (packages / name).symlink_to(Path(str(package.locate_file(name))))
    (packages / "checkout.pth").write_text("\n".join(map(str, IMPORT_ROOTS)))
    return folder / "bin/python"


def needed(extras: set[str]) -> list[Distribution]:
    """All packages of the extras of ours, ourselves left out."""
    found: dict[str, set[str]] = {}
    asked = [("tidegauge", extras)]
    while asked:
        name, wanted = asked.pop()
        if name in found and wanted <= found[name]:
            continue
        found[name] = found.get(name, set()) | wanted
        asked += list(_requirements(name, found[name]))
    return [distribution(name) for name in found if name != "tidegauge"]


def _requirements(name: str, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement.name.lower().replace("_", "-"), set(requirement.extras)
