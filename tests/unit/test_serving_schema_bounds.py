"""The bounds in `/openapi.json` are those of the server, to the last digit."""

import json
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

import pytest
from support.serving_app import App
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle

MADE = {"float32": (house_bundle, HOUSE_ROW, "sqft"), "float64": (flight_bundle, FLIGHT_ROW, "distance")}


@pytest.fixture(scope="module", params=MADE)
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[App, dict[str, Any], str, dict[str, int]]]:
    """A server, a row, a feature of this dtype, and its bounds in the document."""
    make, row, name = MADE[request.param]
    folder = tmp_path_factory.mktemp("bounds")
    app = App(make(folder / "bundle"), folder / "log")
    body = app.get("/openapi.json")[1]["paths"]["/predict"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    yield app, row, name, schema["properties"]["features"]["properties"][name]
    app.close()


EXACT = Context(prec=400)


def numbers(largest: int) -> list[Decimal]:
    """Around a bound, and far from it."""
    near = [EXACT.add(Decimal(largest), Decimal(change)) for change in (-1, 0, 1)]
    short = [EXACT.multiply(Decimal(largest), Decimal(factor)) for factor in ("0.99999", "1.00001")]
    return [*near, *short, Decimal(1), Decimal(0)]


@pytest.mark.slow
def test_a_number_is_answered_if_the_schema_allows_it(asked: tuple[App, Any, str, dict[str, int]]) -> None:
    app, row, name, bounds = asked
    largest = bounds["maximum"]
    assert isinstance(largest, int), "to the last digit"
    assert bounds["minimum"] == -largest
    seen = set()
    for number in numbers(largest):
        for signed in (number, EXACT.minus(number)):
            text = format(signed, "f")
            body = json.dumps({"features": {**row, name: "@"}}).replace('"@"', text)
            status = app.ask("POST", "/predict", body.encode())[0]
            assert (status == 200) == (number <= largest), text
            seen.add(status)
    assert seen == {200, 422}
