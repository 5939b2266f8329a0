"""The story on real pods: the autoscaler follows the load up and down, and no row is lost by it.

The tests are chapters: each goes on where the one before ended.
"""

from pathlib import Path

import pytest
from support.counting_client import CountingClient
from support.node.node import Node, is_ready
from support.story import CLAIM, Story

READY_SECONDS = 120
SCALE_SECONDS = 120
MOST = 3
# Little to ask for, so that one client is more than a pod is meant for; more to have, so that it starts soon.
MODEL = {"requests": {"cpu": "50m"}, "limits": {"cpu": "400m"}}


@pytest.fixture(scope="module")
def story(node: Node, house_prices: Path, story_namespace: str) -> Story:
    """One pod, and an autoscaler that may make three of it."""
    node.claim_with(story_namespace, CLAIM, house_prices.parent)
    story = Story(node, story_namespace, bundle=house_prices)
    story.apply("bundle", _scale_by_itself)
    story.wait_until("Ready", READY_SECONDS)
    return story


def _scale_by_itself(spec: dict[str, object]) -> None:
    spec.pop("replicas", None)
    spec["autoscaling"] = {"minReplicas": 1, "maxReplicas": MOST}
    spec["model"] = {**spec["model"], "resources": MODEL}  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def traffic(story: Story) -> CountingClient:
    """More rows than one pod is meant for."""
    return story.traffic(pause_seconds=0.002, connections=4)


def ready_pods(story: Story) -> int:
    return len([pod for pod in story.pods() if is_ready(pod)])


def test_one_pod_is_enough_for_silence(story: Story) -> None:
    assert ready_pods(story) == 1


def test_under_load_there_are_more_pods_and_the_verdict_covers_them(
    story: Story, traffic: CountingClient
) -> None:
    with traffic:
        story.wait_for(lambda: ready_pods(story) == MOST, f"{MOST} pods", SCALE_SECONDS)
        wanted = f"{MOST}/{MOST}"
        story.wait_for(lambda: story.status["drift"]["coverage"].get("pods") == wanted, "all are heard", 60)


def test_after_it_there_is_one_again_and_every_row_is_accounted_for(
    story: Story, traffic: CountingClient
) -> None:
    fate = traffic.finish()
    assert (fate.refused, fate.unsent, fate.in_doubt) == ([], 0, 0)
    story.wait_for(lambda: len(story.pods()) == 1, "one pod is left", SCALE_SECONDS)
    coverage = story.wait_for_rows(fate.answered).coverage
    assert coverage
    assert (coverage.rows_counted, coverage.rows_lost) == (fate.answered, 0)
    story.wait_for(lambda: story.status["drift"]["coverage"].get("pods") == "1/1", "no pod is missed", 60)
