"""The credentials that the watches and the API server get."""

import asyncio
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration
from tidegauge_operator.kube.client import Cluster, connect
from tidegauge_operator.kube.kinds import MODELS


@pytest.mark.parametrize(
    ("header", "token"),
    [("bearer inside-a-pod", "inside-a-pod"), ("Bearer of-a-kubeconfig", "of-a-kubeconfig"), ("", None)],
)
def test_a_token_is_passed_on_without_its_scheme(header: str, token: str | None) -> None:
    """The client library writes the scheme small inside a pod and large from a kubeconfig."""

    async def credentials() -> str | None:
        configuration = Configuration()
        if header:
            configuration.api_key["BearerToken"] = header
        cluster = Cluster(ApiClient(configuration))
        try:
            return (await cluster.credentials()).token
        finally:
            await cluster.close()

    assert asyncio.run(credentials()) == token


def test_a_password_that_lies_about_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc is for other programs: the kubeconfig alone says who we are."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sent: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.headers.get("Authorization"))
        return web.json_response({"resources": []})

    async def ask() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with TestServer(app, host="127.0.0.1") as server:
            there = {"name": "here", "cluster": {"server": str(server.make_url("")).rstrip("/")}}
            context = {"name": "here", "context": {"cluster": "here", "user": "nobody"}}
            users = [{"name": "nobody", "user": {}}]
            config = {"current-context": "here", "clusters": [there], "contexts": [context], "users": users}
            (tmp_path / "config").write_text(yaml.safe_dump(config))
            cluster = await connect(tmp_path / "config")
            try:
                assert not await cluster.serves(MODELS)
            finally:
                await cluster.close()

    asyncio.run(ask())
    assert sent == [None]
