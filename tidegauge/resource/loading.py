"""A document's text to a checked `DriftMonitoredModel`, with errors that name the field."""

import msgspec
import yaml

from tidegauge.errors import ResourceError
from tidegauge.protocol.names import API_VERSION, RESOURCE_KIND
from tidegauge.resource import schema
from tidegauge.resource.mistakes import mistakes
from tidegauge.resource.rules import broken_rules

__all__ = ["load"]


def load(text: str | bytes) -> schema.DriftMonitoredModel:
    """Read and check a document, YAML or JSON.

    Raises
    ------
    ResourceError
        With all mistakes at once, each in `mistakes` too: path, rule, value. Rules between fields follow
        when each field is right.
    """
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ResourceError(_unreadable(error, text)) from error
    if document is None:
        raise ResourceError(f"nothing in it: a {RESOURCE_KIND} opens with apiVersion: {API_VERSION}")
    if found := [mistake.error() for mistake in mistakes(document, schema.DriftMonitoredModel)]:
        raise ResourceError.of(found)
    resource = msgspec.convert(document, schema.DriftMonitoredModel)
    if broken := broken_rules(resource):
        raise ResourceError.of([mistake.error() for mistake in broken])
    return resource


def _unreadable(error: yaml.YAMLError, text: str | bytes) -> str:
    """Where a text is no YAML, in our words."""
    if isinstance(error, yaml.composer.ComposerError) and _documents(text) > 1:
        return "several documents in it: one is read, so give each a file of its own"
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}not YAML: look at colons, quotes and indentation there"


def _documents(text: str | bytes) -> int:
    return sum(isinstance(event, yaml.DocumentStartEvent) for event in yaml.parse(text, Loader=_Loader))


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a timestamp stays the text it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
