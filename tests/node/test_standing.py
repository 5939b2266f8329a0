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
        kubeconfig, path = re.findall(r"export KUBECONFIG=(\S+) PATH=\$PATH:(\S+)", printed)[0]
        models = [f"{path}/kubectl", f"--kubeconfig={kubeconfig}", "get", "dmm", "-n", "ml", "--no-headers"]
        said = subprocess.run(models, capture_output=True, text=True, check=True).stdout
        assert said.split()[:2] == ["house-prices", "True"]
    finally:
        assert run("down", 120) == "the cluster is gone\n"
    assert NAME not in owners()
    assert not Path(kubeconfig).exists()
