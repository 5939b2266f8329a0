"""What golden files cannot say alone: rules that hold for every plan, how the scale is handed over."""

import base64
import json
from dataclasses import replace

import msgspec
import pytest
from support.golden_plan import cases, plan_inputs, planned, resource
from tidegauge_aggregator.service.config import parse_config
from tidegauge_aggregator.settings import parse_settings as aggregator_settings
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, common_labels, selector
from tidegauge_operator.children.plan import plan
from tidegauge_serving.settings import parse_settings as serving_settings
from tidegauge_sidecar.settings import parse_settings as sidecar_settings

from tidegauge.resource import DriftMonitoredModel, load


def model(spec: str = "", name: str = "iris") -> DriftMonitoredModel:
    return load(
        "apiVersion: tidegauge.io/v1alpha1\nkind: DriftMonitoredModel\n"
        f"metadata: {{name: {name}, namespace: ml}}\n"
        f"spec: {{model: {{storageUri: s3://models/iris/1}}, {spec}}}\n"
    )


def child(kind: str, of: DriftMonitoredModel, held: PlanInputs | None = None) -> dict | None:
    found = [document for document in plan(of, held or plan_inputs()) if document["kind"] == kind]
    return found[0] if found else None


def replicas(of: DriftMonitoredModel, **held) -> int | None:
    return child("Deployment", of, plan_inputs(**held))["spec"].get("replicas")


AUTOSCALED = "autoscaling: {minReplicas: 2, maxReplicas: 9}"


# --- credentials -----------------------------------------------------------------------------------------


def test_the_storages_secret_reaches_the_initializer_and_nothing_else():
    children = plan(resource("everything"), plan_inputs())
    holders = [
        (document["kind"], container["name"])
        for document in children
        if "template" in document.get("spec", {})
        for kind in ("initContainers", "containers")
        for container in document["spec"]["template"]["spec"].get(kind, ())
        if "models-read" in str(container)
    ]
    assert holders == [("Deployment", "storage-initializer")]
    assert sum("models-read" in str(document) for document in children) == 1


# --- scale -----------------------------------------------------------------------------------------------


def test_a_new_model_starts_with_what_it_asks_for():
    assert replicas(model("replicas: 3")) == 3
    assert replicas(model()) == 1
    assert replicas(model(AUTOSCALED)) == 2


def test_what_the_user_sets_wins_over_what_stands():
    assert replicas(model("replicas: 3"), replicas=7, scale_owned_elsewhere=True) == 3


def test_switching_autoscaling_on_writes_the_count_that_stands_until_the_autoscaler_has():
    before = plan_inputs(replicas=5, deployment_version="41")
    deployment = child("Deployment", model(AUTOSCALED), before)
    assert deployment["spec"]["replicas"] == 5
    assert deployment["metadata"]["resourceVersion"] == "41"
    after = plan_inputs(replicas=6, deployment_version="44", scale_owned_elsewhere=True)
    deployment = child("Deployment", model(AUTOSCALED), after)
    assert "replicas" not in deployment["spec"]
    assert "resourceVersion" not in deployment["metadata"]


def test_switching_autoscaling_off_leaves_the_count_as_it_is():
    assert replicas(model(), replicas=5, scale_owned_elsewhere=True) is None
    assert replicas(model(), replicas=5) == 5


def test_pods_expected_are_the_replicas_of_the_deployment():
    """Not only the least number that an autoscaler keeps: a pod above it that is silent is missed too."""

    def expected(of, **held):
        config = json.loads(child("ConfigMap", of, plan_inputs(**held))["data"]["config.json"])
        return config["models"]["iris"]["expected_pods"]

    assert expected(model(AUTOSCALED)) == 2
    assert expected(model(AUTOSCALED), replicas=6, scale_owned_elsewhere=True) == 6
    assert expected(model(), replicas=4, scale_owned_elsewhere=True) == 4
    assert expected(model("replicas: 3"), replicas=7) == 3
    assert expected(model("replicas: 0")) == 0


def test_a_model_requests_cpu_in_any_case():
    """Else an autoscaler that counts in shares of the request cannot count."""

    def resources(asked):
        pod = child("Deployment", model(asked))["spec"]["template"]["spec"]
        assert pod["initContainers"][0]["resources"] == pod["containers"][0]["resources"]
        return pod["containers"][0]["resources"]

    assert resources("replicas: 1") == {"requests": {"cpu": "200m"}}
    assert resources(AUTOSCALED) == {"requests": {"cpu": "200m"}}


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        ({"requests": {"memory": "1Gi"}}, {"cpu": "200m", "memory": "1Gi"}),
        ({"requests": {"cpu": "2"}}, {"cpu": "2"}),
        ({"limits": {"cpu": "1"}}, None),  # which the API server takes for the request too
    ],
)
def test_what_the_resource_says_of_cpu_stands(given, requests):
    document = {
        "apiVersion": "tidegauge.io/v1alpha1",
        "kind": "DriftMonitoredModel",
        "metadata": {"name": "iris", "namespace": "ml"},
        "spec": {"model": {"storageUri": "s3://models/iris/1", "resources": given}},
    }
    pod = child("Deployment", load(json.dumps(document)))["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"].get("requests") == requests


def test_no_pods_are_no_alarm_of_silence():
    asked = "monitoring: {prometheusRule: {enabled: true}}"
    alerts = {rule["alert"] for rule in _rules(model(asked))}
    without = {rule["alert"] for rule in _rules(model(f"replicas: 0, {asked}"))}
    silence = {"TidegaugeMonitoringStale", "TidegaugeCoverageLow", "TidegaugeLowRequestVolume"}
    assert alerts - without == silence


def test_only_more_than_one_pod_has_a_disruption_budget():
    assert child("PodDisruptionBudget", model("replicas: 1")) is None
    assert child("PodDisruptionBudget", model("replicas: 2")) is not None
    assert child("PodDisruptionBudget", model("autoscaling: {maxReplicas: 1}")) is None
    assert child("PodDisruptionBudget", model(AUTOSCALED)) is not None


# --- what the cluster knows ------------------------------------------------------------------------------


def test_monitoring_objects_wait_for_their_kinds():
    asked = model("monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}")
    assert child("ServiceMonitor", asked, plan_inputs(monitoring_kinds=frozenset())) is None
    assert child("PrometheusRule", asked, plan_inputs(monitoring_kinds=frozenset({"ServiceMonitor"}))) is None
    assert (
        child("ServiceMonitor", asked, plan_inputs(monitoring_kinds=frozenset({"ServiceMonitor"})))
        is not None
    )


def test_a_users_label_does_not_hide_an_object_from_us():
    asked = "monitoring: {prometheusRule: {enabled: true, labels: {app.kubernetes.io/managed-by: me, a: b}}}"
    labels = child("PrometheusRule", model(asked))["metadata"]["labels"]
    assert labels["a"] == "b"
    assert common_labels(model()).items() <= labels.items()


def test_a_claim_template_stays_as_it_was_made():
    larger = model("aggregator: {storage: {size: 5Gi}}")
    held = plan_inputs(claim_size="1Gi", aggregators=1)
    template = child("StatefulSet", larger, held)["spec"]["volumeClaimTemplates"][0]
    assert template["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert child("PersistentVolumeClaim", larger, held)["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert child("PersistentVolumeClaim", larger, plan_inputs(claim_size="5120Mi")) is None


def test_the_claims_of_replicas_to_come_are_there_before_them():
    """Made from the template they would be too small, and could not grow before they are bound."""
    larger = model("aggregator: {replicas: 3, storage: {size: 5Gi}}")
    made = [
        (document["kind"], document["metadata"]["name"])
        for document in plan(larger, plan_inputs(claim_size="1Gi", aggregators=2))
        if document["kind"] in ("PersistentVolumeClaim", "StatefulSet")
    ]
    assert made == [
        ("PersistentVolumeClaim", "data-iris-aggregator-2"),
        ("StatefulSet", "iris-aggregator"),
        ("PersistentVolumeClaim", "data-iris-aggregator-0"),
        ("PersistentVolumeClaim", "data-iris-aggregator-1"),
    ]


# --- every child -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases())
def test_every_child_is_the_resources_own_and_can_be_found(case):
    owner = resource(case)
    for document in planned(case).values():
        head = document["metadata"]
        assert head["namespace"] == owner.metadata.namespace
        assert common_labels(owner).items() <= head["labels"].items()
        owners = [reference["uid"] for reference in head.get("ownerReferences", [])]
        # A claim is the StatefulSet's, which takes it along; an object has one controller only.
        assert owners == ([] if document["kind"] == "PersistentVolumeClaim" else [plan_inputs().uid])


@pytest.mark.parametrize("case", cases())
def test_a_plan_is_the_same_each_time_and_names_nothing_twice(case):
    again = planned(case)
    assert json.dumps(again) == json.dumps(planned(case))
    assert len(plan(resource(case), plan_inputs())) == len(
        {json.dumps(d["metadata"]) + d["kind"] for d in plan(resource(case), plan_inputs())}
    )


@pytest.mark.parametrize("case", cases())
def test_every_container_keeps_to_the_restricted_profile(case):
    for pod in _pods(case):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in _containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("case", cases())
def test_mounts_have_volumes_and_ports_are_numbers(case):
    for document, pod in zip(_workloads(case), _pods(case), strict=True):
        templates = document["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in pod["volumes"]} | {t["metadata"]["name"] for t in templates}
        for container in _containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert isinstance(container.get(probe, {"httpGet": {"port": 1}})["httpGet"]["port"], int)
    for document in planned(case).values():
        if document["kind"] == "Service":
            assert all(isinstance(port["targetPort"], int) for port in document["spec"]["ports"])


def test_no_two_models_share_a_selector():
    for component in Component:
        assert selector(model(name="a"), component) != selector(model(name="b"), component)
    assert len({json.dumps(selector(model(), component)) for component in Component}) == len(Component)


def test_the_longest_name_still_fits_the_labels_of_its_pods():
    longest = model(name="m" * 41)
    for document in plan(longest, plan_inputs()):
        assert len(document["metadata"]["name"]) <= 63
    stateful = child("StatefulSet", longest)["metadata"]["name"]
    assert len(f"{stateful}-{'f' * 10}") <= 63  # the label controller-revision-hash


def test_the_log_leaves_the_sidecar_room_in_its_volume():
    for size, room in (("1Mi", 8), ("64Mi", 16), ("1Gi", 256)):
        pod = child("Deployment", model(f"drift: {{capture: {{logSize: {size}}}}}"))["spec"]["template"][
            "spec"
        ]
        log = next(volume for volume in pod["volumes"] if volume["name"] == "log")["emptyDir"]
        budget = int(_environment(pod["containers"][0])["TIDEGAUGE_LOG_BYTES"])
        assert log["medium"] == "Memory"
        assert int(log["sizeLimit"].removesuffix("Mi")) * 2**20 - budget == room * 2**20


def test_a_dollar_in_an_address_is_not_expanded():
    asked = load(
        json.dumps(
            {
                "apiVersion": "tidegauge.io/v1alpha1",
                "kind": "DriftMonitoredModel",
                "metadata": {"name": "iris", "namespace": "ml"},
                "spec": {"model": {"storageUri": "s3://models/$(HOME)/1"}},
            }
        )
    )
    pod = child("Deployment", asked)["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["args"][0] == "s3://models/$$(HOME)/1"


# --- the programs take what they are given ---------------------------------------------------------------


def test_the_server_reads_its_settings():
    given = _environment(_pods("everything")[1]["containers"][0])
    settings = serving_settings([], given)
    assert settings.model == "house-prices"
    assert settings.log_bytes == 32 << 20
    assert settings.sample_rate == 0.5
    assert settings.row_score_threshold == 2.5
    assert settings.allow_pickle
    assert settings.trusted_types == {"mypackage.Scaler", "mypackage.Encoder"}
    assert settings.request_log
    assert settings.cors_origins == {"https://shop.example", "http://localhost:3000"}
    assert "TIDEGAUGE_CORS_ORIGINS" not in _environment(_pods("smallest")[1]["containers"][0])


def test_the_sidecar_reads_its_settings_and_the_servers_log():
    pod = _pods("everything")[1]
    server = serving_settings([], _environment(pod["containers"][0]))
    settings = sidecar_settings([], _environment(pod["initContainers"][1]) | {"TIDEGAUGE_POD": "a-pod"})
    assert settings.log_dir == server.log_dir
    assert settings.model == server.model
    assert settings.profile.parent == server.bundle
    assert [url.partition(".")[0] for url in settings.aggregator_urls] == [
        "http://house-prices-aggregator-0",
        "http://house-prices-aggregator-1",
    ]


def test_each_aggregator_reads_its_settings_and_its_configuration():
    container = _pods("everything")[0]["containers"][0]
    given = _environment(container)
    given["TIDEGAUGE_SHARD"] = given["TIDEGAUGE_SHARD"].replace("$(POD_INDEX)", "1")
    settings = aggregator_settings([], given)
    assert settings.shard == (1, 2)
    assert settings.retention_seconds == 360 * 3600
    config = parse_config(
        planned("everything")["ConfigMap-house-prices-aggregator.yaml"]["data"]["config.json"].encode()
    )
    policy = config.model("house-prices").policy
    assert policy.min_effect == {"warning": 0.1, "critical": 0.3}
    assert policy.per_feature["sqft"]["warning"] == 0.05
    assert config.model("house-prices").expected_pods == 3


def test_the_token_of_the_secret_is_where_both_programs_look():
    children = planned("everything")
    secret = children["Secret-house-prices-aggregator-token.yaml"]
    assert base64.b64decode(secret["data"]["token"]) == plan_inputs().token.encode()
    aggregator, server = _pods("everything")
    for pod, container in ((aggregator, aggregator["containers"][0]), (server, server["initContainers"][1])):
        volume = next(v for v in pod["volumes"] if v["name"] == "token")
        folder = next(m for m in container["volumeMounts"] if m["name"] == "token")["mountPath"]
        assert volume["secret"]["secretName"] == secret["metadata"]["name"]
        assert _environment(container)["TIDEGAUGE_TOKEN_FILE"] == f"{folder}/token"
    assert "token" not in {mount["name"] for mount in server["containers"][0]["volumeMounts"]}


def test_pods_pull_with_the_secrets_that_the_operator_was_told():
    held = plan_inputs()
    told = replace(held, images=replace(held.images, pull_secrets=("registry",)))
    accounts = [document for document in plan(model(), told) if document["kind"] == "ServiceAccount"]
    assert [account["imagePullSecrets"] for account in accounts] == [[{"name": "registry"}]] * 2
    assert "imagePullSecrets" not in child("ServiceAccount", model(), held)


def test_a_plan_does_not_touch_what_it_was_given():
    given = model("autoscaling: {maxReplicas: 3, behavior: {scaleUp: {stabilizationWindowSeconds: 1}}}")
    before = msgspec.json.encode(given)
    plan(given, plan_inputs())
    assert msgspec.json.encode(given) == before


def _rules(of: DriftMonitoredModel) -> list[dict]:
    return child("PrometheusRule", of)["spec"]["groups"][0]["rules"]


def _workloads(case: str) -> list[dict]:
    return [
        document for document in planned(case).values() if document["kind"] in ("StatefulSet", "Deployment")
    ]


def _pods(case: str) -> list[dict]:
    return [document["spec"]["template"]["spec"] for document in _workloads(case)]


def _containers(pod: dict) -> list[dict]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def _environment(container: dict) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
