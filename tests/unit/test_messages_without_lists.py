"""Messages name values in words, never as Python writes a list."""

import ast
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_aggregator.service.config import parse_config

from tidegauge import Monitor, Policy, Profile, Report, TidegaugeError, replay
from tidegauge.protocol.bundle import Manifest
from tidegauge.protocol.pane import Pane
from tidegauge.telling import told

PROFILE = Profile.fit({"sqft": np.arange(10.0), "age": np.arange(10.0)})


def misspelt() -> object:
    return Monitor(PROFILE, Policy(per_feature={"sqfeet": {"warning": 0.1}}))


def twice() -> object:
    return Profile(PROFILE.features * 2, None, 10)


def shards_of_one_feature() -> object:
    return Report.join([Monitor(PROFILE).report(0)] * 2)


def shards_of_two_lengths() -> object:
    return Report.join([Monitor(PROFILE, pane_seconds=seconds).report(0) for seconds in (10.0, 5.0)])


def an_index_alone() -> object:
    return Profile.fit(pd.DataFrame(index=pd.Index([1, 2], name="id")))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (misspelt, "per_feature names 'sqfeet': the profile has no such feature; did you mean sqft"),
        (twice, "but has 'age', 'sqft' twice"),
        (shards_of_one_feature, "feature 'age' is in two reports"),
        (shards_of_two_lengths, "reports with panes of 5 s and 10 s cannot be joined"),
        (an_index_alone, "the rows have no column but the index of a frame"),
    ],
)
def test_a_fault_is_told_without_brackets(fault: Callable[[], object], message: str) -> None:
    with pytest.raises(TidegaugeError, match=message) as caught:
        fault()
    assert not set("[]{}") & set(str(caught.value))


# --- every place where a value of any type may come in -----------------------------------------------------

ODD: list[object] = [None, [], [1, None], {}, {"a": None}, (), set(), {1}, object(), b"x", 1.5, float("nan")]


def document_with(name: str, value: object) -> Profile:
    document = PROFILE.to_dict()
    place: dict[str, Any] = document if name in document else document["features"][0]
    place[name] = value
    return Profile.from_dict(document)


def list_of_none(_: object) -> list[None]:
    """What JSON can hold in the place of a value that it cannot."""
    return [None]


def given_to(name: str) -> Callable[[Any], object]:
    return lambda value: Policy(**{name: value})


TAKERS: dict[str, Callable[[Any], object]] = {
    **{name: given_to(name) for name in ("false_alarms", "scales", "period", "min_effect", "per_feature")},
    "floors of a feature": lambda value: Policy(per_feature={"x": value}),
    **{
        f"profile's {name}": lambda value, name=name: document_with(name, value)
        for name in ("schema", "hash", "rows", "features", "name", "kind", "type", "counts", "mean", "hourly")
    },
    "cut_points": lambda value: Profile.fit({"x": [1.0]}, value),
    "dtypes": lambda value: Profile.fit({"x": [1.0]}, dtypes={"x": value}),
    "rows_per_pane": lambda value: replay(PROFILE, {"sqft": [1], "age": [1]}, rows_per_pane=value),
    "config": lambda value: parse_config(json.dumps(value, default=list_of_none).encode()),
    "expected_pods": lambda value: parse_config(
        json.dumps({"models": {"m": {"expected_pods": value}}}, default=list_of_none).encode()
    ),
    "manifest": lambda value: Manifest.from_json(json.dumps({"schema": value}, default=list_of_none)),
    "pane": lambda value: Pane.from_bytes(bytes(value) if isinstance(value, bytes) else b"TIDEPAN2" * 4),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_no_value_is_told_as_python_writes_it(taker: str, value: object) -> None:
    try:
        TAKERS[taker](value)
    except (TidegaugeError, TypeError) as error:
        message = str(error)
        for literal in ("None", "True", "False", "{}", "[]", "()", "set(", "<object", "b'", "[1", "{1", "{'"):
            assert literal not in message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "3"),
        (2.5, "2.5"),
        ("a b", "'a b'"),
        ("a" * 200, repr("a" * 100) + "..."),
        ([1, 2], "a list of 2"),
        ((), "an empty list"),
        ({"a": 1}, "a mapping of 1"),
        (b"xy", "2 bytes"),
        (PROFILE, "of type Profile"),
    ],
)
def test_values_have_words(value: object, words: str) -> None:
    assert told(value) == words


# --- the source: no message is built of a collection -------------------------------------------------------

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "tidegauge": ROOT,
    "tidegauge_serving": ROOT / "serving",
    "tidegauge_sidecar": ROOT / "drift_sidecar",
    "tidegauge_aggregator": ROOT / "aggregator",
    "tidegauge_operator": ROOT / "operator",
}
COLLECTIONS = (
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
MAKERS = {"sorted", "list", "tuple", "set", "frozenset", "dict", "repr"}
METHODS = {"keys", "values", "items", "tolist"}
UNTOLD = {"value", "values", "given", "kind", "item", "document", "schema"}  # of any type: for `told`


def formatted(source: str) -> Iterator[ast.FormattedValue]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            yield node


def is_collection(node: ast.FormattedValue, module: ModuleType | None) -> bool:
    value = node.value
    if isinstance(value, COLLECTIONS):
        return True
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in MAKERS
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr in METHODS
    if isinstance(value, ast.Name):
        constant = getattr(module, value.id, None)
        of_any_type = node.conversion == ord("r") and value.id in UNTOLD
        return of_any_type or isinstance(constant, list | tuple | dict | set | frozenset | bytes)
    return False


def sources() -> Iterator[tuple[Path, str]]:
    for package, root in PACKAGES.items():
        for path in (root / package).rglob("*.py"):
            yield path, ".".join(path.relative_to(root).with_suffix("").parts)


@pytest.mark.slow
def test_no_message_is_built_of_a_collection() -> None:
    found = []
    for path, name in sources():
        if "{" not in (source := path.read_text()) or name.endswith("__main__"):
            continue
        module = importlib.import_module(name.removesuffix(".__init__"))
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.value)}"
            for node in formatted(source)
            if is_collection(node, module)
        ]
    assert not found, "write them in words: ', '.join, listed or told"


def test_the_rule_finds_what_it_looks_for() -> None:
    wrong = ["{sorted(names)}", "{[1]}", "{list(x)}", "{a.keys()}", "{value!r}", "{x.tolist()}", "{(n, m)}"]
    for text in wrong:
        assert all(is_collection(node, None) for node in formatted(f'f"{text}"')), text
    right = ["{', '.join(sorted(names))}", "{name!r}", "{told(value)}", "{len(list(x))}", "{value:g}"]
    for text in right:
        assert not any(is_collection(node, None) for node in formatted(f'f"""{text}"""')), text
