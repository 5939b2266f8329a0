"""The pane message: what comes back, and what is refused."""

import json
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.errors import WireError
from tidegauge.protocol.pane import MAX_PANE_BYTES, Pane

PANE = Pane(model="m", profile="ab" * 32, pane=3, pane_seconds=10, instance="i1", rows=2, counts=b"counts")
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?", fullmatch=True)
AMOUNTS = st.integers(0, 2**63 - 1)

panes = st.builds(
    Pane,
    model=NAMES,
    profile=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    pane=st.integers(0, 2**53 - 1),
    pane_seconds=st.integers(1, 86_400),
    instance=NAMES,
    rows=AMOUNTS,
    counts=st.binary(max_size=200),
    shard=st.just(1),
    shards=st.integers(2, 1024),
    lost=st.dictionaries(st.from_regex("[a-z_]{1,32}", fullmatch=True), AMOUNTS, max_size=3),
    rows_before=AMOUNTS,
    lost_before=AMOUNTS,
    pod=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    final=st.booleans(),
)


def message(meta: object, counts: bytes = b"") -> bytes:
    """A message with a whole checksum around any JSON part."""
    text = json.dumps(meta).encode()
    body = b"TIDEPAN1" + struct.pack("<I", len(text)) + text + counts
    return body + struct.pack("<I", zlib.crc32(body))


def meta_of(pane: Pane) -> dict[str, object]:
    data = pane.to_bytes()
    found: dict[str, object] = json.loads(data[12 : 12 + struct.unpack_from("<I", data, 8)[0]])
    return found


@pytest.mark.slow
@given(panes)
def test_a_pane_comes_back(pane: Pane) -> None:
    assert Pane.from_bytes(pane.to_bytes()) == pane


@pytest.mark.slow
@given(panes)
def test_the_same_pane_is_always_the_same_bytes(pane: Pane) -> None:
    shuffled = replace(pane, lost=dict(reversed(pane.lost.items())))
    assert pane.to_bytes() == shuffled.to_bytes() == Pane.from_bytes(pane.to_bytes()).to_bytes()


@pytest.mark.slow
@given(panes, st.data())
def test_a_flipped_bit_is_never_taken_for_a_pane(pane: Pane, data: st.DataObject) -> None:
    spoiled = bytearray(pane.to_bytes())
    bit = data.draw(st.integers(0, 8 * len(spoiled) - 1))
    spoiled[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        Pane.from_bytes(bytes(spoiled))


def test_a_pane_cut_anywhere_is_refused() -> None:
    whole = PANE.to_bytes()
    for cut in range(len(whole)):
        with pytest.raises(WireError):
            Pane.from_bytes(whole[:cut])
    with pytest.raises(WireError, match="checksum"):
        Pane.from_bytes(whole + b"\0")


@given(st.binary(max_size=300))
def test_random_bytes_are_no_pane(data: bytes) -> None:
    with pytest.raises(WireError):
        Pane.from_bytes(data)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_other_json_under_a_whole_checksum_is_refused(meta: object) -> None:
    with pytest.raises(WireError):
        Pane.from_bytes(message(meta))


def test_json_that_nests_without_end_is_refused() -> None:
    text = b"[" * 200_000
    body = b"TIDEPAN1" + struct.pack("<I", len(text)) + text
    with pytest.raises(WireError):
        Pane.from_bytes(body + struct.pack("<I", zlib.crc32(body)))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("model", "House Prices", "a lower-case DNS name"),
        ("model", "a\n", "a lower-case DNS name"),
        ("instance", "", "a lower-case DNS name"),
        ("profile", "ab", "64 hexadecimal digits"),
        ("pane", -1, "an index from 0 on"),
        ("pane", 2**53, "an index from 0 on"),
        ("pane", True, "a whole number"),
        ("pane", 3.0, "a whole number"),
        ("pane_seconds", 0, "1 to 86400"),
        ("shard", 1, "below shards=1"),
        ("shards", 1025, "1 to 1024"),
        ("rows", -1, "counts? from 0 on"),
        ("rows", 2**63, "counts? from 0 on"),
        ("rows_before", -1, "counts? from 0 on"),
        ("lost", {"full": -1}, "count from 0 on"),
        ("lost", {"full": "many"}, "whole numbers"),
        ("lost", {"full": True}, "whole numbers"),
        ("lost", [], "an object"),
        ("final", 1, "true or false"),
        ("pod", None, "a text"),
        ("pod", "x" * 254, "253 printable characters"),
        ("pod", "\ud800", "253 printable characters"),
        ("lost", {"Full log": 1}, "reasons like 'full'"),
        ("lost", {"a" * n: 1 for n in range(1, 18)}, "at most 16 reasons"),
    ],
)
def test_a_message_names_the_field_and_the_rule_it_breaks(name: str, value: object, rule: str) -> None:
    with pytest.raises(WireError, match=rule) as caught:
        Pane.from_bytes(message({**meta_of(PANE), name: value}))
    assert name.removesuffix("_before") in str(caught.value) or name == "lost"


def test_missing_and_unknown_fields_are_refused() -> None:
    meta = meta_of(PANE)
    with pytest.raises(WireError, match="has not exactly the fields"):
        Pane.from_bytes(message({**meta, "more": 1}))
    del meta["pod"]
    with pytest.raises(WireError, match="has not exactly the fields"):
        Pane.from_bytes(message(meta))


def test_a_json_part_longer_than_the_message_is_refused() -> None:
    body = b"TIDEPAN1" + struct.pack("<I", 9999) + b"{}"
    with pytest.raises(WireError, match="behind its end"):
        Pane.from_bytes(body + struct.pack("<I", zlib.crc32(body)))


def test_an_oversized_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError, match=f"at most {MAX_PANE_BYTES}"):
        Pane.from_bytes(bytes(MAX_PANE_BYTES + 1))


def test_a_pane_that_cannot_be_is_not_made() -> None:
    with pytest.raises(WireError, match="below shards=2"):
        replace(PANE, shard=2, shards=2)
