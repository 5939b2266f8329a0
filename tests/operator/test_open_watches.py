"""Which watches are open, as the answers to Kopf's requests show it."""

from collections import Counter

import pytest
from tidegauge_operator.kube.kinds import MODELS
from tidegauge_operator.kube.watches import OpenWatches, watched_paths

MODEL_PATH, PODS_PATH = MODELS.path("ml"), "/api/v1/namespaces/ml/pods"


class Seen:
    """Two wanted watches, and what they have reported."""

    def __init__(self) -> None:
        self.opened: list[bool] = []
        self.errors: Counter[str] = Counter()
        self.watches = OpenWatches(lambda: {MODEL_PATH, PODS_PATH}, self.opened.append, self._count)

    def _count(self, reason: str) -> None:
        self.errors[reason] += 1


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_watch_is_open_once_it_is_answered_and_not_after_its_list(seen: Seen) -> None:
    seen.watches.see_answer(MODEL_PATH, False, 200)
    assert seen.watches.closed() == {MODEL_PATH, PODS_PATH}
    seen.watches.see_answer(MODEL_PATH, True, 200)
    assert seen.watches.closed() == {PODS_PATH}


def test_only_a_watch_that_began_with_a_list_may_have_missed_deletions(seen: Seen) -> None:
    for is_watch in (False, True, True):
        seen.watches.see_answer(PODS_PATH, is_watch, 200)
    assert seen.opened == [True, False], "the second watch goes on from the first"


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_watch_that_is_answered_otherwise_is_closed_and_asked_for(seen: Seen, status: int) -> None:
    seen.watches.see_answer(MODEL_PATH, True, 200)
    seen.watches.see_answer(PODS_PATH, True, status)
    assert seen.watches.closed() == {PODS_PATH}
    assert seen.watches.unrequested() == set()
    assert not seen.errors


def test_a_refused_watch_is_reported_once_until_it_is_open(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for status in (200, 403, 403):
        seen.watches.see_answer(PODS_PATH, True, status)
    assert PODS_PATH in seen.watches.closed()
    assert seen.errors == {"WatchForbidden": 1}
    assert caplog.text.count("give the operator the rights list and watch") == 1
    seen.watches.see_answer(PODS_PATH, True, 200)
    assert f"{PODS_PATH} may be watched now" in caplog.text
    seen.watches.see_answer(PODS_PATH, True, 403)
    assert seen.errors == {"WatchForbidden": 2}


def test_a_refusal_of_what_nobody_wants_is_no_error(seen: Seen) -> None:
    seen.watches.see_answer("/api/v1/namespaces", False, 403)
    assert not seen.errors


def test_a_kind_is_left_out_only_if_kopf_has_reached_the_api_server(seen: Seen) -> None:
    assert seen.watches.unrequested() == set()
    seen.watches.see_answer("/apis", False, 503)
    assert seen.watches.unrequested() == set(), "an API server that is away names no kinds"
    seen.watches.see_answer(MODEL_PATH, False, 200)
    assert seen.watches.unrequested() == {PODS_PATH}


def test_a_new_kopf_begins_with_all_watches_closed(seen: Seen) -> None:
    for path in (MODEL_PATH, PODS_PATH):
        seen.watches.see_answer(path, True, 200)
    seen.watches.close_all()
    assert seen.watches.closed() == {MODEL_PATH, PODS_PATH}
    assert seen.watches.unrequested() == set()


def test_each_kind_is_watched_in_each_namespace_and_optional_ones_where_they_are_known() -> None:
    few = watched_paths(("ml", "fraud"), ())
    assert {MODEL_PATH, PODS_PATH, PODS_PATH.replace("ml", "fraud")} <= few
    more = watched_paths(("ml", "fraud"), {"ServiceMonitor"}) - few
    assert more == {f"/apis/monitoring.coreos.com/v1/namespaces/{n}/servicemonitors" for n in ("ml", "fraud")}
    assert MODELS.path(None) in watched_paths((), ())
