"""A document's text to a checked `DriftMonitoredModel`, with errors that name the field."""

import copy
import json
import re
from typing import Any, Final

import msgspec
import yaml

from tidegauge.errors import ResourceError
from tidegauge.nearest import or_nearest
from tidegauge.protocol.names import API_VERSION, RESOURCE_KIND
from tidegauge.resource import fields, schema
from tidegauge.resource.rules import broken_rules

__all__ = ["load"]


def load(text: str | bytes) -> schema.DriftMonitoredModel:
    """Read and check a document, YAML or JSON.

    Raises
    ------
    ResourceError
        Naming the field by its path, the value and the rule it breaks; broken cross-field rules all at once.
    """
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ResourceError(_unreadable(error)) from error
    if document is None:
        raise ResourceError(f"nothing in it: a {RESOURCE_KIND} opens with apiVersion: {API_VERSION}")
    try:
        resource = msgspec.convert(document, schema.DriftMonitoredModel)
    except msgspec.ValidationError as error:
        raise ResourceError(_explained(str(error), document)) from error
    if broken := broken_rules(resource):
        raise ResourceError("; ".join(broken))
    return resource


def _unreadable(error: yaml.YAMLError) -> str:
    """Where a text is no YAML, in our words."""
    if isinstance(error, yaml.composer.ComposerError) and "single document" in str(error.context):
        return "several documents in it: one is read, so give each a file of its own"
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}not YAML: look at colons, quotes and indentation there"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a timestamp stays the text it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _explained(message: str, document: object) -> str:
    """Turn msgspec's message round: the path first, then the rule and the value."""
    rule, _, path = message.replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    if path.endswith("[...]"):
        path = _join(path.removesuffix("[...]"), _broken_entry(document, path.removesuffix("[...]"), message))
    if unknown := re.search(r"unknown field `(.+)`", rule):
        return f"{_join(path, unknown[1])}: no such field; {or_nearest(unknown[1], _field_names(path))}"
    if missing := re.search(r"missing required field `(.+)`", rule):
        return f"{_join(path, missing[1])}: required, and not there"
    if rule.startswith("Invalid enum value"):
        rule = f"expected {' or '.join(map(str, _choices(path)))}"
    return f"{path or 'the document'}: {_plain(rule)}{_instead(document, path)}"


def _plain(rule: str) -> str:
    if regex := re.search(r"matching regex '(.*?)\\+Z'$", rule):
        return f"expected {fields.IN_WORDS[regex[1] + '$']}"
    if typed := re.fullmatch(r"Expected `([^`]+)`(.*?)(, got `\w+`)?", rule):
        kinds = [_KINDS.get(kind, kind) for kind in typed[1].split(" | ") if kind != "null"]
        return f"expected {' or '.join(kinds)}{typed[2].removesuffix('.0')}"
    return rule[:1].lower() + rule[1:].replace("`", "")


_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "a map of fields",
    "array": "a list",
}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _broken_entry(document: object, path: str, message: str) -> str:
    """The key of the map's entry that a message is about; msgspec says only which map it is."""
    entries: dict[str, Any] = _at(document, path)
    for key, value in entries.items():
        alone = copy.deepcopy(document)
        entries_alone: dict[str, Any] = _at(alone, path)
        entries_alone.clear()
        entries_alone[key] = value
        try:
            msgspec.convert(alone, schema.DriftMonitoredModel)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return key
    return "..."


def _at(document: Any, path: str) -> Any:
    for step in _steps(path):
        document = document[int(step) if isinstance(document, list) else step]
    return document


def _steps(path: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", path)


def _instead(document: object, path: str) -> str:
    """The value at a path, to be shown behind the rule; nothing where the path names no single value."""
    try:
        value = _at(document, path)
    except (KeyError, IndexError, TypeError, ValueError):
        return ""
    return f", not {json.dumps(value, ensure_ascii=False)}" if isinstance(value, str | int | float) else ""


def _field_names(path: str) -> list[str]:
    """The fields that the schema has at a path."""
    return [field.encode_name for field in _struct(_type_at(path)).fields]


def _choices(path: str) -> list[Any]:
    """The values that a field may have, where they are listed."""
    node = _type_at(path)
    while not isinstance(node, msgspec.inspect.LiteralType | msgspec.inspect.EnumType):
        node = _inside(node)
    return list(node.values) if isinstance(node, msgspec.inspect.LiteralType) else [e.value for e in node.cls]


def _type_at(path: str) -> Any:
    node: Any = msgspec.inspect.type_info(schema.DriftMonitoredModel)
    for step in _steps(path):
        if not step.isdigit():  # an index stays in the list's struct
            node = next(f.type for f in _struct(node).fields if f.encode_name == step)
    return node


def _struct(node: Any) -> Any:
    """The struct inside a description, an optional value or a list."""
    while not isinstance(node, msgspec.inspect.StructType):
        node = _inside(node)
    return node


def _inside(node: Any) -> Any:
    """What a description, an optional value or a list is of."""
    if isinstance(node, msgspec.inspect.UnionType):
        return next(t for t in node.types if not isinstance(t, msgspec.inspect.NoneType))
    return node.type if isinstance(node, msgspec.inspect.Metadata) else node.item_type
