"""Helm for this tier, or the reason why there is none."""

from pathlib import Path

import pytest
from support.controlplane.progress import progress
from support.helm import HELM, Helm
from support.tiers import build_before, items_below

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    build_before("chart", items_below(session, HERE), HELM.find)


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, without a cluster."""
    return Helm(HELM.find(progress()), tmp_path_factory.mktemp("helm"))
