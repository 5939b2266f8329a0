"""Windows rebuilt from stored bytes are those that were lived through, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Monitor, Policy, Profile
from tidegauge.counting.codec import EncodedSum
from tidegauge.counting.counts import Counts
from tidegauge.errors import ProfileMismatch, WireError
from tidegauge.monitor.rebuilding import Rebuilding
from tidegauge.profile.features import MAX_ROWS

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(11)
POLICY = Policy(design_effect=1, scales=7)  # windows of 1 to 64 panes
NAMES = [f"x{i}" for i in range(3)]


def mixed_profile() -> Profile:
    """Numbers with many and with one cut point, categories between them, a prediction."""
    rows = 4000
    data = {
        "wide": RNG.normal(size=rows),
        "colour": RNG.choice(["red", "green", "blue"], rows),
        "flag": RNG.choice([0.0, 1.0], rows),
        "one": np.ones(rows),
        "score": RNG.normal(size=rows),
    }
    return Profile.fit(data, 40, prediction="score")


def hourly_profile() -> Profile:
    seconds = RNG.uniform(0, 20 * 86_400, 30_000)
    values = np.sin(seconds / 86_400 * 2 * np.pi) + RNG.normal(size=seconds.size)
    return Profile.fit(
        {"x": values, "y": RNG.normal(size=seconds.size), "t": seconds}, 32, time="t", hour_of_day=True
    )


PLAIN = Profile.fit(RNG.normal(size=(3000, 3)), 16, feature_names=NAMES)
HOURLY = hourly_profile()
MIXED = mixed_profile()


def rows_of(profile: Profile, seed: int, count: int) -> Counts:
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            rng.normal(size=count) if feature.kind == "numeric" else rng.integers(0, 4, count)
            for feature in profile.monitored
        ]
    )
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    return profile.count_matrix(matrix.astype(np.float64))


def lived(profile: Profile, panes: dict[int, Counts], through: int, pane_seconds: float) -> Monitor:
    monitor = Monitor(profile, POLICY, pane_seconds=pane_seconds)
    for pane, counts in panes.items():
        monitor.add(pane, counts)
    monitor.advance(through)
    return monitor


def resumed(monitor: Monitor) -> Monitor:
    fresh = Monitor(monitor.profile, POLICY, pane_seconds=monitor.pane_seconds)
    fresh.load_state(monitor.state(), monitor.baseline())
    return fresh


def assert_same(one: Monitor, other: Monitor) -> None:
    assert one.state() == other.state()
    for scale in range(POLICY.scales):
        mine, yours = one.windows.window(scale), other.windows.window(scale)
        assert np.array_equal(sum(mine, np.zeros(1)), sum(yours, np.zeros(1))), scale


@pytest.mark.parametrize("profile", [PLAIN, HOURLY, MIXED], ids=["plain", "hourly", "mixed"])
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_panes_in_any_order_give_the_windows_that_were_lived_through(
    profile: Profile, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, 5000), "start")
    offsets = data.draw(st.sets(st.integers(0, 130), min_size=1, max_size=25), "offsets")
    rows = st.integers(0, 30)
    panes = {start + offset: rows_of(profile, offset, data.draw(rows)) for offset in sorted(offsets)}
    monitor = lived(profile, panes, start + 130, 10)
    fresh = resumed(monitor)
    rebuilding = Rebuilding(fresh)
    for pane in data.draw(st.permutations(sorted(panes)), "order"):
        rebuilding.add(pane, panes[pane].rows, panes[pane].to_bytes())
    rebuilding.finish()
    assert_same(fresh, monitor)


def test_panes_after_the_state_wait_for_their_looks() -> None:
    panes = {pane: rows_of(PLAIN, pane, 20) for pane in range(90, 110)}
    monitor = lived(PLAIN, {pane: counts for pane, counts in panes.items() if pane < 100}, 99, 10)
    fresh = resumed(monitor)
    rebuilding = Rebuilding(fresh)
    for pane, counts in panes.items():
        rebuilding.add(pane, counts.rows, counts.to_bytes())
        if pane >= 100:
            monitor.add(pane, counts)
    rebuilding.finish()
    assert fresh.report(109).to_dict() == monitor.report(109).to_dict()
    assert_same(fresh, monitor)


def test_stored_blocks_of_panes_enter_as_monitor_add_takes_them() -> None:
    """Two blocks of 8 panes, then single panes: the form in which the aggregator's store holds a model."""
    counts = {pane: rows_of(PLAIN, pane, 8) for pane in range(0, 60, 3)}
    monitor = lived(PLAIN, counts, 59, 10)
    fresh = resumed(monitor)
    rebuilding = Rebuilding(fresh)
    for first in (0, 8):
        block = sum((counts[p] for p in counts if first <= p < first + 8), Counts.zero(PLAIN))
        rebuilding.add(first, block.rows, block.to_bytes(), 8)
    for pane in (pane for pane in counts if pane >= 16):
        rebuilding.add(pane, counts[pane].rows, counts[pane].to_bytes())
    rebuilding.finish()
    assert_same(fresh, monitor)


def test_a_monitor_without_state_takes_stored_panes_too() -> None:
    fresh, direct = Monitor(PLAIN, POLICY), Monitor(PLAIN, POLICY)
    rebuilding = Rebuilding(fresh)
    for pane in (7, 5):
        counts = rows_of(PLAIN, pane, 9)
        rebuilding.add(pane, counts.rows, counts.to_bytes())
        direct.add(pane, counts)
    rebuilding.finish()
    assert fresh.report(8).to_dict() == direct.report(8).to_dict()


@pytest.mark.parametrize(
    "profile", [PLAIN, HOURLY, MIXED, PLAIN.shard(1, 3)], ids=["plain", "hourly", "mixed", "shard"]
)
def test_a_sum_of_encoded_counts_is_the_sum_of_the_counts(profile: Profile) -> None:
    total, encoded = Counts.zero(profile), EncodedSum(profile)
    whole = profile if profile.share is None else PLAIN
    for seed, rows in enumerate((0, 1, 300, 70_000)):  # cells of one, two and four bytes
        counts = rows_of(whole, seed, rows).select(profile)
        total = total + counts
        encoded.add(counts.to_bytes())
    assert Counts(profile, *encoded.sums()) == total
    assert encoded.values_by_feature().tolist() == (total.rows - total.missing).tolist()


def test_huge_counts_are_added_without_rounding() -> None:
    largest = Counts(PLAIN, MAX_ROWS, *(a * (MAX_ROWS) for a in _one_row()))
    encoded = EncodedSum(PLAIN)
    for counts in (largest, rows_of(PLAIN, 1, 1), rows_of(PLAIN, 2, 1)):
        encoded.add(counts.to_bytes())
    assert Counts(PLAIN, *encoded.sums()) == largest + rows_of(PLAIN, 1, 1) + rows_of(PLAIN, 2, 1)


def _one_row() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = PLAIN.count_matrix(np.zeros((1, 3)))
    return counts.cells, counts.missing, counts.beyond


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-3], lambda b: b[:-1] + b"\x00", lambda b: b[:20], lambda b: b + b"!"]
)
def test_damaged_counts_are_refused_and_add_nothing(spoil) -> None:
    good = rows_of(PLAIN, 1, 50)
    encoded = EncodedSum(PLAIN)
    encoded.add(good.to_bytes())
    with pytest.raises(WireError):
        encoded.add(spoil(good.to_bytes()))
    with pytest.raises(ProfileMismatch):
        encoded.add(rows_of(MIXED, 1, 50).to_bytes())
    assert Counts(PLAIN, *encoded.sums()) == good
