"""`make cluster` and `make cluster-down`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.node.owners import owners
from support.node.standing import NAME, standing

TESTS = Path(__file__).parents[1]
EXIT_DRIFTING = 3


def run(command: str, timeout_seconds: float) -> str:
    """What the program prints."""
    done = subprocess.run(
        [sys.executable, "-m", "support.node.standing", command],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_seconds,
    )
    assert done.returncode == 0
    return done.stdout


def typed(lines: list[str], timeout_seconds: float) -> tuple[str, int]:
    """What the lines print in a shell that has no more than a newcomer's, and the code of the last."""
    script = "\n".join(["trap 'kill $(jobs -p)' EXIT", *lines])
    done = subprocess.run(
        ["bash", "-ec", script],
        env={"PATH": os.defpath, "HOME": os.environ["HOME"]},
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_seconds,
    )
    return done.stdout, done.returncode


def test_where_none_stands_there_is_nothing_to_end() -> None:
    if standing():
        pytest.skip("a cluster stands on this machine, and somebody may look at it")
    assert run("down", 30) == "no cluster is running\n"


@pytest.mark.soak
@pytest.mark.usefixtures("machine")
def test_a_cluster_stands_until_it_is_ended() -> None:
    if standing():
        pytest.skip("a cluster stands on this machine, and somebody may look at it")
    try:
        printed = run("up", 1200)
        assert run("up", 60) == printed
        kubeconfig = re.findall(r"export KUBECONFIG=(\S+)", printed)[0]
        lines = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
        said, code = typed(lines, 300)
        assert re.search(r"^house-prices +True ", said, re.MULTILINE)
        assert said.count("  failed 0\n") == 2, "every row of both simulations was answered"
        assert "house-prices: Drifting" in said
        assert code == EXIT_DRIFTING, "of the report, which is the last"
    finally:
        assert run("down", 120) == "the cluster is gone\n"
    assert NAME not in owners()
    assert not Path(kubeconfig).exists()
