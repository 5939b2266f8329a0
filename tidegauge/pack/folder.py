"""Bundle folders on disk: written whole or not at all, and checked."""

import os
import shutil
import tempfile
from pathlib import Path

from tidegauge.errors import BundleError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest
from tidegauge.protocol.names import MANIFEST_FILE

__all__ = ["check_free", "verify_bundle", "write_folder"]


def check_free(folder: Path) -> None:
    """Raise a `BundleError` if `folder` exists and is not a bundle, which could be replaced."""
    if folder.exists() and not _may_be_replaced(folder):
        raise BundleError(f"{folder} exists and is not a bundle: choose a new name, or remove it yourself")


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files into a temporary folder next to `folder`, then rename it.

    An older bundle of that name is replaced; anything else under the name is left alone.

    Raises
    ------
    BundleError
        `folder` exists and is not a bundle.
    """
    check_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BundleError(
            f"{folder} cannot be written ({error.strerror}): choose a folder of your own"
        ) from error
    try:
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        fresh.chmod(0o755)  # mkdtemp's own mode would hide the bundle from a server of another user
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _may_be_replaced(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST_FILE).is_file() or not any(folder.iterdir()))


def _swap(fresh: Path, folder: Path) -> None:
    """Rename `fresh` to `folder` and remove the old one."""
    if not folder.exists():
        os.rename(fresh, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.rename(folder, old)  # onto an empty folder, which rename replaces
    try:
        os.rename(fresh, folder)
    except BaseException:
        os.rename(old, folder)
        raise
    shutil.rmtree(old)


def verify_bundle(folder: Path | str) -> Manifest:
    """Check a bundle: manifest, both files' bytes, and that manifest and profile name the same features.

    Returns
    -------
    Manifest
        The manifest of a bundle that holds together.

    Raises
    ------
    BundleError
        It does not; the message says where.
    ProfileError
        The profile's file is not a profile.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    manifest.verify(folder)
    profile = Profile.load(folder / manifest.profile.file)
    if profile.hash != manifest.profile.hash:
        raise BundleError(
            f"{folder}: the profile's hash is {profile.hash}, the manifest says {manifest.profile.hash}"
        )
    named = [(feature.name, feature.kind) for feature in manifest.features]
    profiled = [(feature.name, feature.kind) for feature in profile.features]
    if named != profiled:
        raise BundleError(f"{folder}: the manifest names features {named}, the profile {profiled}")
    return manifest
