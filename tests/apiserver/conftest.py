"""A real API server for this tier, or the reason why there is none."""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster
from support.controlplane.progress import progress
from support.controlplane.provide import prepare, provide, uses_existing
from support.controlplane.unavailable import Unavailable
from support.restricted import namespace as namespace_of
from support.tiers import KEPT, build_before, items_below
from support.waiting import wait_for

HERE = Path(__file__).parent
CRD = HERE.parents[1] / "crds/driftmonitoredmodels.tidegauge.io.yaml"


def pytest_collection_finish(session: pytest.Session) -> None:
    build_before("apiserver", items_below(session, HERE), prepare)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """etcd and an API server that know the resource; no controllers, so objects stay as they are applied."""
    with _running(request, controllers=False) as running:
        yield running


@pytest.fixture(scope="session")
def whole_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The same with controllers and scheduler: Deployments make pods, owners take theirs with them."""
    with _running(request, controllers=True) as running:
        yield running


@pytest.fixture(scope="module")
def bare_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One with controllers that does not know the resource yet, for tests that install it themselves."""
    if uses_existing():
        pytest.skip("the definition is installed and removed: that is not done to a cluster that stands")
    with _running(request, controllers=True, with_definition=False) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own."""
    return new_namespace(cluster)


@pytest.fixture
def another_namespace(cluster: Cluster) -> Callable[[], str]:
    """Makes a new namespace each time it is called."""
    return lambda: new_namespace(cluster)


@pytest.fixture
def whole_namespace(whole_cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own in the cluster with controllers, removed with all that is in it."""
    name = new_namespace(whole_cluster)
    yield name
    whole_cluster.admin.delete(namespace_of(name))


def new_namespace(cluster: Cluster) -> str:
    """A new namespace with a random name."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.admin.create(namespace_of(name))
    return name


@contextlib.contextmanager
def _running(
    request: pytest.FixtureRequest, controllers: bool, with_definition: bool = True
) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="tidegauge-cluster-"))
    failed_before = request.session.testsfailed
    try:
        running = provide(folder, progress(), controllers)
    except Unavailable as reason:
        shutil.rmtree(folder)
        pytest.skip(str(reason))
    try:
        if with_definition:
            _install(running, yaml.safe_load(CRD.read_text()))
        yield running
    finally:
        running.stop()
        if request.session.testsfailed > failed_before:
            shutil.rmtree(folder / "etcd", ignore_errors=True)
            request.config.stash[KEPT].append(str(folder))
        else:
            shutil.rmtree(folder)


def _install(cluster: Cluster, definition: Document) -> None:
    cluster.admin.apply(definition)
    spec = definition["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"

    def served() -> bool:
        try:
            cluster.admin.request("GET", path)
        except Refused:  # not known yet, or its storage is not ready yet
            return False
        return True

    in_a_row = 0

    def served_for_a_while() -> bool:
        """The first answers may be followed by a 404: the definition's status makes its handler again."""
        nonlocal in_a_row
        in_a_row = in_a_row + 1 if served() else 0
        return in_a_row > 20

    wait_for(served_for_a_while, "the resource is served", every=0.1)
