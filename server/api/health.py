"""What machines ask of us: alive, ready, and the counters. No label, word or number here is about a person."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server.api import problems
from server.api.door import as_json
from server.errors import Refused
from storage import quarantine
from storage.database import DatabaseDown, Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

DATABASE_S = 2.0  # the database has that long to answer a probe


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """`status`: ok, ready, closed (a door is not open), database (it does not answer). `doors`: those that are open."""

    status: str
    doors: list[str] = []


def _one(tx: Tx) -> bool:
    return bool(tx.run("SELECT 1"))


def add(app: App, site: web.Application) -> None:
    """`/healthz`, `/readyz`, `/metrics`."""

    async def healthz(_: web.Request) -> web.Response:
        return as_json(Health("ok"))

    async def readyz(_: web.Request) -> web.Response:
        doors = sorted(app.ports)
        if not app.ready:
            return _not_ready(Health("closed", doors))
        try:
            async with asyncio.timeout(DATABASE_S):
                await app.db.read(_one)
        except (DatabaseDown, OSError, TimeoutError):
            return _not_ready(Health("database", doors))
        return as_json(Health("ready", doors))

    async def metrics(request: web.Request) -> web.Response:
        if not _beside_us(request):
            return problems.response(Refused("not_found", "Il n’y a rien à cette adresse."))
        try:
            async with asyncio.timeout(DATABASE_S):
                app.metrics.quarantine(await app.db.read(quarantine.counts), now_ms())
        except (DatabaseDown, OSError, TimeoutError):
            pass  # the counters of this process are worth telling without it
        return web.Response(
            body=app.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    site.router.add_get("/healthz", healthz, allow_head=False)
    site.router.add_get("/readyz", readyz, allow_head=False)
    site.router.add_get("/metrics", metrics, allow_head=False)


def _not_ready(health: Health) -> web.Response:
    answer = as_json(health, 503)
    answer.headers["Retry-After"] = "2"
    return answer


def _beside_us(request: web.Request) -> bool:
    """A program of this machine that speaks to us itself: what a proxy passes on comes from elsewhere (security.md
    66).
    """
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")):
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
