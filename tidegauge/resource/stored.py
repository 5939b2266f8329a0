"""A resource as the API server keeps it: checked already, perhaps by the definition of another version."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from tidegauge.resource.schema import DriftMonitoredModel

__all__ = ["of_stored"]

_MODEL: Final = inspect.type_info(DriftMonitoredModel)


def of_stored(document: Mapping[str, Any]) -> DriftMonitoredModel:
    """Return a stored resource, typed, without its status and without fields that this version does not know.

    The installed definition may be newer than the program, while an upgrade rolls and after a roll back. Its
    defaults are then in every resource, and nobody has misspelt them: the API server has checked that.

    Raises
    ------
    msgspec.ValidationError
        A field that this version knows has a value that it does not.
    """
    return msgspec.convert(_known(_MODEL, {**document, "status": None}), DriftMonitoredModel)


def _known(node: inspect.Type, value: Any) -> Any:
    """The value without the fields that a description does not have."""
    if isinstance(node, inspect.Metadata):
        return _known(node.type, value)
    if isinstance(node, inspect.UnionType):
        return _known(next(t for t in node.types if not isinstance(t, inspect.NoneType)), value)
    if isinstance(node, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in node.fields}
        return {name: _known(fields[name], held) for name, held in value.items() if name in fields}
    if isinstance(node, inspect.VarTupleType | inspect.ListType) and isinstance(value, list):
        return [_known(node.item_type, held) for held in value]
    return value
