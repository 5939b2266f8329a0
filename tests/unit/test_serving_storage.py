"""The storage initializer: a whole, verified bundle in the folder, or one line that says why not."""

import functools
import http.server
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.serving_bundles import edit_manifest, house_bundle
from support.stub_server import serving
from tidegauge_serving import storage

from tidegauge.errors import BundleError
from tidegauge.protocol.names import Env, Exit

WORD = "Bearer word"
FILES = {"manifest.json", "model.onnx", "profile.json"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("stored") / "house prices")


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Lets in who has the word; under /moved/ it points to the same server by another name, for all."""

    seen: list[tuple[str, str]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.seen.append((self.path, given))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            port = self.server.server_address[1]
            self.send_header("Location", f"http://localhost:{port}/open/{self.path.removeprefix('/moved/')}")
            self.end_headers()
        elif given == WORD or self.path.startswith("/open/"):
            self.path = self.path.removeprefix("/open")
            super().do_GET()
        else:
            self.send_error(401)


@pytest.fixture
def guarded(bundle: Path) -> Iterator[str]:
    Guarded.seen.clear()
    with serving(functools.partial(Guarded, directory=str(bundle))) as address:
        yield address


@pytest.fixture
def web(bundle: Path) -> Iterator[str]:
    with serving(functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(bundle))) as address:
        yield address


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_path_and_a_file_uri_are_copied(bundle: Path, tmp_path: Path) -> None:
    for index, uri in enumerate((str(bundle), bundle.as_uri())):
        destination = tmp_path / str(index)
        assert storage.fetch(uri, destination).name == "house-prices"
        assert files_of(destination) == files_of(bundle)


def test_a_profile_may_lie_elsewhere_and_must_be_the_bundles(bundle: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "profiles"
    elsewhere.mkdir()
    (elsewhere / "reference.json").write_bytes((bundle / "profile.json").read_bytes())
    without = tmp_path / "bundle"
    shutil.copytree(bundle, without)
    (without / "profile.json").unlink()
    storage.fetch(str(without), tmp_path / "out", (elsewhere / "reference.json").as_uri())
    assert files_of(tmp_path / "out") == files_of(bundle)
    (elsewhere / "reference.json").write_text("{}")
    with pytest.raises(BundleError, match="sha256"):
        storage.fetch(str(without), tmp_path / "out", (elsewhere / "reference.json").as_uri())


def test_http_is_copied(bundle: Path, web: str, tmp_path: Path) -> None:
    storage.fetch(web, tmp_path)
    assert files_of(tmp_path) == files_of(bundle)


def test_a_private_web_server_is_sent_the_word_of_the_environment(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert storage.main([guarded, str(tmp_path)]) == Exit.STORAGE
    assert "401" in capsys.readouterr().err
    monkeypatch.setenv(Env.STORAGE_AUTHORIZATION, WORD)
    assert storage.main([guarded, str(tmp_path), "--profile", f"{guarded}/profile.json"]) == 0


def test_the_word_is_not_sent_to_where_a_server_points(guarded: str, tmp_path: Path) -> None:
    storage.fetch(f"{guarded}/moved", tmp_path, authorization=WORD)
    assert {given for path, given in Guarded.seen if path.startswith("/moved/")} == {WORD}
    assert {given for path, given in Guarded.seen if path.startswith("/open/")} == {""}


def test_an_object_store_is_copied(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bucket(MemoryFileSystem):
        protocol = "s3"
        store: dict = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return "/" + path.removeprefix("s3://").strip("/")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Bucket)
    files = fsspec.filesystem("s3")
    for name, data in files_of(bundle).items():
        files.pipe_file(f"/models/3/{name}", data)
    storage.fetch("s3://models/3", tmp_path)
    assert files_of(tmp_path) == files_of(bundle)


def test_a_claim_is_read_where_the_pod_mounts_it(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PVC_MOUNT", str(bundle.parent))
    storage.fetch(f"pvc://claim/{bundle.name}", tmp_path)
    assert files_of(tmp_path) == files_of(bundle)


def test_a_bundle_that_was_there_is_replaced_as_a_whole(bundle: Path, tmp_path: Path) -> None:
    storage.fetch(str(bundle), tmp_path)
    with pytest.raises(BundleError):
        storage.fetch(str(tmp_path / "nowhere"), tmp_path)
    assert not (tmp_path / "manifest.json").exists(), "a failed copy left a manifest beside old files"
    storage.fetch(str(bundle), tmp_path)
    assert set(files_of(tmp_path)) == FILES


def test_a_changed_file_is_not_taken(tmp_path: Path) -> None:
    stored = house_bundle(tmp_path / "stored")
    (stored / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="sha256"):
        storage.fetch(str(stored), tmp_path / "here")
    assert not list((tmp_path / "here").iterdir())


def test_a_manifest_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    stored = house_bundle(tmp_path / "stored")
    edit_manifest(stored, profile__file="../secret")
    with pytest.raises(BundleError, match="plain file name"):
        storage.fetch(str(stored), tmp_path / "here")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp://host/x", ("ftp://", "s3")),
        ("/nowhere", ("manifest.json", "/nowhere")),
        ("http://127.0.0.1:9/x", ("manifest.json", "http://127.0.0.1:9/x")),
        ("s3://bucket/x", ("SERVING=serving,s3", "'.[s3]'")),
        ("gs://bucket/x", ("SERVING=serving,gcs", "'.[gcs]'")),
        ("abfs://bucket/x", ("SERVING=serving,azure", "'.[azure]'")),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(
    uri: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert storage.main([uri, str(tmp_path)]) == Exit.STORAGE
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert error.count("\n") == 1


def test_a_bundle_that_is_not_what_it_says_has_an_exit_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = house_bundle(tmp_path / "stored")
    (stored / "profile.json").write_bytes(b"{}")
    assert storage.main([str(stored), str(tmp_path / "here")]) == Exit.BUNDLE
    error = capsys.readouterr().err
    assert "profile.json" in error
    assert error.count("\n") == 1


def test_the_program_says_what_it_brought(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert storage.main([str(bundle), str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("house-prices: onnx, verified")
