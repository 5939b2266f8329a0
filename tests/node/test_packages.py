"""Debian packages are installed only where somebody has asked for it."""

import os
from pathlib import Path

import pytest
from support.controlplane.unavailable import Unavailable
from support.node.packages import ensure_packages, missing_packages

pytestmark = pytest.mark.skipif(
    os.uname().sysname != "Linux" or os.geteuid() != 0, reason="a node needs Linux and root"
)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any of the programs; its apt-get notes what it is asked and installs nothing."""
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CI", "INSTALL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_no_debian_package_is_installed_unasked(bare: Path) -> None:
    with pytest.raises(Unavailable, match=r"missing Debian packages: containerd .*; INSTALL=1 installs them"):
        ensure_packages(print)
    assert not (bare / "asked").exists()


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("INSTALL", "1")])
def test_what_is_missing_is_installed_when_asked(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    missing = missing_packages()
    with pytest.raises(Unavailable, match="installed, but without their programs"):
        ensure_packages(print)
    update, install = (bare / "asked").read_text().splitlines()
    assert update.startswith("update")
    assert install.split()[-len(missing) :] == missing


def test_an_apt_that_fails_is_the_reason(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    monkeypatch.setenv("INSTALL", "1")
    with pytest.raises(Unavailable, match="apt-get update failed: E: no network"):
        ensure_packages(print)
