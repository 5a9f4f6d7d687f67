"""Every route and every event, asked by everybody: what is Dominique's is shown to nobody without a right to it, and a
route without a rule does not pass; nothing that is asked for fails.
"""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

import server.api
import webchat
from tests.browser.scenes import REPORT, SUBJECT
from tests.browser.sockets import client
from tests.browser.visitor import visitor
from tests.house import House
from tests.laws.conftest import Scene, address
from tests.laws.matrix import EVENTS, PAGES, Rule
from webchat import socket

SECRETS = (SUBJECT, REPORT, "Ne mangez plus après minuit", "consignes.pdf")  # of Dominique, in the letter of Dr Morel
OTHERS = ("/api", "/healthz", "/readyz", "/metrics", "/socket.io", "/static")  # doors with tests of their own
PREFIX = "/for/{mailbox}"


def _routes(house: House) -> dict[tuple[str, str], set[str]]:
    """(method, path) of every page → the prefixes it is served under."""
    site = web.Application()
    server.api.add_routes(house.app, site)
    webchat.add_routes(house.app, site)
    found: dict[tuple[str, str], set[str]] = {}
    for route in site.router.routes():
        path = route.resource.canonical if route.resource else ""
        if path.startswith(OTHERS) or route.method == "HEAD":
            continue
        prefixed = path.startswith(PREFIX)
        found.setdefault((route.method, path.removeprefix(PREFIX) or "/"), set()).add(PREFIX if prefixed else "")
    return found


async def test_every_route_has_a_rule_and_every_rule_a_route(house: House) -> None:
    routes = set(_routes(house))
    assert routes - PAGES.keys() == set(), "say in tests/laws/matrix.py who may ask for these"
    assert PAGES.keys() - routes == set(), "nothing is served there"


async def test_every_event_has_a_rule_and_every_rule_an_event(house: House) -> None:
    heard = socket.Chat(house.app).sio.handlers["/"].keys()
    assert set(heard) == EVENTS.keys()


ROLES = ("", "dominique", "camille", "reader", "former", "marcel", "morel", "petit", "admissions", "lab", "operator")


@pytest.mark.parametrize("who", ROLES)
async def test_nobody_is_shown_what_is_not_theirs_whatever_they_ask_for(scene: Scene, who: str) -> None:
    faults, shown = [], 0
    async with visitor(scene.house, who) as visit:
        for (method, path), served in sorted(_routes(scene.house).items()):
            rule = PAGES[method, path]
            named = any(f"{{{name}}}" in path for name in scene.ids)
            for prefix in _prefixes(served):
                if rule is Rule.ANYBODY and method != "GET":
                    continue
                may = scene.may(who, prefix, rule, named=named)
                if may and method != "GET":
                    continue  # what it does has tests of its own
                answer = await visit.ask(method, address(scene, prefix, path))
                places = ("/sign-in", "/step-up", "/account/")  # the door, or one's own account
                at_the_door = answer.status in {302, 303} and answer.place.startswith(places)
                secrets = [secret for secret in SECRETS if secret in answer.said or secret in answer.text]
                reads = scene.may(who, prefix, Rule.MESSAGES, named=named) if rule is Rule.AUTHOR else may
                allowed_to_see = reads and scene.owner(who, prefix) in {"dominique", "morel"}
                where = f"{who or 'nobody'} {method} {prefix}{path} → {answer.status}"
                if answer.status >= 500:
                    faults.append(f"{where}: fails")
                if secrets and not allowed_to_see:
                    faults.append(f"{where}: shows {secrets}")
                if not may and answer.status < 400 and not at_the_door:
                    faults.append(f"{where}: not refused")
                if may and named and answer.status == 404 and not _absent(path):
                    faults.append(f"{where}: the table says yes, and the page no")
                shown += bool(secrets)
    assert faults == []
    assert bool(shown) == (who in {"dominique", "camille", "reader", "morel"})


def _prefixes(served: set[str]) -> list[str]:
    return [""] * ("" in served) + ["dominique", "admissions"] * (PREFIX in served)


def _absent(path: str) -> bool:
    """Whether it names something that the scene has not: a link, a draft, an upload."""
    return any(part.startswith("{") and part[1:-1] not in {"conversation", "message", "space", "attachment", "document"}
               for part in path.split("/"))  # fmt: skip


@pytest.mark.parametrize("who", ["marcel", "former", "petit", "operator", "lab"])
async def test_nobody_does_in_the_live_chat_what_is_not_theirs(scene: Scene, who: str) -> None:
    conversation, message = scene.ids["conversation"], scene.ids["message"]
    mailbox = scene.house.dominique.mailbox_id
    asked: dict[str, dict[str, object]] = {
        "sync": {"mailbox": mailbox, "cursor": 0},
        "post": {"conversation": conversation, "text": "Bonjour"},
        "act": {"message": message, "action": "dossier.file", "values": {"attachment": scene.ids["attachment"]}},
        "read": {"conversation": conversation, "up_to": 99},
        "typing": {"conversation": conversation},
    }
    assert asked.keys() == EVENTS.keys() - {"connect", "disconnect"}
    async with client(scene.house, who) as other:
        for event, payload in asked.items():
            for named in ({}, {"mailbox": mailbox}):
                answer = await other.ask(event, {**payload, **named})
                assert answer.get("error", {}).get("code") == "not_found", (event, named, answer)
        assert other.entries == []


async def test_a_bot_s_or_a_service_s_token_opens_no_page(scene: Scene) -> None:
    for who in ("lab", "carnet", "operator"):
        headers = {"Authorization": f"Bearer {await scene.house.token(who)}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{scene.house.http}/", allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
