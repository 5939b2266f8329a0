"""What the watches are told of who we are."""

import asyncio

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from tidegauge_operator.cluster import Cluster


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
