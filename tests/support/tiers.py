"""What the tiers share: what is built before their first test, and what they tell the table at the end."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
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
NOT_RUN = pytest.StashKey[dict[str, str]]()  # tier -> why this machine cannot run it
KEPT = pytest.StashKey[list[str]]()  # folders of logs that a failed run leaves


def items_below(session: pytest.Session, folder: Path) -> list[pytest.Item]:
    """The tests of this run that stand below a folder; none where they are only listed."""
    if session.config.option.collectonly:
        return []
    return [item for item in session.items if folder in item.path.parents]


def build_before(tier: str, items: Sequence[pytest.Item], build: Callable[[], object]) -> None:
    """Build what a tier needs before its first test, the progress in sight; skip its tests without it."""
    if not items:
        return
    config = items[0].config
    try:
        with in_sight(config):
            build()
    except Unavailable as reason:
        config.stash[NOT_RUN][tier] = str(reason)
        for item in items:
            item.add_marker(pytest.mark.skip(reason=str(reason)))
    except RuntimeError as error:  # what is in the tree does not compile: that is ours to mend
        raise pytest.UsageError(str(error)) from error


@contextlib.contextmanager
def in_sight(config: pytest.Config) -> Iterator[None]:
    """Let what is printed be seen, as slow things happen."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield
