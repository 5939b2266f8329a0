"""Windows are sums of panes, whatever the order in which panes came."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.monitor.windows import Windows, hop_panes, window_panes

SCALES = 6


def _expected(panes: dict[int, int], scale: int, frontier: int) -> int:
    """The newest window by its definition: it ends at the last multiple of the hop."""
    end = (frontier + 1) // hop_panes(scale) * hop_panes(scale)
    return sum(rows for pane, rows in panes.items() if end - window_panes(scale) <= pane < end)


def _found(windows: Windows, scale: int) -> int:
    return int(sum(block[0] for block in windows.window(scale)))


@settings(deadline=None, max_examples=60)
@given(
    start=st.integers(0, 200),
    rows=st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=1, max_size=80),
)
def test_every_window_is_the_sum_of_its_panes(start: int, rows: list[int | None]) -> None:
    windows, panes = Windows(1, SCALES), {}
    for pane, n in enumerate(rows, start):
        windows.close(pane, None if n is None else np.array([float(n)]))
        panes[pane] = n or 0
        for scale in range(SCALES):
            assert _found(windows, scale) == _expected(panes, scale, pane)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(data=st.data(), start=st.integers(0, 100), rows=st.lists(st.integers(1, 9), min_size=1, max_size=70))
def test_late_panes_end_where_they_would_have_been_in_time(
    data: st.DataObject, start: int, rows: list[int]
) -> None:
    late = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    windows, panes = Windows(1, SCALES), {}
    for i, n in enumerate(rows):
        windows.close(start + i, None if i in late else np.array([float(n)]))
    for i, n in enumerate(rows):
        kept = i not in late or windows.add(start + i, np.array([float(n)]))
        panes[start + i] = n if kept else 0
    for scale in range(SCALES):
        assert _found(windows, scale) == _expected(panes, scale, start + len(rows) - 1)


@pytest.mark.parametrize("frontier", [63, 64, 77, 100, 127])
def test_windows_are_rebuilt_from_panes_and_merged_blocks(frontier: int) -> None:
    rows = np.random.default_rng(frontier).integers(1, 9, frontier + 1)
    lived, rebuilt = Windows(1, SCALES), Windows(1, SCALES)
    for pane, n in enumerate(rows):
        lived.close(pane, np.array([float(n)]))
    rebuilt.frontier = frontier
    merged = (
        (frontier + 1 - 4 * 4) // 4 * 4
    )  # the newest 16 panes and more stay single, older ones are in fours
    for first in range(0, merged, 4):
        rebuilt.add(first, np.array([float(rows[first : first + 4].sum())]), 4)
    for pane in range(merged, frontier + 1):
        rebuilt.add(pane, np.array([float(rows[pane])]))
    for scale in range(SCALES):
        assert _found(rebuilt, scale) == _found(lived, scale)


def test_a_pane_too_late_for_every_window_is_refused() -> None:
    windows = Windows(1, SCALES)
    for pane in range(200):
        windows.close(pane, np.array([1.0]))
    assert not windows.add(3, np.array([1.0]))
    assert sum(_found(windows, scale) for scale in range(SCALES)) == sum(map(window_panes, range(SCALES)))


def test_memory_does_not_grow_with_panes() -> None:
    windows = Windows(10, SCALES)
    before = windows._blocks.nbytes
    for pane in range(500):
        windows.close(pane, np.ones(10))
    assert windows._blocks.nbytes == before == (SCALES - 2) * 4 * 10 * 8
