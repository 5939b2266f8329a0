"""What builds programs in Go, with a `go` that takes no time: once a version, one at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.controlplane.build import PROGRAMS, build
from support.controlplane.unavailable import Unavailable
from support.helm import HELM

ROOT = Path(__file__).parents[2]

GO = """#!/bin/sh
echo "$1" >> "{log}"
case $1 in
list) {list};;
build) sleep 0.2; {build}; while [ "$1" != -o ]; do shift; done; echo program > "$2";;
esac
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a `go` on the PATH that does as told; the file holds its calls."""

    def make(listing: str = "echo a; echo b", building: str = "true") -> Path:
        calls = tmp_path / "calls"
        script = tmp_path / "bin/go"
        script.parent.mkdir()
        script.write_text(GO.format(log=calls, list=listing, build=building))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("TIDEGAUGE_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        return calls

    return make


def test_the_control_plane_is_built_once_and_answers_by_every_name(go) -> None:
    calls = go()
    folder = build(lambda _: None)
    assert build(lambda _: None) == folder
    assert calls.read_text().split() == ["list", "build"]
    assert {(folder / program).read_text() for program in PROGRAMS} == {"program\n"}


def test_two_who_need_it_build_it_once(go) -> None:
    calls = go()
    command = [sys.executable, "-m", "support.controlplane", "build"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert len(said) == 1
    assert calls.read_text().split() == ["list", "build"]


def test_modules_that_cannot_be_fetched_are_a_reason(go) -> None:
    go(listing="echo 'no such host' >&2; exit 1")
    with pytest.raises(Unavailable, match="cannot be fetched: no such host"):
        build(lambda _: None)


def test_what_does_not_compile_is_an_error_and_leaves_nothing_behind(go) -> None:
    calls = go(building="echo 'main.go:3: undefined' >&2; exit 1")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"main\.go:3: undefined"):
            build(lambda _: None)
    assert calls.read_text().split() == ["list", "build"] * 2


def test_a_program_is_built_once_whatever_a_killed_build_has_left(go) -> None:
    calls = go()
    program = HELM.path(lambda _: None)
    program.rename(program.with_name(f"{program.name}.new"))
    assert HELM.path(lambda _: None) == program
    assert HELM.path(lambda _: None).read_text() == "program\n"
    assert calls.read_text().split() == ["build", "build"]
    assert {path.name for path in program.parent.iterdir()} == {program.name, "helm.lock"}


def test_a_program_that_is_named_is_not_built(go, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = go()
    monkeypatch.setenv("HELM", "/opt/helm")
    assert HELM.find(lambda _: None) == Path("/opt/helm")
    assert not calls.exists()


def run_tier(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "USE_EX"))}
    environment = {**bare, "PATH": "/usr/bin:/bin", "TIDEGAUGE_CACHE": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/apiserver", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.skipif(Path("/usr/bin/go").exists(), reason="this machine's Go stands where it cannot be hidden")
def test_a_tier_that_cannot_run_is_reported_with_its_reason(tmp_path: Path) -> None:
    run = run_tier(tmp_path)
    assert run.returncode == 0
    assert "etcd, API server, controllers  NOT RUN  no Go to build a control plane with" in run.stdout
    assert "no process                     NOT RUN  not asked for" in run.stdout
