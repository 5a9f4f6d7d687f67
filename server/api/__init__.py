"""The HTTP door: the API of the contract under `/api/v1`, its descriptions, and what machines ask (`/healthz`,
`/readyz`, `/metrics`).

    table.py     every route, once
    door.py      a route becomes a handler: who calls, what they ask, every error told
    shapes.py    what bodies look like
    writing.py   reads.py, files.py: the handlers
    problems.py  errors as problem+json
    openapi.py   asyncapi.py, events.py: the published descriptions, made from the tables
    fhir/        the FHIR R4 façade under `/api/fhir`, with a table, a description and errors of its own
    health.py    probes and counters
    punctual.py  the header deadline of the whole HTTP door

A handler decides nothing about rights: it obtains handles from `server.access`, hands drafts to
`server.posting.post`, and reads by `server.reading`, as every door does. There is no CORS header: a browser of
another origin has no business here.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server.api import asyncapi, fhir, health, openapi, punctual
from server.api.door import Call, Description, Door, Route, handler, nowhere
from server.api.shapes import Nothing
from server.api.table import ROUTES

if TYPE_CHECKING:
    from server.app import App

__all__ = ["add_health", "add_routes", "described", "runner"]


def _version() -> str:
    try:
        return installed("pli")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


def described(app: App) -> tuple[Route, ...]:
    """Every route under `/api`: the table, and the two descriptions."""
    return _described(app.settings.public_url)


@cache
def _described(public_url: str) -> tuple[Route, ...]:

    def published(path: str, name: str, summary: str, body: bytes) -> Route:
        async def serve(call: Call[Nothing, None]) -> web.Response:
            return web.Response(
                body=body, content_type="application/json", headers={"X-Content-Type-Options": "nosniff"}
            )

        return Route("GET", path, name, summary, serve, Description, signed_in=False)

    version = _version()
    events = msgspec.json.encode(asyncapi.document(public_url, version))
    asyncapi_route = published("/api/asyncapi.json", "describeEvents", "The live events (AsyncAPI 3.0)", events)
    openapi_route = published("/api/openapi.json", "describeApi", "This description (OpenAPI 3.1)", b"")
    whole = (*ROUTES, openapi_route, asyncapi_route)
    text = msgspec.json.encode(openapi.document(whole, version))
    return (*ROUTES, published(openapi_route.path, openapi_route.name, openapi_route.summary, text), asyncapi_route)


def add_health(app: App, site: web.Application) -> None:
    """`/healthz`, `/readyz`, `/metrics`: for every role."""
    health.add(app, site)


def add_routes(app: App, site: web.Application) -> None:
    """Everything under `/api`."""
    door, routes = Door(app), described(app)
    for route in routes:
        site.router.add_route(route.method, route.path, handler(door, route))
    fhir.add_routes(door, site)
    rest = nowhere(door, routes)
    site.router.add_route("*", "/api", rest)
    site.router.add_route("*", "/api/{rest:.*}", rest)
    site.on_shutdown.append(door.close)


def runner(app: App, site: web.Application, header_s: float = punctual.HEADER_S) -> web.AppRunner:
    """What serves `site`, with a deadline of `header_s` seconds on every request's header."""
    return punctual.Runner(
        site,
        header_s=header_s,
        on_late=lambda: app.metrics.refused("http", "header_too_slow"),
        access_log=None,
        keepalive_timeout=75,
        shutdown_timeout=5,
    )
