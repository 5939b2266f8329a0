"""The FastAPI application behind the fast path: documentation, health, metadata, metrics, wrong turns."""

from copy import deepcopy
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from tidegauge.__about__ import __version__
from tidegauge.http.openapi_page import PAGE_HEADERS, openapi_page
from tidegauge.http.routes import AsgiApp, HeadAsGet, allowed_methods
from tidegauge_serving.http.health import LIVE_PATHS, READY_PATHS
from tidegauge_serving.http.openapi import (
    ERRORS,
    binary_answers,
    describe_answers,
    describe_requests,
    json_answers,
)
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.predict.service import Service
from tidegauge_serving.protocols.answers import (
    PredictAnswer,
    V1Answer,
    V2Answer,
    V2ModelAnswer,
    V2ServerAnswer,
    V2TensorMetadata,
)
from tidegauge_serving.protocols.v2 import input_datatypes
from tidegauge_serving.rows.refusal import Refusal, internal_error

__all__ = ["make_app"]

V2_MODEL: Final = "/v2/models/{model}"
V2_VERSION: Final = "/v2/models/{model}/versions/{version}"


class _NameConvertor(Convertor[str]):
    """A model's name without a verb behind it: ``NAME:predict`` is no name."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("model_name", _NameConvertor())


def make_app(state: ServingState, registry: CollectorRegistry) -> AsgiApp:
    """Build the application.

    Parameters
    ----------
    state
        The server's state.
    registry
        What ``/metrics`` shows.
    """
    app = FastAPI(
        title="Tidegauge model server",
        version=__version__,
        redirect_slashes=False,
        responses=ERRORS,
        docs_url=None,
        redoc_url=None,
    )
    _add_errors(app, state)
    _add_health(app, state, registry)
    _add_v1_metadata(app, state)
    _add_v2_metadata(app, state)
    _add_predictions(app, state)
    _add_documentation(app, state)
    return HeadAsGet(app)


def _add_errors(app: FastAPI, state: ServingState) -> None:
    async def refuse(request: Request, error: Exception) -> Response:
        refusal = _refusal(app, request, error)
        state.metrics.errors[refusal.reason] += 1
        if refusal.reason != "not_ready" or request.method == "POST":  # a probe's 503 is no request's
            state.metrics.requests[_protocol(request.url.path), refusal.status] += 1
        return Response(refusal.body(), refusal.status, refusal.headers, "application/json")

    for kind in (Refusal, HTTPException, Exception):
        app.add_exception_handler(kind, refuse)


def _protocol(path: str) -> str:
    """The label of a request that was refused before any protocol read it."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("predict", "v1", "v2") else "other"


def _refusal(app: FastAPI, request: Request, error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, HTTPException):
        return internal_error(error)
    if error.status_code != 405:
        return _no_path(request)
    allowed = ", ".join(allowed_methods(app.routes, request.scope))
    refusal = Refusal("method_not_allowed", f"{request.method} {request.url.path[:200]}: it takes {allowed}")
    refusal.headers["allow"] = allowed
    return refusal


def _no_path(request: Request) -> Refusal:
    return Refusal("not_found", f"no {request.url.path[:200]!r} here: /docs lists the paths")


def _add_health(app: FastAPI, state: ServingState, registry: CollectorRegistry) -> None:
    async def live() -> dict[str, bool]:
        """Return whether the process answers."""
        return {"live": True}

    async def ready() -> dict[str, bool]:
        """Return whether predictions are answered; 503 with the reason while not."""
        if not state.ready:
            raise Refusal("not_ready", state.reason)
        return {"ready": True}

    async def alive() -> dict[str, str]:
        """Return whether the process answers, as KServe's V1 client asks it."""
        return {"status": "alive"}

    async def metrics() -> Response:
        """Return Prometheus text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    for path in LIVE_PATHS:
        app.get(path, tags=["health"])(live)
    for path in READY_PATHS:
        app.get(path, tags=["health"])(ready)
    app.get("/", tags=["health"])(alive)
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
    app.get("/metrics", tags=["health"], response_class=Response, responses=text)(metrics)


def _add_v1_metadata(app: FastAPI, state: ServingState) -> None:
    async def v1_models() -> dict[str, list[str]]:
        """Return names of the models here."""
        return {"models": [] if state.service is None else [state.service.name]}

    async def v1_model(model: str) -> dict[str, Any]:
        """Return whether the model is ready."""
        state.require(model)
        return {"name": model, "ready": state.ready}

    app.get("/v1/models", tags=["v1"])(v1_models)
    app.get("/v1/models/{model:model_name}", tags=["v1"])(v1_model)


def _add_v2_metadata(app: FastAPI, state: ServingState) -> None:
    async def v2_server() -> Response:
        """Return the server's metadata."""
        return _json(V2ServerAnswer("tidegauge", __version__, ["binary_tensor_data"]))

    async def v2_model(model: str) -> Response:
        """Return the model's inputs and outputs. A bundle has no version: any is answered alike."""
        return _json(_v2_model(state.require(model)))

    async def model_ready(model: str) -> dict[str, Any]:
        """Return whether this model answers predictions. A bundle has no version: any is answered alike."""
        state.require(model)
        if not state.ready:
            raise Refusal("not_ready", state.reason)
        return {"name": model, "ready": True}

    for path in ("/v2", "/v2/"):
        app.get(path, tags=["v2"], responses=json_answers(V2ServerAnswer))(v2_server)
    for path in (V2_MODEL, V2_VERSION):
        extra = {"parameters": [_parameter("version")]} if path == V2_VERSION else None
        described = json_answers(V2ModelAnswer)
        app.get(path, tags=["v2"], responses=described, openapi_extra=extra)(v2_model)
        app.get(f"{path}/ready", tags=["v2"], openapi_extra=extra)(model_ready)


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _v2_model(service: Service) -> V2ModelAnswer:
    label = V2TensorMetadata("prediction", service.label_datatype, [-1])
    probability = V2TensorMetadata("probability", "FP64", [-1, len(service.classes) or -1])
    inputs = zip(service.schema.names, input_datatypes(service.schema), strict=True)
    return V2ModelAnswer(
        name=service.name,
        versions=[],
        platform=service.platform,
        inputs=[V2TensorMetadata(name, datatype, [-1]) for name, datatype in inputs],
        outputs=[label, probability] if service.has_probabilities else [label],
    )


_PREDICTIONS: Final = (
    ("predict", "/predict", PredictAnswer, "Predict one row, with its drift score"),
    ("v1", "/v1/models/{model:model_name}:predict", V1Answer, "Predict rows, V1"),
    ("v2", f"{V2_MODEL}/infer", V2Answer, "Predict rows, Open Inference Protocol V2"),
    ("v2", f"{V2_VERSION}/infer", V2Answer, "The same: a bundle has no version, any is answered alike"),
)


def _add_predictions(app: FastAPI, state: ServingState) -> None:
    """Documentation of what the fast path answers. A request that comes here is one that it did not take."""

    async def not_taken(request: Request) -> Response:
        state.require(request.path_params.get("model"))
        raise _no_path(request)

    for protocol, path, answered, text in _PREDICTIONS:
        names = [name for name in ("model", "version") if f"{{{name}" in path]
        extra: dict[str, Any] = {"requestBody": {"required": True, "x-protocol": protocol}}
        if names:
            extra["parameters"] = [_parameter(name) for name in names]
        route = app.post(
            path,
            tags=[protocol],
            summary=text,
            responses=(binary_answers if protocol == "v2" else json_answers)(answered),
            openapi_extra=extra,
        )
        route(not_taken)


def _parameter(name: str) -> dict[str, Any]:
    said = {"model": "As `GET /v1/models` names it", "version": "Any"}[name]
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": said}


def _add_documentation(app: FastAPI, state: ServingState) -> None:
    without_model = app.openapi

    def openapi() -> dict[str, Any]:
        """Return the document, with names and example of the model that is served now."""
        return _of_model(without_model(), state.service)

    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_page(openapi()), headers=dict(PAGE_HEADERS))

    app.openapi = openapi  # type: ignore[method-assign]
    app.get("/docs", include_in_schema=False)(docs)


def _of_model(document: dict[str, Any], service: Service | None) -> dict[str, Any]:
    document = deepcopy(document)
    describe_answers(document)
    describe_requests(document, service)
    return document
