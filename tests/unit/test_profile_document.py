"""A profile's document: what is written is read back, and what was changed is refused with its place."""

import base64
import copy
import hashlib
import json
import math
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import NumericFeature, Profile, ProfileError
from tidegauge.profile.profile import DesignEffect


def make_profile() -> Profile:
    random = np.random.default_rng(2)
    frame = {
        "wide": np.append(random.normal(size=98), [np.inf, -np.inf]),
        "narrow": random.normal(size=100).astype(np.float32),
        "city": random.choice(["Bonn", "Köln"], 100),
        "gone": np.full(100, np.nan),
    }
    times = np.arange(100) * 1800.0
    return Profile.fit(frame, 7, prediction=random.normal(size=100), time=times, hour_of_day=True)


with pytest.warns(UserWarning, match="'gone' has no values"):
    PROFILE = make_profile()
DOCUMENT = PROFILE.to_dict()


def signed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the hash that its contents would have, were they valid."""
    body = copy.deepcopy({name: document[name] for name in ("rows", "features", "prediction")})
    features = body["features"] if isinstance(body["features"], list) else []
    for feature in (*features, body["prediction"]):
        if isinstance(feature, dict):
            feature.pop("type", None)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return {**document, "hash": hashlib.sha256(text.encode()).hexdigest()}


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return signed(document)


def test_a_saved_profile_is_loaded_the_same(tmp_path: Path) -> None:
    PROFILE.save(tmp_path / "profile.json")
    again = Profile.load(tmp_path / "profile.json")
    assert again == PROFILE
    assert again.to_bytes() == PROFILE.to_bytes()
    for mine, other in zip(PROFILE.monitored, again.monitored, strict=True):
        assert mine.counts.tolist() == other.counts.tolist()
        assert mine.hourly is not None
        assert other.hourly is not None
        assert mine.hourly.tolist() == other.hourly.tolist()
        if isinstance(mine, NumericFeature) and isinstance(other, NumericFeature):
            assert (mine.cut_points.dtype, mine.cut_points.tolist()) == (
                other.cut_points.dtype,
                other.cut_points.tolist(),
            )


def test_the_document_is_json_with_infinities_as_texts() -> None:
    document = json.loads(PROFILE.to_bytes(), parse_constant=lambda name: pytest.fail(name))
    assert document["schema"] == "tidegauge.io/profile/v1"
    wide = document["features"][0]
    assert (wide["min"], wide["max"]) == ("-inf", "inf")
    assert document["features"][3]["mean"] is None


@pytest.mark.parametrize("wrong", ["date", "text", 3, None, ["number"]])
def test_a_type_that_a_number_cannot_have_is_refused(wrong: object) -> None:
    with pytest.raises(ProfileError, match="type"):
        Profile.from_dict(changed(("features", 0, "type"), wrong))


def test_every_feature_has_a_line_of_its_own() -> None:
    assert len(PROFILE.to_bytes().splitlines()) == 1 + 1 + len(PROFILE.features) + 2


def test_the_hash_is_that_of_the_documents_contents() -> None:
    assert signed(DOCUMENT)["hash"] == PROFILE.hash


def test_the_hash_tells_apart_all_that_decides() -> None:
    first = PROFILE.features[0]
    assert isinstance(first, NumericFeature)
    others = [
        replace(first, name="other"),
        replace(first, mean=first.mean + 1e-9),
        replace(first, cut_points=first.cut_points + 1e-9),
        replace(first, distinct=None),
        replace(first, hourly=None),
        replace(first, design_effect=DesignEffect((10.0,), (2.0,))),
    ]
    profiles = [replace(PROFILE, features=(other, *PROFILE.features[1:])) for other in others]
    profiles += [PROFILE, replace(PROFILE, prediction=None), PROFILE.shard(0, 2), PROFILE.shard(1, 2)]
    assert len({profile.hash for profile in profiles}) == len(profiles)
    for profile in profiles[:8]:
        assert Profile.from_bytes(profile.to_bytes()) == profile


def test_the_hash_of_a_given_profile_never_changes() -> None:
    """A new version of the library must go on merging counts of older pods."""
    profile = Profile.fit(
        {"a": [1.0, 2.0, 2.0, None], "b": ["x", "y", "x", "x"]},
        cut_points=8,  # no room for limits of rounding, which there were not always
        prediction=[0.5, 0.5, 1.5, 2.5],
    )
    assert profile.hash == "86f81116b3f2d7c2c659cac3545f131e382f07ed5889f0f90422c2e0592aba5d"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "tidegauge.io/profile/v2", "schema"),
        (("rows",), -1, "rows holds -1"),
        (("rows",), 99, "sum to the profile's 99 rows"),
        (("rows",), 1 << 60, "rows"),
        (("rows",), True, "rows"),
        (("features",), {}, "features"),
        (("features", 0, "kind"), "ordinal", r"features\[0\].kind holds 'ordinal'"),
        (("features", 0, "name"), "narrow", "'narrow'"),
        (("features", 0, "name"), "prediction", "'prediction'"),
        (("features", 0, "name"), "", "a name"),
        (("features", 0, "name"), "\ud800", "Unicode"),
        (("features", 0, "dtype"), "int8", "int8"),
        (("features", 0, "cut_points"), [3.0, 2.0, 1.0, 4, 5, 6, 7], "rising"),
        (("features", 0, "cut_points"), [1.0], "counts"),
        (("features", 0, "cut_points", 0), "x", r"features\[0\]\.cut_points holds 'x'"),
        (("features", 0, "cut_points", 0), 1 << 60, "cut_points"),
        (("features", 1, "cut_points", 0), -1e300, "float32"),
        (("features", 0, "counts", 3), -1, "-1"),
        (("features", 0, "counts", 3), 1.0, "1.0"),
        (("features", 0, "counts", 3), (1 << 40) + 1, "count"),
        (("features", 0, "missing"), None, "missing"),
        (("features", 0, "beyond"), 101, "beyond"),
        (("features", 0, "mean"), "inf", "finite mean"),
        (("features", 0, "sd"), -1.0, "sd"),
        (("features", 0, "distinct"), 101, "distinct"),
        (("features", 0, "hourly"), "???", "hourly"),
        (("features", 0, "hourly"), base64.b64encode(zlib.compress(b"")).decode(), "hourly"),
        (("features", 0, "hourly"), base64.b64encode(zlib.compress(bytes(24 * 15 * 8))).decode(), "hourly"),
        (("features", 0, "design_effect"), {"window_seconds": [1.0], "values": []}, "one value"),
        (("features", 0, "design_effect"), {"window_seconds": [2.0, 1.0], "values": [1.0, 1.0]}, "rising"),
        (("features", 0, "design_effect"), {"window_seconds": [1.0], "values": [0.5]}, "at least 1"),
        (("features", 2, "categories"), ["Bonn", "Bonn"], "differ"),
        (("features", 2, "categories", 0), 3, "categories"),
        (("prediction", "name"), "price", "'prediction'"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused_with_its_place(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        Profile.from_dict(changed(path, value))


def test_a_document_changed_by_hand_is_refused() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["features"][0]["mean"] += 0.5
    with pytest.raises(ProfileError, match="the document was changed"):
        Profile.from_dict(document)


@pytest.mark.parametrize("name", ["schema", "hash", "rows", "features", "prediction"])
def test_a_document_without_a_field_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match="exactly the fields"):
        Profile.from_dict({key: value for key, value in DOCUMENT.items() if key != name})


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"rows": NaN}', b"[" * 100_000, b"1e999", b'"' + b"a" * 9],
)
def test_bytes_that_are_no_profile_are_refused(data: bytes) -> None:
    with pytest.raises(ProfileError):
        Profile.from_bytes(data)


def test_a_file_that_is_no_profile_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(ProfileError, match=r"p\.json"):
        Profile.load(tmp_path / "p.json")


@pytest.mark.slow
def test_hours_that_inflate_without_end_are_refused_early() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(1 << 26))).decode()
    document = changed(("features", 0, "hourly"), bomb)
    tracemalloc.start()
    with pytest.raises(ProfileError, match="hourly"):
        Profile.from_dict(document)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["inf", "-inf", "numeric", "categorical", "float32", "Bonn"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(item: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else []
    return [place for key in keys for place in [(item, key), *places(item[key])]]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_mutated_document_is_a_profile_or_a_profile_error(data: st.DataObject) -> None:
    document = copy.deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(JSON)
    with suppress(KeyError, ValueError):
        document = signed(document)
    try:
        profile = Profile.from_dict(document)
    except ProfileError:
        return
    assert Profile.from_bytes(profile.to_bytes()) == profile


@pytest.mark.slow
@given(JSON)
@settings(max_examples=100, deadline=None)
def test_any_json_is_a_profile_error(item: object) -> None:
    with pytest.raises(ProfileError):
        Profile.from_dict(item)


@pytest.mark.slow
@given(position=st.integers(0, len(PROFILE.to_bytes()) - 1), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_the_same_profile_or_a_profile_error(position: int, byte: int) -> None:
    data = bytearray(PROFILE.to_bytes())
    data[position] = byte
    with suppress(ProfileError):
        assert Profile.from_bytes(bytes(data)) == PROFILE


def test_a_nan_mean_is_null_and_comes_back() -> None:
    again = Profile.from_bytes(PROFILE.to_bytes()).features[3]
    assert isinstance(again, NumericFeature)
    assert math.isnan(again.mean)
    assert math.isnan(again.max)
