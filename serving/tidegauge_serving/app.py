"""The FastAPI application behind the hot path: documentation, health, metadata, metrics, wrong turns."""

from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tidegauge.__about__ import __version__
from tidegauge_serving.gate import Gate
from tidegauge_serving.health import LIVE_PATHS, READY_PATHS
from tidegauge_serving.refusal import Refusal
from tidegauge_serving.schema import RowSchema
from tidegauge_serving.service import Service

__all__ = ["make_app"]

Scalar = float | int | str | bool


class PredictRequest(BaseModel):
    """One row by names."""

    features: dict[str, float | str | bool | None] = Field(
        description="Every feature of the model; null is a missing value",
        examples=[{"sqft": 2000, "age": 10}],
    )


class PredictResponse(BaseModel):
    """The row's prediction."""

    prediction: Scalar | None = Field(description="A number, or the class label")
    drift_score: float = Field(description="Mean |z| of the numeric features against the training data")
    timestamp: str = Field(description="When it was answered, RFC 3339 in UTC")
    features_received: int = Field(description="Number of features")


class V1Request(BaseModel):
    """Rows as objects by name, or as lists in the model's order."""

    instances: list[dict[str, float | str | bool | None] | list[float | str | bool | None]]


class V1Response(BaseModel):
    """One prediction per row."""

    predictions: list[Scalar | None]


class V2Tensor(BaseModel):
    """All features, shape (n, features), or one feature by name, shape (n,) or (n, 1)."""

    name: str
    shape: list[int]
    datatype: str = Field(description="FP16 FP32 FP64 INT8..64 UINT8..64 BOOL BYTES")
    data: list[Any]


class V2Request(BaseModel):
    """An Open Inference Protocol request."""

    id: str | None = None
    inputs: list[V2Tensor]
    outputs: list[dict[str, Any]] | None = Field(None, description="prediction, probability, drift_score")


class V2Response(BaseModel):
    """An Open Inference Protocol answer."""

    model_name: str
    id: str | None = None
    outputs: list[V2Tensor]


class ErrorResponse(BaseModel):
    """Every refusal looks like this: the protocols' error, and the reason in one word."""

    error: str = Field(description="What is wrong: the field and the rule")
    reason: str = Field(description="The same in one word, for programs")


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 404, 405, 413, 415, 422, 503)
}


def make_app(gate: Gate, registry: CollectorRegistry) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    gate
        The server's state.
    registry
        What ``/metrics`` shows.
    """
    app = FastAPI(
        title="Tidegauge model server", version=__version__, redirect_slashes=False, responses=_ERRORS
    )
    _add_errors(app, gate)
    _add_health(app, gate, registry)
    _add_metadata(app, gate)
    _add_predictions(app, gate)
    return app


def _add_errors(app: FastAPI, gate: Gate) -> None:
    async def refuse(request: Request, error: Exception) -> Response:
        refusal = error if isinstance(error, Refusal) else _of_http(request, error)
        gate.metrics.errors[refusal.reason] += 1
        if refusal.reason != "not_ready" or request.method == "POST":  # a probe's 503 is no request's
            gate.metrics.requests[_protocol(request.url.path), refusal.status] += 1
        headers = getattr(error, "headers", None)
        return Response(refusal.body(), refusal.status, headers, "application/json")

    app.add_exception_handler(Refusal, refuse)
    app.add_exception_handler(HTTPException, refuse)


def _protocol(path: str) -> str:
    """The label of a request that was refused before any protocol read it."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("predict", "v1", "v2") else "other"


def _of_http(request: Request, error: Exception) -> Refusal:
    """FastAPI's own refusals: a path or a method that is not there."""
    if getattr(error, "status_code", 404) == 405:
        allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
        return Refusal("method_not_allowed", f"{request.method} {request.url.path}: it takes {allowed}")
    return Refusal("not_found", f"no {request.url.path[:200]!r} here: /docs lists the paths")


def _add_health(app: FastAPI, gate: Gate, registry: CollectorRegistry) -> None:
    async def live() -> dict[str, bool]:
        """Whether the process answers."""
        return {"live": True}

    async def ready() -> dict[str, bool]:
        """Whether predictions are answered; 503 with the reason while not."""
        if not gate.ready:
            raise Refusal("not_ready", gate.reason)
        return {"ready": True}

    async def model_ready(model: str) -> dict[str, Any]:
        """Whether this model answers predictions."""
        gate.require(model)
        await ready()
        return {"name": model, "ready": True}

    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    for path in LIVE_PATHS:
        app.get(path, tags=["health"])(live)
    for path in READY_PATHS:
        app.get(path, tags=["health"])(ready)
    app.get("/v2/models/{model}/ready", tags=["health"])(model_ready)
    app.get("/metrics", tags=["health"], response_class=Response)(metrics)


def _add_metadata(app: FastAPI, gate: Gate) -> None:
    async def v1_models() -> dict[str, list[str]]:
        """Names of the models here."""
        return {"models": [] if gate.service is None else [gate.service.name]}

    async def v1_model(model: str) -> dict[str, Any]:
        """Whether the model is ready."""
        if model.endswith(":predict"):
            raise Refusal("method_not_allowed", f"GET /v1/models/{model}: it takes POST")
        gate.require(model)
        return {"name": model, "ready": gate.ready}

    async def v2_server() -> dict[str, Any]:
        """The server's metadata."""
        return {"name": "tidegauge", "version": __version__, "extensions": ["binary_tensor_data"]}

    async def v2_model(model: str) -> dict[str, Any]:
        """The model's inputs and outputs."""
        service = gate.require(model)
        return {
            "name": service.name,
            "versions": [],
            "platform": service.platform,
            "inputs": [_v2_input(service.schema, at) for at in range(len(service.schema.names))],
            "outputs": _v2_outputs(service),
        }

    async def no_versions(model: str) -> None:
        """A client that was told a version: which one is here, nobody can say."""
        name = gate.require(model).name
        raise Refusal(
            "not_found", f"versions are not served: leave /versions/... out and ask /v2/models/{name}"
        )

    app.get("/v1/models", tags=["v1"])(v1_models)
    app.get("/v1/models/{model}", tags=["v1"])(v1_model)
    app.get("/v2", tags=["v2"])(v2_server)
    app.get("/v2/models/{model}", tags=["v2"])(v2_model)
    app.api_route(
        "/v2/models/{model}/versions/{rest:path}", methods=["GET", "POST"], include_in_schema=False
    )(no_versions)


def _v2_input(schema: RowSchema, at: int) -> dict[str, Any]:
    feature, column = schema.features[at], schema.types[at]
    number = {"float32": "FP32", "float64": "FP64"}.get(getattr(feature, "dtype", ""), "BYTES")
    datatype = "BOOL" if column == "boolean" else number
    return {"name": schema.names[at], "datatype": datatype, "shape": [-1]}


def _v2_outputs(service: Service) -> list[dict[str, Any]]:
    label = {"name": "prediction", "datatype": service.label_datatype, "shape": [-1]}
    if not service.has_probabilities:
        return [label]
    return [label, {"name": "probability", "datatype": "FP64", "shape": [-1, len(service.classes) or -1]}]


def _add_predictions(app: FastAPI, gate: Gate) -> None:
    """Documentation of what the hot path answers. A request that comes here is one that it did not take."""

    async def not_taken(request: Request) -> Response:
        gate.require(request.path_params.get("model"))
        raise Refusal("not_found", f"no {request.url.path[:200]!r} here: /docs lists the paths")

    for path, tag, asked, answered, text in (
        ("/predict", "predict", PredictRequest, PredictResponse, "Predict one row, with its drift score"),
        ("/v1/models/{model}:predict", "v1", V1Request, V1Response, "Predict rows, V1"),
        ("/v2/models/{model}/infer", "v2", V2Request, V2Response, "Predict rows, Open Inference Protocol V2"),
    ):
        parameters = [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]
        body = {"required": True, "content": {"application/json": {"schema": _inlined(asked)}}}
        extra: dict[str, Any] = {"requestBody": body}
        if "{model}" in path:
            extra["parameters"] = parameters
        app.post(path, tags=[tag], summary=text, response_model=answered, openapi_extra=extra)(not_taken)


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema with its definitions in place, to stand inside the OpenAPI document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            return (
                resolve(definitions[name])
                if name in definitions
                else {k: resolve(v) for k, v in part.items()}
            )
        return [resolve(each) for each in part] if isinstance(part, list) else part

    resolved: dict[str, Any] = resolve(schema)
    return resolved
