"""``python -m tidegauge_serving.storage URI DEST``: bring a bundle to where the server reads it, verified.

The storage initializer of a pod. It copies the manifest and the two files that it names, nothing else; the
manifest comes last, so that a folder with a manifest is a whole bundle.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from tidegauge.errors import StorageError, TidegaugeError
from tidegauge.protocol.bundle import Manifest
from tidegauge.protocol.names import MANIFEST_FILE, PVC_MOUNT, Env, Exit

__all__ = ["fetch", "main"]

HTTP_TIMEOUT_SECONDS: Final = 60
_EXTRAS: Final = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure", "az": "azure"}
_Copy: TypeAlias = Callable[[str, Path], None]
"""Copies one file of the bundle by its name; raises whatever the storage raises."""


def fetch(uri: str, destination: Path, profile_uri: str = "", authorization: str = "") -> Manifest:
    """Copy a bundle into a folder and verify it.

    Parameters
    ----------
    uri
        A folder: a path, ``file://``, ``pvc://CLAIM/PATH``, ``http(s)://``, ``s3://``, ``gs://``, ``abfs://``.
    destination
        The folder, made if it is not there.
    profile_uri
        Address of the profile, if it is not in the bundle's folder; it must be the one of the manifest.
    authorization
        The header ``Authorization`` that web servers are sent; object stores have their clients' own ways.

    Raises
    ------
    StorageError
        The scheme is unknown or needs what is not installed, or a file cannot be read.
    BundleError
        The bundle is not what its manifest says.
    """
    copy = _copier(uri, authorization)
    destination.mkdir(parents=True, exist_ok=True)
    (destination / MANIFEST_FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=destination, prefix=".fetch-") as name:
        folder = Path(name)
        _copy_one(copy, uri, MANIFEST_FILE, folder)
        manifest = Manifest.load(folder)
        _copy_one(copy, uri, manifest.model.file, folder)
        if profile_uri:
            _copy_profile(profile_uri, folder / manifest.profile.file, authorization)
        else:
            _copy_one(copy, uri, manifest.profile.file, folder)
        manifest.verify(folder)
        for file in (manifest.model.file, manifest.profile.file, MANIFEST_FILE):
            (folder / file).rename(destination / file)
    return manifest


def _copy_profile(uri: str, to: Path, authorization: str) -> None:
    folder, _, file = uri.rpartition("/")
    with tempfile.TemporaryDirectory(dir=to.parent) as name:
        _copy_one(_copier(folder, authorization), folder, file, Path(name))
        (Path(name) / file).rename(to)


def _copy_one(copy: _Copy, uri: str, file: str, folder: Path) -> None:
    try:
        copy(file, folder / file)
    except TidegaugeError:
        raise
    except Exception as error:  # every storage has errors of its own
        text = " ".join(str(error).split())[:300] or "no reason given"
        raise StorageError(f"{file} of {uri} cannot be read: {type(error).__name__}: {text}") from error


def _copier(uri: str, authorization: str) -> _Copy:
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme in ("", "file"):
        return _from_folder(Path(unquote(urlsplit(uri).path) if scheme else uri))
    if scheme == "pvc":
        _, _, path = uri.removeprefix("pvc://").partition("/")
        return _from_folder(Path(PVC_MOUNT) / path)
    if scheme in ("http", "https"):
        return _from_http(uri, authorization)
    if scheme in _EXTRAS:
        return _from_object_store(uri, scheme)
    known = ("file", "pvc", "http", "https", *_EXTRAS)
    raise StorageError(f"storage {scheme}:// of {uri} is not known: it may be {', '.join(known)}")


def _from_folder(folder: Path) -> _Copy:
    def copy(file: str, to: Path) -> None:
        shutil.copyfile(folder / file, to)

    return copy


def _from_http(uri: str, authorization: str) -> _Copy:
    import urllib.request  # a third of the initializer's imports, and few bundles need it

    parts = urlsplit(uri)

    def copy(file: str, to: Path) -> None:
        url = parts._replace(path=f"{parts.path.rstrip('/')}/{file}").geturl()
        request = urllib.request.Request(url)
        if authorization:  # for this server, not for one that it points to
            request.add_unredirected_header("Authorization", authorization)
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_SECONDS) as answer, to.open("wb") as out:
            shutil.copyfileobj(answer, out)

    return copy


def _from_object_store(uri: str, scheme: str) -> _Copy:
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        extra = _EXTRAS[scheme]
        raise StorageError(
            f"storage {scheme}:// needs more than is installed: build the serving image with "
            f"--build-arg SERVING=serving,{extra}, or without an image, in a checkout, "
            f"pip install '.[{extra}]' ({error})"
        ) from error

    def copy(file: str, to: Path) -> None:
        files.get_file(f"{path.rstrip('/')}/{file}", str(to))

    return copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the initializer; the exit code, not 0 and with one line on stderr if the bundle cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegauge_serving.storage",
        description="Copy a bundle from storage into a folder and verify it. Credentials are in the "
        f"environment: those of the storage's own client, for web servers {Env.STORAGE_AUTHORIZATION}.",
    )
    parser.add_argument(
        "uri", help="file://, pvc://, http(s)://, s3://, gs:// or abfs:// folder of the bundle"
    )
    parser.add_argument("destination", type=Path, help="folder to put it into")
    parser.add_argument("--profile", default="", help="URI of the profile's file, if not in that folder")
    given = parser.parse_args(arguments)
    try:
        authorization = os.environ.get(Env.STORAGE_AUTHORIZATION, "")
        manifest = fetch(given.uri, given.destination, given.profile, authorization)
    except StorageError as error:
        return _failed(error, Exit.STORAGE)
    except TidegaugeError as error:
        return _failed(error, Exit.BUNDLE)
    except OSError as error:  # the folder itself cannot be written
        return _failed(error, 1)
    print(f"{manifest.name}: {manifest.model.format}, verified, in {given.destination}")
    return 0


def _failed(error: Exception, code: int) -> int:
    print(" ".join(str(error).split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
