"""What is sent, how often, and what an aggregator's answer leads to."""

import logging
import random
from pathlib import Path

import pytest
from support.ledger import Ledger
from support.pod import Pod, some_rows
from tidegauge_sidecar.sender import Retry

from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import pane_path
from tidegauge.protocol.pane import Pane


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def close_panes(pod: Pod, *rows: int) -> None:
    """Close one pane after the other, each with so many rows."""
    writer = pod.writers[0] if pod.writers else pod.writer()
    for count in rows:
        if count:
            writer.answer(some_rows(count, count), pod.now_ns)
        pod.close_pane()


def sent_panes(ledger: Ledger) -> list[Pane]:
    return [Pane.from_bytes(body) for path, body in ledger.requests if "/panes/" in path]


def test_panes_go_oldest_first_under_their_names(pod: Pod) -> None:
    close_panes(pod, 3, 0, 2)
    pod.send_all()
    panes = pod.ledgers[0].panes
    assert [pane.rows for pane in panes] == [3, 0, 2]
    assert list(pod.ledgers[0].taken) == [
        pane_path("house-prices", pod.profile.hash, pane.pane, pane.instance) for pane in panes
    ]
    assert panes[0].pod == "pod-0"


def test_an_unknown_profile_is_sent_and_then_the_pane(pod: Pod) -> None:
    ledger = pod.ledgers[0]
    ledger.knows_profile = False
    close_panes(pod, 3)
    pod.send()
    assert ["/panes/" in path for path, _ in ledger.requests] == [True, False, True]
    assert ledger.rows == 3


def test_a_pane_whose_answer_was_lost_is_sent_again_byte_for_byte(pod: Pod) -> None:
    ledger = pod.ledgers[0]
    ledger.script = ["lose_answer", "away", "503"]
    close_panes(pod, 3)
    pod.send_all()
    assert len(ledger.requests) == 4
    assert len(set(ledger.requests)) == 1
    assert ledger.rows == 3


def test_a_new_process_sends_the_same_bytes(pod: Pod) -> None:
    ledger = pod.ledgers[0]
    ledger.script = ["409", "lose_answer"]
    close_panes(pod, 3, 4)
    pod.send()
    pod.send()
    pod.kill()
    pod.send_all()
    assert ledger.requests[-1] == ledger.requests[-2]
    assert ledger.lost == {"refused": 3}


def test_a_pane_of_the_future_is_kept_and_sent_later(pod: Pod) -> None:
    pod.ledgers[0].script = ["425", "425"]
    close_panes(pod, 3)
    pod.send()
    assert pod.waiting
    pod.send_all()
    assert (pod.ledgers[0].rows, pod.ledgers[0].lost) == (3, {})


@pytest.mark.parametrize("status", ["409", "413", "422"])
def test_rows_of_a_refused_pane_are_reported_lost_with_the_next(pod: Pod, status: str) -> None:
    ledger = pod.ledgers[0]
    close_panes(pod, 5)
    ledger.script = [status]
    pod.writers[0].drop(2)
    pod.send()
    close_panes(pod, 4)
    pod.send_all()
    (pane,) = ledger.panes
    assert (pane.rows, pane.lost, pane.rows_before) == (4, {"full": 2, "refused": 5}, 0)
    assert pod.sidecar.snapshot().lost == {"full": 2, "refused": 5}
    assert (pod.path / "sidecar/refused").exists()


def test_what_a_refused_pane_reported_lost_is_reported_again(pod: Pod) -> None:
    ledger = pod.ledgers[0]
    ledger.script = ["409", "409"]
    pod.writer().drop(7)
    close_panes(pod, 1, 2, 3)
    pod.send_all()
    assert ledger.lost == {"full": 7, "refused": 3}
    assert ledger.rows == 3


@pytest.mark.parametrize("status", ["401", "403", "421"])
def test_a_wrong_configuration_is_said_once_and_tried_again_slowly(
    pod: Pod, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = pod.ledgers[0]
    ledger.script = [status] * 5
    close_panes(pod, 3)
    with caplog.at_level(logging.ERROR):
        for _ in range(20):
            pod.sidecar.sender.step()
            pod.seconds += 5.5
    assert len([r for r in caplog.records if f"answers {status}" in r.getMessage()]) == 1
    assert ledger.rows == 3
    assert len(ledger.requests) == 6


def test_no_row_is_refused_by_an_aggregator_that_is_away_for_long(pod: Pod) -> None:
    ledger = pod.ledgers[0]
    ledger.script = ["away"] * 200
    close_panes(pod, *[1] * 20)
    for _ in range(150):
        pod.send()
    assert len(pod.waiting) == 20
    pod.send_all()
    assert (ledger.rows, ledger.lost) == (20, {})


def test_each_shard_gets_its_features_and_its_own_acknowledgement(tmp_path: Path) -> None:
    pod = Pod(tmp_path, shards=2)
    close_panes(pod, 3, 4)
    pod.ledgers[1].script = ["away"] * 3
    pod.send()
    pod.send()
    assert [ledger.rows for ledger in pod.ledgers] == [7, 0]
    assert len(pod.waiting) == 2, "a pane waits until every shard has it"
    pod.send_all()
    assert [ledger.rows for ledger in pod.ledgers] == [7, 7]
    for index, ledger in enumerate(pod.ledgers):
        shard = pod.profile.shard(index, 2)
        assert ledger.counts(shard) == pod.logged_counts().select(shard)
        assert {(pane.shard, pane.shards) for pane in ledger.panes} == {(index, 2)}


def test_a_pane_refused_by_one_shard_is_lost_for_that_shard_only(tmp_path: Path) -> None:
    pod = Pod(tmp_path, shards=2)
    pod.ledgers[1].script = ["409"]
    close_panes(pod, 3, 4)
    pod.send_all()
    assert [(ledger.rows, ledger.lost) for ledger in pod.ledgers] == [(7, {}), (4, {"refused": 3})]


def test_a_spool_file_that_went_bad_is_reported_lost(pod: Pod) -> None:
    close_panes(pod, 3, 4, 5)
    (pod.path / "sidecar" / pod.waiting[1]).write_bytes(b"gone")
    pod.kill()
    pod.send_all()
    assert (pod.ledgers[0].rows, pod.ledgers[0].lost) == (8, {"corrupt": 4})


def test_another_number_of_shards_goes_on_from_what_all_had(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    close_panes(pod, 3)
    pod.send_all()
    close_panes(pod, 4)
    pod.ledgers = [Ledger(pod.profile), Ledger(pod.profile)]
    pod.kill()
    pod.send_all()
    assert [[(p.rows, p.rows_before) for p in ledger.panes] for ledger in pod.ledgers] == [[(4, 3)]] * 2


def test_panes_of_an_older_profile_whose_document_is_gone_are_reported_lost(pod: Pod) -> None:
    close_panes(pod, 3)
    new = Profile(pod.profile.features, None, pod.profile.rows)
    pod.profile = new
    pod.ledgers = [Ledger(new, script=["404"])]
    pod.kill()
    pod.close_pane()
    pod.send_all()
    assert pod.ledgers[0].lost == {"refused": 3}


def test_waiting_times_double_with_jitter_and_start_again_after_success() -> None:
    retry = Retry(random.Random(4))
    waits = []
    for _ in range(12):
        retry.fail(100.0)
        waits.append(retry.due - 100)
    for n, wait in enumerate(waits):
        full = min(10.0, 0.1 * 2**n)
        assert full / 2 <= wait <= full
    assert len({wait / min(10.0, 0.1 * 2**n) for n, wait in enumerate(waits)}) == 12
    retry.succeed()
    assert retry.due == 0
    retry.fail(0.0, slowly=True)
    assert retry.due >= 5


def test_the_sender_tells_how_long_it_may_sleep(pod: Pod) -> None:
    assert pod.sidecar.sender.step() is None
    close_panes(pod, 1, 1)
    assert pod.sidecar.sender.step() == 0
    pod.ledgers[0].script = ["away"]
    wait = pod.sidecar.sender.step()
    assert wait is not None
    assert 0.05 <= wait <= 0.1
    requests = len(pod.ledgers[0].requests)
    pod.sidecar.sender.step()
    assert len(pod.ledgers[0].requests) == requests, "not before its time"


def test_a_state_that_cannot_be_stored_sends_the_pane_again(pod: Pod) -> None:
    close_panes(pod, 3)
    pod.folder.kill_after = 0
    pod.send()
    assert pod.waiting
    pod.send_all()
    assert pod.ledgers[0].rows == 3
    assert len(pod.ledgers[0].requests) == 2


def test_acknowledged_panes_leave_a_position_behind(pod: Pod) -> None:
    close_panes(pod, 3)
    pod.send_all()
    pod.kill()
    close_panes(pod, 4)
    pod.send_all()
    assert [(pane.rows, pane.rows_before) for pane in pod.ledgers[0].panes] == [(3, 0), (4, 3)]
    assert len(sent_panes(pod.ledgers[0])) == 2
    assert pod.ledgers[0].counts() == pod.logged_counts()
