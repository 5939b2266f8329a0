"""The CustomResourceDefinition, from the same types by which Tidegauge reads the resource itself.

``python -m tidegauge.resource.crd`` prints it; `make crds` writes it to `crds/`.
"""

from typing import Any, Final

import yaml

from tidegauge.protocol.names import API_GROUP, API_VERSION, RESOURCE_KIND
from tidegauge.resource.cel import RULES
from tidegauge.resource.openapi import Schema, object_schema
from tidegauge.resource.schema import DriftMonitoredModel, PerFeature, Spec
from tidegauge.resource.status import Condition, Status

__all__ = ["PLURAL", "definition", "to_yaml"]

PLURAL: Final = "driftmonitoredmodels"
_HEADER: Final = "# Made by `make crds` from the types in tidegauge/resource; edit those.\n"
_ABOUT: Final = (
    "A machine-learning model that is served by pods. A sidecar in each pod counts every answered row, and "
    "the counts are compared with the training data. The verdict is in status.drift and in the condition "
    "DataDriftDetected: kubectl wait --for=condition=DataDriftDetected dmm/NAME."
)
# Heading, type, path and priority: 0 is always shown, 1 with `-o wide`.
_COLUMNS: Final = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Verdict", "string", ".status.drift.verdict", 0),
    ("Drifting", "integer", ".status.drift.driftingFeatures", 0),
    ("Top", "string", ".status.drift.topFeatures[0].name", 0),
    ("Coverage", "number", ".status.drift.coverage.rows", 0),
    ("Pods", "string", ".status.drift.coverage.pods", 0),
    ("Shards", "string", ".status.drift.coverage.shards", 1),
    ("Since", "date", ".status.drift.since", 1),
    ("Rows", "integer", ".status.drift.rows", 1),
    ("Model", "string", ".spec.model.storageUri", 1),
    ("URL", "string", ".status.url", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition as a document."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{API_GROUP}"},
        "spec": {
            "group": API_GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": RESOURCE_KIND,
                "listKind": f"{RESOURCE_KIND}List",
                "plural": PLURAL,
                "singular": RESOURCE_KIND.lower(),
                "shortNames": ["dmm"],
                "categories": ["all"],
            },
            "versions": [_version()],
        },
    }


def to_yaml(document: dict[str, Any]) -> str:
    """Return the document as the file in `crds/` holds it."""
    return _HEADER + yaml.dump(
        document, Dumper=_Plain, sort_keys=False, width=110, default_flow_style=False, allow_unicode=True
    )


def _version() -> dict[str, Any]:
    return {
        "name": API_VERSION.rpartition("/")[2],
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            for name, kind, path, priority in _COLUMNS
        ],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _root()},
    }


def _root() -> Schema:
    validations = {kind: [rule.to_dict() for rule in rules] for kind, rules in RULES.items()}
    keys: dict[type, str] = {PerFeature: "name", Condition: "type"}
    return {
        "type": "object",
        "description": _ABOUT,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"The schema's version: {API_VERSION}."},
            "kind": {"type": "string", "description": f"{RESOURCE_KIND}."},
            "metadata": {"type": "object"},
            "spec": object_schema(Spec, validations, keys),
            "status": object_schema(Status, validations, keys, defaults=False),
        },
        "x-kubernetes-validations": validations[DriftMonitoredModel],
    }


class _Plain(yaml.SafeDumper):
    """YAML without anchors: every part of the schema is written in full."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write repeated parts out."""
        return True


if __name__ == "__main__":
    print(to_yaml(definition()), end="")
