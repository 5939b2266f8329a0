"""The story on real pods: the model changes under traffic, goes back, and goes.

The tests are chapters: each goes on where the one before ended.
"""

import itertools
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.counting_client import Counted, CountingClient
from support.node.kubelet import NODE_NAME
from support.node.node import Node
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.story import CLAIM, Story
from support.waiting import wait_for
from tidegauge_operator.kinds import CHILDREN, PODS, Kind

READY_SECONDS = 120
SHARDS = 2
KINDS = [kind for kind in (PODS, *CHILDREN) if not kind.optional]


@pytest.fixture(scope="module")
def bundles(house_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example's bundle, and the next one: another model and another reference."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(house_prices, folder / "bundle")
    return {"bundle": folder / "bundle", "next": house_bundle(folder / "next")}


@pytest.fixture(scope="module")
def story(node: Node, bundles: dict[str, Path], story_namespace: str) -> Story:
    """Two pods, and an aggregator of two shards."""
    node.claim_with(story_namespace, CLAIM, bundles["bundle"].parent)
    story = Story(node, story_namespace, **bundles)
    story.apply("bundle", lambda spec: spec.update(replicas=2, aggregator={"replicas": SHARDS}))
    story.wait_until("Ready", READY_SECONDS)
    return story


def traffic(story: Story) -> CountingClient:
    """Single rows over several connections, a new one now and then."""
    numbers = itertools.count()

    def body(_: int) -> bytes:
        return json.dumps({"features": {**HOUSE_ROW, "sqft": 1500 + next(numbers) % 1000}}).encode()

    port = urlsplit(story.address()).port
    if not story.node.own or port is None:
        pytest.skip("needs a way to the Service that is no proxy's")
    return CountingClient(port, body, connections=3, pause=0.05)


def change_under_traffic(story: Story, bundle: str) -> Counted:
    """Apply another bundle while requests come; what became of them."""
    with traffic(story) as client:
        wait_for(lambda: client.answered > 20, "requests are answered", 20)
        story.merge(model={"storageUri": f"pvc://{CLAIM}/{bundle}"})
        story.wait_until("Ready=False", 30)
        story.wait_until("Ready", READY_SECONDS)
        before = client.answered
        wait_for(lambda: client.answered > before + 60, "the new pods answer", 30)
        return client.finish()


def rows_of(story: Story, bundle: str) -> int:
    """Rows in the report's longest window, once the report is that of a bundle's profile."""
    report = story.report()
    return report.rows if report.profile == story.profile(bundle).hash else -1


def test_each_shard_holds_its_share_of_the_features(story: Story) -> None:
    with traffic(story) as client:
        wait_for(lambda: client.answered > 50, "requests are answered", 20)
        client.finish()
    story.wait_for_rows(client.answered)
    shards = [set(report.features) for report in story.reports()]
    assert shards[0].isdisjoint(shards[1])
    assert set.union(*shards) == set(story.profile("bundle").names)


def test_a_shard_that_is_down_is_told_until_it_is_back(story: Story) -> None:
    """Its pod finds no node for a while, and nobody watches the features that it holds.

    Every row sent here is the same house, so each shard has features that drift.
    """
    held = set(story.reports()[0].features)
    pod = story.pods("aggregator")[1]["metadata"]["name"]
    story.kubectl("cordon", NODE_NAME)
    try:
        story.kubectl("delete", "pod", pod)
        reason = "ShardsSilent"
        story.wait_for(lambda: story.condition("DriftMonitoringDegraded")["reason"] == reason, reason)
        assert story.condition("DriftMonitoringDegraded")["message"].startswith("1 of 2 aggregators:")
        drifting = {feature["name"] for feature in story.status["drift"]["topFeatures"]}
        assert drifting
        assert drifting <= held, "what the other shard sees is still told"
        story.wait_for(
            lambda: story.condition("AggregatorAvailable")["reason"] == "Unschedulable", "the reason"
        )
    finally:
        story.kubectl("uncordon", NODE_NAME)
    story.wait_until("DriftMonitoringDegraded=False", READY_SECONDS)
    story.wait_until("Ready", READY_SECONDS)


@pytest.mark.parametrize("bundle", ["next", "bundle"], ids=["change", "rollback"])
def test_no_request_fails_and_no_window_mixes_when_the_model_changes(story: Story, bundle: str) -> None:
    fate = change_under_traffic(story, bundle)
    assert (fate.refused, fate.in_doubt, fate.unsent) == ([], 0, 0)
    wait_for(lambda: len(story.pods()) == 2, "the pods of before are gone", 90, every=0.3)
    served = story.rows_served()
    story.wait_for(lambda: rows_of(story, bundle) >= served, f"{served} rows are in the new windows")
    if bundle == "next":  # going back, the windows still hold what the model of before had counted
        assert rows_of(story, bundle) == served


def test_a_deleted_model_leaves_nothing(story: Story) -> None:
    stood = {kind.name for kind in KINDS if made_for(story, kind)}
    assert stood == {kind.name for kind in KINDS} - {"HorizontalPodAutoscaler"}
    story.delete()
    for kind in KINDS:
        wait_for(lambda kind=kind: not made_for(story, kind), f"every {kind.name} is gone", 90, every=0.3)  # type: ignore[misc]


def made_for(story: Story, kind: Kind) -> list[str]:
    """Names of what was made for the model, by the label that claims have too: they are the StatefulSet's."""
    which = f"app.kubernetes.io/instance={story.name}"
    found = story.node.api.list(kind.api_version, kind.name, story.namespace, labelSelector=which)
    return [one["metadata"]["name"] for one in found]
