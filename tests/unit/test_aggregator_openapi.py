"""The aggregator's OpenAPI document: both bodies that it takes are described as their readers read them."""

import copy
import json
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from support.aggregator_rig import PANE_SECONDS, START, Clock, Rig, in_loop, running

from tidegauge import Profile, ProfileError, WireError
from tidegauge.profile.document import PROFILE_JSON_SCHEMA, body_hash
from tidegauge.protocol.names import pane_path, profile_path
from tidegauge.protocol.pane import PANE_SCHEMA, Pane

RANDOM = np.random.default_rng(11)
TIMES = np.arange(60) * 1800.0
PROFILES = {
    "numbers": Profile.fit({"a": RANDOM.normal(size=60)}, 7),
    "texts, more than names": Profile.fit(
        {"t": [f"text {i % 1500}" for i in range(4000)], "n": RANDOM.normal(size=4000)}, 4
    ),
    "infinities, hours and a prediction": Profile.fit(
        {"a": np.append(RANDOM.normal(size=58), [np.inf, -np.inf]), "b": ["x", None, "y"] * 20},
        5,
        prediction=RANDOM.normal(size=60).astype(np.float32),
        time=TIMES,
        hour_of_day=True,
    ),
    "one row": Profile.fit({"a": [True]}, 4),
}


def message(head: Any, counts: bytes) -> bytes:
    """A pane message with any JSON part."""
    text = json.dumps(head).encode()
    body = b"TIDEPAN1" + struct.pack("<I", len(text)) + text + counts
    return body + struct.pack("<I", zlib.crc32(body))


def head_of(whole_profile: Profile, /, **other: Any) -> dict[str, Any]:
    whole = {"model": "m", "profile": whole_profile.hash, "instance": "pod-1", "shard": 0, "shards": 1}
    pane = {"pane": START, "pane_seconds": PANE_SECONDS, "pod": "pod", "final": False}
    rows = {"rows": 1, "rows_before": 0, "lost": {}, "lost_before": 0}
    return whole | pane | rows | other


async def document_of(rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = (await rig.client.get("/openapi.json")).json()
    return found


# --- the document ------------------------------------------------------------------------------------------


@in_loop
async def test_each_write_says_what_it_takes(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        document = await document_of(rig)
    validate(document)
    writes = {path: item["put"] for path, item in document["paths"].items() if "put" in item}
    types = {path.count("/"): set(put["requestBody"]["content"]) for path, put in writes.items()}
    assert types == {5: {"application/json"}, 8: {"application/octet-stream"}}
    assert document["components"]["schemas"]["ProfileDocument"] == PROFILE_JSON_SCHEMA
    assert document["components"]["schemas"]["PaneMessage"] == PANE_SCHEMA


@in_loop
async def test_refusals_are_described_in_the_form_that_they_have(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        document = await document_of(rig)
        answer = await rig.client.get("/v1/history", params={"limit": 0})
    assert answer.status_code == 422
    assert "HTTPValidationError" not in document["components"]["schemas"]
    described = document["components"]["schemas"]["ErrorAnswer"]
    Draft202012Validator(described).validate(answer.json())
    assert set(described["required"]) == set(answer.json())


@pytest.mark.parametrize("kind", PROFILES)
@in_loop
async def test_what_the_document_allows_is_answered_by_both_writes(kind: str, tmp_path: Path) -> None:
    profile = PROFILES[kind]
    sent = json.loads(profile.to_bytes())
    counts = profile.count_matrix(np.full((1, len(profile.names)), 1.0))
    async with running(tmp_path, Clock()) as rig:
        schemas = (await document_of(rig))["components"]["schemas"]
        Draft202012Validator(schemas["ProfileDocument"]).validate(sent)
        answer = await rig.client.put(profile_path("m", profile.hash), json=sent)
        assert answer.status_code == 201, answer.text
        whole = {"lost": {"full": 3}, "pod": "Pod 1", "final": True, "rows_before": 7}
        for pane, other in enumerate(({}, whole), START):
            head = head_of(profile, pane=pane, **other)
            Draft202012Validator(schemas["PaneMessage"]).validate(head)
            path = pane_path("m", profile.hash, pane, "pod-1")
            rig.clock.after(pane)
            answer = await rig.client.put(path, content=message(head, counts.to_bytes()))
            assert answer.status_code == 201, answer.text


# --- schema and reader agree -------------------------------------------------------------------------------

ODD: list[Any] = [
    *(None, True, -1, 0, 1, 1.5, 1 << 41, 1 << 60, 1 << 64, "", "x", "inf", "float32", "House Prices", "a b"),
    *("number", "category", [], [0], [-1], ["x"], [None], {}, {"full": 1}, {"full": -1}, {"Full log": 1}),
    {"window_seconds": [60.0], "values": [2.0]},
    {"window_seconds": [60.0]},
    "x" * 254,
]


@pytest.mark.parametrize("name", PANE_SCHEMA["properties"])
def test_a_pane_is_read_exactly_when_its_schema_allows_it(name: str) -> None:
    validator = Draft202012Validator(PANE_SCHEMA)
    profile = PROFILES["numbers"]
    seen = set()
    for value in ODD:
        head = head_of(profile, **{name: value})
        if name == "shard" and value == 1:
            continue  # a schema cannot say: below `shards`
        try:
            Pane.from_bytes(message(head, b""))
            read = True
        except WireError:
            read = False
        assert read == validator.is_valid(head), (name, value)
        seen.add(read)
    assert seen == {True, False} or name in ("profile", "shards")


def changed(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one field of it, or of one feature, replaced, removed or added."""
    last = len(document["features"]) - 1
    for path in (
        [],
        ["features", 0],
        ["features", last],
        *([["prediction"]] if document["prediction"] else []),
    ):
        held = document
        for step in path:
            held = held[step]
        for name in (*held, "more"):
            for value in (*ODD, math):
                other = copy.deepcopy(document)
                place = other
                for step in path:
                    place = place[step]
                if value is math:
                    place.pop(name, None)
                else:
                    place[name] = value
                yield f"{path} {name} {value!r}", signed(other)


def signed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the hash of its contents."""
    if not {"rows", "features", "prediction", "hash"} <= document.keys() or document["hash"] is None:
        return document
    body = {name: document[name] for name in ("rows", "features", "prediction")}
    features = body["features"] if isinstance(body["features"], list) else []
    without = copy.deepcopy([*features, body["prediction"]])
    for feature in without:
        if isinstance(feature, dict):
            feature.pop("type", None)
    if isinstance(body["features"], list):
        body["features"] = without[:-1]
    return {**document, "hash": body_hash({**body, "prediction": without[-1]})}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "infinities, hours and a prediction"])
def test_a_profile_that_is_read_is_one_that_its_schema_allows(kind: str) -> None:
    """The reverse cannot hold: a schema says nothing of sums and of lengths that depend on each other."""
    validator = Draft202012Validator(PROFILE_JSON_SCHEMA)
    seen = {"read": 0, "refused by both": 0}
    for change, document in changed(json.loads(PROFILES[kind].to_bytes())):
        allowed = validator.is_valid(document)
        try:
            Profile.from_dict(document)
        except ProfileError:
            seen["refused by both"] += not allowed
        else:
            assert allowed, change
            seen["read"] += 1
    assert seen["read"] >= 10
    assert seen["refused by both"] >= 300
