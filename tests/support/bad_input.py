"""The table of invalid resources, `tests/apiserver/bad-input.yaml`, as documents."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TABLE = Path(__file__).parents[1] / "apiserver/bad-input.yaml"
SMALLEST = {
    "apiVersion": "tidegauge.io/v1alpha1",
    "kind": "DriftMonitoredModel",
    "metadata": {"name": "house-prices"},
    "spec": {"model": {"storageUri": "s3://models/house-prices/3"}},
}


class BadInput(NamedTuple):
    """One invalid resource: what is wrong, and what must be said about it."""

    title: str
    document: dict[str, Any]
    before: dict[str, Any] | None  # the object this one would replace, for rules about changes
    field: str
    cluster_says: str
    library_says: str | None  # None where only a cluster can know


def table() -> list[BadInput]:
    """All rows, in the file's order."""
    return [_row(row) for row in yaml.safe_load(TABLE.read_text())]


def _row(row: dict[str, Any]) -> BadInput:
    before = row.get("before")
    document = merged(SMALLEST, row["document"])
    if (missing := row.get("without")) is not None:
        *steps, last = missing.split(".")
        part = document
        for step in steps:
            part = part[step]
        del part[last]
    says = row["says"]
    library_says = None if row.get("cluster_only") or before is not None else row.get("library_says", says)
    return BadInput(
        row["wrong"],
        document,
        None if before is None else merged(SMALLEST, before),
        row["field"],
        says,
        library_says,
    )


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The base with a change laid over it, map by map."""
    result = copy.deepcopy(base)
    for name, value in change.items():
        inner = result.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[name] = merged(inner, value) if both else copy.deepcopy(value)
    return result
