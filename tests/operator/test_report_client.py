"""Reports over HTTP: joined over shards, and every way in which there is none."""

import asyncio
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import aiohttp
import pytest
from support.reports import DRIFTING, ReportServer, a_report
from support.stub_server import serving
from tidegauge_operator.controller.report_client import (
    MOST_BYTES,
    REQUEST_SECONDS,
    JoinedReport,
    ReportClient,
    ReportError,
)

from tidegauge.protocol.names import Verdict
from tidegauge.report.model import Report


@pytest.fixture
def server() -> ReportServer:
    return ReportServer()


def read(*addresses: str) -> Report:
    return told(*addresses).report


def told(*addresses: str) -> JoinedReport:
    async def run() -> JoinedReport:
        async with aiohttp.ClientSession() as session:
            return await ReportClient(session).report("house-prices", addresses)

    return asyncio.run(run())


def test_a_report_arrives_as_it_was_sent(server: ReportServer) -> None:
    server.say(DRIFTING)
    try:
        assert read(server.address).to_dict() == DRIFTING.to_dict()
    finally:
        server.stop()


def test_shards_are_joined(server: ReportServer) -> None:
    other = ReportServer()
    server.say(DRIFTING)
    stable = a_report()
    other.say(replace(stable, features={"baths": replace(stable.features["rooms"], name="baths")}))
    try:
        joined = read(server.address, other.address)
    finally:
        server.stop()
        other.stop()
    assert joined.verdict is Verdict.DRIFTING
    assert set(joined.features) == {"sqft", "age", "rooms", "baths"}


def test_a_shard_that_does_not_answer_is_told_and_the_others_are_heard(server: ReportServer) -> None:
    """What drifts in the others drifts; where nothing does, nobody knows."""
    gone = ReportServer()
    gone.stop()
    try:
        server.say(DRIFTING)
        drifting = told(server.address, gone.address)
        server.say(a_report())
        calm = told(gone.address, server.address)
    finally:
        server.stop()
    assert drifting.report.verdict is Verdict.DRIFTING
    assert calm.report.verdict is Verdict.UNKNOWN
    assert drifting.silence.startswith("1 of 2 aggregators: the aggregator does not answer")
    assert "kubectl logs house-prices-aggregator-1;" in drifting.silence, "the one that is silent"
    assert "kubectl logs house-prices-aggregator-0;" in calm.silence
    assert (drifting.silent_shards, calm.silent_shards) == (1, 1)


def test_the_shards_are_asked_all_at_once() -> None:
    """None answers before all were asked, so that asking one after the other would end without a report."""
    shards = 4
    asked = threading.Barrier(shards)

    class Waiting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(threading.BrokenBarrierError):
                asked.wait(timeout=REQUEST_SECONDS)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ExitStack() as stack:
        addresses = [stack.enter_context(serving(Waiting)) for _ in range(shards)]
        with pytest.raises(ReportError, match="does not know the model yet"):
            read(*addresses)
    assert not asked.broken


def test_a_feature_in_two_shards_is_no_report(server: ReportServer) -> None:
    server.say(DRIFTING)
    try:
        with pytest.raises(ReportError, match="do not fit together"):
            read(server.address, server.address)
    finally:
        server.stop()


@pytest.mark.parametrize("document", [{"schema": "other"}, {}, {"schema": "tidegauge.io/report/v1"}])
def test_something_else_is_no_report(server: ReportServer, document: dict[str, object]) -> None:
    server.document = document or {"x": 1}
    try:
        with pytest.raises(ReportError, match="something else than a report"):
            read(server.address)
    finally:
        server.stop()


def test_an_aggregator_without_the_model_is_no_report(server: ReportServer) -> None:
    try:
        with pytest.raises(ReportError, match="does not know the model yet"):
            read(server.address)
    finally:
        server.stop()


def test_nobody_there_is_no_report(server: ReportServer) -> None:
    address = server.address
    server.stop()
    with pytest.raises(
        ReportError, match=r"does not answer: ClientConnectorError \(read its log: kubectl logs"
    ):
        read(address)


class _Endless(BaseHTTPRequestHandler):
    """Answers with twice as much as is read, and does not say so before."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with suppress(OSError):  # whoever asked has left
            for _ in range(2 * MOST_BYTES >> 20):
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_: object) -> None:
        pass


def test_an_answer_without_a_length_is_read_no_further_than_a_report_may_be_long() -> None:
    with serving(_Endless) as address, pytest.raises(ReportError, match=f"more than {MOST_BYTES} bytes"):
        read(address)
