"""Other people's clients and a generator of requests, at the real server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.foreign_clients import foreign_clients, run_client
from support.serving_bundles import flight_bundle, flight_frame, flight_pipeline, house_bundle
from support.serving_process import ServingProcess, serving

ASK = Path(__file__).parents[1] / "clients" / "ask.py"
ROWS = pd.DataFrame({"temp": [12.5, -3.0], "carrier": ["UA", "AA"], "distance": [800.0, 250.0]})


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    scratch = tmp_path_factory.mktemp("flights")
    with serving(flight_bundle(scratch / "bundle"), scratch=scratch) as running:
        yield running.wait_ready()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    scratch = tmp_path_factory.mktemp("house")
    with serving(house_bundle(scratch / "bundle"), scratch=scratch) as running:
        yield running.wait_ready()


@pytest.fixture(scope="module")
def answers(flights: ServingProcess) -> dict[str, dict[str, Any]]:
    foreign_clients(print)
    run = run_client(str(ASK), str(flights.port))
    assert run.returncode == 0, run.stderr
    found: dict[str, dict[str, Any]] = json.loads(run.stdout.splitlines()[-1])
    return found


def original() -> tuple[list[str], np.ndarray]:
    """What the model itself says of the rows that the clients send."""
    frame = flight_frame()
    X = frame.drop(columns="late")
    X["carrier"] = X["carrier"].where(X["carrier"].notna(), "")
    model = flight_pipeline().fit(X, frame["late"])
    return model.predict(ROWS).tolist(), model.predict_proba(ROWS)


def assert_original(found: list[Any]) -> None:
    labels, probabilities = original()
    assert found[0] == labels
    np.testing.assert_allclose(found[1], probabilities, atol=1e-5)


def test_tritonclient_gets_the_model_s_answers_however_it_asks(answers: dict[str, dict[str, Any]]) -> None:
    asked = {name: found for name, found in answers["triton"].items() if name.startswith("infer")}
    assert len(asked) == 13, "binary or JSON, compressed or not, with a version or without, by other names"
    for found in asked.values():
        assert_original(found)


def test_tritonclient_finds_the_server_and_any_version_of_the_model(
    answers: dict[str, dict[str, Any]],
) -> None:
    found = answers["triton"]
    assert found.pop("server") == "tidegauge"
    assert all(found[name] is True for name in ("live", "ready", "model", "version", "metadata"))


def test_kserve_s_client_gets_the_model_s_answers(answers: dict[str, dict[str, Any]]) -> None:
    found = answers["kserve"]
    assert found["v1"] == original()[0]
    assert_original(found["v2"])
    health = [found[name] for name in ("live", "live v2", "ready", "ready v2", "ready server")]
    assert health == [True] * 5


def test_a_transformer_of_kserve_passes_an_answer_on_by_grpc(answers: dict[str, dict[str, Any]]) -> None:
    assert_original(answers["kserve"]["grpc"])


def test_probabilities_are_answered_on_request(flights: ServingProcess) -> None:
    labels, probabilities = original()
    wish = {"parameters": {"probabilities": True}}
    rows = ROWS.to_dict("records")
    status, answer = flights.post("/v1/models/late-flights:predict", {"instances": rows, **wish})
    assert (status, answer["classes"]) == (200, ["late", "on time"])
    assert_original([answer["predictions"], answer["probabilities"]])
    for row, label, wanted in zip(rows, labels, probabilities, strict=True):
        status, answer = flights.post("/predict", {"features": row, **wish})
        assert (status, answer["prediction"]) == (200, label)
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)


def only_the_model_refused(said: str) -> bool:
    """Whether all failures are values that the model answers with no number: no schema can name those."""
    _, *failures = said.split("Test Case ID: ")
    codes = {code for each in failures for code in re.findall(r"- (ST\d+)", each)}
    known = codes == {"ST202"} and all('"reason":"model_refused"' in each for each in failures)
    return known and "Errors:" not in said


def generate(server: ServingProcess, folder: Path, examples: int, seed: int) -> None:
    """Run schemathesis over all operations of the document as it is, with all of its checks."""
    foreign_clients(print)
    url = f"http://127.0.0.1:{server.port}/openapi.json"
    options = [f"--max-examples={examples}", f"--seed={seed}", "--no-color"]
    run = run_client("schemathesis.cli", "run", url, *options, folder=folder, seconds=3_000)
    assert run.returncode == 0 or only_the_model_refused(run.stdout), (
        run.stdout[-6_000:] + run.stderr[-2_000:]
    )
    assert "Operations:       18 selected / 18 total" in run.stdout
    assert server.process.poll() is None


@pytest.mark.parametrize("name", ["house", "flights"])
def test_no_check_of_schemathesis_fails(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    generate(request.getfixturevalue(name), tmp_path, examples=5, seed=7)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["house", "flights"])
def test_no_check_of_schemathesis_fails_for_long(
    name: str, seed: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    generate(request.getfixturevalue(name), tmp_path, examples=200, seed=seed)
