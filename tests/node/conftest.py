"""One node for this tier, or the reason why there is none.

`node` (see `support/node/node.py`) is a Kubernetes with one node that runs real pods,
shared by all tests of a run.
`namespace` is a new namespace of the test's own, under the `restricted` Pod Security level.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cache import Tell
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.helm import HELM, Helm
from support.images import Images
from support.images import images as build_images
from support.installation import Installation
from support.node.node import Node
from support.node.own_node import OwnNode
from support.node.packages import ensure_packages
from support.node.provide import prepare, provide
from support.story import build_example
from support.tiers import KEPT, build_before, in_sight, items_below

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    items = [item for item in items_below(session, HERE) if "node" in item.fixturenames]
    build_before("node", items, _build)


def _build(tell: Tell) -> None:
    """What the tier cannot do without; then what single fixtures ask for, which tell themselves of a lack."""
    prepare(tell)
    with contextlib.suppress(Unavailable):
        HELM.find(tell)
        build_images(tell)


@pytest.fixture(scope="session")
def machine() -> None:
    """A machine with what containers need; nothing is started."""
    try:
        ensure_packages(progress())
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """The node that all tests of the run share."""
    folder = Path(tempfile.mkdtemp(prefix="tidegauge-node-"))
    failed_before = request.session.testsfailed
    running = None
    try:
        with in_sight(request.config):
            running = provide(folder, progress())
        yield running
    finally:
        if running is not None:
            running.stop()
        if running is None or request.session.testsfailed > failed_before:
            request.config.stash[KEPT].append(str(folder))
        else:
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def own_node(node: Node) -> OwnNode:
    """The node, where it was made here: its parts may be stopped."""
    if not isinstance(node, OwnNode):
        pytest.skip("not done to a cluster that others made")
    return node


@pytest.fixture(scope="session")
def images(node: Node) -> Images:
    """The images of the programs, on the node."""
    try:
        with_names = build_images(progress())
        node.load_image(with_names.archive)
    except Unavailable as reason:
        pytest.skip(str(reason))
    return with_names


@pytest.fixture(scope="module")
def free_cluster(node: Node, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The node without tidegauge, and what installs it."""
    try:
        program = HELM.find(progress())
    except Unavailable as reason:
        pytest.skip(str(reason))
    helm = Helm(program, tmp_path_factory.mktemp("helm"), node.cluster.kubeconfig())
    found = Installation(node, helm, images)
    if found.definition() is not None:
        assert not node.own, "a test before this one left tidegauge installed"
        pytest.skip("tidegauge is installed on this cluster already")
    return found


@pytest.fixture(scope="module")
def tidegauge(free_cluster: Installation) -> Iterator[Installation]:
    """Tidegauge, installed by the chart for the tests of one file."""
    yield from installed(free_cluster)


@pytest.fixture(scope="module")
def quick_tidegauge(free_cluster: Installation) -> Iterator[Installation]:
    """The same, with an operator that asks for reports often, so that tests need not wait."""
    yield from installed(free_cluster, "--set", "reportSeconds=2")


def installed(cluster: Installation, *options: str) -> Iterator[Installation]:
    """Install, and take away what is there, also after an installation that failed half-way."""
    try:
        cluster.install(*options)
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="module")
def story_namespace(node: Node, quick_tidegauge: Installation) -> Iterator[str]:  # noqa: ARG001
    """A namespace for the model of one file, on a cluster with tidegauge; removed with all that is in it."""
    name = node.new_namespace()
    yield name
    node.remove_namespace(name)


@pytest.fixture(scope="session")
def house_prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed house-prices model: the bundle's folder, alone in its own."""
    return build_example(tmp_path_factory.mktemp("house-prices"))


@pytest.fixture
def namespace(node: Node) -> Iterator[str]:
    """A namespace of the test's own, removed with all that is in it."""
    name = node.new_namespace()
    yield name
    node.remove_namespace(name)
