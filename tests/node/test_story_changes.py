"""The story on real pods: the model changes under traffic, goes back, and goes.

The tests are chapters: each goes on where the one before ended.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.counting_client import Counted
from support.images import PROGRAMS
from support.installation import Installation
from support.node.node import Node
from support.node.own_node import OwnNode
from support.serving_bundles import house_bundle
from support.story import CLAIM, Story
from support.story_rows import Rows, counted, in_one_pane, moved
from support.waiting import wait_for
from tidegauge_operator.kube.kinds import CHILDREN, PODS, Kind

from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.policy import Policy
from tidegauge.protocol.names import Verdict
from tidegauge.report.model import FeatureReport, Report

SEED = 21
ROWS = 1_000
READY_SECONDS = 120
VERDICT_SECONDS = 60
SHARDS = 2
NEXT_TAG = "next"
KINDS = [kind for kind in (PODS, *CHILDREN) if not kind.optional]


@pytest.fixture(scope="module")
def bundles(house_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example's bundle, and the next one: another model and another reference."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(house_prices, folder / house_prices.name)
    return {"bundle": folder / house_prices.name, "next": house_bundle(folder / "next")}


@pytest.fixture(scope="module")
def story(node: Node, bundles: dict[str, Path], story_namespace: str) -> Story:
    """Two pods, and an aggregator of two shards."""
    node.claim_with(story_namespace, CLAIM, bundles["bundle"].parent)
    story = Story(node, story_namespace, **bundles)
    story.apply("bundle", lambda spec: spec.update(replicas=2, aggregator={"replicas": SHARDS}))
    story.wait_until("Ready", READY_SECONDS)
    return story


def change_under_traffic(story: Story, bundle: str) -> Counted:
    """Apply another bundle while requests come; what became of them."""
    with story.traffic(pause_seconds=0.05) as client:
        wait_for(lambda: client.answered > 20, "requests are answered", 20)
        story.merge(model={"storageUri": story.uri(bundle)})
        story.wait_until("Ready=False", 30)
        story.wait_until("Ready", READY_SECONDS)
        before = client.answered
        wait_for(lambda: client.answered > before + 60, "the new pods answer", 30)
        return client.finish()


def rows_of(story: Story, bundle: str) -> int:
    """Rows in the report's longest window, once the report is that of a bundle's profile."""
    report = story.report()
    return report.rows if report.profile == story.profile(bundle).hash else -1


@pytest.fixture(scope="module")
def rows(story: Story) -> Rows:
    """What the first chapter sends: of each shard's features one has moved."""
    profile = story.profile("bundle")
    one_of_each = [profile.shard(shard, SHARDS).names[0] for shard in range(SHARDS)]
    return moved(profile, np.random.default_rng(SEED), ROWS, *one_of_each)


def test_the_shards_together_say_what_one_aggregator_would(story: Story, rows: Rows) -> None:
    """All rows are of one pane, so every window that has one of them has them all, whichever is shown."""
    sent = []
    pane = in_one_pane(lambda: sent.append(story.send(rows)))
    assert sent == [len(rows)], "sending takes longer than a pane"
    story.wait_for_rows(len(rows))
    story.wait_for(lambda: story.report().verdict is Verdict.DRIFTING, "the verdict")
    shards = [set(report.features) for report in story.reports()]
    assert shards[0].isdisjoint(shards[1])
    assert set.union(*shards) == set(story.profile("bundle").names)
    joined, alone = story.report(), of_one_aggregator(story, rows, pane)
    assert (joined.verdict, joined.severity, joined.rows) == (alone.verdict, alone.severity, len(rows))
    for feature in story.profile("bundle").features:
        ours, theirs = joined.features[feature.name], alone.features[feature.name]
        assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12), feature.name
        assert judged(ours) == judged(theirs), feature.name
    story.wait_for_verdict(Verdict.DRIFTING, VERDICT_SECONDS)


def of_one_aggregator(story: Story, rows: Rows, pane: int) -> Report:
    """What is said of exactly these rows, counted at once and judged by the same policy."""
    profile, report = story.profile("bundle"), story.report()
    assert {**report.policy, **Policy().to_dict()} == report.policy, "the example asks for the default"
    monitor = Monitor(profile, pane_seconds=report.pane_seconds)
    monitor.add(pane, counted(profile, rows))
    return monitor.report(report.pane)


def judged(feature: FeatureReport) -> tuple[object, ...]:
    return feature.verdict, feature.severity, feature.window_rows


def test_a_shard_that_is_down_is_told_until_it_is_back(own_node: OwnNode, story: Story) -> None:
    """Its pod finds no node for a while, and nobody watches the features that it holds."""
    held = set(story.reports()[0].features)
    pod = story.pods("aggregator")[1]["metadata"]["name"]
    with own_node.cordoned():
        story.kubectl("delete", "pod", pod)
        reason = "ShardsSilent"
        story.wait_for(lambda: story.condition("DriftMonitoringDegraded")["reason"] == reason, reason)
        assert story.condition("DriftMonitoringDegraded")["message"].startswith("1 of 2 aggregators:")
        assert story.status["drift"]["coverage"]["shards"] == "1/2"
        drifting = {feature["name"] for feature in story.status["drift"]["topFeatures"]}
        assert drifting
        assert drifting <= held, "what the other shard sees is still told"
        story.wait_for(
            lambda: story.condition("AggregatorAvailable")["reason"] == "Unschedulable", "the reason"
        )
    story.wait_until("DriftMonitoringDegraded=False", READY_SECONDS)
    story.wait_until("Ready", READY_SECONDS)


def change(story: Story, bundle: str) -> tuple[int, int]:
    """Change the model under traffic, and no request fails: rows of the pods of before, and of the new."""
    fate = change_under_traffic(story, bundle)
    assert (fate.refused, fate.in_doubt, fate.unsent) == ([], 0, 0)
    wait_for(lambda: len(story.pods()) == 2, "the pods of before are gone", 90, every=0.3)
    served = story.rows_served()
    return fate.answered - served, served


def test_no_request_fails_and_no_window_mixes_when_the_model_changes_and_goes_back(
    story: Story, rows: Rows
) -> None:
    before, of_next = change(story, "next")
    story.wait_for(lambda: rows_of(story, "next") >= of_next, f"{of_next} rows are in the new windows")
    assert rows_of(story, "next") == of_next
    _, again = change(story, "bundle")
    counted_in_all = len(rows) + before + again  # the windows still hold what the model of before had counted
    story.wait_for(lambda: rows_of(story, "bundle") >= counted_in_all, f"{counted_in_all} rows are there")
    assert rows_of(story, "bundle") == counted_in_all


def test_no_request_fails_and_no_row_is_missed_when_tidegauge_is_upgraded(
    own_node: OwnNode, story: Story, quick_tidegauge: Installation
) -> None:
    """A release with other images: operator, servers, sidecars and aggregators are all replaced."""
    for program in PROGRAMS:
        name = quick_tidegauge.images.name(program)
        own_node.name_image(name, name.replace(quick_tidegauge.images.tag, NEXT_TAG))
    before = rows_of(story, "bundle")
    with story.traffic(pause_seconds=0.05) as client:
        wait_for(lambda: client.answered > 20, "requests are answered", 20)
        quick_tidegauge.install("--set", "reportSeconds=2", "--set-string", f"image.tag={NEXT_TAG}")
        story.wait_for(lambda: tags(story) == {NEXT_TAG}, "all pods are of the new release", READY_SECONDS)
        story.wait_until("Ready", READY_SECONDS)
        fate = client.finish()
    assert (fate.refused, fate.in_doubt, fate.unsent) == ([], 0, 0)
    counted_in_all = before + fate.answered
    story.wait_for(lambda: rows_of(story, "bundle") >= counted_in_all, f"{counted_in_all} rows are there")
    assert rows_of(story, "bundle") == counted_in_all


def tags(story: Story) -> set[str]:
    """Of all images that the model's pods and its aggregators run."""
    specs = [pod["spec"] for component in ("model", "aggregator") for pod in story.pods(component)]
    containers = [one for spec in specs for one in [*spec["containers"], *spec.get("initContainers", [])]]
    return {container["image"].rpartition(":")[2] for container in containers}


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
