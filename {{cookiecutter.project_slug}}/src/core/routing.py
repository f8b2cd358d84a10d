"""Routes: their URLs, and their order."""

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, routing


def location(request: Request, name: str, /, **path_params: Any) -> str:
    """Return the path of a route, for a `Location` header.

    Args:
        request: the current request; its `root_path` comes first, as behind a proxy.
        name: the name of the controller's method, for example `get_example`.
        path_params: the parameters in the route's path.

    Raises:
        starlette.routing.NoMatchFound: no route has this name and these parameters.
    """
    path = request.app.url_path_for(name, **path_params)
    return quote(f"{request.scope.get('root_path', '')}{path}", safe="/:@!$&'()*+,;=~")


def order_routes(http_server: FastAPI) -> None:
    """Move each route in front of an earlier one whose parameters would take its requests.

    PyNest registers the methods of a controller by name: `get_order` for `/orders/{order_id}`
    comes before `get_stats` for `/orders/stats`.

    Raises:
        ValueError: a route can't be moved because a router holds it, as since FastAPI 0.137; the
            message names both routes.
    """
    routes = http_server.router.routes
    ordered: list[Any] = []
    for route in list(getattr(routing, "iter_route_contexts", iter)(routes)):
        hiding = next((earlier for earlier in ordered if _hides(earlier, route)), None)
        if hiding is None:
            ordered.append(route)
            continue
        ordered.insert(ordered.index(hiding), route)
        # Since FastAPI 0.137, the items are views on the routes.
        moved, behind = (getattr(each, "original_route", each) for each in (route, hiding))
        if moved not in routes or behind not in routes:
            message = (
                f"{hiding.path} ({hiding.name}) takes the requests of {route.path} ({route.name}): "
                f"rename {route.name}, since PyNest registers methods in the order of their names"
            )
            raise ValueError(message)
        routes.remove(moved)
        routes.insert(routes.index(behind), moved)


def _hides(earlier: Any, route: Any) -> bool:
    """Tell whether `earlier` takes all requests of `route`, and also others."""
    methods = [set(getattr(each, "methods", None) or ()) for each in (earlier, route)]
    return (
        "{" in earlier.path
        and bool(methods[0] & methods[1])
        and earlier.path_regex.match(route.path) is not None
        and route.path_regex.match(earlier.path) is None
    )
