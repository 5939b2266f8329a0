"""The aggregator's paths: the methods of each, HEAD, and its page."""

from pathlib import Path

import pytest
from support.aggregator_rig import Clock, in_loop, running, small_profile

PROFILE = small_profile(features=2)
METHODS = {
    f"/v1/models/m/profiles/{PROFILE.hash}": "GET, HEAD, PUT",
    f"/v1/models/m/profiles/{PROFILE.hash}/panes/1/a": "PUT",
    "/v1/models": "GET, HEAD",
    "/v1/features/x0": "GET, HEAD",
    "/healthz": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/docs": "GET, HEAD",
}


@in_loop
async def test_a_method_that_a_path_does_not_take_is_told_those_that_it_takes(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        for path, allowed in METHODS.items():
            for method in {"GET", "HEAD", "POST", "DELETE", "PUT"} - set(allowed.split(", ")):
                answer = await rig.client.request(method, path)
                assert (answer.status_code, answer.headers["allow"]) == (405, allowed), (method, path)
                if method != "HEAD":
                    assert answer.json()["error"].endswith(f"it takes {allowed}")


@in_loop
async def test_head_is_answered_as_get(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        for path in ("/healthz", "/readyz", "/metrics", "/v1/models", "/docs", "/openapi.json"):
            got, asked = await rig.client.get(path), await rig.client.head(path)
            assert got.status_code == 200
            assert (asked.status_code, asked.headers["content-type"]) == (200, got.headers["content-type"])


@in_loop
async def test_the_page_loads_nothing_and_names_all_paths(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        answer = await rig.client.get("/docs")
        document = (await rig.client.get("/openapi.json")).json()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in answer.text
    assert "src=" not in answer.text
    assert answer.text.count("href=") == 1, "the document itself"
    assert all(f"<code>{path}</code>" in answer.text for path in document["paths"])


@pytest.mark.parametrize(
    "query",
    ["since=nan", "since=inf", f"since={'9' * 5_000}", "since=-1e400", f"limit={'9' * 5_000}", "since=²"],
)
@in_loop
async def test_an_oversized_number_in_a_query_is_no_server_error(tmp_path: Path, query: str) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        answer = await rig.client.get(f"/v1/history?model=m&{query}")
    assert answer.status_code in (200, 422)
