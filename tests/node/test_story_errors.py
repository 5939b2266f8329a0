"""The story on real pods: what cannot work ends in a condition with a reason and a next step."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.controlplane.api import Document
from support.installation import Installation
from support.node.node import Node
from support.story import CLAIM, Story

from tidegauge.protocol.bundle import Manifest

TOLD_SECONDS = 120


@pytest.fixture(scope="module")
def bundles(house_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle that is in order, one of whose profile a byte was changed, one with a model that is none."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("bundle", "profile", "model"):
        shutil.copytree(house_prices, folder / name)
    profile = folder / "profile" / "profile.json"
    profile.write_text(profile.read_text().replace("1", "2", 1))
    spoil_model(folder / "model")
    return {name: folder / name for name in ("bundle", "profile", "model")}


def spoil_model(folder: Path) -> None:
    """Put noise in the model's place, with its right checksum in the manifest."""
    manifest = folder / "manifest.json"
    before = Manifest.load(folder).model
    noise = b"not a model"
    (folder / before.file).write_bytes(noise)
    manifest.write_text(manifest.read_text().replace(before.sha256, hashlib.sha256(noise).hexdigest()))


@pytest.fixture(scope="module")
def stories(
    node: Node,
    bundles: dict[str, Path],
    quick_tidegauge: Installation,  # noqa: ARG001
) -> Iterator[dict[str, Story]]:
    """One model for each thing that can be wrong, all applied before the first is looked at."""
    made = {case: a_story(node, bundles, case) for case in CASES}
    yield made
    for story in made.values():
        node.remove_namespace(story.namespace)


def a_story(node: Node, bundles: dict[str, Path], case: str) -> Story:
    namespace = node.new_namespace()
    node.claim_with(namespace, CLAIM, bundles["bundle"].parent)
    story = Story(node, namespace, **bundles)
    if case == "quota":
        node.api.create(no_pods(namespace))
    story.apply(case if case in bundles else "bundle", lambda spec: merge(spec, CASES[case][0]))
    return story


def no_pods(namespace: str) -> Document:
    """A quota that leaves no room."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }


def merge(spec: Document, change: Document) -> None:
    for field, value in {"replicas": 1, **change}.items():
        spec[field] = {**spec.get(field, {}), **value} if isinstance(value, dict) else value


NOWHERE = {"model": {"storageUri": "http://127.0.0.1:9/house-prices"}}
NOTHING = {"model": {"storageUri": f"pvc://{CLAIM}/nothing"}}
NO_CLAIM = {"model": {"storageUri": "pvc://not-there/x"}}
CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # case: what is changed in the spec, reason, a word of what is wrong, what to do
    "storage": (NOWHERE, "StorageUnreadable", "127.0.0.1:9", "Check the address"),
    "missing": (NOTHING, "StorageUnreadable", "manifest.json", "Check the address"),
    "profile": ({}, "BundleInvalid", "profile", "Pack the model again"),
    "model": ({}, "BundleInvalid", "model.onnx", "Pack the model again"),
    "quota": ({}, "QuotaExceeded", "quota", "Raise the quota"),
    "claim": (NO_CLAIM, "Unschedulable", "not-there", "Look at the claim"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_work_says_why(stories: dict[str, Story], case: str) -> None:
    story = stories[case]
    _, reason, word, step = CASES[case]
    story.wait_for(lambda: story.condition("Ready").get("reason") == reason, reason, TOLD_SECONDS)
    found = story.condition("Ready")
    assert found["status"] == "False"
    assert word in found["message"]
    assert step in found["message"]
