"""Helm for this tier, or the reason why there is none."""

import contextlib
from pathlib import Path

import pytest
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.helm import Helm, find_helm
from support.tiers import NOT_RUN

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the tier needs before its first test, with the progress in sight."""
    items = [item for item in session.items if HERE in item.path.parents]
    if not items or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        try:
            find_helm(progress())
        except Unavailable as reason:
            session.config.stash[NOT_RUN]["chart"] = str(reason)
            for item in items:
                item.add_marker(pytest.mark.skip(reason=str(reason)))


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, without a cluster."""
    return Helm(find_helm(progress()), tmp_path_factory.mktemp("helm"))
