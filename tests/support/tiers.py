"""What the tiers share: what is built before their first test, and what they tell the table at the end."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.builds import Build, Builds
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable

TIERS = {  # from the fastest to the one that asks most of the machine
    "unit": "no process",
    "operator": "objects and status, no process",
    "stack": "local programs",
    "chart": "helm, no cluster",
    "apiserver": "etcd, API server, controllers",
    "node": "kubelet, real pods",
    "monitoring": "promtool on the alert rules",
}
TOLD = "told"  # property of a test: a line for the end of the run
NOT_RUN = pytest.StashKey[dict[str, str]]()  # tier -> why this machine cannot run it
BUILDS = pytest.StashKey[dict[str, Build]]()  # tier -> what builds its needs
BEGUN = pytest.StashKey[Builds]()
NEEDS = pytest.StashKey[str]()  # of a test: the tier whose build it waits for
KEPT = pytest.StashKey[list[str]]()  # folders of logs that a failed run leaves


def items_below(session: pytest.Session, folder: Path) -> list[pytest.Item]:
    """The tests of this run that stand below a folder; none where they are only listed."""
    if session.config.option.collectonly:
        return []
    return [item for item in session.items if folder in item.path.parents]


def build_before(tier: str, items: Sequence[pytest.Item], build: Build) -> None:
    """Have what a tier needs built beside the tests of earlier tiers, and these tests wait for it."""
    if items:
        items[0].config.stash[BUILDS][tier] = build
    for item in items:
        item.stash[NEEDS] = tier


def begin_builds(config: pytest.Config) -> None:
    """Begin what the run needs, in the order of the tiers."""
    wanted = config.stash[BUILDS]
    config.stash[BEGUN] = Builds({tier: wanted[tier] for tier in TIERS if tier in wanted})


def wait_for_build(item: pytest.Item) -> None:
    """Wait for what the test needs, the progress in sight; skip it where that cannot be had."""
    if (tier := item.stash.get(NEEDS, None)) is None:
        return
    try:
        with in_sight(item.config):
            item.config.stash[BEGUN].wait(tier, progress())
    except Unavailable as reason:
        item.config.stash[NOT_RUN][tier] = str(reason)
        pytest.skip(str(reason))
    except RuntimeError as error:  # what is in the tree does not compile: that is ours to mend
        pytest.fail(str(error), pytrace=False)


@contextlib.contextmanager
def in_sight(config: pytest.Config) -> Iterator[None]:
    """Let what is printed be seen, as slow things happen."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield
