"""docs/install.md, command by command."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helm import ROOT
from support.installation import Installation
from support.node.node import Node
from support.pages import Commands, commands_of, page
from support.shell import programs_first, run

from tidegauge import __version__

HELM, KUSTOMIZE = "## With Helm", "## With kustomize"


@pytest.fixture
def checkout(tmp_path: Path, free_cluster: Installation) -> Iterator[Path]:
    """What the page's commands read, with the names that the images have here; what they leave is removed."""
    for name in ("charts", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    tag = free_cluster.images.tag
    replace(tmp_path / "charts/tidegauge/Chart.yaml", r"appVersion: .*", f'appVersion: "{tag}"')
    released = rf"(tidegauge/[a-z-]+):{re.escape(__version__)}"
    replace(tmp_path / "manifests/operator.yaml", released, rf"\1:{tag}")
    yield tmp_path
    free_cluster.remove()


def replace(path: Path, old: str, new: str) -> None:
    text, count = re.subn(old, new, path.read_text())
    assert count
    path.write_text(text)


def section(title: str) -> list[Commands]:
    text = page("install.md").partition(f"{title}\n")[2]
    return commands_of(re.split(r"^## ", text, flags=re.MULTILINE)[0])


@pytest.mark.parametrize("title", [HELM, KUSTOMIZE])
def test_the_commands_of_the_install_page_install_and_remove(
    node: Node, free_cluster: Installation, checkout: Path, title: str
) -> None:
    environment = programs_first(
        checkout / "bin", kubectl=node.cluster.kubectl_program, helm=free_cluster.helm.program
    )
    environment["KUBECONFIG"] = str(node.cluster.kubeconfig())
    blocks = section(title)
    if title == KUSTOMIZE:
        blocks.append(Commands("kubectl delete -k manifests\n"))
    printed = run(blocks, checkout, environment, {"registry.example.com/ml": "localhost"}, 300)
    assert re.search(r"tidegauge-operator\s+1/1", printed[0]) or "successfully rolled out" in printed[0]
    if title == HELM:
        assert "Rollback was a success" in printed[1]
    assert free_cluster.operator() is None
    assert free_cluster.definition() is None


def test_the_page_shows_how_manifests_are_removed() -> None:
    assert "`kubectl delete -k manifests` removes everything" in page("install.md")
