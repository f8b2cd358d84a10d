"""The URLs of routes, and their order."""

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, routing


def location(request: Request, name: str, /, **path_params: Any) -> str:
    """Return the path of a route, for a `Location` header.

    Args:
        request: the current request. A proxy's prefix, its `root_path`, is prepended.
        name: the name of the controller's method, for example `get_example`.
        path_params: the parameters in the route's path.

    Raises:
        starlette.routing.NoMatchFound: no route has this name and these parameters.
    """
    path = request.app.url_path_for(name, **path_params)
    return quote(f"{request.scope.get('root_path', '')}{path}", safe="/:@!$&'()*+,;=~")


def order_routes(http_server: FastAPI) -> None:
    """Move each route before an earlier one that would match its requests.

    PyNest registers a controller's methods in alphabetical order: `get_order` for
    `/orders/{order_id}` comes before `get_stats` for `/orders/stats`.

    Raises:
        ValueError: FastAPI 0.137 or later can't move the route; the message names both routes.
    """
    listed = list_routes(http_server)
    is_copy = listed is not http_server.router.routes
    for index, route in enumerate(listed):
        hiding = next((each for each in listed[:index] if _hides(each, route)), None)
        if hiding and is_copy:
            problem = f"{hiding.path} ({hiding.name}) hides {route.path}"
            fix = f"rename {route.name}, since PyNest sorts methods by name"
            raise ValueError(f"{problem} ({route.name}): {fix}")
        if hiding:
            listed.insert(listed.index(hiding), listed.pop(index))


def list_routes(http_server: FastAPI) -> list[Any]:
    """Return the app's list of routes.

    Since FastAPI 0.137, the routes form a tree. Then this is a copy, and changing it has no effect.
    """
    routes: list[Any] = http_server.router.routes
    views = getattr(routing, "iter_route_contexts", None)
    return list(views(routes)) if views else routes


def _hides(earlier: Any, route: Any) -> bool:
    """Return whether `earlier` matches all requests of `route`, and others too."""
    methods, others = (set(getattr(each, "methods", None) or ()) for each in (earlier, route))
    if "{" not in earlier.path or methods.isdisjoint(others):
        return False
    return bool(earlier.path_regex.match(route.path) and not route.path_regex.match(earlier.path))
