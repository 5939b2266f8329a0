"""YAML in, YAML out: each folder of `tests/operator/golden` holds a resource and its planned children.

``make golden`` (``python -m support.golden_plan``) writes the children anew; the diff shows what changes.
"""

from pathlib import Path
from typing import Any

import yaml
from tidegauge_operator.children.inputs import Images, PlanInputs
from tidegauge_operator.children.plan import plan

from tidegauge.resource import DriftMonitoredModel, load

GOLDEN = Path(__file__).parents[1] / "operator" / "golden"
RESOURCE = "resource.yaml"
IMAGES = Images(
    serving="example.com/tidegauge-serving:1.0",
    sidecar="example.com/tidegauge-sidecar:1.0",
    aggregator="example.com/tidegauge-aggregator:1.0",
)
# What the cluster holds already, beside the resource; nothing where a case is not named.
HELD: dict[str, dict[str, Any]] = {
    "autoscaled": {"replicas": 4, "scale_owned_elsewhere": True, "deployment_version": "7"},
    "grown": {"replicas": 1, "deployment_version": "7", "aggregators": 1, "claim_size": "1Gi"},
}


def cases() -> list[str]:
    return sorted(folder.name for folder in GOLDEN.iterdir())


def resource(case: str) -> DriftMonitoredModel:
    return load((GOLDEN / case / RESOURCE).read_text())


def plan_inputs(**held: Any) -> PlanInputs:
    """PlanInputs of a cluster with the Prometheus operator."""
    known: dict[str, Any] = {"monitoring_kinds": frozenset({"ServiceMonitor", "PrometheusRule"})}
    return PlanInputs(
        uid="0b1ff75e-5a3c-4a0e-8f6a-6f1f6a1f0c11", images=IMAGES, token="not-a-secret", **known | held
    )


def planned(case: str) -> dict[str, dict[str, Any]]:
    """The children of a case by the name of their files, in the order of the plan."""
    children = plan(resource(case), plan_inputs(**HELD.get(case, {})))
    return {f"{child['kind']}-{child['metadata']['name']}.yaml": child for child in children}


def kept(case: str) -> dict[str, dict[str, Any]]:
    """The children as the files have them."""
    files = (path for path in (GOLDEN / case).glob("*.yaml") if path.name != RESOURCE)
    return {path.name: yaml.safe_load(path.read_text()) for path in files}


def write() -> None:
    """Make the files what the plan says."""
    for case in cases():
        children = planned(case)
        for name in kept(case):
            (GOLDEN / case / name).unlink()
        for name, child in children.items():
            text = yaml.dump(child, Dumper=_Plain, sort_keys=False, width=4096)
            (GOLDEN / case / name).write_text(text)


class _Plain(yaml.SafeDumper):
    """YAML without anchors: a reader of one file sees all of it; texts of several lines as blocks."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)

if __name__ == "__main__":
    write()
