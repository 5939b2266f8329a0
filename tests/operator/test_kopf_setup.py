"""Kopf's session and settings: what they report, whom they act as, and what they watch."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tidegauge_operator.children.labels import SELECTOR
from tidegauge_operator.kube.client import Credentials
from tidegauge_operator.kube.kinds import MODELS
from tidegauge_operator.kube.kopf_setup import operator_settings, traced_session
from tidegauge_operator.kube.watches import WATCHED

Answer = tuple[str, bool, int]


async def answers_to(
    prefix: str, *requests: str, token: str | None = None
) -> tuple[list[Answer], list[str | None]]:
    """The answers that a session reports, and the authorization of each request; /gone is not found."""
    seen: list[Answer] = []
    sent: list[str | None] = []

    async def serve(request: web.Request) -> web.Response:
        sent.append(request.headers.get("Authorization"))
        return web.json_response({}, status=404 if request.path.endswith("/gone") else 200)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with TestServer(app, host="127.0.0.1") as server:
        address = str(server.make_url(prefix)).rstrip("/")
        given = Credentials(address, None, None, None, token, verify=True)
        session = traced_session(given, lambda *answer: seen.append(answer))
        async with session.aiohttp_session as client:
            for path in requests:
                async with client.get(f"{address}{path}"):
                    pass
    return seen, sent


@pytest.mark.parametrize("prefix", ["", "/k8s/clusters/c-1", "/api"])
def test_answers_are_reported_by_the_path_below_the_servers_address(prefix: str) -> None:
    listed, watched = "/api/v1/pods?limit=100", "/api/v1/pods?watch=true&resourceVersion=7"
    seen, _ = asyncio.run(answers_to(prefix, listed, watched, "/gone"))
    assert seen == [("/api/v1/pods", False, 200), ("/api/v1/pods", True, 200), ("/gone", False, 404)]


@pytest.mark.parametrize(("token", "header"), [("abc", "Bearer abc"), (None, None)])
def test_the_token_is_sent_where_there_is_one(token: str | None, header: str | None) -> None:
    _, sent = asyncio.run(answers_to("", "/api", token=token))
    assert sent == [header]


@pytest.mark.parametrize("single_namespaces", [True, False])
def test_definitions_are_scanned_only_by_an_operator_of_all_namespaces(single_namespaces: bool) -> None:
    assert operator_settings(single_namespaces).scanning.disabled is single_namespaces


def test_every_kind_but_the_models_is_watched_by_the_operators_label() -> None:
    selectors = operator_settings(False).watching.label_selectors
    labels = {(kind.group, kind.version, kind.any_name): label for kind, label in selectors.items()}
    kinds = {(kind.group, kind.version, kind.plural) for kind in WATCHED if kind is not MODELS}
    assert labels == dict.fromkeys(kinds, SELECTOR)
