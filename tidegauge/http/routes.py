"""Additions to the routes of both HTTP programs: HEAD wherever GET is, and the methods of a path."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["AsgiApp", "HeadAsGet", "allowed_methods"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class HeadAsGet:
    """ASGI callable that has HEAD answered as GET; the server leaves the body out.

    Parameters
    ----------
    app
        Answers GET.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def allowed_methods(routes: Iterable[Any], scope: Message) -> list[str]:
    """Return all methods that a request's path takes, sorted; HEAD with GET.

    Parameters
    ----------
    routes
        Starlette's routes. The first one that fits a path need not be the only one.
    scope
        The request's.
    """
    fitting = [route for route in routes if route.matches(scope)[0].value]
    methods = {method for route in fitting for method in (getattr(route, "methods", None) or ())}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
