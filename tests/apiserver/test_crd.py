"""The resource on a real API server, as a user of kubectl meets it."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Api, Document, Refused
from support.controlplane.cluster import Cluster
from support.waiting import wait_for

from tidegauge import resource

DESIGNED = """
apiVersion: tidegauge.io/v1alpha1
kind: DriftMonitoredModel
metadata: {name: house-prices}
spec:
  model:
    modelFormat: {name: sklearn}
    storageUri: s3://models/house-prices/3
    resources: {requests: {cpu: 200m, memory: 256Mi}, limits: {memory: 512Mi, cpu: 1}}
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
  aggregator: {replicas: 1, storage: {size: 1Gi, whenDeleted: Retain}, retention: 720h}
  monitoring:
    serviceMonitor: {enabled: true, labels: {release: kube-prometheus-stack}}
    prometheusRule: {enabled: true, thresholds: {errorRate: 0.01, staleAfter: 10m}}
    dashboard: {enabled: true}
  paused: false
"""

FILLED_IN = """
model:
  storageUri: s3://models/house-prices/3
  modelFormat: {name: sklearn}
  allowPickle: false
  requestLog: false
drift:
  budget: {falseAlarms: 1, period: 720h}
  minEffect: {warning: 0.05, critical: 0.15}
  rowScoreThreshold: 2
  capture: {sampleRate: 1, logSize: 64Mi}
  sidecar: {resources: {requests: {cpu: 50m, memory: 96Mi}}}
aggregator:
  replicas: 1
  retention: 720h
  resources: {requests: {cpu: 50m, memory: 128Mi}}
  storage: {size: 1Gi, whenDeleted: Delete}
monitoring:
  serviceMonitor: {enabled: false}
  prometheusRule:
    enabled: false
    thresholds:
      staleAfter: 5m
      podCoverage: 0.9
      rowsLost: 0.01
      schemaViolations: 0.01
      errorRate: 0.05
      latencySeconds: 0.5
      requestVolume: 0.1
  dashboard: {enabled: false}
paused: false
"""

VERDICT = """
status:
  observedGeneration: 1
  url: http://house-prices.ml.svc
  replicas: 3
  selector: tidegauge.io/model=house-prices
  drift:
    verdict: Drifting
    since: "2026-01-02T03:04:05Z"
    rows: 18421
    coverage: {pods: 3/3, rows: 0.998}
    driftingFeatures: 2
    topFeatures: [{name: sqft, statistic: 0.21, lowerBound: 0.17, window: 160s, severity: critical}]
  conditions:
  - type: Ready
    status: "True"
    reason: AllAvailable
    message: model, aggregator and monitoring are available
    lastTransitionTime: "2026-01-02T03:04:05Z"
    observedGeneration: 1
  - {type: DataDriftDetected, status: "True", reason: Drift, lastTransitionTime: "2026-01-02T03:04:05Z"}
"""


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def with_verdict(api: Api, namespace: str) -> Document:
    model = a_model(namespace, replicas=3)
    api.create(model)
    return api.merge(model, yaml.safe_load(VERDICT), "status")


def test_the_definition_is_established_and_structural(cluster: Cluster) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/driftmonitoredmodels.tidegauge.io"

    def conditions() -> dict[str, str]:
        status = cluster.admin.request("GET", path)["status"]
        return {condition["type"]: condition["status"] for condition in status["conditions"]}

    wait_for(lambda: conditions().get("Established") == "True", "the definition is established")
    assert conditions() == {"NamesAccepted": "True", "Established": "True"}, (
        "NonStructuralSchema is not there"
    )


def test_kubectl_applies_the_file(cluster: Cluster) -> None:
    file = Path(__file__).parents[2] / "crds/driftmonitoredmodels.tidegauge.io.yaml"
    assert " serverside-applied" in cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", str(file)
    )


def test_the_smallest_resource_gets_all_defaults(cluster: Cluster, namespace: str) -> None:
    created = cluster.admin.create(a_model(namespace))
    assert created["spec"] == yaml.safe_load(FILLED_IN)


def test_the_server_fills_in_what_the_library_fills_in(cluster: Cluster, namespace: str) -> None:
    created = cluster.admin.create(a_model(namespace))
    assert resource.load(msgspec.json.encode(created)).spec == resource.load(yaml.safe_dump(SMALLEST)).spec


def test_the_designed_resource_is_kept_as_it_is_written(cluster: Cluster, namespace: str) -> None:
    designed = merged(yaml.safe_load(DESIGNED), {"metadata": {"namespace": namespace}})
    created = cluster.admin.create(designed)
    assert merged(created["spec"], designed["spec"]) == created["spec"]
    assert resource.load(msgspec.json.encode(created)).spec == resource.load(DESIGNED).spec


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 0},
        {"replicas": None},
        {"autoscaling": {"maxReplicas": 1}},
        {"autoscaling": {"maxReplicas": 9, "metrics": [{"type": "External", "external": {"anything": 1}}]}},
        {"drift": {}},
        {"drift": {"perFeature": [{"name": "sqft", "minEffect": {"warning": 0.1}}]}},
        {"drift": {"perFeature": [{"name": "sqft", "minEffect": {}}], "features": {}}},
        {"drift": {"minEffect": {"critical": 1}, "budget": {"falseAlarms": 1e-6, "period": "1h30m"}}},
        {
            "model": {
                "resources": {"limits": {"memory": "1.5Gi", "nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi"}}
            }
        },
        {"model": {"resources": {"requests": {"memory": "1e9"}, "limits": {"memory": "1Gi"}}}},
        {"model": {"resources": {"requests": {"cpu": ".5"}, "limits": {"cpu": 1}}}},
        {"aggregator": {"storage": {"storageClassName": "fast"}}},
        {"monitoring": {"serviceMonitor": {"labels": {"example.com/team": "", "release": "x"}}}},
    ],
    ids=str,
)
def test_what_is_unusual_and_right_is_taken(cluster: Cluster, namespace: str, spec: Document) -> None:
    model = a_model(namespace, **spec)
    cluster.admin.create(model, dry_run=True)
    resource.load(yaml.safe_dump(model))


EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/*/dmm.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_taken_as_it_stands(cluster: Cluster, namespace: str, path: Path) -> None:
    cluster.kubectl("apply", "-f", str(path), "-n", namespace)


def test_a_spec_writer_cannot_write_the_status(cluster: Cluster, namespace: str) -> None:
    created = cluster.admin.create(a_model(namespace) | {"status": {"replicas": 9}})
    assert "status" not in created


def test_a_status_of_nonsense_is_refused(cluster: Cluster, namespace: str) -> None:
    model = a_model(namespace)
    cluster.admin.create(model)
    with pytest.raises(Refused, match=r"status\.drift\.verdict: Unsupported value: \"Fine\""):
        cluster.admin.merge(model, {"status": {"drift": {"verdict": "Fine"}}}, "status")


def test_one_line_tells_the_story(cluster: Cluster, namespace: str) -> None:
    with_verdict(cluster.admin, namespace)
    heading, line = cluster.kubectl("get", "dmm", "-n", namespace).splitlines()
    assert heading.split() == ["NAME", "READY", "VERDICT", "DRIFTING", "TOP", "COVERAGE", "PODS", "AGE"]
    assert line.split()[:-1] == ["house-prices", "True", "Drifting", "2", "sqft", "0.998", "3/3"]


def test_wide_lines_tell_more(cluster: Cluster, namespace: str) -> None:
    with_verdict(cluster.admin, namespace)
    heading, line = cluster.kubectl("get", "dmm", "-n", namespace, "-o", "wide").splitlines()
    assert "SINCE" in heading
    assert line.split()[-3:-1] == ["s3://models/house-prices/3", "http://house-prices.ml.svc"]


def test_the_resource_is_in_the_category_all(cluster: Cluster, namespace: str) -> None:
    cluster.admin.create(a_model(namespace))
    assert "driftmonitoredmodel.tidegauge.io/house-prices" in cluster.kubectl("get", "all", "-n", namespace)


def test_kubectl_waits_for_drift(cluster: Cluster, namespace: str) -> None:
    with_verdict(cluster.admin, namespace)
    said = cluster.kubectl(
        "wait", "--for=condition=DataDriftDetected", "dmm/house-prices", "-n", namespace, "--timeout=5s"
    )
    assert "condition met" in said


def test_kubectl_scales(cluster: Cluster, namespace: str) -> None:
    model = with_verdict(cluster.admin, namespace)
    cluster.kubectl("scale", "dmm/house-prices", "-n", namespace, "--replicas=5")
    scale = cluster.admin.get(model, "scale")
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"] == {"replicas": 3, "selector": "tidegauge.io/model=house-prices"}
    assert cluster.admin.get(model)["spec"]["replicas"] == 5


def test_what_scales_itself_is_not_scaled_by_hand(cluster: Cluster, namespace: str) -> None:
    cluster.admin.create(a_model(namespace, autoscaling={"maxReplicas": 3}))
    said = cluster.kubectl("scale", "dmm/house-prices", "-n", namespace, "--replicas=5", check=False)
    assert "only one of replicas and autoscaling may be set" in said


def test_two_appliers_each_keep_their_feature(cluster: Cluster, namespace: str) -> None:
    for manager, feature in (("alice", "sqft"), ("bob", "age")):
        drift = {"perFeature": [{"name": feature, "minEffect": {"warning": 0.1}}]}
        cluster.admin.apply(a_model(namespace, drift=drift), manager)
    kept = cluster.admin.get(a_model(namespace))["spec"]["drift"]["perFeature"]
    assert [feature["name"] for feature in kept] == ["sqft", "age"]


def test_a_volume_may_grow(cluster: Cluster, namespace: str) -> None:
    cluster.admin.create(a_model(namespace))
    grown = cluster.admin.merge(a_model(namespace), {"spec": {"aggregator": {"storage": {"size": "2Gi"}}}})
    assert grown["spec"]["aggregator"]["storage"]["size"] == "2Gi"


def explained(cluster: Cluster, path: str) -> str:
    # The server publishes a new resource's schema a moment after it serves the resource itself.
    said = wait_for(
        lambda: (text := cluster.kubectl("explain", path, check=False)).startswith("GROUP") and text,
        f"kubectl explains {path}",
    )
    return " ".join(str(said).split())


def test_drift_is_explained_like_a_manual(cluster: Cluster) -> None:
    said = explained(cluster, "dmm.spec.drift")
    for words in (
        "A feature drifts when the lower bound of D, at the budget's confidence, is above minEffect.",
        "budget <Object> How many false alarms are acceptable.",
        "perFeature <[]Object> Settings of single features.",
        "profileUri <string> Address of the reference profile",
        "rowScoreThreshold <number> A row is unusual from this mean |z| over its features on.",
    ):
        assert words in said


@pytest.mark.parametrize(
    "path",
    ["dmm", "dmm.spec", "dmm.spec.model", "dmm.spec.autoscaling", "dmm.spec.aggregator", "dmm.status.drift"],
)
def test_no_field_is_without_explanation(cluster: Cluster, path: str) -> None:
    assert "no description" not in explained(cluster, path)


def test_the_choices_of_a_field_are_explained(cluster: Cluster) -> None:
    said = explained(cluster, "dmm.spec.model.modelFormat.name")
    assert re.search("lightgbm.*onnx.*sklearn.*xgboost", said)
