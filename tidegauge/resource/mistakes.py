"""All mistakes of a document at once: fields that are unknown, missing or hold what they may not.

The schema's own description is walked beside the document. So each mistake has its path, its rule and its
value from the start, and nothing is read out of another library's sentences.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from tidegauge.errors import ResourceError
from tidegauge.nearest import or_nearest
from tidegauge.resource import fields
from tidegauge.telling import NOT_GIVEN, found

__all__ = ["Mistake", "mistakes"]


class Mistake(NamedTuple):
    """One mistake.

    Parameters
    ----------
    path
        The field, as ``spec.drift.perFeature[0].name``; empty for the document.
    rule
        What the field must be, or what to write instead.
    value
        What it holds; `msgspec.UNSET` where a field is missing or unknown.
    words
        How a message names the field and what it holds, where the rule does not say it.
    """

    path: str
    rule: str
    value: Any = msgspec.UNSET
    words: str = ""

    def error(self) -> ResourceError:
        """Return the mistake as an error with its parts."""
        value = NOT_GIVEN if self.value is msgspec.UNSET else self.value
        words = self.words or self.path or "the document"
        return ResourceError(self.rule + self._held(), argument=found(self.path, value, words))

    def _held(self) -> str:
        simple = isinstance(self.value, str | int | float) and not self.words
        return f", not {json.dumps(self.value, ensure_ascii=False)}" if simple else ""

    def __str__(self) -> str:
        return str(self.error())


def mistakes(document: object, schema: type[Any]) -> Iterator[Mistake]:
    """Find all mistakes of a document, in the order of its fields.

    Parameters
    ----------
    document
        Plain values, as YAML or JSON gives them.
    schema
        The `msgspec.Struct` that it should be.
    """
    yield from _found(inspect.type_info(schema), document, "")


def _found(node: Any, value: Any, path: str) -> Iterator[Mistake]:
    node = _bare(node)
    if isinstance(node, inspect.UnionType):
        yield from _of_union(node, value, path)
        return
    if not _is_kind(node, value):
        yield Mistake(path, f"expected {_in_words(node)}", value)
        return
    yield from _INSIDE.get(type(node), _of_value)(node, value, path)


def _bare(node: Any) -> Any:
    return _bare(node.type) if isinstance(node, inspect.Metadata) else node


def _of_union(node: Any, value: Any, path: str) -> Iterator[Mistake]:
    kinds = [kind for kind in map(_bare, node.types) if not isinstance(kind, inspect.NoneType)]
    if value is None and len(kinds) < len(node.types):
        return
    fitting = [kind for kind in kinds if _is_kind(kind, value)]
    if fitting or len(kinds) == 1:
        yield from _found((fitting or kinds)[0], value, path)
    else:
        yield Mistake(path, f"expected {' or '.join(map(_in_words, kinds))}", value)


def _of_struct(node: Any, value: Mapping[Any, Any], path: str) -> Iterator[Mistake]:
    known = {field.encode_name: field for field in node.fields}
    for name, inner in value.items():
        where = f"{path}.{name}" if path else str(name)
        if name in known:
            yield from _found(known[name].type, inner, where)
        elif node.forbid_unknown_fields:
            yield Mistake(where, f"no such field; {or_nearest(str(name), known)}")
    for name, field in known.items():
        if field.required and name not in value:
            yield Mistake(f"{path}.{name}" if path else name, "required, and not there")


def _of_map(node: Any, value: Mapping[Any, Any], path: str) -> Iterator[Mistake]:
    yield from _of_value(node, value, path)
    for key, inner in value.items():
        yield from _found(node.key_type, key, f"{path}.{key}")
        yield from _found(node.value_type, inner, f"{path}.{key}")


def _of_list(node: Any, value: list[Any], path: str) -> Iterator[Mistake]:
    yield from _of_value(node, value, path)
    for index, inner in enumerate(value):
        yield from _found(node.item_type, inner, f"{path}[{index}]")


def _of_value(node: Any, value: Any, path: str) -> Iterator[Mistake]:
    """At most one mistake: the first rule that a value of the right kind breaks."""
    for name, (holds, words) in _RULES.items():
        limit = getattr(node, name, None)
        if limit is not None and not holds(value, limit):
            yield Mistake(path, f"expected {words(node, limit)}", value)
            return


_Inside = Callable[[Any, Any, str], Iterator[Mistake]]
_INSIDE: Final[dict[type, _Inside]] = {
    inspect.StructType: _of_struct,
    inspect.DictType: _of_map,
    inspect.VarTupleType: _of_list,
}
_KINDS: Final[dict[type, tuple[tuple[type, ...], str]]] = {
    inspect.StructType: ((dict,), "a map of fields"),
    inspect.DictType: ((dict,), "a map of fields"),
    inspect.VarTupleType: ((list, tuple), "a list"),
    inspect.StrType: ((str,), "a text"),
    inspect.BoolType: ((bool,), "true or false"),
    inspect.IntType: ((int,), "a whole number"),
    inspect.FloatType: ((int, float), "a number"),
}


def _is_kind(node: Any, value: Any) -> bool:
    """Whether a value is of a node's kind, its limits aside."""
    if (choices := _choices(node)) is not None:
        return isinstance(value, str) and value in choices
    if isinstance(node, inspect.IntType) and isinstance(value, float):
        return value.is_integer()
    if type(node) not in _KINDS:
        return True
    kinds, _ = _KINDS[type(node)]
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _in_words(node: Any) -> str:
    if (choices := _choices(node)) is not None:
        return " or ".join(map(str, choices))
    return _KINDS[type(node)][1]


def _choices(node: Any) -> list[Any] | None:
    """The values that a field may have, where they are listed."""
    if isinstance(node, inspect.LiteralType):
        return list(node.values)
    return [each.value for each in node.cls] if isinstance(node, inspect.EnumType) else None


def _number(sign: str) -> Callable[[Any, Any], str]:
    return lambda node, limit: f"{_in_words(node)} {sign} {int(limit) if limit == int(limit) else limit}"


def _length(sign: str) -> Callable[[Any, Any], str]:
    return lambda node, limit: f"{_in_words(node)} of length {sign} {limit}"


def _pattern(_node: Any, limit: str) -> str:
    """A pattern in words; one without words is a constant."""
    whole = limit.removesuffix(r"\Z").removesuffix("$") + "$"
    return fields.IN_WORDS.get(whole) or whole.strip("^$").replace("\\", "")


_RULES: Final[dict[str, tuple[Callable[[Any, Any], bool], Callable[[Any, Any], str]]]] = {
    "ge": (lambda value, limit: value >= limit, _number(">=")),
    "gt": (lambda value, limit: value > limit, _number(">")),
    "le": (lambda value, limit: value <= limit, _number("<=")),
    "lt": (lambda value, limit: value < limit, _number("<")),
    "min_length": (lambda value, limit: len(value) >= limit, _length(">=")),
    "max_length": (lambda value, limit: len(value) <= limit, _length("<=")),
    "pattern": (lambda value, limit: re.search(limit, value) is not None, _pattern),
}
