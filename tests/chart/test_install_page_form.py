"""What docs/install.md says that no tier here can run: images by Docker, a cluster by kind, single values."""

import re
import shlex

import pytest
import yaml
from support.controlplane.api import Document
from support.golden_plan import planned
from support.helm import ROOT, Helm
from support.pages import commands_of, files_of, page

from tidegauge.protocol.names import AGGREGATOR_PORT

PAGE = page("install.md")
KIND = commands_of(PAGE.partition("## kind, in five commands\n")[2].partition("\n## ")[0])[
    0
].text.splitlines()
PROGRAMS = ("operator", "serving", "drift-sidecar", "aggregator")


def images(helm: Helm, *values: str) -> set[str]:
    """All images that an installation needs."""
    (deployment,) = [d for d in helm.template(*values) if d["kind"] == "Deployment"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    told = {entry["value"] for entry in container["env"] if entry["name"].endswith("_IMAGE")}
    return {container["image"], *told}


def built(loop: str, option: str) -> set[str]:
    """The names that a loop over the programs gives."""
    programs = re.findall(r"for program in ([\w -]+);", loop)[0].split()
    (name,) = re.findall(rf"{option} (\S+\$program\S*)", loop)
    return {name.rstrip(";").replace("$program", program) for program in programs}


def test_kind_needs_five_commands() -> None:
    assert len(KIND) == 5
    clusters = {re.findall(r"--name (\S+)", line)[0] for line in KIND if line.startswith("kind ")}
    assert clusters == {"tidegauge"}


def test_what_is_built_is_loaded_and_asked_for(helm: Helm) -> None:
    loaded = {word for word in shlex.split(KIND[2]) if ":" in word}
    install = shlex.split(KIND[3])
    assert install[:4] == ["helm", "install", "tidegauge", "charts/tidegauge"]
    assert built(KIND[0], "--tag") == loaded == images(helm)


def test_what_is_pushed_is_asked_for(helm: Helm) -> None:
    loop = commands_of(PAGE)[0].text
    (registry,) = set(re.findall(r"--set (image.registry=\S+)", PAGE))
    assert built(loop, "--tag") == built(loop, "docker push") == images(helm, "--set", registry)


def test_each_target_is_in_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert set(PROGRAMS) <= targets
    assert set(re.findall(r"for program in ([\w -]+);", PAGE)) == {" ".join(PROGRAMS)}


@pytest.mark.parametrize("value", re.findall(r"`([a-z][\w.]+=[^`]+)`", PAGE))
def test_each_value_that_the_install_page_names_is_taken(helm: Helm, value: str) -> None:
    value = value.replace("sha256:...", f"sha256:{'0' * 64}").replace("{NAME}", "{name}")
    assert helm.template("--set", value)


def test_the_policy_for_what_goes_out_fits_the_pods_that_the_operator_makes() -> None:
    spec = yaml.safe_load(files_of(PAGE)["egress.yaml"])["spec"]
    assert spec["policyTypes"] == ["Egress"]
    assert selected(spec) <= pod_labels("Deployment-iris")
    dns, aggregator, _storage = spec["egress"]
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert aggregator["ports"] == [{"port": AGGREGATOR_PORT, "protocol": "TCP"}]
    assert selected(aggregator["to"][0]) <= pod_labels("StatefulSet-iris-aggregator")


def selected(of: Document) -> set[tuple[str, str]]:
    return set(of["podSelector"]["matchLabels"].items())


def pod_labels(of: str) -> set[tuple[str, str]]:
    return set(planned("smallest")[f"{of}.yaml"]["spec"]["template"]["metadata"]["labels"].items())
