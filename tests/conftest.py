"""What every tier shares: the table, at the end of a run, of the tiers that ran and those that did not."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from support.tiers import BEGUN, BUILDS, KEPT, NOT_RUN, TIERS, TOLD, begin_builds, wait_for_build

TESTS = Path(__file__).parent
# How long an example takes says more of the machine than of the code.
settings.register_profile("any machine", parent=settings.default, deadline=None)
settings.load_profile("any machine")


@dataclass
class Tally:
    """What came of one tier's tests."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def words(self) -> str:
        counted = [f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items())]
        return f"{', '.join(counted)} in {self.seconds:.1f} s"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = {}
    config.stash[KEPT] = []
    config.stash[BUILDS] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    begin_builds(session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wait_for_build(item)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (begun := config.stash.get(BEGUN, None)) is not None:
        begun.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for line in (value for name, value in report.user_properties if name == TOLD):
            terminalreporter.write_line(line)
    for folder in config.stash[KEPT]:
        terminalreporter.write_line(f"logs of the failed run: {folder}")
    if any(".py" in argument for argument in config.args) or config.option.collectonly:
        return  # somebody runs a few tests and has not asked for tiers
    tallies = _tallies(terminalreporter)
    present = [tier for tier in TIERS if any((TESTS / tier).glob("**/test_*.py"))]
    terminalreporter.section("tiers")
    for tier in present:
        if reason := config.stash[NOT_RUN].get(tier):
            line = f"NOT RUN  {reason}"
        elif tier not in tallies:
            line = "NOT RUN  not asked for"
        else:
            line = tallies[tier].words()
        terminalreporter.write_line(f"{tier:<11}{TIERS[tier]:<31}{line}")


def _tallies(reporter: pytest.TerminalReporter) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in reporter.stats.get(outcome, []):
            if (tier := _tier(report.nodeid)) is not None:
                tally = tallies.setdefault(tier, Tally())
                tally.outcomes[outcome] += 1
                tally.seconds += getattr(report, "duration", 0.0)  # a file that cannot be read has none
    for report in reporter.getreports(""):  # setups and teardowns that went well
        if (tier := _tier(report.nodeid)) in tallies:
            tallies[tier].seconds += report.duration
    return tallies


def _tier(nodeid: str) -> str | None:
    steps = Path(nodeid.partition("::")[0]).parts
    return steps[1] if len(steps) > 2 and steps[0] == "tests" else None
