"""The model server against plain FastAPI and its peers, with capture and without; its start."""

import json
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from bench.rows import Row
from bench.serving_load import Load, measure
from bench.serving_pairs import Turns, take_turns
from bench.serving_peers import installed_peers, peer_server
from bench.serving_setup import (
    LOAD_CPU,
    V2_PATH,
    Server,
    consume,
    log_folder,
    our_server,
    packed,
    plain_bodies,
    plain_server,
    v2_bodies,
)
from bench.serving_start import start_rows

AGAINST_PLAIN = {"forest": 140.0, "linear": 11.5}
AGAINST_PEERS = {"forest": 50.0, "linear": 9.0}
WITH_CAPTURE = 0.92
CAPTURE_MICROSECONDS = 3.0
PLAIN, MONITORED, UNWATCHED = "plain FastAPI", "monitored", "without capture"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    capture_pairs: int
    capture_starts: int
    capture_seconds: float


FULL, QUICK = Plan(5, 2.0, 60, 6, 0.4), Plan(1, 1.0, 6, 2, 0.4)


def run(quick: bool) -> list[Row]:
    plan = QUICK if quick else FULL
    peers = installed_peers()
    rows = []
    for name in AGAINST_PLAIN:
        with tempfile.TemporaryDirectory() as folder:
            model, bundle = packed(Path(folder), name)
            if name == "forest":
                rows += _told(start_rows(bundle))
            rows += _told(_against_others(name, model, bundle, peers, plan))
            rows += _told(_against_itself(name, bundle, plan))
    return rows


def _per_second(load: Load) -> float:
    return load.per_second


def _p99(load: Load) -> float:
    return load.p99_seconds


def _say(text: str) -> None:
    print(f"serving: {text}", file=sys.stderr)


def _told(rows: list[Row]) -> list[Row]:
    """Say each row as soon as it is there: a run takes minutes, and may be ended."""
    for row in rows:
        _say(f"{row.what}: {row.figure}")
    return rows


# --- against others ------------------------------------------------------------------------------------


def _against_others(name: str, model: Path, bundle: Path, others: list[str], plan: Plan) -> list[Row]:
    with ExitStack() as stack:
        log = stack.enter_context(log_folder())
        ours = stack.enter_context(our_server(bundle, log))
        plain = stack.enter_context(plain_server(model))
        peers = {peer: stack.enter_context(peer_server(peer, model)) for peer in others}
        _warm_up("/predict", plain_bodies(), ours, plain)
        _warm_up(V2_PATH, v2_bodies(), ours, *peers.values())
        _require_the_same_answers(ours, *peers.values())
        versus = Versus(name, plan, log)
        rows, costs = versus.plain({MONITORED: ours, PLAIN: plain})
        more_rows, more_costs = versus.peers({MONITORED: ours, **peers})
    costs |= {f"{who} by V2": seconds for who, seconds in more_costs.items()}
    listed = ", ".join(f"{who} {seconds * 1e6:,.0f}" for who, seconds in costs.items())
    cost = Row(f"{name}, 8 connections: core-seconds per million predictions", listed)
    return [*rows, *more_rows, cost]


@dataclass(frozen=True)
class Versus:
    """Loads servers of one model in turns; rows, and processor seconds per request with 8 connections."""

    name: str
    plan: Plan
    log: Path

    def plain(self, servers: dict[str, Server]) -> tuple[list[Row], dict[str, float]]:
        rows, costs = [], {}
        for connections in (1, 8, 32):
            turns = self._turns(servers, "/predict", plain_bodies(), connections)
            rows += _plain_rows(self.name, connections, turns)
            if connections == 8:
                costs = {who: turns.core_seconds(who) for who in servers}
        return rows, costs

    def peers(self, servers: dict[str, Server]) -> tuple[list[Row], dict[str, float]]:
        turns = self._turns(servers, V2_PATH, v2_bodies(), 8)
        rows = [_peer_row(self.name, peer, turns) for peer in servers if peer != MONITORED]
        return rows, {who: turns.core_seconds(who) for who in servers}

    def _turns(self, servers: dict[str, Server], path: str, bodies: list[bytes], connections: int) -> Turns:
        _say(f"{self.name}, {connections} connections, {path}: {', '.join(servers)}")
        plan = self.plan
        between = partial(consume, self.log)
        return take_turns(servers, path, bodies, connections, plan.rounds, plan.seconds, between)


def _warm_up(path: str, bodies: list[bytes], *servers: Server) -> None:
    for server in servers:
        measure(server.port, path, bodies, 8, 2.0, LOAD_CPU)


def _require_the_same_answers(*servers: Server) -> None:
    """All serve the same model, or nothing is compared."""
    answers = []
    for server in servers:
        found = []
        for body in v2_bodies()[:8]:
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.port}{V2_PATH}", body, {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                found += json.load(answer)["outputs"][0]["data"]
        answers.append(found)
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=1e-4)


def _plain_rows(name: str, connections: int, turns: Turns) -> list[Row]:
    ratio = turns.ratio(MONITORED, PLAIN, _per_second)
    rates = [turns.median(who, _per_second) for who in (MONITORED, PLAIN)]
    tails = [turns.median(who, _p99) for who in (MONITORED, PLAIN)]
    target = AGAINST_PLAIN[name] if connections == 8 else None
    busy = turns.median(MONITORED, lambda load: load.client_share)
    return [
        Row(
            f"{name}, {connections} connections: requests/s against {PLAIN}",
            f"{ratio:.1f} x ({rates[0]:,.0f} against {rates[1]:,.0f}; client {busy:.0%} busy)",
            f">= {target:g} x" if target else "",
            ratio >= target if target else None,
            {"rounds": len(turns.loads[PLAIN]), "per_second": rates},
        ),
        Row(
            f"{name}, {connections} connections: p99 latency",
            f"{tails[0] * 1e3:.2f} ms ({PLAIN} {tails[1] * 1e3:.2f} ms)",
            "lower",
            tails[0] < tails[1],
            {"p99_seconds": tails},
        ),
    ]


def _peer_row(name: str, peer: str, turns: Turns) -> Row:
    ratio = turns.ratio(MONITORED, peer, _per_second)
    rates = [turns.median(who, _per_second) for who in (MONITORED, peer)]
    tails = [turns.median(who, _p99) * 1e3 for who in (MONITORED, peer)]
    target = AGAINST_PEERS[name]
    return Row(
        f"{name}, 8 connections, V2 JSON, one row: requests/s against {peer}",
        f"{ratio:.1f} x ({rates[0]:,.0f} against {rates[1]:,.0f}), "
        f"p99 {tails[0]:.2f} against {tails[1]:.2f} ms",
        f">= {target:g} x",
        ratio >= target,
        {"per_second": rates, "p99_milliseconds": tails},
    )


# --- with capture and without --------------------------------------------------------------------------


def _against_itself(name: str, bundle: Path, plan: Plan) -> list[Row]:
    """Pairs of several starts: two processes of the same program differ by 5 % for as long as they live."""
    turns = {connections: Turns() for connections in (8, 32)}
    for start in range(plan.capture_starts):
        _say(f"{name}, with capture and without, start {start + 1} of {plan.capture_starts}")
        with log_folder() as log, our_server(bundle, log) as monitored, our_server(bundle, None) as unwatched:
            servers = {MONITORED: monitored, UNWATCHED: unwatched}
            _warm_up("/predict", plain_bodies(), monitored, unwatched)
            for connections, together in turns.items():
                between = partial(consume, log)
                pairs, seconds = plan.capture_pairs // plan.capture_starts, plan.capture_seconds
                together.add(
                    take_turns(servers, "/predict", plain_bodies(), connections, pairs, seconds, between)
                )
    return [
        row for many, found in turns.items() for row in _capture_rows(f"{name}, {many} connections", found)
    ]


def _capture_rows(what: str, turns: Turns) -> list[Row]:
    rate = turns.ratio(MONITORED, UNWATCHED, _per_second)
    tail = turns.ratio(MONITORED, UNWATCHED, _p99)
    rates = [turns.median(who, _per_second) for who in (MONITORED, UNWATCHED)]
    busy = turns.median(UNWATCHED, lambda load: load.client_share)
    costs = [turns.core_seconds(who) * 1e6 for who in (MONITORED, UNWATCHED)]
    cost = costs[0] - costs[1]
    return [
        Row(
            f"{what}: requests/s with capture against without, {len(turns.loads[MONITORED])} pairs",
            f"{rate:.3f} x ({rates[0]:,.0f} against {rates[1]:,.0f}; client {busy:.0%} busy)",
            f">= {WITH_CAPTURE:g} x",
            rate >= WITH_CAPTURE,
        ),
        Row(f"{what}: p99 with capture against without", f"{tail:.3f} x", "<= 1 x", tail <= 1.0),
        Row(
            f"{what}: capture's processor time",
            f"{cost:.1f} us a row ({costs[0]:.1f} against {costs[1]:.1f})",
            f"<= {CAPTURE_MICROSECONDS:g} us",
            cost <= CAPTURE_MICROSECONDS,
        ),
    ]
