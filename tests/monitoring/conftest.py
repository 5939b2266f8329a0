"""promtool for this tier, or the reason why there is none."""

from pathlib import Path

import pytest
from support.controlplane.progress import progress
from support.go_program import GoProgram
from support.tiers import build_before, items_below

# Without the clients of all clouds' service discoveries, which rules have no need of.
PROMTOOL = GoProgram(
    name="promtool",
    module="promtool",
    package="github.com/prometheus/prometheus/cmd/promtool",
    minutes=3,
    flags=("-tags", "remove_all_sd"),
)


HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    build_before("monitoring", items_below(session, HERE), PROMTOOL.find)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program."""
    return PROMTOOL.find(progress())
