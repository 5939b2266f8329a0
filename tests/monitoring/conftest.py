"""promtool for this tier, or the reason why there is none."""

from pathlib import Path

import pytest
from support.controlplane.progress import progress
from support.promtool import PROMTOOL
from support.tiers import build_before, items_below

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    build_before("monitoring", items_below(session, HERE), PROMTOOL.find)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program."""
    return PROMTOOL.find(progress())
