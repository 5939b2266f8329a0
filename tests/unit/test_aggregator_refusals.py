"""What is refused: with a clear status and reason, counted, nothing counted twice, nothing crashed."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.aggregator_rig import START, Clock, Pod, Rig, in_loop, running, small_profile
from tidegauge_aggregator.http.panes_route import read_body
from tidegauge_aggregator.service.aggregator import MAX_PROFILE_BYTES
from tidegauge_aggregator.service.config import parse_config
from tidegauge_aggregator.service.validation import MAX_PANE_ROWS

from tidegauge.counting.counts import Counts
from tidegauge.errors import ResourceError
from tidegauge.kit.refusal import Refusal
from tidegauge.protocol.names import pane_path, profile_path
from tidegauge.protocol.pane import MAX_PANE_BYTES

PROFILE = small_profile(features=2, cut_points=8)
OTHER = small_profile(seed=1, features=2, cut_points=8)
COUNTS = PROFILE.count(np.zeros((5, 2)))


def all_at_zero(rows: int) -> Counts:
    """As many rows as that, all of them like the first one of `COUNTS`."""
    return Counts(PROFILE, rows, COUNTS.cells // COUNTS.rows * rows, COUNTS.missing, COUNTS.beyond)


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["reason"])


@in_loop
async def test_an_unknown_profile_is_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        answer = await rig.send(Pod("a", PROFILE), START, COUNTS)
        assert (answer.status_code, reason(answer)) == (404, "profile_unknown")
        assert (await rig.put_profile(PROFILE)).status_code == 201
        assert (await rig.put_profile(PROFILE)).status_code == 200
        assert (await rig.send(Pod("a", PROFILE), START, COUNTS)).status_code == 201
        document = await rig.get(profile_path("m", PROFILE.hash))
    assert document == PROFILE.to_dict()


@in_loop
async def test_a_profile_under_another_hash_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        swapped = await rig.client.put(profile_path("m", OTHER.hash), content=PROFILE.to_bytes())
        broken = await rig.client.put(profile_path("m", OTHER.hash), content=b"{}")
        named = await rig.put_profile(PROFILE, "Not_A_Name")
    assert (swapped.status_code, reason(swapped)) == (422, "not_this_profile")
    assert (broken.status_code, reason(broken)) == (422, "not_a_profile")
    assert (named.status_code, reason(named)) == (422, "bad_name")


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        ({"shard": 1, "shards": 2}, 421, "other_shard"),
        ({"instance": "b"}, 422, "not_this_pane"),
        ({"pane": START + 1}, 422, "not_this_pane"),
        ({"model": "n"}, 422, "not_this_pane"),
        ({"rows": 6}, 422, "bad_counts"),
        ({"counts": b"nonsense"}, 422, "bad_counts"),
        ({"counts": OTHER.count(np.zeros((5, 2))).to_bytes()}, 422, "profile_mismatch"),
        ({"rows_before": 1 << 60}, 422, "too_many_rows"),
        ({"rows": 1 << 41}, 422, "too_many_rows"),
    ],
    ids=lambda value: str(value)[:30],
)
@in_loop
async def test_a_message_that_is_not_this_pane(
    tmp_path: Path, change: dict[str, Any], status: int, why: str
) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        pod = Pod("a", PROFILE)
        answer = await rig.client.put(pod.path(START), content=pod.message(START, COUNTS, **change))
        metrics = await rig.metrics()
    assert (answer.status_code, reason(answer)) == (status, why)
    assert metrics[f'tidegauge_aggregator_refused_total{{reason="{why}"}}'] == 1
    assert 'tidegauge_aggregator_rows_total{model="m"}' not in metrics


@in_loop
async def test_a_pane_of_the_future_is_taken_when_its_time_has_come(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        pod = Pod("a", PROFILE)
        message = pod.message(START + 7, COUNTS)
        early = await rig.client.put(pod.path(START + 7), content=message)
        rig.clock.now += 30
        in_time = await rig.client.put(pod.path(START + 7), content=message)
    assert (early.status_code, reason(early)) == (425, "future")
    assert in_time.status_code == 201


@in_loop
async def test_a_pane_older_than_the_retention_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, Clock(), retention_seconds=3600) as rig:
        await rig.put_profile(PROFILE)
        kept = await rig.send(Pod("a", PROFILE), START - 360, COUNTS)
        old = await rig.send(Pod("b", PROFILE), START - 362, COUNTS)
    assert kept.status_code == 201
    assert (old.status_code, reason(old)) == (422, "older_than_retention")


@in_loop
async def test_a_clock_that_jumps_back_counts_nothing_twice(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        pod = Pod("a", PROFILE)
        message = pod.message(START, COUNTS)
        await rig.client.put(pod.path(START), content=message)
        await rig.evaluate(START)
        rig.clock.now -= 7200
        answer = await rig.client.put(pod.path(START), content=message)
        await rig.scheduler.step()
        waiting = await rig.report()
        await rig.evaluate(START + 1)
        report = await rig.report()
    assert answer.status_code == 425
    assert waiting["coverage"]["newest_pane_age_seconds"] == 0
    assert report["rows"] == 5


@in_loop
async def test_writes_need_the_token_and_reads_do_not(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    async with running(tmp_path / "data", Clock(), token=token) as rig:
        paths = [
            profile_path("m", PROFILE.hash),
            pane_path("m", PROFILE.hash, 1, "a"),
        ]
        for path in paths:
            assert (await rig.client.put(path)).status_code == 401
            wrong = await rig.client.put(path, headers={"authorization": "Bearer second"})
            assert (wrong.status_code, reason(wrong)) == (403, "wrong_token")
        bearer = {"authorization": "Bearer first"}
        answer = await rig.client.put(paths[0], content=PROFILE.to_bytes(), headers=bearer)
        assert answer.status_code == 201
        assert (await rig.client.get("/v1/report")).status_code == 200
        token.write_text("second\n")
        rig.gate.refresh()
        assert (await rig.client.put(paths[0], headers=bearer)).status_code == 403
        token.write_text("")
        rig.gate.refresh()
        answer = await rig.client.put(paths[0], headers={"authorization": "Bearer second"})
    assert answer.status_code == 200, "an empty token file must not open or close the writes"


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    for headers, most in (([(b"content-length", b"9999")], 0), ([], 6)):
        read = 0
        with pytest.raises(Refusal) as refused:
            asyncio.run(read_body({"headers": headers}, receive, 5000))
        assert refused.value.status == 413
        assert read <= most
    assert MAX_PANE_BYTES <= MAX_PROFILE_BYTES


@in_loop
async def test_questions_that_cannot_be_answered_say_why(tmp_path: Path) -> None:
    expected = {
        "/v1/report": (404, "model_unknown"),
        "/v1/report?model=n": (404, "model_unknown"),
        "/v1/features/x9?model=m": (404, "feature_unknown"),
        "/v1/history?model=m&since=yesterday": (422, "bad_query"),
        "/v1/history?model=m&limit=0": (422, "bad_query"),
        f"/v1/report?model=m&profile={OTHER.hash}": (404, "profile_unknown"),
        "/v1/nothing": (404, "no_such_route"),
    }
    async with running(tmp_path, Clock()) as rig:
        empty = await rig.client.get("/v1/report")
        await rig.put_profile(PROFILE)
        await rig.put_profile(PROFILE, "n2")
        unnamed = await rig.client.get("/v1/report")
        found = {path: await rig.client.get(path) for path in list(expected)[1:]}
        posted = await rig.client.post(profile_path("m", PROFILE.hash), content=PROFILE.to_bytes())
    assert (empty.status_code, reason(empty)) == (404, "model_unknown")
    assert "no model has sent a profile yet: ask again" in empty.text
    assert (unnamed.status_code, reason(unnamed)) == (400, "model_needed")
    assert {path: (a.status_code, reason(a)) for path, a in found.items()} == dict(list(expected.items())[1:])
    assert (posted.status_code, reason(posted)) == (405, "method_not_allowed")


@pytest.mark.parametrize("pods", ["-1", '"3"', "1.5", "true", "[]"])
def test_expected_pods_must_be_a_whole_number(pods: str) -> None:
    with pytest.raises(ResourceError, match=r"models\.m\.expected_pods .* whole number"):
        parse_config(f'{{"models": {{"m": {{"expected_pods": {pods}}}}}}}'.encode())


# --- anything at all -----------------------------------------------------------------------------------

MUTATIONS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from(["flip", "cut", "insert"])),
    min_size=1,
    max_size=4,
)
SEGMENT = st.text(min_size=1, max_size=12).filter(lambda s: s not in (".", ".."))


def mutate(data: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    for place, value, kind in changes:
        i = place % (len(data) + 1)
        data = {
            "flip": data[:i] + bytes([value]) + data[i + 1 :],
            "cut": data[:i],
            "insert": data[:i] + bytes([value]) + data[i:],
        }[kind]
    return data


async def ask(rig: Rig, method: str, path: str, body: bytes) -> httpx.Response:
    return await rig.client.request(
        method, httpx.URL("http://aggregator").copy_with(raw_path=path.encode()), content=body
    )


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error", "reason"}


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.slow
def test_changed_bytes_are_never_counted_as_if_they_were_sent(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Mutated panes and random bytes: refused, or the very bytes that were meant; the sum stays right."""

    @SETTINGS
    @given(st.lists(MUTATIONS, min_size=1, max_size=6), st.binary(max_size=60))
    def act(several: list[list[tuple[int, int, str]]], noise: bytes) -> None:
        asyncio.run(scenario(several, noise))

    async def scenario(several: list[list[tuple[int, int, str]]], noise: bytes) -> None:
        async with running(tmp_path_factory.mktemp("data"), Clock()) as rig:
            await rig.put_profile(PROFILE)
            pod = Pod("a", PROFILE)
            message = pod.message(START, COUNTS)
            for body in [*(mutate(message, changes) for changes in several), noise]:
                answer = await rig.client.put(pod.path(START), content=body)
                check(answer)
                assert answer.status_code in (422, 413) or body == message
                check(
                    await rig.client.put(
                        profile_path("m", OTHER.hash), content=mutate(OTHER.to_bytes(), several[0])
                    )
                )
            await rig.client.put(pod.path(START), content=message)
            await rig.evaluate(START)
            assert (await rig.report(model="m"))["coverage"]["rows_counted"] == 5

    act()


@pytest.mark.slow
def test_no_request_is_answered_with_a_fault(tmp_path_factory: pytest.TempPathFactory) -> None:
    parts = st.one_of(
        SEGMENT, st.sampled_from(["m", PROFILE.hash, str(START), "a", "..", "%00", "%ff", "-1", "9" * 40])
    )
    paths = st.one_of(
        st.builds("/v1/models/{}/profiles/{}/panes/{}/{}".format, parts, parts, parts, parts),
        st.builds("/v1/models/{}/profiles/{}".format, parts, parts),
        st.builds(
            "/v1/{}?model={}&profile={}".format,
            st.sampled_from(["report", "features/x0", "features/"]),
            parts,
            parts,
        ),
        st.builds("/v1/history?since={}&limit={}&model={}".format, parts, parts, parts),
        st.builds("/{}".format, parts),
    )

    async def act(rig: Rig, requests: list[tuple[str, str, bytes]]) -> None:
        for method, path, body in requests:
            check(await ask(rig, method, quote(path, safe="/?=&%"), body))

    async def main(drawn: list[list[tuple[str, str, bytes]]]) -> None:
        async with running(tmp_path_factory.mktemp("data"), Clock()) as rig:
            await rig.put_profile(PROFILE)
            for requests in drawn:
                await act(rig, requests)
            assert (await rig.client.get("/healthz")).status_code == 200

    drawn: list[list[tuple[str, str, bytes]]] = []

    @settings(SETTINGS, max_examples=300)
    @given(
        st.lists(
            st.tuples(st.sampled_from(["GET", "PUT", "POST", "DELETE"]), paths, st.binary(max_size=30)),
            max_size=4,
        )
    )
    def draw(requests: list[tuple[str, str, bytes]]) -> None:
        drawn.append(requests)

    draw()
    asyncio.run(main(drawn))


@in_loop
async def test_numbers_at_the_edge_of_what_can_be_stored_are_refused_or_kept(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        pod = Pod("a", PROFILE)
        for pane, before in enumerate((0, (1 << 53) - 1, 1 << 53, (1 << 63) - 1)):
            message = pod.message(START + pane, COUNTS, rows_before=before, lost_before=before)
            check(await rig.client.put(pod.path(START + pane), content=message))
        for pane, rows in enumerate((1 << 32, MAX_PANE_ROWS, MAX_PANE_ROWS + 1), START + 4):
            check(await rig.send(Pod(f"of-{rows}", PROFILE), pane, all_at_zero(rows)))
        await rig.evaluate(START + 6)
        report = await rig.report()
        json.dumps(report, allow_nan=False)
        check(await rig.client.get("/metrics"))
    assert (report["pane"], report["verdict"]) == (START + 6, "Drifting")
    assert report["features"][0]["window_rows"] > MAX_PANE_ROWS
    assert {pod["rows"] for pod in report["features"][0]["pods"]} == {1 << 32, MAX_PANE_ROWS}
