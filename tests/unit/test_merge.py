"""Counts add: any split over pods and panes, in any order, gives the same counts."""

import pickle
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Accumulator, Counts, Profile, ProfileError, ProfileMismatch, SchemaError

RANDOM = np.random.default_rng(7)
ROWS = 700
MATRIX = np.column_stack(
    [
        RANDOM.normal(size=ROWS),
        RANDOM.integers(0, 4, ROWS),
        RANDOM.choice([0.0, 1.0, 2.0, 3.0, np.nan], ROWS),  # codes of c, 3 is "other"
        np.where(RANDOM.random(ROWS) < 0.2, np.nan, RANDOM.lognormal(size=ROWS)),
        RANDOM.normal(size=ROWS),
    ]
)


def make_profile(cut_points: int = 50) -> Profile:
    random = np.random.default_rng(1)
    frame = {
        "a": random.normal(size=2000),
        "b": random.integers(0, 5, 2000),
        "c": random.choice(["x", "y", "z"], 2000),
        "d": random.lognormal(size=2000).astype(np.float32),
    }
    return Profile.fit(frame, cut_points, prediction=random.normal(size=2000))


PROFILE = make_profile()
WHOLE = PROFILE.count_matrix(MATRIX)


@pytest.mark.slow
@given(cuts=st.lists(st.integers(0, ROWS), max_size=20), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_split_in_any_order_gives_the_same_counts(cuts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = np.split(random.permutation(MATRIX), sorted(cuts))
    counts = [PROFILE.count_matrix(part) for part in parts]
    assert reduce(add, counts) == WHOLE
    random.shuffle(counts)
    assert reduce(lambda left, right: right + left, counts) == WHOLE


def test_adding_is_commutative_and_associative_with_a_neutral_element() -> None:
    a, b, c = (PROFILE.count_matrix(part) for part in np.array_split(MATRIX, 3))
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == WHOLE
    assert Counts.zero(PROFILE) + a == a


def test_counts_of_unequal_profiles_do_not_add() -> None:
    with pytest.raises(ProfileMismatch, match=PROFILE.hash[:12]):
        WHOLE + make_profile(49).count_matrix(MATRIX)


def test_counts_of_equal_profiles_add_wherever_they_were_loaded() -> None:
    again = Profile.from_bytes(PROFILE.to_bytes())
    assert WHOLE + again.count_matrix(MATRIX) == WHOLE + WHOLE


def test_every_row_is_counted_once_per_feature() -> None:
    for name in PROFILE.names:
        part = WHOLE.feature(name)
        assert part.total + part.missing == WHOLE.rows == ROWS


def test_missing_values_are_counted_and_nothing_else() -> None:
    assert WHOLE.missing.tolist() == np.isnan(MATRIX).sum(axis=0).tolist()


def test_values_beyond_three_standard_deviations_are_counted() -> None:
    feature = PROFILE.features[3]
    low, high = feature.beyond_limits
    values = MATRIX[:, 3].astype(np.float32)
    assert WHOLE.beyond[3] == ((values < np.float32(low)) | (values > np.float32(high))).sum() > 0
    assert WHOLE.beyond[2] == 0, "categorical"


@pytest.mark.parametrize("rows", [1, 3, 6, 7, 50, 700, 40_000])
def test_short_and_long_batches_count_alike(rows: int) -> None:
    """The two ways of `tidegauge.counting.cells`, and blocks, beside one plain search of each value."""
    matrix = np.resize(MATRIX, (rows, 5))
    counts = PROFILE.count_matrix(matrix)
    for i, feature in enumerate(PROFILE.monitored):
        values = matrix[:, i][~np.isnan(matrix[:, i])]
        if feature.kind == "numeric":
            values = values.astype(feature.dtype)
            values = feature.cut_points.searchsorted(values) + feature.cut_points.searchsorted(
                values, "right"
            )
        expected = np.bincount(values.astype(int), minlength=feature.cells)
        assert counts.feature(feature.name).cells.tolist() == expected.tolist()


@pytest.mark.parametrize("rows", [5, 500])
def test_values_at_cut_points_are_told_from_those_between(rows: int) -> None:
    profile = Profile.fit({"x": np.arange(0.0, 400.0, 2.0)})
    values = np.resize([-1.0, 0.0, 1.0, 2.0, 398.0, 399.0, 2.0], rows)
    expected = np.bincount((values + 1).astype(int), minlength=401)
    assert profile.count({"x": values}).cells.tolist() == expected.tolist()


@pytest.mark.parametrize("rows", [2, 200])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_value_at_three_standard_deviations_is_not_beyond(rows: int, dtype: str) -> None:
    profile = Profile.fit({"x": np.linspace(-7, 9, 100)}, dtypes={"x": dtype})
    limits = np.array(profile.features[0].beyond_limits, dtype=dtype)
    outside = np.nextafter(limits, np.array([-np.inf, np.inf], dtype=dtype))
    assert profile.count({"x": np.resize(limits, rows)}).beyond.tolist() == [0]
    assert profile.count({"x": np.resize(outside, rows)}).beyond.tolist() == [rows]


def test_codes_that_are_no_category_count_as_other() -> None:
    rows = np.resize(MATRIX, (6, 5))
    rows[:, 2] = [-1, 3, 99, 0.5, np.inf, 1]
    assert PROFILE.count_matrix(rows).feature("c").cells.tolist() == [0, 1, 0, 5]


def test_rows_without_the_prediction_count_nothing_for_it() -> None:
    counts = PROFILE.count_matrix(MATRIX[:, :4])
    part = counts.feature("prediction")
    assert (part.total, part.missing, counts.rows) == (0, 0, ROWS)
    assert counts.feature("a").cells.tolist() == WHOLE.feature("a").cells.tolist()


@pytest.mark.parametrize("shape", [(3,), (3, 3), (3, 6), (0,)])
def test_a_matrix_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError, match="must be"):
        PROFILE.count_matrix(np.zeros(shape))


def test_an_accumulator_holds_the_sum_of_rows_and_counts() -> None:
    accumulator = Accumulator(PROFILE)
    first, second, third = np.array_split(MATRIX, 3)
    accumulator.add(first)
    accumulator.add_counts(PROFILE.count_matrix(second))
    early = accumulator.counts()
    accumulator.add(third)
    assert accumulator.counts() == WHOLE
    assert accumulator.rows == ROWS
    assert early.rows == len(first) + len(second), "what was read does not change"
    accumulator.clear()
    assert accumulator.counts() == Counts.zero(PROFILE)
    with pytest.raises(ProfileMismatch):
        accumulator.add_counts(make_profile(49).count_matrix(MATRIX))


def test_counts_do_not_change() -> None:
    for array in (WHOLE.cells, WHOLE.missing, WHOLE.beyond):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert pickle.loads(pickle.dumps(WHOLE)) == WHOLE


@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_shards_together_hold_every_feature_once(of: int) -> None:
    shards = [PROFILE.shard(index, of) for index in range(of)]
    assert sorted(name for shard in shards for name in shard.names) == sorted(PROFILE.names)
    assert len({shard.hash for shard in shards}) == of
    for shard in shards:
        selected = WHOLE.select(shard)
        assert selected.rows == ROWS
        for name in shard.names:
            assert selected.feature(name).cells.tolist() == WHOLE.feature(name).cells.tolist()
            assert selected.feature(name).missing == WHOLE.feature(name).missing
        assert Counts.from_bytes(selected.to_bytes(), shard) == selected
        assert WHOLE.select(shard) + WHOLE.select(shard) == (WHOLE + WHOLE).select(shard)


def test_a_shard_is_of_its_own_profile_only() -> None:
    with pytest.raises(ProfileMismatch):
        WHOLE.select(make_profile(49).shard(0, 2))
    with pytest.raises(ProfileMismatch):
        WHOLE.select(PROFILE.shard(0, 2)) + WHOLE.select(PROFILE.shard(1, 2))


@pytest.mark.parametrize(("index", "of"), [(0, 6), (2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_cannot_be_is_refused(index: int, of: int) -> None:
    with pytest.raises(ProfileError, match="shard"):
        PROFILE.shard(index, of)


def test_a_shard_has_no_shards_and_no_document() -> None:
    shard = PROFILE.shard(0, 2)
    with pytest.raises(ProfileError, match="whole"):
        shard.shard(0, 2)
    with pytest.raises(ProfileError, match="whole"):
        shard.to_bytes()


def test_a_categorical_feature_has_no_ks() -> None:
    with pytest.raises(ProfileError, match=r"'c' is categorical.*category by category"):
        WHOLE.ks("c")
    assert list(WHOLE.ks()) == ["a", "b", "d", "prediction"]


def test_all_features_at_once_and_one_by_one_are_the_same() -> None:
    assert {name: WHOLE.ks(name) for name in WHOLE.ks()} == WHOLE.ks()
    without = PROFILE.count_matrix(MATRIX[:, :4])
    assert {name: without.ks(name) for name in without.ks()} == without.ks()


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(ProfileError, match="'nope'"):
        WHOLE.ks("nope")


def test_sum_adds_counts() -> None:
    profile = make_profile()
    parts = [profile.count_matrix(MATRIX[i::3]) for i in range(3)]
    assert sum(parts) == profile.count_matrix(MATRIX)
    with pytest.raises(TypeError):
        1 + parts[0]
