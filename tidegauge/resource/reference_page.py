"""The page `docs/custom-resource.md`: every field of the resource, from its definition.

``python -m tidegauge.resource.reference_page`` prints it; `make crds` writes it.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from tidegauge.resource.crd import definition
from tidegauge.resource.fields import CLUSTER_URI_PATTERN, IN_WORDS
from tidegauge.resource.openapi import Schema

__all__ = ["page"]

_HEAD: Final = """\
# The custom resource

<!-- Made by `make crds` from the types in tidegauge/resource; edit those. -->

One `DriftMonitoredModel` (short name `dmm`, also in `kubectl get all`) is one model that is served and
watched. `tidegauge up` reads the same document. Only `spec.model.storageUri` is required:

```yaml
apiVersion: tidegauge.io/v1alpha1
kind: DriftMonitoredModel
metadata: {name: house-prices}
spec:
  model: {storageUri: s3://models/house-prices/3}
```

`kubectl explain dmm.spec.drift` prints the same as this page. The API server refuses unknown fields and
broken [rules](#rules), with the field and the rule in its message.
"""
_RULES: Final = """
## Rules

These rules are stricter than the fields' types.

| field | rule |
|---|---|
"""
_WORDS: Final = IN_WORDS | {CLUSTER_URI_PATTERN: "an address"}


def page() -> str:
    """Return the page as Markdown."""
    root = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = [_HEAD]
    for part in ("spec", "status"):
        schema = root["properties"][part]
        parts.append(f"\n## {part}\n\n| field | type | default | meaning |\n|---|---|---|---|\n")
        parts.extend(_rows(schema, ""))
    parts.append(_RULES)
    parts.extend(f"| `{path}` | {message} |\n" for path, message in _rules(root, ""))
    return "".join(parts)


def _rows(schema: Schema, above: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        path = f"{above}.{name}".lstrip(".")
        filled = "required" if name in required else _default(field)
        text = field["description"].replace("|", "\\|")
        yield f"| `{path}` | {_type(field)} | {filled} | {text} |\n"
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _rows(inner, f"{path}[]" if "items" in field else path)


def _default(field: Schema) -> str:
    default = field.get("default", {})
    return "" if default == {} else f"`{json.dumps(default).strip(chr(34))}`"


def _type(field: Schema) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    if (pattern := field.get("pattern")) in _WORDS:
        return _WORDS[pattern].partition(":")[0]
    return str(field["type"]) + _bounds(field)


def _bounds(field: Schema) -> str:
    lowest, highest = field.get("minimum"), field.get("maximum")
    sign = ">" if field.get("exclusiveMinimum") else "≥"
    bounds = [f"{sign} {lowest}"] if lowest is not None else []
    bounds += [f"≤ {highest}"] if highest is not None and highest < 2**31 - 1 else []
    return " " + ", ".join(bounds) if bounds else ""


def _rules(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield f"{path}{rule.get('fieldPath', '')}" or "metadata.name", rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}".lstrip("."))


if __name__ == "__main__":
    print(page(), end="")
