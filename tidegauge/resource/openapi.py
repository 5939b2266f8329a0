"""The resource's types as the structural OpenAPI schema that a CustomResourceDefinition holds.

The types' own constraints become the schema's; rules between fields and the keys of lists are handed in.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

from tidegauge.resource.fields import IN_WORDS, MOST

__all__ = ["Schema", "object_schema"]

Schema = dict[str, Any]
Validations = Mapping[type, list[Schema]]
Keys = Mapping[type, str]


def object_schema(kind: type, validations: Validations, keys: Keys, defaults: bool = True) -> Schema:
    """Return the schema of a struct.

    Parameters
    ----------
    kind
        The struct.
    validations
        Entries of ``x-kubernetes-validations`` by the struct whose fields they are about.
    keys
        The field that identifies the entries of a list, by the struct of an entry.
    defaults
        Whether defaults are written; they are asked for, so they belong to a spec and not to a status.
    """
    return _Writer(validations, keys, defaults).struct(types.type_info(kind))


class _Writer:
    def __init__(self, validations: Validations, keys: Keys, defaults: bool) -> None:
        self.validations = validations
        self.keys = keys
        self.defaults = defaults

    def struct(self, info: Any) -> Schema:
        schema: Schema = {"type": "object", "description": inspect.cleandoc(info.cls.__doc__)}
        if required := [field.encode_name for field in info.fields if field.required]:
            schema["required"] = required
        schema["properties"] = {field.encode_name: self.field(field) for field in info.fields}
        if rules := self.validations.get(info.cls):
            schema["x-kubernetes-validations"] = rules
        return schema

    def field(self, field: types.Field) -> Schema:
        schema = self.of(field.type)
        default = self.default(field, schema) if self.defaults else None
        return schema if default is None else schema | {"default": default}

    def default(self, field: types.Field, schema: Schema) -> Any:
        """Return what the API server fills in; None where that is nothing."""
        if field.required:
            return None
        made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if isinstance(made, msgspec.Struct):
            # The struct's own defaults are filled in below an empty object, if there are any.
            value = _set_fields(made)
            return value if value or _has_defaults(schema) else None
        return None if made in ((), {}) else msgspec.to_builtins(made)

    def of(self, info: Any) -> Schema:
        """Return the schema of any type."""
        match info:
            case types.Metadata():
                return _described(self.of(info.type), info.extra_json_schema or {})
            case types.StructType():
                return self.struct(info)
            case types.VarTupleType():
                return self.list(info)
            case types.DictType():
                return self.map(info)
            case types.UnionType():
                return self.union(info)
            case _:
                return _scalar(info)

    def union(self, info: types.UnionType) -> Schema:
        inner = [kind for kind in info.types if not isinstance(kind, types.NoneType)]
        if len(inner) == 1:
            return self.of(inner[0])
        by_type = {schema["type"]: schema for schema in map(self.of, inner)}
        texts, numbers = by_type["string"], by_type["integer"]
        return {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": numbers["minimum"],
            "pattern": texts["pattern"],
            "maxLength": texts["maxLength"],
        }

    def list(self, info: types.VarTupleType) -> Schema:
        schema = _present(type="array", maxItems=info.max_length, items=self.of(info.item_type))
        if schema["items"]["type"] == "string":
            return schema | {"x-kubernetes-list-type": "set"}
        if (key := self.keys.get(getattr(info.item_type, "cls", object))) is None:
            return schema | {"x-kubernetes-list-type": "atomic"}
        return schema | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}

    def map(self, info: types.DictType) -> Schema:
        if isinstance(info.value_type, types.AnyType):
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = _present(
            type="object", maxProperties=info.max_length, additionalProperties=self.of(info.value_type)
        )
        return schema | {"x-kubernetes-validations": [_key_rule(self.of(info.key_type)["pattern"])]}


def _key_rule(pattern: str) -> Schema:
    """OpenAPI 3.0 cannot say how a map's keys look; CEL can."""
    rule = f"self.all(key, key.matches('{pattern}'))"
    return {"rule": rule, "message": f"each key must be {IN_WORDS[pattern]}"}


def _scalar(info: Any) -> Schema:
    match info:
        case types.StrType():
            return _present(
                type="string", minLength=info.min_length, maxLength=info.max_length, pattern=info.pattern
            )
        case types.IntType():
            form = "int32" if info.le == MOST else "int64"
            return {"type": "integer", "format": form} | _range(info)
        case types.FloatType():
            return {"type": "number"} | _range(info)
        case types.BoolType():
            return {"type": "boolean"}
        case types.LiteralType():
            return {"type": "string", "enum": list(info.values)}
        case types.EnumType():
            return {"type": "string", "enum": [member.value for member in info.cls]}
    raise TypeError(f"{info} has no schema here: say how the API server should read it")


def _range(info: types.IntType | types.FloatType) -> Schema:
    lowest, highest = _present(minimum=info.ge), _present(maximum=info.le)
    if info.gt is not None:
        lowest = {"minimum": info.gt, "exclusiveMinimum": True}
    return lowest | highest


def _described(schema: Schema, extra: Schema) -> Schema:
    """Put a field's own text and additions over its type's, the text first, as a reader meets it."""
    merged = schema | extra
    return _present(description=merged.pop("description", None)) | merged


def _set_fields(struct: msgspec.Struct) -> Schema:
    """The fields of a struct that are not as its type has them."""
    usual = type(struct)()
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    return {
        encoded: msgspec.to_builtins(getattr(struct, name))
        for name, encoded in names.items()
        if getattr(struct, name) != getattr(usual, name)
    }


def _has_defaults(schema: Schema) -> bool:
    return any("default" in field for field in schema["properties"].values())


def _present(**entries: Any) -> Schema:
    return {name: value for name, value in entries.items() if value is not None}
