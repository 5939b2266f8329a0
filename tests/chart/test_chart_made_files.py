"""What is made from something else is what that says now."""

import re
from pathlib import Path

import pytest
import yaml
from support import chart_files
from support.controlplane.api import Document
from support.helm import CHART, ROOT, Helm

from tidegauge.__about__ import __version__

CRD = ROOT / "crds/driftmonitoredmodels.tidegauge.io.yaml"


def differing(files: dict[Path, str]) -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path, text in files.items()
        if not path.exists() or path.read_text() != text
    ]


def test_the_charts_copies_are_current() -> None:
    assert differing(chart_files.chart_files()) == [], "run `make chart`"


def test_the_golden_outputs_are_current(helm: Helm) -> None:
    assert differing(chart_files.golden(helm)) == [], "run `make golden`, and look at the diff"


def test_the_manifests_are_current(helm: Helm) -> None:
    made = chart_files.manifests(helm)
    assert differing(made) == [], "run `make chart`"
    written_by_hand = {"kustomization.yaml", "image-names.yaml"}
    assert {path.name for path in made} | written_by_hand == {p.name for p in chart_files.MANIFESTS.iterdir()}


def test_the_definition_is_that_of_crds(helm: Helm) -> None:
    (installed,) = of_kind(helm.template(), "CustomResourceDefinition")
    (from_manifests,) = yaml.safe_load_all((chart_files.MANIFESTS / "crd.yaml").read_text())
    source = yaml.safe_load(CRD.read_text())
    assert installed["spec"] == from_manifests["spec"] == source["spec"]
    assert installed["metadata"]["name"] == source["metadata"]["name"]


def test_the_rights_are_those_that_are_tested_on_an_api_server(helm: Helm) -> None:
    whole, cluster = yaml.safe_load_all(chart_files.ROLE.read_text())
    everywhere = {role["metadata"]["name"]: role["rules"] for role in of_kind(helm.template(), "ClusterRole")}
    assert everywhere["tidegauge-operator"] == whole["rules"]
    assert everywhere["tidegauge-operator-cluster"] == cluster["rules"]
    in_two = of_kind(helm.template("--set", "namespaces={a,b}"), "Role")
    assert [(role["metadata"]["namespace"], role["rules"]) for role in in_two] == [
        ("a", whole["rules"]),
        ("b", whole["rules"]),
    ]


def test_the_charts_version_is_the_programs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["appVersion"], chart["version"]) == (__version__, __version__)
    assert f"\nARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_no_page_names_an_image_of_another_version() -> None:
    pages = [ROOT / "README.md", CHART / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = {
        (page.name, version)
        for page in pages
        for version in re.findall(r"tidegauge/[$a-z-]+:(\d+\.\d+\.\d+[\w+-]*)", page.read_text())
    }
    assert {page for page, _ in named} >= {"README.md", "images.md", "install.md", "tutorial.md"}
    assert {version for _, version in named} == {__version__}, named


@pytest.mark.parametrize("value", [path for path, _ in chart_files.described(chart_files.schema_of_values())])
def test_every_value_is_described(value: str) -> None:
    schema = dict(chart_files.described(chart_files.schema_of_values()))[value]
    assert schema["description"].endswith(".")


def test_every_value_is_in_the_readme_and_in_the_schema() -> None:
    readme = (CHART / "README.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE))
    known = {path for path, _ in chart_files.described(chart_files.schema_of_values())}
    assert documented == known - {"global"}  # Helm's own, which has no default here
    assert set(leaves(yaml.safe_load((CHART / "values.yaml").read_text()), known)) == documented


def leaves(values: Document, known: set[str], path: str = "") -> list[str]:
    """Paths of the single values; a mapping that the schema knows as a value is one."""
    found = []
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        deeper = isinstance(value, dict) and here not in known
        found += leaves(value, known, here) if deeper else [here]
    return found


def of_kind(objects: list[Document], kind: str) -> list[Document]:
    return [document for document in objects if document["kind"] == kind]
