"""The alerts, as Prometheus reads them: each fires when it should, and not before."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from support.golden_plan import cases, planned

SCENARIOS = Path(__file__).parent / "alerts"  # below it, a folder for each case that has some


def rules(case: str) -> dict:
    """The groups of a case's PrometheusRule; one without is the same as none."""
    found = [child["spec"] for child in planned(case).values() if child["kind"] == "PrometheusRule"]
    return found[0] if found else {"groups": []}


@pytest.mark.parametrize("case", [case for case in cases() if rules(case)["groups"]])
def test_prometheus_reads_the_rules(promtool: Path, tmp_path: Path, case: str):
    (tmp_path / "rules.yaml").write_text(json.dumps(rules(case)))
    checked = _run(promtool, "check", "rules", str(tmp_path / "rules.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_alerts_fire_as_told(promtool: Path, tmp_path: Path, scenario: Path):
    (tmp_path / "rules.yaml").write_text(json.dumps(rules(scenario.parent.name)))
    (tmp_path / "test.yaml").write_text(scenario.read_text())
    tested = _run(promtool, "test", "rules", str(tmp_path / "test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_scenario_in_which_it_fires_and_one_in_which_it_does_not():
    fires, silent = set(), set()
    for scenario in (SCENARIOS / "everything").glob("*.yaml"):
        for test in yaml.safe_load(scenario.read_text())["tests"]:
            for told in test["alert_rule_test"]:
                (fires if told.get("exp_alerts") else silent).add(told["alertname"])
    named = {rule["alert"] for group in rules("everything")["groups"] for rule in group["rules"]}
    assert fires == silent == named


def _run(promtool: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(promtool), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
