"""The aggregator's pages name what the program has: each route, refusal, metric and flag."""

import re
from pathlib import Path

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from tidegauge_aggregator.http.access import TokenGate
from tidegauge_aggregator.http.app import make_routes
from tidegauge_aggregator.settings import parse_settings

from tidegauge.protocol.names import Env, Metric, pane_path

DOCS = Path(__file__).parents[2] / "docs"
CODE = Path(__file__).parents[2] / "aggregator" / "tidegauge_aggregator"
API = (DOCS / "aggregator-api.md").read_text()


@in_loop
async def test_each_route_is_described_and_each_described_route_is_there(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        app = make_routes(rig.aggregator, TokenGate(None), CollectorRegistry())
        answers = await rig.client.put(pane_path("m", "0" * 64, 1, "a"), content=b"")
    assert answers.json()["reason"] == "not_a_pane"
    served = {
        (m, r.path.replace(":path", "")) for r in app.routes if isinstance(r, APIRoute) for m in r.methods
    }
    described = set(re.findall(r"`(GET|PUT) (/[^`]*)`", API)) - {("GET", "/openapi.json")}
    assert described == served - {("GET", "/docs")}


def test_each_reason_of_a_refusal_is_described() -> None:
    text = "".join(path.read_text() for path in CODE.rglob("*.py"))
    reasons = set(re.findall(r"Refusal\(\s*\d+,\s*\"([a-z_]+)\"", text)) | {
        "no_such_route",
        "method_not_allowed",
    }
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in API} == set()


@in_loop
async def test_each_metric_of_the_aggregator_is_there_and_no_series_is_of_a_cell(tmp_path: Path) -> None:
    profile = small_profile(features=3)
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        counts = profile.count([{"x0": 1.0, "x1": 2.0, "x2": float("nan")}] * 50)
        await rig.send(Pod("a", profile), START, counts, lost={"full": 1})
        await rig.evaluate(START)
        rig.clock.now += 60
        await rig.scheduler.step()
        await rig.client.get("/v1/nothing")
        metrics = await rig.metrics()
    names = {re.sub(r"_(bucket|count|sum|created)$", "", re.split(r"[{ ]", sample)[0]) for sample in metrics}
    own = [
        m
        for m in Metric
        if m.startswith(("tidegauge_drift", "tidegauge_coverage", "tidegauge_newest", "tidegauge_agg"))
    ]
    assert {metric.value for metric in own} - names == set()
    per_feature = [sample for sample in metrics if 'feature="x1"' in sample]
    assert 5 <= len(per_feature) <= 12
    assert metrics["tidegauge_aggregator_store_bytes"] > 0


def test_each_setting_of_the_aggregator_has_a_variable(tmp_path: Path) -> None:
    settings = parse_settings(
        [],
        {
            Env.DATA_DIR: str(tmp_path),
            Env.PORT: "0",
            Env.SHARD: "1/3",
            Env.RETENTION_SECONDS: "7200",
            Env.LOG_LEVEL: "warning",
        },
    )
    assert (settings.data_dir, settings.port, settings.shard) == (tmp_path, 0, (1, 3))
    assert (settings.retention_seconds, settings.log_level) == (7200, "warning")
    flags = parse_settings(["--data-dir", "x", "--shard", "0/2"], {Env.SHARD: "1/3"})
    assert (flags.shard, flags.port) == ((0, 2), 8090)
