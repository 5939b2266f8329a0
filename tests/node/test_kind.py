"""`make e2e-kind` without kind: what it would run, and whom it refuses."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from support.controlplane.unavailable import Unavailable
from support.images import PROGRAMS, ROOT
from support.node import kind
from support.node.existing_node import claim_and_filler, load_command


def kubectl_of(context: str, folder: Path) -> dict[str, str]:
    """An environment whose kubectl has this current context."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\necho {context}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("context", ["production", "kind-another", "kind-tidegauge-e2e-2", ""])
def test_any_context_but_its_own_is_refused(
    context: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = kubectl_of(context, tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    with pytest.raises(
        Unavailable, match=f"the context is {context or 'not set'}: .* only kind-tidegauge-e2e"
    ):
        kind.check_context(environment)


def test_the_context_of_the_own_kind_cluster_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = kubectl_of(kind.CONTEXT, tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    kind.check_context(environment)


def test_without_docker_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl_of(kind.CONTEXT, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kind.main() == 1
    assert capsys.readouterr().err == "not possible here: not on the PATH: docker kind helm\n"


def test_the_cluster_is_deleted_however_the_tests_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = machine_with_tools(tmp_path, monkeypatch)
    monkeypatch.setattr(kind, "run_tests", lambda: [str(tmp_path / "not-there")])
    with pytest.raises(FileNotFoundError):
        kind.main()
    assert asked.read_text().splitlines()[-1] == f"delete cluster --name={kind.CLUSTER}"


def test_the_cluster_is_kept_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = machine_with_tools(tmp_path, monkeypatch)
    monkeypatch.setenv("KEEP", "1")
    monkeypatch.setattr(kind, "run_tests", lambda: [str(tmp_path / "docker")])
    assert kind.main() == 0
    assert "create cluster" in asked.read_text()
    assert "delete" not in asked.read_text()


def machine_with_tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tools that do nothing; the file in which kind notes what it is asked."""
    monkeypatch.setenv("PATH", kubectl_of(kind.CONTEXT, folder)["PATH"])
    monkeypatch.setenv("TIDEGAUGE_CACHE", str(folder))
    monkeypatch.delenv("KEEP", raising=False)
    asked = folder / "asked"
    for name, line in (("docker", "exit 0"), ("helm", "exit 0"), ("kind", f'echo "$@" >> {asked}')):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return asked


def test_every_command_names_the_cluster_or_nothing_of_the_machine() -> None:
    makes = kind.create()
    assert "--name=tidegauge-e2e" in makes[0]
    assert f"--config={ROOT}/tests/node/kind.yaml" in makes[0]
    assert kind.delete() == [["kind", "delete", "cluster", "--name=tidegauge-e2e"]]


def test_each_program_has_a_target_and_all_go_into_one_archive() -> None:
    *builds, save = kind.build_images(Path("images.tar"))
    targets = [build[2].removeprefix("--target=") for build in builds]
    assert tuple(targets) == PROGRAMS
    assert all(f"--build-arg=REVISION={kind.TAG}" in build for build in builds)
    assert save[3:] == [f"localhost/tidegauge/{program}:e2e" for program in PROGRAMS]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert all(f" AS {target}\n" in dockerfile for target in targets)


def test_the_clusters_file_is_for_kind() -> None:
    document = yaml.safe_load(kind.CONFIG.read_text())
    assert (document["kind"], document["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    patches = [yaml.safe_load(patch) for patch in document["kubeadmConfigPatches"]]
    assert patches[0]["failCgroupV1"] is False


def test_images_are_loaded_by_the_tool_that_made_the_cluster(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no way to load images into production"):
        load_command("production", tmp_path)
    with pytest.raises(Unavailable, match="the context is k3d-tests, but there is no k3d"):
        load_command("k3d-tests", tmp_path)


def test_a_claim_is_filled_by_a_pod_that_the_restricted_level_admits() -> None:
    claim, filler = claim_and_filler("ml", "bundle")
    assert claim["metadata"] == {"namespace": "ml", "name": "bundle"}
    spec = filler["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"]
    assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": "bundle"}
