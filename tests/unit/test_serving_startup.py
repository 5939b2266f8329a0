"""What keeps the server from being ready after its bundle was loaded is said, and ends it if told to."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from support.serving_bundles import house_bundle
from tidegauge_serving.http.server import run
from tidegauge_serving.settings import Settings

from tidegauge.protocol.names import Exit


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("startup"))


def exit_code(bundle: Path, **given: Any) -> int:
    """The server's own, within a bound."""
    settings = Settings(bundle=bundle, host="127.0.0.1", port=0, exit_on_error=True, **given)
    # not in uvloop, which would leave this process deaf to Ctrl-C
    return asyncio.run(asyncio.wait_for(run(settings), 60))


def test_a_log_folder_that_no_system_can_name_is_said(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(bundle, log_dir=Path("a\0b")) == Exit.BUNDLE
    assert "ValueError: embedded null byte" in capsys.readouterr().err.splitlines()[-1]


def test_a_shared_socket_that_is_none_is_said(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datagrams = socket.socket(type=socket.SOCK_DGRAM).detach()
    for fd in (datagrams, 1 << 20):
        assert exit_code(bundle, fd=fd) == Exit.BUNDLE
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"--fd {fd}: this is no listening socket")
