"""What values do, and what they may not be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import chart_files
from support.controlplane.api import Document
from support.golden_plan import planned
from support.helm import CHART, Helm, HelmFailed
from tidegauge_operator.settings import parse_settings

from tidegauge.protocol.names import AGGREGATOR_PORT, Env, Metric

GOLDEN = sorted(chart_files.GOLDEN.glob("*/values.yaml"))


def set_to(**values: object) -> list[str]:
    return [
        part for path, value in values.items() for part in ("--set", f"{path.replace('__', '.')}={value}")
    ]


def the(kind: str, objects: list[Document]) -> Document:
    (found,) = [document for document in objects if document["kind"] == kind]
    return found


def container(objects: list[Document]) -> Document:
    found: Document = the("Deployment", objects)["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(objects: list[Document]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "from a field") for entry in container(objects)["env"]}


@pytest.mark.parametrize("values", GOLDEN, ids=lambda path: path.parent.name)
def test_helm_finds_nothing_to_complain_of(helm: Helm, values: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("values", GOLDEN, ids=lambda path: path.parent.name)
def test_the_operator_understands_what_it_is_told(helm: Helm, values: Path) -> None:
    given = environment(helm.template("--values", str(values)))
    assert set(given) <= {variable.value for variable in Env}
    settings = parse_settings([], given)
    assert settings.host == "0.0.0.0"
    assert settings.port == container(helm.template("--values", str(values)))["ports"][0]["containerPort"]
    assert list(settings.namespaces) == (yaml.safe_load(values.read_text()).get("namespaces") or [])


def test_images_can_be_named_together_and_one_by_one(helm: Helm) -> None:
    assert container(helm.template())["image"] == "localhost/tidegauge/operator:0.2.0"
    digest = "sha256:" + "0" * 64
    objects = helm.template(
        *set_to(
            image__registry="registry.example.com:5000/ml/",
            image__tag="v7",
            images__sidecar__tag="v8",
            images__serving__registry="elsewhere",
            images__aggregator__digest=digest,
        )
    )
    told = environment(objects)
    assert container(objects)["image"] == "registry.example.com:5000/ml/tidegauge/operator:v7"
    assert told[Env.SIDECAR_IMAGE] == "registry.example.com:5000/ml/tidegauge/drift-sidecar:v8"
    assert told[Env.SERVING_IMAGE] == "elsewhere/tidegauge/serving:v7"
    assert told[Env.AGGREGATOR_IMAGE] == f"registry.example.com:5000/ml/tidegauge/aggregator@{digest}"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"reportSecond": 3}, "reportSecond"),
        ({"images.servng.tag": "1"}, "servng"),
        ({"crds.keeep": "true"}, "keeep"),
        ({"networkPolicy.apiserverPorts": "{1}"}, "apiserverPorts"),
        ({"serviceMonitor.interval": "often"}, "/serviceMonitor/interval"),
        ({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy"),
        ({"images.operator.digest": "sha256:12"}, "/images/operator/digest"),
        ({"image.registry": ""}, "/image/registry"),  # Kubernetes would take it for docker.io
        ({"image.registry": "null"}, "missing property 'registry'"),
        ({"image.tag": "10"}, "/image/tag"),  # a number: 1.10 in a file would be 1.1
        ({"reportSeconds": 0}, "/reportSeconds"),
        ({"namespaces": "{Not_a_name}"}, "/namespaces/0"),
        ({"resources.limit.memory": "1Gi"}, "'limit' not allowed"),
        ({"podSecurityContext.runAsNonRot": "true"}, "'runAsNonRot' not allowed"),
        ({"podSecurityContext.seccompProfile.kind": "RuntimeDefault"}, "'kind' not allowed"),
        ({"securityContext.runAsNonRot": "true"}, "'runAsNonRot' not allowed"),
        ({"securityContext.capabilities.dropped": "{ALL}"}, "'dropped' not allowed"),
        ({"tolerations[0].keys": "dedicated"}, "'keys' not allowed"),
        ({"affinity.nodeAfinity.x": "y"}, "'nodeAfinity' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(HelmFailed, match=named):
        helm.template(*set_to(**wrong))


def test_a_default_can_be_taken_away(helm: Helm) -> None:
    """OpenShift, for one, gives users of its own."""
    taken = set_to(podSecurityContext__runAsUser="null", resources__limits="null")
    spec = the("Deployment", helm.template(*taken))["spec"]["template"]["spec"]
    assert "runAsUser" not in spec["securityContext"]
    assert set(spec["containers"][0]["resources"]) == {"requests"}


def test_an_account_of_ones_own_must_be_named(helm: Helm) -> None:
    with pytest.raises(HelmFailed, match="name the account to use"):
        helm.template("--set", "serviceAccount.create=false")


def test_without_cluster_wide_objects_nothing_but_the_namespaces_is_touched(helm: Helm) -> None:
    values = set_to(namespaces="{ml}", crds__enabled="false", rbac__aggregateToUsers="false")
    objects = helm.template(*values)
    assert {document["metadata"].get("namespace") for document in objects} == {"tidegauge-system", "ml"}


@pytest.mark.parametrize(
    ("keep", "annotations"), [("true", {"helm.sh/resource-policy": "keep"}), ("false", {})]
)
def test_the_definition_stays_if_it_is_to_be_kept(helm: Helm, keep: str, annotations: dict[str, str]) -> None:
    definition = the("CustomResourceDefinition", helm.template("--set", f"crds.keep={keep}"))
    assert definition["metadata"].get("annotations", {}) == annotations


def test_a_chart_above_may_hand_down_what_charts_hand_down(helm: Helm, tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "charts").mkdir(parents=True)
    (above / "charts/tidegauge").symlink_to(CHART)
    dependency = {"name": "tidegauge", "version": "0.2.0", "condition": "tidegauge.enabled"}
    chart = {"apiVersion": "v2", "name": "above", "version": "1.0.0", "dependencies": [dependency]}
    (above / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (above / "values.yaml").write_text("global: {any: thing}\ntidegauge: {enabled: true, logLevel: debug}\n")
    assert environment(helm.template(chart=above))[Env.LOG_LEVEL] == "debug"
    assert helm.template("--set", "tidegauge.enabled=false", chart=above) == []


@pytest.mark.parametrize(("given", "wanted"), [([], "json"), (["--set", "logFormat=text"], "text")])
def test_the_log_has_the_format_that_is_asked_for(helm: Helm, given: list[str], wanted: str) -> None:
    assert environment(helm.template(*given))[Env.LOG_FORMAT] == wanted


def labels(metadata: Document) -> dict[str, str]:
    found: dict[str, str] = metadata.get("labels", {})
    return found


def test_labels_of_ones_own_take_no_place_of_the_charts(helm: Helm, tmp_path: Path) -> None:
    everything = yaml.safe_load((chart_files.GOLDEN / "everything/values.yaml").read_text())
    plain, own = tmp_path / "plain.yaml", tmp_path / "own.yaml"
    plain.write_text(yaml.safe_dump(everything | {"commonLabels": {}}))
    was = helm.template("--values", str(plain))
    taken = {key: "mine" for document in was for key in labels(document["metadata"]) if "/" in key}
    assert "app.kubernetes.io/part-of" in taken
    assert "rbac.authorization.k8s.io/aggregate-to-edit" in taken
    own.write_text(yaml.safe_dump({"commonLabels": taken, "podLabels": taken}))
    now = helm.template("--values", str(plain), "--values", str(own))
    for before, after in zip(was, now, strict=True):
        assert labels(before["metadata"]).items() <= labels(after["metadata"]).items()
    deployment = the("Deployment", now)["spec"]
    assert (
        deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    )


@pytest.mark.parametrize("values", GOLDEN, ids=lambda path: path.parent.name)
def test_no_key_stands_twice(helm: Helm, values: Path) -> None:
    """Readers of YAML differ in which of the two they take."""
    twice = ["--set", r"commonLabels.app\.kubernetes\.io/part-of=x"]
    text = helm("template", "tidegauge", str(CHART), "--values", str(values), *twice)
    for document in yaml.compose_all(text):
        assert not list(repeated(document))


def repeated(node: yaml.Node | None) -> Iterator[str]:
    """Keys that a mapping below has more than once."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from {key for key in keys if keys.count(key) > 1}
        for _, value in node.value:
            yield from repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from repeated(value)


def test_a_release_may_be_called_like_a_number(helm: Helm) -> None:
    assert (
        labels(the("Deployment", helm.template(release="7"))["metadata"])["app.kubernetes.io/instance"] == "7"
    )


def test_names_hold_the_release_and_are_never_too_long(helm: Helm) -> None:
    def name(release: str) -> str:
        found: str = the("Deployment", helm.template(release=release))["metadata"]["name"]
        return found

    assert name("tidegauge") == "tidegauge-operator"
    assert name("mine") == "mine-tidegauge-operator"
    longest = "a" * 53
    assert all(
        len(document["metadata"]["name"]) <= 63
        for document in helm.template(release=longest)
        if "namespace" in document["metadata"]
    )


def test_the_alert_asks_for_the_metric_of_this_release(helm: Helm) -> None:
    objects = helm.template(
        "--set", "prometheusRule.enabled=true", "--set", "docsUrl=https://docs.example.com/"
    )
    (alert,) = the("PrometheusRule", objects)["spec"]["groups"][0]["rules"]
    service = the("Service", objects)["metadata"]
    place = f'namespace="{service["namespace"]}", service="{service["name"]}"'
    assert alert["expr"] == f"absent({Metric.OPERATOR_QUEUE_DEPTH}{{{place}}})"
    page = f"runbooks/{alert['alert']}.md"
    assert alert["annotations"]["runbook_url"] == f"https://docs.example.com/{page}"
    without = helm.template("--set", "prometheusRule.enabled=true")
    (alert,) = the("PrometheusRule", without)["spec"]["groups"][0]["rules"]
    assert alert["annotations"]["runbook"] == f"docs/{page}"


def test_the_policy_lets_the_operator_read_reports_and_nobody_elses(helm: Helm) -> None:
    policy = the("NetworkPolicy", helm.template("--set", "networkPolicy.enabled=true"))
    (reports,) = [rule for rule in policy["spec"]["egress"] if "to" in rule]
    assert reports["ports"] == [{"port": AGGREGATOR_PORT, "protocol": "TCP"}]
    (peer,) = reports["to"]
    aggregator = planned("smallest")["StatefulSet-iris-aggregator.yaml"]["spec"]["template"]["metadata"]
    assert peer["podSelector"]["matchLabels"].items() <= labels(aggregator).items()
    other = planned("smallest")["Deployment-iris.yaml"]["spec"]["template"]["metadata"]
    assert not peer["podSelector"]["matchLabels"].items() <= labels(other).items()
