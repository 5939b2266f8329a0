"""What `/metrics` says of each metric of the four programs: one plain sentence that names its unit."""

import re
from collections import Counter
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from support import aggregator_rig, pod
from support.aggregator_rig import Clock, in_loop, small_profile
from support.serving_app import App
from support.serving_bundles import house_bundle
from tidegauge_operator.controller.health import Meters

from tidegauge.protocol.names import Metric

MOST_WORDS = 16
UNITS = {"seconds": "second", "bytes": "bytes", "rows": "row", "panes": "pane", "pods": "pod"}
RIDDLES = re.compile(r"\b(told|said|whose|stands?|standing|that of|became|pass(es)?)\b")


def helps(page: str) -> dict[str, str]:
    """Our metrics' help texts by name, as a Prometheus server reads them."""
    lines = (line.split(" ", 3) for line in page.splitlines() if line.startswith("# HELP tidegauge_"))
    return {name: text for _, _, name, text in lines if not name.endswith("_created")}


def assert_plain(found: dict[str, str]) -> None:
    for name, text in found.items():
        sentence = re.fullmatch(r"[A-Z0-9][^.]*\.", text)
        assert sentence, f"{name}: one sentence, not {text!r}"
        assert len(text.split()) <= MOST_WORDS, f"{name}: a short sentence, not {text!r}"
        assert not RIDDLES.search(text), f"{name}: plain words, not {text!r}"
        unit = next((UNITS[word] for word in name.split("_") if word in UNITS), "")
        assert unit in text.lower() or "ratio" in name, f"{name}: name its unit, {unit}, in {text!r}"


def test_the_model_servers_metrics_are_explained_in_plain_words(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    found = helps(generate_latest(app.registry).decode())
    app.close()
    assert len(found) == sum("_serving_" in name or "_capture_" in name for name in Metric)
    assert_plain(found)


def test_the_sidecars_metrics_are_explained_in_plain_words(tmp_path: Path) -> None:
    found = helps(generate_latest(pod.Pod(tmp_path).registry).decode())
    assert len(found) == sum("_sidecar_" in name for name in Metric)
    assert_plain(found)


def test_the_operators_metrics_are_explained_in_plain_words() -> None:
    found = helps(Meters(CollectorRegistry(), lambda: 0, lambda: 0, Counter).page().decode())
    assert len(found) == sum("_operator_" in name for name in Metric)
    assert_plain(found)


@in_loop
async def test_the_aggregators_metrics_are_explained_in_plain_words(tmp_path: Path) -> None:
    async with aggregator_rig.running(tmp_path, Clock()) as rig:
        await rig.put_profile(small_profile())
        found = helps((await rig.client.get("/metrics")).text)
    programs = ("_serving_", "_capture_", "_sidecar_", "_operator_")
    assert len(found) == sum(not any(part in name for part in programs) for name in Metric)
    assert_plain(found)
