"""The HTTP edge: every route but the panes' own (`panes_route`). `docs/aggregator-api.md` describes it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from tidegauge.__about__ import __version__
from tidegauge.http import RefusedRequest
from tidegauge.http.openapi_page import PAGE_HEADERS, openapi_page
from tidegauge.http.routes import HeadAsGet, allowed_methods
from tidegauge.kit.refusal import Refusal
from tidegauge_aggregator.service.aggregator import MAX_PROFILE_BYTES, Aggregator
from tidegauge_aggregator.service.queries import Queries

from .access import TokenGate
from .openapi import ERRORS, PANE_BODY, PANE_ERRORS, PROFILE_BODY, WRITE_ERRORS, add_schemas, path_part
from .panes_route import App, PanesRoute, read_body

__all__ = ["App", "make_app", "make_routes", "refuse_connection"]

MAX_HISTORY: Final = 10_000

Model = Annotated[str | None, Query(description="Name of the model; may be left out when there is one.")]
ModelPart = Annotated[str, path_part("model")]
ProfilePart = Annotated[str, path_part("profile")]
PanePart = Annotated[str, path_part("pane")]
InstancePart = Annotated[str, path_part("instance")]
ProfileHash = Annotated[str | None, Query(description="Hash of a profile; the newest in use when left out.")]


def make_app(aggregator: Aggregator, gate: TokenGate, registry: CollectorRegistry, stack: str = "") -> App:
    """Make the whole ASGI application; of a local stack, readiness and report carry its id."""
    return PanesRoute(aggregator, gate, HeadAsGet(make_routes(aggregator, gate, registry, stack)))


def refuse_connection(aggregator: Aggregator, refused: RefusedRequest) -> bytes:
    """Count what the connection refuses before any route sees it; the answer's JSON."""
    reason = "too_large" if refused.reason == "body_too_large" else refused.reason
    aggregator.metrics.refused.labels(reason).inc()
    return json.dumps(Refusal(refused.status, reason, refused.message).to_dict()).encode()


def make_routes(
    aggregator: Aggregator, gate: TokenGate, registry: CollectorRegistry, stack: str = ""
) -> FastAPI:
    """Make all routes but the panes'."""
    identity = {"stack": stack} if stack else {}
    app = FastAPI(
        title="Tidegauge aggregator",
        version=__version__,
        description="Panes in, verdicts out.",
        responses=ERRORS,
        docs_url=None,
        redoc_url=None,
    )
    _add_errors(app, aggregator)
    _add_writes(app, aggregator, gate)
    _add_reads(app, Queries(aggregator), identity)
    _add_health(app, aggregator, registry, identity)
    _add_documentation(app)
    return app


def _add_writes(app: FastAPI, aggregator: Aggregator, gate: TokenGate) -> None:
    async def put_profile(
        model: ModelPart, profile: ProfilePart, request: Request, response: Response
    ) -> dict[str, str]:
        """Send a profile document, once for each model and profile."""
        gate.check(_authorization(request))
        document = await read_body(request.scope, request.receive, MAX_PROFILE_BYTES)
        if not await aggregator.put_profile(model, profile, document):
            response.status_code = 200
        return {"profile": profile}

    async def put_pane(
        model: ModelPart, profile: ProfilePart, pane: PanePart, instance: InstancePart
    ) -> dict[str, str]:
        """Send a pane message (docs/pane-format.md). `PanesRoute` answers it before it comes here."""
        raise Refusal(404, "no_such_route", f"no pane {pane!r} of {instance!r}: {model!r}, {profile!r}")

    path = "/v1/models/{model}/profiles/{profile}"
    app.put(path, status_code=201, responses=WRITE_ERRORS, openapi_extra=PROFILE_BODY)(put_profile)
    pane_path = path + "/panes/{pane}/{instance}"
    app.put(pane_path, status_code=201, responses=PANE_ERRORS, openapi_extra=PANE_BODY)(put_pane)


def _add_reads(app: FastAPI, queries: Queries, identity: dict[str, str]) -> None:
    @app.get("/v1/models/{model}/profiles/{profile}")
    async def get_profile(model: ModelPart, profile: ProfilePart) -> Response:
        """Return the profile document."""
        return Response(queries.profile(model, profile).to_bytes(), media_type="application/json")

    @app.get("/v1/models")
    async def get_models() -> JSONResponse:
        """Return the names of models, their profiles and verdicts."""
        return JSONResponse({"models": queries.models()})

    @app.get("/v1/report")
    async def get_report(model: Model = None, profile: ProfileHash = None) -> JSONResponse:
        """Return the model's verdict, feature by feature, with its coverage."""
        return JSONResponse(queries.report(model, profile) | identity)

    @app.get("/v1/features/{name:path}")
    async def get_feature(name: str, model: Model = None, profile: ProfileHash = None) -> JSONResponse:
        """Return one feature: reference against live as distributions, all its statistics, its recent D."""
        return JSONResponse(await queries.feature(name, model, profile))

    @app.get("/v1/history")
    async def get_history(
        model: Model = None,
        profile: ProfileHash = None,
        since: Annotated[
            str | None, Query(description="Seconds since the epoch, or an RFC 3339 time.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_HISTORY)] = 1000,
    ) -> JSONResponse:
        """Return the changes of verdict, newest first."""
        return JSONResponse({"transitions": await queries.history(model, profile, since, limit)})


def _add_health(
    app: FastAPI, aggregator: Aggregator, registry: CollectorRegistry, identity: dict[str, str]
) -> None:
    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Return whether the process can go on: 503 when its store is damaged and only a restart helps."""
        if aggregator.writer.damaged:
            raise Refusal(503, "store_damaged", "the store is damaged: a restart moves it aside")
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Return whether the store is loaded."""
        if not aggregator.is_ready:
            raise Refusal(503, "loading", "the store is being loaded")
        return JSONResponse({"status": "ready"} | identity)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Metrics in the Prometheus text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_documentation(app: FastAPI) -> None:
    without_bodies = app.openapi

    def openapi() -> dict[str, Any]:
        """Return the document with the schemas of the bodies."""
        document = without_bodies()
        add_schemas(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_page(openapi()), headers=dict(PAGE_HEADERS))


def _add_errors(app: FastAPI, aggregator: Aggregator) -> None:
    def answer(refusal: Refusal, headers: dict[str, str] | None = None) -> JSONResponse:
        aggregator.metrics.refused.labels(refusal.reason).inc()
        if refusal.status == 503:
            headers = {"retry-after": "5"}
        return JSONResponse(refusal.to_dict(), refusal.status, headers)

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)
        return answer(error)

    async def no_route(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        path = request.url.path[:200]
        if error.status_code == 405:
            allowed = ", ".join(allowed_methods(app.routes, request.scope))
            said = f"{request.method} {path}: it takes {allowed}"
            return answer(Refusal(405, "method_not_allowed", said), {"allow": allowed})
        if error.status_code == 404:
            return answer(Refusal(404, "no_such_route", f"no {path!r} here: /docs lists the paths"))
        return answer(Refusal(error.status_code, "bad_request", str(error.detail)))

    async def bad_query(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        said = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return answer(Refusal(422, "bad_query", said))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, no_route)
    app.add_exception_handler(RequestValidationError, bad_query)


def _authorization(request: Request) -> bytes | None:
    header = request.headers.get("authorization")
    return header.encode("latin-1") if header is not None else None
