"""Each alert has its page, and asks for what the programs measure."""

import re
from pathlib import Path

import msgspec
import pytest
from support.chart_files import alerts_of_the_chart
from support.golden_plan import plan_inputs, planned, resource
from tidegauge_operator.children.alerts import PROFILE_REASONS, SCHEMA_REASONS, alerts
from tidegauge_operator.children.monitoring import build_rule
from tidegauge_serving.predict.metrics import SECONDS
from tidegauge_serving.rows.refusal import REASONS

from tidegauge.monitor.policy import Policy
from tidegauge.protocol.names import Metric
from tidegauge.resource.monitoring import SLOWEST_SECONDS, AlertThresholds

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
RULES = planned("everything")["PrometheusRule-house-prices.yaml"]["spec"]["groups"][0]["rules"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_leads_to_its_page(rule):
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
    page = (RUNBOOKS / f"{rule['alert']}.md").read_text()
    assert page.startswith(f"# {rule['alert']}\n")
    assert f"**Severity** {rule['labels']['severity']}." in page


def test_an_alert_links_to_its_page_where_it_is_known_where_the_documentation_lies():
    made = build_rule(resource("everything"), plan_inputs(docs_url="https://docs.example.com/tidegauge/"))
    for rule in made["spec"]["groups"][0]["rules"]:
        link = f"https://docs.example.com/tidegauge/runbooks/{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == link
        assert "runbook" not in rule["annotations"]


def test_no_page_is_of_an_alert_that_is_not_there():
    of_the_chart = {rule["alert"] for rule in alerts_of_the_chart("everything")}
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in RULES} | of_the_chart


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist(rule):
    named = re.findall(r"tidegauge_[a-z_]+", rule["expr"] + rule["annotations"]["description"])
    known = {metric.value for metric in Metric}
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_one_model_of_one_namespace(rule):
    selectors = re.findall(r"tidegauge_[a-z_]+\{([^}]*)\}", rule["expr"])
    assert selectors
    for selector in selectors:
        assert 'namespace="ml"' in selector
        assert 'model="house-prices"' in selector or 'service="house-prices-aggregator"' in selector


def test_reasons_are_those_that_the_programs_give():
    assert set(SCHEMA_REASONS) <= set(REASONS)
    sources = "".join(path.read_text() for path in (ROOT / "aggregator").rglob("*.py"))
    assert all(f'"{reason}"' in sources for reason in PROFILE_REASONS)


def test_the_numbers_are_those_of_the_programs():
    assert AlertThresholds().stale_seconds == Policy().stale_seconds
    assert AlertThresholds().latency_seconds in SECONDS
    assert max(SECONDS) > SLOWEST_SECONDS, "else the alert could not fire"


@pytest.mark.parametrize(
    "field", msgspec.structs.fields(AlertThresholds), ids=lambda field: field.encode_name
)
def test_a_threshold_moves_its_alert_alone_and_is_named_in_it(field):
    model = resource("everything")
    own = getattr(resource("autoscaled").spec.monitoring.prometheus_rule.thresholds, field.name)
    before = {alert.name: alert for alert in alerts(model)}
    setattr(model.spec.monitoring.prometheus_rule.thresholds, field.name, own)
    (moved,) = [alert for alert in alerts(model) if alert.expression != before[alert.name].expression]
    figure = "1200" if field.name == "stale_after" else str(own)
    assert figure in moved.expression
    assert f"spec.monitoring.prometheusRule.thresholds.{field.encode_name})" in moved.description


def test_thresholds_need_not_be_round():
    model = resource("everything")
    model.spec.monitoring.prometheus_rule.thresholds.error_rate = 0.0007
    (high,) = [alert for alert in alerts(model) if alert.name == "TidegaugeErrorRateHigh"]
    assert "more than 0.07% (" in high.description
