"""The custom resource: what is read, what is refused, and in which words."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import yaml

from tidegauge import resource
from tidegauge.errors import ResourceError
from tidegauge.monitor.policy import Policy, duration_seconds
from tidegauge.protocol.names import Severity
from tidegauge.resource.fields import quantity_of

SMALLEST = """
apiVersion: tidegauge.io/v1alpha1
kind: DriftMonitoredModel
metadata: {name: house-prices}
spec:
  model: {storageUri: bundle}
"""

DESIGNED = """
apiVersion: tidegauge.io/v1alpha1
kind: DriftMonitoredModel
metadata: {name: house-prices, creationTimestamp: 2026-01-02T03:04:05Z}
spec:
  model:
    modelFormat: {name: sklearn}
    storageUri: s3://models/house-prices/3
    resources: {requests: {cpu: 200m, memory: 256Mi}}
  autoscaling:
    minReplicas: 2
    maxReplicas: 10
    metrics:
    - type: ContainerResource
      containerResource: {name: cpu, container: model, target: {type: Utilization, averageUtilization: 70}}
  drift:
    profileUri: s3://models/house-prices/3/profile.json
    features: {exclude: [customer_id]}
    budget: {falseAlarms: 1, period: 720h}
    minEffect: {warning: 0.05, critical: 0.15}
    perFeature: [{name: sqft, minEffect: {warning: 0.1}}]
    rowScoreThreshold: 2.0
    capture: {sampleRate: 1.0, logSize: 64Mi}
    sidecar: {resources: {requests: {cpu: 50m, memory: 96Mi}}}
  aggregator: {replicas: 1, storage: {size: 1Gi}, retention: 720h}
  monitoring:
    serviceMonitor: {enabled: true, labels: {release: kube-prometheus-stack}}
    prometheusRule: {enabled: true}
    dashboard: {enabled: true}
  paused: false
status:
  observedGeneration: 4
  url: http://house-prices.ml.svc
  replicas: 3
  drift:
    verdict: Drifting
    since: 2026-01-02T03:04:05Z
    rows: 18421
    coverage: {pods: 3/3, rows: 0.998}
    driftingFeatures: 2
    topFeatures: [{name: sqft, statistic: 0.21, lowerBound: 0.17, window: 160s}]
"""


def smallest_with(lines: str) -> str:
    return SMALLEST.rstrip() + "\n" + lines + "\n"


def test_the_smallest_document_has_all_defaults():
    spec = resource.load(SMALLEST).spec
    assert spec.pods == 1
    assert spec.drift.capture.log_bytes == 64 * 1024 * 1024
    assert spec.drift.budget.period_seconds == 30 * 24 * 3600
    assert not spec.model.allow_pickle


def test_the_designed_document_is_read_whole():
    designed = resource.load(DESIGNED)
    assert designed.spec.pods == 2
    assert designed.spec.autoscaling.metrics[0]["containerResource"]["container"] == "model"
    assert designed.status.drift.since == "2026-01-02T03:04:05Z"
    assert designed.status.drift.top_features[0].lower_bound == 0.17


def test_what_is_written_is_read_again_the_same():
    designed = resource.load(DESIGNED)
    assert resource.load(msgspec.json.encode(designed)) == designed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  replica: 3", "spec.replica: no such field; did you mean replicas?"),
        ("  replicas: three", 'spec.replicas: expected a whole number, not "three"'),
        ("  replicas: -1", "spec.replicas: expected a whole number >= 0, not -1"),
        ("  drift: {budget: {period: 30 days}}", "spec.drift.budget.period: expected a duration"),
        ("  drift: {capture: {logSize: 64MB}}", "spec.drift.capture.logSize: expected a size such"),
        (
            "  drift: {capture: {sampleRate: 1.5}}",
            "spec.drift.capture.sampleRate: expected a number <= 1, not 1.5",
        ),
        (
            "  drift: {perFeature: [{nme: sqft}]}",
            "spec.drift.perFeature[0].nme: no such field; did you mean name?",
        ),
        (
            "  drift: {perFeature: [{name: sqft}]}",
            "spec.drift.perFeature[0].minEffect: required, and not there",
        ),
        ("  model: {storageUri: 'ftp://x'}", "spec.model.storageUri: expected a path, or an address"),
        ("  model: {modelFormat: {name: sklearn}}", "spec.model.storageUri: required, and not there"),
        ("  autoscaling: {}", "spec.autoscaling.maxReplicas: required, and not there"),
    ],
)
def test_a_broken_field_is_named_with_its_rule(line, message):
    with pytest.raises(ResourceError) as caught:
        resource.load(smallest_with(line))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "  replicas: 2\n  autoscaling: {maxReplicas: 3}",
            "spec.replicas is 2 and spec.autoscaling is set: only one of them may be",
        ),
        (
            "  autoscaling: {minReplicas: 4, maxReplicas: 3}",
            "spec.autoscaling.minReplicas is 4: it must not be above maxReplicas, 3",
        ),
        (
            "  drift: {minEffect: {warning: 0.2}}",
            "spec.drift.minEffect.warning is 0.2: it must not be above critical, 0.15",
        ),
        (
            "  drift: {perFeature: [{name: a, minEffect: {critical: 0.01}}]}",
            "spec.drift.perFeature[0].minEffect.warning is 0.05: it must not be above critical, 0.01",
        ),
        (
            "  drift: {perFeature: [{name: a, minEffect: {}}, {name: a, minEffect: {}}]}",
            "spec.drift.perFeature[1].name is a: it is named twice",
        ),
        (
            "  drift: {features: {exclude: [a]}, perFeature: [{name: a, minEffect: {}}]}",
            "spec.drift.perFeature[0].name is a: spec.drift.features.exclude names it too",
        ),
        ("  drift: {budget: {period: 0h}}", "spec.drift.budget.period is 0h: it must be at least 1h"),
        ("  aggregator: {retention: 1h}", "spec.aggregator.retention is 1h: at least the longest window"),
    ],
)
def test_a_broken_rule_between_fields_is_named(line, message):
    with pytest.raises(ResourceError) as caught:
        resource.load(smallest_with(line))
    assert message in str(caught.value)


def test_all_broken_rules_are_told_at_once():
    with pytest.raises(ResourceError, match=r"retention.*") as caught:
        resource.load(smallest_with("  aggregator: {retention: 1h}\n  drift: {budget: {period: 1s}}"))
    assert "period" in str(caught.value)


@pytest.mark.parametrize("name", ["House", "9house", "house_prices", "-house", "h" * 53, ""])
def test_a_name_that_no_object_could_have_is_refused(name):
    with pytest.raises(ResourceError, match=r"metadata\.name: expected lower-case letters"):
        resource.load(SMALLEST.replace("house-prices", f"'{name}'"))


@pytest.mark.parametrize("text", ["", "[]", "a: b: c", "--- 1\n--- 2", "apiVersion: v1\nkind: Pod"])
def test_what_is_not_such_a_document_is_refused(text):
    with pytest.raises(ResourceError):
        resource.load(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("720h", 2_592_000), ("90m", 5400), ("1h30m5s", 5405), ("30d", 2_592_000), ("1d12h", 129_600)],
)
def test_durations_are_seconds(text, seconds):
    assert resource.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["30d", "1d", "1d12h", "9999d"])
def test_days_are_durations_of_a_document_and_of_a_policy(text):
    document = SMALLEST + f"  drift: {{budget: {{period: {text}}}}}\n  aggregator: {{retention: {text}}}\n"
    found = resource.load(document)
    period = Policy(**resource.policy_of(found)).period
    assert duration_seconds(period) == found.spec.drift.budget.period_seconds
    assert found.spec.aggregator.retention_seconds == resource.seconds_of(text)


@pytest.mark.parametrize("text", ["0d", "1h1d", "10000d", "1dd", "d", "1.5d"])
def test_what_is_no_number_of_days_is_refused(text):
    with pytest.raises(ResourceError, match="a duration such as 30d, 720h"):
        resource.load(SMALLEST + f"  drift: {{budget: {{period: {text}}}}}\n")


@pytest.mark.parametrize(
    ("text", "size"),
    [("64Mi", 67_108_864), ("1Gi", 1 << 30), ("1.5k", 1500), ("12", 12), ("4Ki", 4096), ("2M", 2_000_000)],
)
def test_sizes_are_bytes(text, size):
    assert resource.bytes_of(text) == size


def test_the_policy_carries_budget_floors_and_exclusions():
    assert resource.policy_of(resource.load(DESIGNED)) == {
        "false_alarms": 1.0,
        "period": "720h",
        "min_effect": {"warning": 0.05, "critical": 0.15},
        "per_feature": {
            "sqft": {"warning": 0.1, "critical": 0.15},
            "customer_id": {"warning": 1.0, "critical": 1.0},
        },
    }


def test_the_policy_is_one_that_the_library_takes():
    policy = Policy(**resource.policy_of(resource.load(DESIGNED)))
    assert policy.period_seconds == 30 * 24 * 3600
    assert policy.floor("sqft", Severity.WARNING) == 0.1


def described(node, path: str):
    """Paths of all fields below a type, with the text each is described by."""
    if isinstance(node, msgspec.inspect.UnionType):
        for inner in node.types:
            yield from described(inner, path)
    if isinstance(node, msgspec.inspect.Metadata | msgspec.inspect.VarTupleType):
        yield from described(node.type if hasattr(node, "type") else node.item_type, path)
    if isinstance(node, msgspec.inspect.StructType):
        for field in node.fields:
            here = f"{path}.{field.encode_name}"
            extra = field.type.extra_json_schema if isinstance(field.type, msgspec.inspect.Metadata) else None
            yield here, (extra or {}).get("description", "")
            yield from described(field.type, here)


def test_every_field_is_described_in_a_sentence():
    fields = dict(described(msgspec.inspect.type_info(resource.DriftMonitoredModel), ""))
    asked = {path: text for path, text in fields.items() if path.startswith((".spec.", ".status."))}
    assert len(asked) > 60
    assert [path for path, text in asked.items() if not text.endswith(".")] == []


def test_the_examples_are_sound():
    found = sorted(Path(__file__).parents[2].glob("examples/*/*.yaml"))
    for path in found:
        resource.load(path.read_text())


@pytest.mark.parametrize(
    ("text", "number"),
    [("200m", "0.2"), (2, "2"), ("64Ki", "65536"), ("1.5k", "1500"), ("1e3", "1000"), (".5", "0.5")],
)
def test_quantities_are_exact_numbers(text, number):
    assert quantity_of(text) == Decimal(number)


def test_a_stored_resource_of_a_newer_definition_is_understood() -> None:
    document = yaml.safe_load(DESIGNED)
    known = resource.of_stored(document)
    spec = document["spec"]
    for part in (document, spec, spec["aggregator"]["storage"], spec["drift"]["perFeature"][0]):
        part["ofTomorrow"] = {"on": True}
    document["status"] = {"ofTomorrow": 1}
    assert resource.of_stored(document) == known
    assert known.spec == resource.load(DESIGNED).spec


def test_what_is_passed_on_unchanged_keeps_all_its_fields_when_read_as_stored() -> None:
    document = yaml.safe_load(DESIGNED)
    assert resource.of_stored(document).spec.autoscaling == resource.load(DESIGNED).spec.autoscaling
    metrics = document["spec"]["autoscaling"]["metrics"]
    assert list(resource.of_stored(document).spec.autoscaling.metrics) == metrics
