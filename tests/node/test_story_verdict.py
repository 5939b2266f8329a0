"""The story on real pods: from an applied file to a verdict, and back to calm.

The tests are chapters: each goes on where the one before ended.
"""

import json
import re
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from support.node.node import Node
from support.story import CLAIM, EXAMPLE, Story
from support.story_rows import counted, in_one_pane, moved, ordinary
from support.waiting import wait_for

from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Verdict

SEED = 20
PODS = 3
BASELINE_ROWS = 4_000
MOVED_ROWS = 2_000
READY_SECONDS = 60
VERDICT_SECONDS = 60
CALM_SECONDS = 180


@pytest.fixture(scope="module")
def story(node: Node, house_prices: Path, story_namespace: str) -> Story:
    """The example's three pods."""
    node.claim_with(story_namespace, CLAIM, house_prices.parent)
    return Story(node, story_namespace, bundle=house_prices)


@pytest.fixture(scope="module")
def profile(story: Story) -> Profile:
    """The reference."""
    return story.profile("bundle")


@pytest.fixture(scope="module")
def training(house_prices: Path) -> pd.DataFrame:
    """The rows that the reference was made of."""
    return pd.read_parquet(house_prices.parents[1] / "data" / "train.parquet")


@pytest.fixture(scope="module")
def random() -> np.random.Generator:
    """Goes on from test to test, so that no row is sent twice."""
    return np.random.default_rng(SEED)


def test_the_applied_example_is_ready_within_a_minute(story: Story) -> None:
    started = time.monotonic()
    story.kubectl("apply", "-f", str(EXAMPLE / "dmm.yaml"))
    story.wait_until("Ready", READY_SECONDS)
    print(f"Ready {time.monotonic() - started:.1f} s after kubectl apply")
    assert len(story.pods()) == PODS


def test_each_model_pod_has_its_sidecar(story: Story) -> None:
    for pod in story.pods():
        states = [*pod["status"]["containerStatuses"], *pod["status"]["initContainerStatuses"]]
        running = {state["name"] for state in states if "running" in state["state"]}
        assert running == {"model", "drift-sidecar"}


def test_silence_is_unknown(story: Story) -> None:
    story.wait_for_verdict(Verdict.UNKNOWN, VERDICT_SECONDS)
    assert story.condition("DataDriftDetected")["status"] == "Unknown"


def test_ordinary_rows_through_the_service_are_all_counted_and_stable(
    story: Story, profile: Profile, random: np.random.Generator
) -> None:
    answered = story.send(ordinary(profile, random, BASELINE_ROWS))
    coverage = story.wait_for_rows(answered).coverage
    assert coverage
    assert (coverage.rows_counted, coverage.rows_lost) == (BASELINE_ROWS, 0)
    assert story.rows_served() == answered == BASELINE_ROWS
    assert all(story.rows_counted_by(pod["metadata"]["name"]) > 0 for pod in story.pods())
    story.wait_for_verdict(Verdict.STABLE, VERDICT_SECONDS)
    wait_for(lambda: story.status["drift"]["coverage"].get("pods") == "3/3", "all pods are heard", 30)
    assert story.condition("DataDriftDetected")["status"] == "False"


def test_kubectl_shows_it_in_one_line(story: Story) -> None:
    heading, line = (text.split() for text in story.kubectl("get", "dmm").splitlines())
    shown = dict(zip(heading, line, strict=False))
    assert (shown["NAME"], shown["READY"], shown["VERDICT"]) == ("house-prices", "True", "Stable")
    assert "3/3" in line


def test_the_distance_over_all_pods_is_that_of_one_test_on_all_rows(
    story: Story, profile: Profile, random: np.random.Generator, training: pd.DataFrame
) -> None:
    """Rows of one pane, spread over the pods, beside scipy on the rows that were sent."""
    names = [feature.name for feature in profile.features]
    rows = ordinary(profile, random, 400)
    rows[:, names.index("sqft")] += 100
    pane = in_one_pane(lambda: story.send(rows, per_request=50))
    counts = counted(profile, rows)
    for i, name in enumerate(names):
        found = wait_for(partial(story.block, name, pane), f"the pane's block of {name}", 30, every=0.3)
        ours = counts.ks(name)
        assert (found["rows"], found["statistic"]) == (len(rows), pytest.approx(ours.statistic, abs=1e-12))
        exact = ks_2samp(rows[:, i], training[name].to_numpy(np.float32), method="asymp").statistic
        assert ours.lower - 1e-9 <= exact <= ours.upper + 1e-9


def test_a_feature_that_moves_is_named(story: Story, profile: Profile, random: np.random.Generator) -> None:
    story.send(moved(profile, random, MOVED_ROWS, "age"))
    story.wait_until("DataDriftDetected", VERDICT_SECONDS)
    assert re.search(r"\bage\b", story.condition("DataDriftDetected")["message"])
    assert story.status["drift"]["topFeatures"][0]["name"] == "age"
    wait_for(lambda: re.search(r"\bage\b", events_of_drift(story)), "an Event names it", 20, every=0.5)


def events_of_drift(story: Story) -> str:
    """What the Events of the model say that tell of drift."""
    found = story.node.api.list("v1", "Event", story.namespace)
    return " ".join(
        event["message"] for event in found if event["reason"] in ("WarningDrift", "CriticalDrift")
    )


def test_back_to_ordinary_rows_it_clears(story: Story, profile: Profile, random: np.random.Generator) -> None:
    deadline = time.monotonic() + CALM_SECONDS
    assert story.condition("DataDriftDetected")["status"] == "True"
    while story.condition("DataDriftDetected")["status"] != "False":
        assert time.monotonic() < deadline, story.told()
        story.send(ordinary(profile, random, 400))
        time.sleep(1)


def test_drift_in_one_pod_of_three_shows_at_its_true_size_and_that_pod_is_named(
    story: Story, profile: Profile, random: np.random.Generator
) -> None:
    strange, *others = (pod["metadata"]["name"] for pod in story.pods())
    rows = {pod: ordinary(profile, random, 300) for pod in others}
    rows[strange] = moved(profile, random, 600, "sqft")
    pane = in_one_pane(lambda: [story.send_to(pod, some) for pod, some in rows.items()])
    found = wait_for(partial(story.block, "sqft", pane), "the pane's block", 30, every=0.3)
    together = np.concatenate(list(rows.values()))
    exact = counted(profile, together).ks("sqft").statistic
    assert (found["rows"], found["statistic"]) == (1200, pytest.approx(exact, abs=1e-12))

    def stands_out() -> bool:
        own = {pod: story.pod_statistic(pod, "sqft") for pod in rows}
        return own[strange] > 2 * max(own[pod] for pod in others)

    wait_for(stands_out, f"{strange} stands out by its own figures", 30, every=0.5)
    story.wait_until("DataDriftDetected", VERDICT_SECONDS)

    def named() -> bool:
        model = json.loads(story.kubectl("get", "dmm", story.name, "-o", "json"))
        (sqft,) = (top for top in model["status"]["drift"]["topFeatures"] if top["name"] == "sqft")
        return sqft.get("pods") == [strange]

    story.wait_for(named, f"kubectl names {strange} alone")
    assert f"sqft (in pod {strange} only)" in story.condition("DataDriftDetected")["message"]
    (worst,) = story.report().features["sqft"].pods
    assert (worst.pod, worst.lower > 0.15) == (strange, True), "more than a critical drift, by its rows alone"
