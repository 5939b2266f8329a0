"""What the local stack reads in a program's readiness."""

import json

import pytest
from support.stub_server import stub_server

from tidegauge.local.network import unhealthy


@pytest.mark.parametrize(
    "body",
    [
        {"error": "the model is being loaded", "reason": "not_ready"},
        {"error": {"message": "the model is being loaded", "reason": "not_ready"}},
    ],
    ids=["the model server", "the sidecar and the aggregator"],
)
def test_why_a_program_is_not_well_is_in_its_own_words(body: object) -> None:
    with stub_server(lambda _path, _body: (503, json.dumps(body).encode())) as url:
        assert unhealthy(int(url.rpartition(":")[2]), "/readyz", 10) == "the model is being loaded"
