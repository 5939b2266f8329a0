"""Features that the policy names and the profile does not have are told by the report and its readers."""

import json
from pathlib import Path

import numpy as np
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from support.command_line import tidegauge
from support.reports import ReportServer, a_report
from tidegauge_aggregator.service.validation import Shard

from tidegauge.report.model import Report

FLOORS = {"warning": 0.2, "critical": 0.3}


@in_loop
async def test_each_shard_names_what_the_whole_profile_does_not_have(tmp_path: Path) -> None:
    profile = small_profile(features=4)
    config = tmp_path / "config.json"
    policy = {"per_feature": {"x1": FLOORS, "sqfeet": FLOORS, "idd": FLOORS}}
    config.write_text(json.dumps({"models": {"m": {"policy": policy}}}))
    reports = []
    for index in (0, 1):
        async with running(tmp_path / str(index), Clock(), config=config, shard=Shard(index, 2)) as rig:
            await rig.put_profile(profile)
            live = np.random.default_rng(1).normal(size=(300, 4))
            await rig.send(Pod("a", profile, shard=index, shards=2), START, profile.count(live))
            await rig.evaluate(START)
            reports.append(Report.from_dict(await rig.report()))
    assert reports[0].policy["unknown_features"] == ["idd", "sqfeet"]
    assert Report.join(reports).policy["unknown_features"] == ["idd", "sqfeet"]
    assert set(reports[0].policy["per_feature"]) == {"x1"}


@in_loop
async def test_names_that_were_mended_are_told_no_more(tmp_path: Path) -> None:
    config, profile, found = tmp_path / "config.json", small_profile(), []
    config.write_text("{}")
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        for pane, name in enumerate(["y1", "y1", "x1", "x1"], START):
            config.write_text(json.dumps({"models": {"m": {"policy": {"per_feature": {name: FLOORS}}}}}))
            await rig.send(pod, pane, np.random.default_rng(pane).normal(size=(300, 2)))
            await rig.evaluate(pane)
            found.append((await rig.report())["policy"]["unknown_features"])
    assert (found[1], found[-1]) == (["y1"], [])


def test_the_report_command_names_unknown_features() -> None:
    server = ReportServer()
    try:
        server.say(a_report(unknown_features=("idd", "sqfeet")))
        result = tidegauge("report", "--aggregator-url", server.address)
        assert result.exit_code == 0
        assert "the policy names what the profile does not have: idd, sqfeet" in result.stdout
        server.say(a_report())
        assert "does not have" not in tidegauge("report", "--aggregator-url", server.address).stdout
    finally:
        server.stop()
