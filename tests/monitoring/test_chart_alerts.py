"""The chart's alert on the operator, as Prometheus reads it."""

import json
import subprocess
from pathlib import Path

from support.chart_files import alerts_of_the_chart

# The series of the operator that the golden values install.
QUEUE = 'tidegauge_operator_queue_depth{namespace="tidegauge-system", service="gauge", pod="gauge-1"}'


def fires_at(minute: int) -> dict:
    (rule,) = alerts_of_the_chart("everything")
    labels = rule["labels"] | {"service": "gauge"}
    fired = {"exp_labels": labels, "exp_annotations": rule["annotations"]}
    return {"alertname": rule["alert"], "eval_time": f"{minute}m", "exp_alerts": [fired]}


def silent_at(minute: int) -> dict:
    (rule,) = alerts_of_the_chart("everything")
    return {"alertname": rule["alert"], "eval_time": f"{minute}m", "exp_alerts": []}


def check(promtool: Path, folder: Path, values: str, *told: dict) -> None:
    rules = {"groups": [{"name": "chart", "rules": alerts_of_the_chart("everything")}]}
    (folder / "rules.yaml").write_text(json.dumps(rules))
    series = [{"series": QUEUE, "values": values}] if values else []
    test = {"interval": "1m", "input_series": series, "alert_rule_test": list(told)}
    scenario = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(json.dumps(scenario))
    command = [str(promtool), "test", "rules", str(folder / "test.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_operator_that_is_read_is_not_told_of(promtool: Path, tmp_path: Path):
    check(promtool, tmp_path, "0x60", silent_at(30), silent_at(60))


def test_an_operator_that_goes_raises_an_alert_after_ten_minutes(promtool: Path, tmp_path: Path):
    check(promtool, tmp_path, "0x20 stale _x40", silent_at(29), fires_at(35))


def test_an_operator_that_restarts_raises_no_alert(promtool: Path, tmp_path: Path):
    check(promtool, tmp_path, "0x20 _x8 0x40", silent_at(28), silent_at(40))


def test_an_operator_that_was_never_scraped_raises_an_alert(promtool: Path, tmp_path: Path):
    check(promtool, tmp_path, "", silent_at(5), fires_at(15))
