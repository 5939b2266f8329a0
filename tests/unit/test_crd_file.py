"""The definition in `crds/` is the types' own, and says something about every field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegauge.resource import crd, reference_page
from tidegauge.resource.cel import RULES

ROOT = Path(__file__).parents[2]
FILE = ROOT / "crds/driftmonitoredmodels.tidegauge.io.yaml"
VERSION = crd.definition()["spec"]["versions"][0]


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, field
        yield from fields(field, here)
        yield from fields(field.get("items", {}), f"{here}[]")


FIELDS = dict(fields(VERSION["schema"]["openAPIV3Schema"]))


def test_the_file_is_current() -> None:
    assert FILE.read_text() == crd.to_yaml(crd.definition()), "run `make crds`"


def test_the_manual_is_current() -> None:
    assert (ROOT / "docs/custom-resource.md").read_text() == reference_page.page(), "run `make crds`"


def test_the_file_says_what_the_definition_says() -> None:
    assert yaml.safe_load(FILE.read_text()) == crd.definition()


def test_every_field_is_described() -> None:
    bare = [path for path, field in FIELDS.items() if not field.get("description") and path != "metadata"]
    assert len(FIELDS) > 80
    assert not bare


def test_every_list_and_map_of_a_spec_has_a_bound() -> None:
    unbound = [
        path
        for path, field in FIELDS.items()
        if path.startswith("spec")
        and ("items" in field and "maxItems" not in field)
        | ("additionalProperties" in field and "maxProperties" not in field)
    ]
    assert not unbound, "the cost of a rule is counted for the longest list there may be"


def test_every_rule_is_in_the_definition() -> None:
    written = str(VERSION)
    missing = [rule.message for rules in RULES.values() for rule in rules if rule.message not in written]
    assert not missing


def test_a_status_has_no_defaults() -> None:
    assert not [path for path, field in FIELDS.items() if path.startswith("status") and "default" in field]


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("spec.drift", {}),
        ("spec.drift.budget.period", "720h"),
        ("spec.drift.sidecar.resources", {"requests": {"cpu": "50m", "memory": "96Mi"}}),
        ("spec.aggregator", {}),
    ],
)
def test_defaults_are_written_once_each(path: str, default: object) -> None:
    assert FIELDS[path]["default"] == default
