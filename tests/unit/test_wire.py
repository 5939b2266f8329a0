"""Counts as bytes: the same counts come back, anything else is refused."""

import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Counts, Profile, ProfileMismatch, TidegaugeError, WireError
from tidegauge.counting.codec import HEAD_BYTES, cell_order

RANDOM = np.random.default_rng(11)
PROFILE = Profile.fit(
    {
        "a": RANDOM.normal(size=500),
        "b": RANDOM.integers(0, 3, 500),
        "c": RANDOM.choice(["x", "y"], 500),
        "d": RANDOM.normal(size=500).astype(np.float32),
    },
    cut_points=20,
    prediction=RANDOM.normal(size=500),
)


def rows(n: int, seed: int = 0) -> Counts:
    random = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            random.normal(0, 2, n),
            random.integers(-1, 4, n),
            random.integers(0, 4, n),
            *random.normal(0, 2, (2, n)),
        ]
    )
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    return PROFILE.count_matrix(matrix)


COUNTS = rows(300)
DATA = COUNTS.to_bytes()


@pytest.mark.slow
@given(n=st.integers(0, 2000), seed=st.integers(0, 1000), scale=st.integers(1, 10**8))
@settings(max_examples=80, deadline=None)
def test_what_is_sent_is_what_arrives(n: int, seed: int, scale: int) -> None:
    once = rows(n, seed)
    counts = Counts(PROFILE, once.rows * scale, once.cells * scale, once.missing * scale, once.beyond * scale)
    assert Counts.from_bytes(counts.to_bytes(), PROFILE) == counts


def test_equal_counts_are_equal_bytes() -> None:
    left, right = rows(100, 1), rows(100, 2)
    assert (left + right).to_bytes() == (right + left).to_bytes()


def test_rows_without_predictions_can_be_sent() -> None:
    counts = PROFILE.count_matrix(np.zeros((5, 4)))
    assert Counts.from_bytes(counts.to_bytes(), PROFILE) == counts


def test_a_feature_and_pane_of_a_thousand_rows_takes_at_most_500_bytes() -> None:
    random = np.random.default_rng(0)
    names = [f"f{i}" for i in range(20)]
    profile = Profile.fit(random.normal(size=(20_000, 20)), feature_names=names)
    assert len(profile.count(random.normal(size=(1000, 20))).to_bytes()) <= 500 * 20


def test_counts_of_another_profile_are_a_mismatch() -> None:
    with pytest.raises(ProfileMismatch, match=PROFILE.hash[:12]):
        Counts.from_bytes(DATA, PROFILE.shard(0, 2))


@pytest.mark.parametrize("end", [0, 1, 8, 20, 40, 41, 42, len(DATA) // 2, len(DATA) - 1])
def test_truncated_counts_are_refused(end: int) -> None:
    with pytest.raises(WireError):
        Counts.from_bytes(DATA[:end], PROFILE)


def test_what_is_no_bytes_is_named() -> None:
    with pytest.raises(TypeError, match="counts of type NoneType: they must be bytes"):
        Counts.from_bytes(None, PROFILE)  # type: ignore[arg-type]


def test_bytes_after_the_counts_are_refused() -> None:
    with pytest.raises(WireError, match="exactly"):
        Counts.from_bytes(DATA + b"\0", PROFILE)


@pytest.mark.slow
@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_refused(data: bytes) -> None:
    for start in (b"", DATA[:8], DATA[:40], DATA[:HEAD_BYTES]):
        with pytest.raises((WireError, ProfileMismatch)):
            Counts.from_bytes(start + data, PROFILE)


@pytest.mark.slow
@given(position=st.integers(0, len(DATA) - 1), byte=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_mutated_bytes_are_the_same_counts_or_refused(position: int, byte: int) -> None:
    data = bytearray(DATA)
    data[position] = byte
    try:
        assert Counts.from_bytes(bytes(data), PROFILE) == COUNTS
    except TidegaugeError:
        assert data != DATA


@pytest.mark.slow
def test_a_stream_that_inflates_without_end_is_refused_early() -> None:
    bomb = zlib.compress(bytes(1 << 26), 9)
    tracemalloc.start()
    with pytest.raises(WireError, match="exactly"):
        Counts.from_bytes(DATA[:HEAD_BYTES] + bomb, PROFILE)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def forged(**changes: object) -> bytes:
    """Bytes of counts that no rows can give."""
    fields = {"rows": COUNTS.rows, "cells": COUNTS.cells, "missing": COUNTS.missing, "beyond": COUNTS.beyond}
    return Counts(PROFILE, **{**fields, **changes}).to_bytes()  # type: ignore[arg-type]


def one(size: int, place: int, value: int) -> np.ndarray:
    array = np.zeros(size, dtype=np.int64)
    array[place] = value
    return array


@pytest.mark.parametrize(
    "data",
    [
        forged(rows=COUNTS.rows + 1),
        forged(rows=1 << 41),
        forged(rows=0),
        forged(cells=COUNTS.cells + one(COUNTS.cells.size, 3, 1)),
        forged(cells=COUNTS.cells + one(COUNTS.cells.size, 3, 1 << 62)),
        forged(missing=COUNTS.missing + 1),
        forged(missing=COUNTS.missing - one(5, 2, 1 << 60)),
        forged(beyond=COUNTS.beyond + 1000),
        forged(beyond=COUNTS.beyond - 1000),
    ],
)
def test_counts_that_no_rows_can_give_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        Counts.from_bytes(data, PROFILE)


def test_the_example_of_the_documentation() -> None:
    profile = Profile.fit({"x": [1.0, 2.0], "c": ["a", "a"]})
    counts = profile.count([{"x": 0.5, "c": "a"}, {"x": 2, "c": "b"}, {"x": None, "c": "a"}])
    data = counts.to_bytes()
    assert data[:8] == b"TIDECNT1"
    assert data[8:40].hex() == profile.hash
    assert data[40] == 1
    plain = zlib.decompress(data[41:])
    head = np.frombuffer(plain[:40], np.uint8).reshape(8, 5)
    assert head[0].tolist() == [3, 1, 0, 0, 0]
    assert not head[1:].any()
    assert list(plain[40:]) == [1, 0, 0, 2, 1, 0, 1]


@pytest.mark.slow
def test_each_of_many_profiles_keeps_its_own_table() -> None:
    profiles = [Profile.fit({"x": [1.0, 2.0 + i]}) for i in range(200)]
    for profile in profiles:
        Counts.zero(profile).to_bytes()
    tables = [profile.derived(cell_order) for profile in profiles]
    for profile in profiles:
        counts = profile.count({"x": [1.0, 3.0]})
        assert Counts.from_bytes(counts.to_bytes(), profile) == counts
    assert all(profile.derived(cell_order) is table for profile, table in zip(profiles, tables, strict=True))
