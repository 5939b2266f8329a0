"""The chart and manifests on a real API server: admitted, installed, upgraded, rolled back, uninstalled."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import chart_files
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster
from support.controlplane.progress import progress
from support.controlplane.unavailable import Unavailable
from support.helm import CHART, HELM, Helm, older_chart
from support.operator_rig import crd_of
from support.restricted import RESTRICTED, namespace
from support.waiting import wait_for

from tidegauge import __version__

GOLDEN = sorted(chart_files.GOLDEN.glob("*/values.yaml"))
CRD = chart_files.MANIFESTS / "crd.yaml"
RELEASE, NAMESPACE = "tidegauge", chart_files.NAMESPACE


@pytest.fixture(scope="module")
def helm(bare_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    try:
        program = HELM.find(progress())
    except Unavailable as reason:
        pytest.skip(str(reason))
    return Helm(program, tmp_path_factory.mktemp("helm"), bare_cluster.kubeconfig())


@pytest.fixture(scope="module")
def monitoring_kinds(bare_cluster: Cluster) -> None:
    bare_cluster.admin.apply(crd_of("servicemonitors", "ServiceMonitor"))
    bare_cluster.admin.apply(crd_of("prometheusrules", "PrometheusRule"))


@pytest.fixture
def namespaces(bare_cluster: Cluster) -> tuple[str, ...]:
    names = (NAMESPACE, "ml", "pricing")
    for name in names:
        bare_cluster.admin.apply(namespace(name, RESTRICTED))
    return names


@pytest.fixture
def release(bare_cluster: Cluster, helm: Helm, namespaces: tuple[str, ...]) -> Iterator[str]:
    """A name that is free, and is so again afterwards, with the definition gone."""
    assert NAMESPACE in namespaces
    yield RELEASE
    helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "60s")
    if definition(bare_cluster) is not None:
        bare_cluster.admin.delete(named("CustomResourceDefinition"))
    wait_for(lambda: definition(bare_cluster) is None, "the definition is gone")


def named(kind: str, name: str = "") -> Document:
    versions = {"CustomResourceDefinition": "apiextensions.k8s.io/v1", "Deployment": "apps/v1"}
    names = {"CustomResourceDefinition": "driftmonitoredmodels.tidegauge.io"}
    metadata = {"name": names.get(kind, name), "namespace": NAMESPACE}
    return {"apiVersion": versions[kind], "kind": kind, "metadata": metadata}


def definition(cluster: Cluster) -> Document | None:
    return cluster.admin.find(named("CustomResourceDefinition"))


def columns(cluster: Cluster) -> list[str]:
    found = definition(cluster)
    assert found
    return [column["name"] for column in found["spec"]["versions"][0]["additionalPrinterColumns"]]


def image(cluster: Cluster) -> str:
    deployment = cluster.admin.get(named("Deployment", "tidegauge-operator"))
    found: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def install(helm: Helm, chart: Path, *more: str) -> str:
    return helm("upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, *more)


@pytest.mark.usefixtures("monitoring_kinds", "namespaces")
@pytest.mark.parametrize("values", GOLDEN, ids=lambda path: path.parent.name)
def test_the_api_server_takes_all_objects(bare_cluster: Cluster, helm: Helm, values: Path) -> None:
    text = helm("template", RELEASE, str(CHART), "-n", NAMESPACE, "--values", str(values))
    said = bare_cluster.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", typed=text)
    assert said.count("serverside-applied") == len([d for d in yaml.safe_load_all(text) if d])


def test_the_schema_knows_all_that_kubernetes_does_of_its_types(bare_cluster: Cluster) -> None:
    """A field that is missing there could not be set; one that Kubernetes has not would be let through."""
    core = bare_cluster.admin.request("GET", "/openapi/v3/api/v1")["components"]["schemas"]
    known = chart_files.schema_of_values()["definitions"]["kubernetes"]
    types = {name: set(of["properties"]) for name, of in known.items() if name != "$comment"}
    assert types == {name: set(core[f"io.k8s.api.core.v1.{name}"]["properties"]) for name in types}


@pytest.mark.usefixtures("namespaces")
def test_the_pod_is_admitted_where_the_restricted_standard_is_enforced(
    bare_cluster: Cluster, helm: Helm
) -> None:
    (deployment,) = [d for d in helm.template() if d["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    head = {**template["metadata"], "name": "operator", "namespace": NAMESPACE}
    spec = template["spec"] | {"serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec}
    account = {"name": "default", "namespace": NAMESPACE}  # no controller makes it here
    bare_cluster.admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    bare_cluster.admin.create(pod, dry_run=True)
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(Refused, match="restricted"):
        bare_cluster.admin.create(pod, dry_run=True)


def test_the_manifests_are_applied_by_kustomize(bare_cluster: Cluster) -> None:
    folder = str(chart_files.MANIFESTS)
    first = bare_cluster.kubectl("apply", "--server-side", "-k", folder)
    assert "deployment.apps/tidegauge-operator serverside-applied" in first
    assert image(bare_cluster) == f"localhost/tidegauge/operator:{__version__}"
    bare_cluster.kubectl("delete", "-k", folder, "--wait=false")
    wait_for(lambda: definition(bare_cluster) is None, "the definition is gone")
    wait_for(lambda: not namespace_stands(bare_cluster), "the namespace is gone")


def namespace_stands(cluster: Cluster) -> bool:
    return cluster.admin.find(namespace(NAMESPACE)) is not None


def test_kustomize_names_all_four_images(bare_cluster: Cluster, tmp_path: Path) -> None:
    shutil.copytree(chart_files.MANIFESTS, tmp_path / "manifests")
    file = tmp_path / "manifests/kustomization.yaml"
    kustomization = yaml.safe_load(file.read_text())
    for entry in kustomization["images"]:
        entry["newName"] = entry["name"].replace("localhost/", "registry.example.com/")
        entry["newTag"] = "7"
    file.write_text(yaml.safe_dump(kustomization))
    made = bare_cluster.kubectl("kustomize", str(file.parent))
    (deployment,) = [d for d in yaml.safe_load_all(made) if d["kind"] == "Deployment"]
    assert {word for word in str(deployment).replace("'", " ").split() if word.startswith("registry.")} == {
        f"registry.example.com/tidegauge/{program}:7"
        for program in ("operator", "serving", "drift-sidecar", "aggregator")
    }


def test_a_release_is_upgraded_and_rolled_back(
    bare_cluster: Cluster, helm: Helm, release: str, tmp_path: Path
) -> None:
    """From a chart made older by hand, for want of an earlier release."""
    install(helm, older_chart(tmp_path))
    assert image(bare_cluster) == "localhost/tidegauge/operator:0.0.9"
    assert "Seen" in columns(bare_cluster)
    model = merged(SMALLEST, {"metadata": {"namespace": "ml"}})
    stood = wait_for(lambda: applied(bare_cluster, model), "the definition is served")
    install(helm, CHART, "--set", "image.tag=v2")
    assert image(bare_cluster) == "localhost/tidegauge/operator:v2"
    assert "Coverage" in columns(bare_cluster)
    helm("rollback", release, "1", "-n", NAMESPACE)
    assert image(bare_cluster) == "localhost/tidegauge/operator:0.0.9"
    assert "Seen" in columns(bare_cluster)
    assert bare_cluster.admin.get(model)["metadata"]["uid"] == stood["metadata"]["uid"]


def applied(cluster: Cluster, model: Document) -> Document | None:
    try:
        return cluster.admin.apply(model)
    except Refused:
        return None


def test_models_outlive_the_release_and_the_next_one_finds_them(
    bare_cluster: Cluster, helm: Helm, release: str
) -> None:
    install(helm, CHART)
    model = merged(SMALLEST, {"metadata": {"namespace": "ml"}})
    stood = wait_for(lambda: applied(bare_cluster, model), "the definition is served")
    helm("uninstall", release, "-n", NAMESPACE, "--wait", "--timeout", "60s")
    assert bare_cluster.admin.find(named("Deployment", "tidegauge-operator")) is None
    assert bare_cluster.admin.get(model)["metadata"]["uid"] == stood["metadata"]["uid"]
    install(helm, CHART)
    assert bare_cluster.admin.get(model)["metadata"]["uid"] == stood["metadata"]["uid"]


def test_models_go_with_the_release_where_the_definition_is_not_kept(
    bare_cluster: Cluster, helm: Helm, release: str
) -> None:
    install(helm, CHART, "--set", "crds.keep=false")
    model = merged(SMALLEST, {"metadata": {"namespace": "ml"}})
    wait_for(lambda: applied(bare_cluster, model), "the definition is served")
    helm("uninstall", release, "-n", NAMESPACE, "--wait", "--timeout", "60s")
    wait_for(lambda: definition(bare_cluster) is None, "the definition is gone, and all models")


@pytest.mark.usefixtures("release")
def test_a_definition_that_is_there_already_can_be_taken_over(bare_cluster: Cluster, helm: Helm) -> None:
    bare_cluster.admin.apply(yaml.safe_load(CRD.read_text()))
    install(helm, CHART, "--take-ownership")
    found = definition(bare_cluster)
    assert found
    assert found["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE


@pytest.mark.usefixtures("namespaces")
def test_the_notes_name_the_next_commands(helm: Helm) -> None:
    said = notes(helm, "--set", "namespaces={ml}")
    assert "the namespaces ml" in said
    assert "kubectl --namespace tidegauge-system rollout status deployment/tidegauge-operator" in said
    assert "kubectl get driftmonitoredmodels --all-namespaces" in said
    assert "image.registry is localhost" in said
    assert "image.registry is localhost" not in notes(helm, "--set", "image.registry=registry.example.com")
    smallest = yaml.safe_load(said.rpartition("dmm.yaml:\n\n")[2])
    assert smallest["metadata"]["namespace"] == "ml"


def notes(helm: Helm, *values: str) -> str:
    arguments = (RELEASE, str(CHART), "--dry-run=server", "-n", NAMESPACE, *values)
    return helm("install", *arguments).partition("NOTES:\n")[2]


@pytest.mark.usefixtures("release")
def test_who_may_edit_a_namespace_may_edit_its_models(bare_cluster: Cluster, helm: Helm) -> None:
    install(helm, CHART)
    for user, role in (("ann", "edit"), ("bob", "view")):
        bare_cluster.kubectl(
            "create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "ml"
        )
    model = merged(SMALLEST, {"metadata": {"namespace": "ml"}})
    ann, bob = bare_cluster.api("ann"), bare_cluster.api("bob")
    wait_for(lambda: may(ann.create, model), "the editor may make a model")
    wait_for(lambda: may(bob.get, model), "the viewer may see it")
    with pytest.raises(Refused, match="cannot delete"):
        bob.delete(model)
    ann.delete(model)


def may(act: object, model: Document) -> bool:
    assert callable(act)
    try:
        act(model)
    except Refused:
        return False
    return True
