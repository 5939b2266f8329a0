"""docs/tutorial.md, from its first command to its last, and what it says that they print."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.controlplane.programs import free_ports
from support.installation import Installation
from support.node.node import Node
from support.pages import commands_of, files_of, page, shape
from support.restricted import namespace
from support.shell import programs_first, run
from support.waiting import wait_for

from tidegauge import __version__

PAGE = page("tutorial.md")
# The environment that runs the tests is installed already.
BLOCKS = [block for block in commands_of(PAGE) if "pip install" not in block.text]


@pytest.fixture
def folder(node: Node, tmp_path: Path) -> Iterator[Path]:
    """A folder with the page's files; the page's namespace is gone afterwards."""
    for name, text in files_of(PAGE).items():
        (tmp_path / name).write_text(text)
    node.prepare_volumes()
    yield tmp_path
    if node.api.find(namespace("ml")) is not None:
        node.api.delete(namespace("ml"))
    wait_for(lambda: node.api.find(namespace("ml")) is None, "the namespace is gone", 120, every=0.2)


@pytest.mark.soak
def test_the_tutorial_goes_as_its_page_says(node: Node, tidegauge: Installation, folder: Path) -> None:
    own = folder / "kubeconfig"
    shutil.copy(node.cluster.kubeconfig(), own)
    environment = programs_first(folder / "bin", kubectl=node.cluster.kubectl_program)
    environment |= {"KUBECONFIG": str(own), "COLUMNS": "100"}
    model_port, report_port = free_ports(2)
    image = tidegauge.images.name("serving")
    upload = folder / "upload.yaml"
    page_image = f"registry.example.com/ml/tidegauge/serving:{__version__}"
    upload.write_text(upload.read_text().replace(page_image, image))
    replaced = {
        "8080:80 ": f"{model_port}:80 ",
        "127.0.0.1:8080": f"127.0.0.1:{model_port}",
        "8090:8090": f"{report_port}:8090",
        "127.0.0.1:8090": f"127.0.0.1:{report_port}",
    }
    assert image in upload.read_text()
    assert all(old in PAGE for old in replaced)
    printed = run(BLOCKS, folder, environment, replaced, 900)
    for block, text in zip(BLOCKS, printed, strict=True):
        missing = set(shape(block.output)) - set(shape(text))
        assert not missing, f"{block.text}\nprinted:\n{text}\nand not: {sorted(missing)}"
