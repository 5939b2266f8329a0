"""Files of the chart and of `manifests/` that are made from others, so that no two can differ.

crds/ and deploy/operator/role.yaml are the sources; the chart takes both in; manifests/ and the golden
outputs are what Helm makes of the chart. ``python -m support.chart_files`` writes all of them.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from support.controlplane.progress import progress
from support.helm import CHART, HELM, ROOT, Helm
from support.restricted import RESTRICTED, namespace

from tidegauge.resource import crd

ROLE = ROOT / "deploy/operator/role.yaml"
MANIFESTS = ROOT / "manifests"
GOLDEN = ROOT / "tests/chart/golden"
NAMESPACE = "tidegauge-system"
BEGIN, END = "<!-- values: made by `make chart` -->\n", "<!-- end of values -->\n"
KUBERNETES = "#/definitions/kubernetes/"
# What Helm needs to find its own objects again, and nobody else does.
HELMS_OWN = {"helm.sh/chart", "app.kubernetes.io/managed-by"}


def chart_files() -> dict[Path, str]:
    """The chart's own copies, by path."""
    operator, cluster = _rules()
    return {
        CHART / "templates/crds.yaml": _crd_template(),
        CHART / "rules/operator.yaml": operator,
        CHART / "rules/cluster.yaml": cluster,
        CHART / "README.md": _readme(),
    }


def manifests(helm: Helm) -> dict[Path, str]:
    """What `kubectl apply -k` reads, by path, but for the kustomization itself, which is written by hand."""
    objects = helm.template("--set", "crds.keep=false")
    files: dict[str, list[dict[str, Any]]] = {"namespace": [namespace(NAMESPACE, RESTRICTED)]}
    for document in objects:
        files.setdefault(_file_of(document), []).append(_without_helm(document))
    return {MANIFESTS / f"{name}.yaml": _text(documents) for name, documents in files.items()}


def golden(helm: Helm) -> dict[Path, str]:
    """What the chart makes of each set of values in tests/chart/golden, without the definition."""
    found = {}
    for values in sorted(GOLDEN.glob("*/values.yaml")):
        objects = helm.template("--values", str(values), "--set", "crds.enabled=false")
        found[values.parent / "objects.yaml"] = _text(objects)
    return found


def alerts_of_the_chart(case: str) -> list[dict[str, Any]]:
    """The alerting rules in the golden output of a set of values."""
    objects = yaml.safe_load_all((GOLDEN / case / "objects.yaml").read_text())
    rules = [document["spec"] for document in objects if document["kind"] == "PrometheusRule"]
    return [rule for spec in rules for group in spec["groups"] for rule in group["rules"]]


def _crd_template() -> str:
    head, spec = crd.to_yaml(crd.definition()).split("\nspec:\n", 1)
    assert "{{" not in head + spec, "the definition holds what Helm would read as a template"
    lines = head.splitlines()[1:]  # without its own comment
    return "\n".join(
        [
            "{{- /* Made by `make chart` from the types in tidegauge/resource; edit those. */}}",
            "{{- if .Values.crds.enabled }}",
            *lines,
            "  labels:",
            '    {{- include "tidegauge.labels" . | nindent 4 }}',
            "  {{- if .Values.crds.keep }}",
            "  annotations:",
            "    helm.sh/resource-policy: keep",
            "  {{- end }}",
            "spec:",
            spec + "{{- end }}\n",
        ]
    )


def _rules() -> list[str]:
    """The text of each role's rules, with its comments."""
    made = "# Made by `make chart` from deploy/operator/role.yaml; edit that.\n"
    roles = re.split(r"^---\n", ROLE.read_text(), flags=re.MULTILINE)
    return [made + role.split("\nrules:\n", 1)[1] for role in roles]


def _readme() -> str:
    before, rest = (CHART / "README.md").read_text().split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + values_table() + END + after


def values_table() -> str:
    """Every value with its default and meaning, as a table."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, schema in described(schema_of_values()):
        if (default := _at(defaults, path)) is not _ABSENT:
            lines.append(f"| `{path}` | {_shown(default)} | {schema['description']} |")
    return "\n".join(lines) + "\n"


def schema_of_values() -> dict[str, Any]:
    """The schema of the values."""
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return schema


def described(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every single value that the schema knows, by its path; not the groups that they stand in.

    What is of a type of Kubernetes is one value, however much there is in it.
    """

    def walk(part: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if "$ref" in part and not part["$ref"].startswith(KUBERNETES):
            part = schema["definitions"][part["$ref"].rpartition("/")[2]] | part
        if "properties" not in part:
            yield path, part
        for name, below in part.get("properties", {}).items():
            yield from walk(below, f"{path}.{name}".lstrip("."))

    return walk(schema, "")


_ABSENT = object()


def _at(values: dict[str, Any], path: str) -> object:
    found: Any = values
    for step in path.split("."):
        if step not in found:
            return _ABSENT
        found = found[step]
    return found


def _shown(value: object) -> str:
    return "" if value in ("", [], {}) else f"`{json.dumps(value)}`"


def _file_of(document: dict[str, Any]) -> str:
    if document["kind"] == "CustomResourceDefinition":
        return "crd"
    is_right = document["kind"] == "ServiceAccount" or document["apiVersion"].startswith("rbac.")
    return "rbac" if is_right else "operator"


def _without_helm(document: dict[str, Any]) -> dict[str, Any]:
    labels = document["metadata"]["labels"]
    document["metadata"]["labels"] = {key: labels[key] for key in labels if key not in HELMS_OWN}
    return document


def _text(documents: list[dict[str, Any]]) -> str:
    return "---\n".join(
        yaml.dump(document, Dumper=_Plain, sort_keys=False, width=110) for document in documents
    )


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        return True


def write() -> None:
    """Make all files what they ought to be."""
    _write(chart_files())
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(HELM.find(progress()), Path(home))
        _write(manifests(helm) | golden(helm))


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write()
