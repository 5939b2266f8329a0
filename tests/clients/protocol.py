"""Holds answers against the Open Inference Protocol: python protocol.py FILE. Prints what does not fit.

FILE has one exchange a line: `{"method", "path", "status", "body"}`. The judges are the protocol's OpenAPI
file, as MLServer ships it, and the types by which KServe's server reads and writes the same messages.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
from kserve.protocol.rest import v2_datamodels as kserve
from pydantic import ValidationError

KSERVE = {
    "/v2/health/live": kserve.ServerLiveResponse,
    "/v2/health/ready": kserve.ServerReadyResponse,
    "/v2": kserve.ServerMetadataResponse,
    "/v2/models/{model_name}": kserve.ModelMetadataResponse,
    "/v2/models/{model_name}/ready": kserve.ModelReadyResponse,
    "/v2/models/{model_name}/infer": kserve.InferenceResponse,
}
ERROR = "#/components/schemas/MetadataServerErrorResponse"
REQUEST = "#/components/schemas/InferenceRequest"


def read_document() -> dict[str, Any]:
    """The file in MLServer's wheel; its code is not run."""
    spec = importlib.util.find_spec("mlserver")
    folder = Path(spec.submodule_search_locations[0])
    document = json.loads((folder / "rest" / "openapi" / "dataplane.json").read_text())
    document["components"]["schemas"]["TensorData"] = {
        "type": "array"
    }  # the file has a type of no JSON there
    return document


DOCUMENT = read_document()


def template(path: str) -> str | None:
    """The path of the document that a request's path is."""
    for known in DOCUMENT["paths"]:
        pattern = re.sub(r"\{\w+\}", "[^/]+", known)
        if re.fullmatch(pattern, path.rstrip("/")):
            return known
    return None


def fault(reference: str, body: object) -> str:
    """What a schema says against a body."""
    schema = {"$ref": reference, "components": DOCUMENT["components"]}
    errors = jsonschema_rs.validator_for(schema).iter_errors(body)
    return "; ".join(f"{error.instance_path}: {error.message}" for error in errors)


def schema_of(method: str, path: str | None, status: int) -> str | None:
    """The schema of an answer: every refusal is an error, though the file lists some of them only."""
    responses = DOCUMENT["paths"].get(path, {}).get(method.lower(), {}).get("responses", {})
    content = responses.get(str(status), {}).get("content", {})
    for media in content.values():
        return media["schema"]["$ref"]
    return ERROR if status >= 400 else None


def faults(exchange: dict[str, Any]) -> list[str]:
    """What is wrong with one exchange."""
    method, status, body = exchange["method"], exchange["status"], exchange["body"]
    path = template(exchange["path"])
    reference = schema_of(method, path, status)
    found = [] if reference is None else [fault(reference, body)]
    if status >= 400:
        found.append(fault(ERROR, body))
    if status == 200:
        found += ["no path of the protocol"] if path is None else []
        model = KSERVE[str(path).replace("/versions/{model_version}", "")]
        try:
            model.model_validate(body if model is not kserve.InferenceResponse else {"id": "", **body})
        except ValidationError as error:
            found.append(f"KServe: {error}")
    if exchange.get("request") is not None:
        found.append(fault(REQUEST, exchange["request"]))
    return [f"{method} {exchange['path']} {status}: {each}" for each in found if each]


EXCHANGES = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
print(json.dumps({"checked": len(EXCHANGES), "faults": [each for one in EXCHANGES for each in faults(one)]}))
