"""The story on real pods: one part after the other dies under traffic.

The tests are chapters over one stream of requests. Answers go on, the dead part comes back, and in the end
every answered row is counted or told as lost.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.controlplane.api import Document
from support.counting_client import CountingClient
from support.installation import Installation
from support.node.kubelet import NODE_NAME
from support.node.node import is_ready
from support.node.own_node import OwnNode
from support.story import CLAIM, Story
from support.waiting import wait_for

READY_SECONDS = 120
BACK_SECONDS = 90
VERDICT_SECONDS = 90
HUNG_SECONDS = 55
KUBELET_AWAY_SECONDS = 10
ETCD_AWAY_SECONDS = 30
DRAIN_SECONDS = 15
MOST_SILENT_SECONDS = 15  # where one of two servers is killed, the other answers


@pytest.fixture(scope="module")
def story(own_node: OwnNode, house_prices: Path, story_namespace: str) -> Story:
    """Two model pods and an aggregator."""
    own_node.claim_with(story_namespace, CLAIM, house_prices.parent)
    story = Story(own_node, story_namespace, bundle=house_prices)
    story.apply("bundle", lambda spec: spec.update(replicas=2))
    story.wait_until("Ready", READY_SECONDS)
    return story


@pytest.fixture(scope="module")
def traffic(story: Story) -> Iterator[CountingClient]:
    """Single rows, from before the first death until after the last."""
    with story.traffic(pause_seconds=0.1) as client:
        wait_for(lambda: client.answered > 20, "requests are answered", 20)
        yield client


def answers_go_on(traffic: CountingClient) -> None:
    before = traffic.answered
    wait_for(lambda: traffic.answered > before + 10, "answers go on", 30)


def restarts(pod: Document, container: str) -> int:
    """How often a container of a pod was started again."""
    states = [*pod["status"].get("containerStatuses", []), *pod["status"].get("initContainerStatuses", [])]
    return next((int(state["restartCount"]) for state in states if state["name"] == container), 0)


def kill(node: OwnNode, story: Story, component: str, container: str) -> None:
    """Kill a container of the first pod, and wait until the pod is ready again."""
    pod = story.pods(component)[0]
    before = restarts(pod, container)
    node.kill_container(story.namespace, pod["metadata"]["name"], container)

    def is_back() -> bool:
        now = story.pods(component)[0]
        return restarts(now, container) > before and is_ready(now)

    story.wait_for(is_back, f"{container} is back", BACK_SECONDS)


@pytest.mark.parametrize(
    ("component", "container"),
    [("model", "drift-sidecar"), ("model", "model"), ("aggregator", "aggregator")],
    ids=["sidecar", "server", "aggregator"],
)
def test_a_killed_container_comes_back_while_answers_go_on(
    own_node: OwnNode, story: Story, traffic: CountingClient, component: str, container: str
) -> None:
    answers_go_on(traffic)
    kill(own_node, story, component, container)
    answers_go_on(traffic)
    story.wait_until("Ready", BACK_SECONDS)


def test_without_an_aggregator_nothing_is_known_and_afterwards_every_row_is(
    own_node: OwnNode, story: Story, traffic: CountingClient
) -> None:
    """Its pod finds no node for a while: answers go on, and what sidecars count waits for it."""
    story.wait_for(lambda: told_of_drift(story)["status"] != "Unknown", "a verdict", VERDICT_SECONDS)
    (aggregator,) = story.pods("aggregator")
    with own_node.cordoned():
        story.kubectl("delete", "pod", aggregator["metadata"]["name"])
        story.wait_for(lambda: told_of_drift(story)["status"] == "Unknown", "nothing is known", BACK_SECONDS)
        assert told_of_drift(story)["reason"] == "NoReport"
        assert story.status["drift"]["verdict"] == "Unknown"
        answers_go_on(traffic)
        answered = traffic.answered
    story.wait_for(lambda: told_of_drift(story)["status"] != "Unknown", "a verdict again", READY_SECONDS)
    story.wait_for_rows(answered, BACK_SECONDS)


def told_of_drift(story: Story) -> Document:
    return story.condition("DataDriftDetected")


def test_a_sidecar_that_hangs_is_told_and_what_its_server_answered_is_counted_afterwards(
    own_node: OwnNode, story: Story, traffic: CountingClient
) -> None:
    """For less than the minute after which the kubelet would start it anew."""
    (pod, _) = story.pods()
    with own_node.frozen(story.namespace, pod["metadata"]["name"], "drift-sidecar"):
        story.wait_for(
            lambda: degraded(story)["reason"] == "PodsSilent", "a silent pod is told", HUNG_SECONDS
        )
        assert degraded(story)["status"] == "True"
        assert story.status["drift"]["coverage"]["pods"] == "1/2"
        answers_go_on(traffic)
        answered = traffic.answered
    story.wait_for(lambda: degraded(story)["reason"] == "Covered", "all are heard again", BACK_SECONDS)
    coverage = story.wait_for_rows(answered, BACK_SECONDS).coverage
    assert coverage
    assert coverage.rows_lost == 0


def degraded(story: Story) -> Document:
    return story.condition("DriftMonitoringDegraded")


def test_a_killed_operator_comes_back_and_goes_on(
    own_node: OwnNode, story: Story, traffic: CountingClient, quick_tidegauge: Installation
) -> None:
    (operator,) = quick_tidegauge.pods()
    own_node.kill_container(quick_tidegauge.namespace, operator["metadata"]["name"], "operator")
    story.merge(replicas=3)
    story.wait_for(lambda: len(story.pods()) == 3, "an edit made meanwhile is done", BACK_SECONDS)
    story.wait_until("Ready", BACK_SECONDS)
    answers_go_on(traffic)


def test_pods_answer_while_the_kubelet_is_away(own_node: OwnNode, traffic: CountingClient) -> None:
    own_node.kill_kubelet()
    try:
        until = time.monotonic() + KUBELET_AWAY_SECONDS
        while time.monotonic() < until:
            answers_go_on(traffic)
    finally:
        own_node.start_kubelet()


def test_pods_answer_while_etcd_is_away_and_the_verdict_comes_again(
    own_node: OwnNode, story: Story, traffic: CountingClient
) -> None:
    own_node.control.pause_etcd()
    try:
        until = time.monotonic() + ETCD_AWAY_SECONDS
        while time.monotonic() < until:
            answers_go_on(traffic)
    finally:
        own_node.control.resume_etcd()
    story.merge(drift={"rowScoreThreshold": 2.5})
    story.wait_until("Ready=False", BACK_SECONDS)
    story.wait_until("Ready", READY_SECONDS)
    answers_go_on(traffic)
    story.wait_for_rows(traffic.answered, BACK_SECONDS)  # so it is a verdict on rows of afterwards too
    story.wait_for(lambda: told_of_drift(story)["status"] != "Unknown", "a verdict again", VERDICT_SECONDS)
    assert story.status["drift"]["verdict"] != "Unknown"


def test_a_drain_takes_no_more_pods_than_the_budget_allows_and_answers_go_on(
    own_node: OwnNode, story: Story, traffic: CountingClient
) -> None:
    """The only node takes no new pods while it is drained, so all pods but one of the three stay."""
    which = f"--pod-selector=tidegauge.io/model={story.name},app.kubernetes.io/component=model"
    with own_node.cordoned():
        said = own_node.kubectl(
            *("drain", NODE_NAME, which, "--delete-emptydir-data", f"--timeout={DRAIN_SECONDS}s"),
            check=False,
            timeout_seconds=DRAIN_SECONDS + 30,
        )
        assert "disruption budget" in said
        assert len([pod for pod in story.pods() if is_ready(pod)]) == 2
        answers_go_on(traffic)
    story.wait_for(lambda: len([p for p in story.pods() if is_ready(p)]) == 3, "all pods again", BACK_SECONDS)
    story.wait_until("Ready", BACK_SECONDS)


def test_in_the_end_every_answered_row_is_accounted_for(story: Story, traffic: CountingClient) -> None:
    fate = traffic.finish()
    assert fate.refused == []
    moments = sorted(at for at, _ in fate.answers)
    longest = max(after - before for before, after in itertools.pairwise(moments))
    print(f"the longest time without an answer: {longest:.1f} s; {fate.in_doubt} requests in doubt")
    assert longest < MOST_SILENT_SECONDS
    coverage = story.wait_for_rows(fate.answered, 90).coverage
    assert coverage
    accounted = coverage.rows_counted + coverage.rows_lost
    print(f"{fate.answered} answered, {fate.in_doubt} in doubt, {accounted} accounted for: {coverage}")
    assert fate.answered <= accounted <= fate.answered + fate.in_doubt
