"""Passkeys on the web: what the browser's own dialogue needs, and what it answers, as JSON; the rest by forms.

    POST /passkey/options            anybody     what to sign in with
    POST /passkey/sign-in            anybody     a passkey given: signed in
    POST /account/passkeys/options   signed in   what to make one with
    POST /account/passkeys           signed in   one that was made
    POST /account/passkeys/{id}/rename, …/revoke

Making and revoking one ask for a second factor given a few minutes ago (`server.step_up`). What a browser without
JavaScript cannot do is said on the page, with the other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from server import devices, passkeys, step_up
from server.errors import Invalid
from webchat import security
from webchat.door import device_cookie
from webchat.forms import read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

MAX_ANSWER = 65_536  # octets of what an authenticator says


class Answer(msgspec.Struct):
    """`credential`: `PublicKeyCredential.toJSON()` (WebAuthn § 5.1)."""

    credential: dict[str, Any]


def add_routes(app: App, site: web.Application) -> None:
    """Signing in, making, renaming, revoking."""

    async def options(request: web.Request) -> web.Response:
        return _json(passkeys.options_to_sign_in(app))

    async def sign_in(request: web.Request) -> web.Response:
        answer = await read_answer(request)
        given = await passkeys.sign_in(app, answer.credential)
        response = web.json_response({"to": "/"})
        held = request.cookies.get(device_cookie(app), "")
        device_id = await devices.known(app, given.account_id, held) or ""
        how = passkeys.how(given.passkey_id)
        await security.begin_session(app, request, response, given.account_id, how, device_id)
        return response

    site.router.add_post("/passkey/options", options)
    site.router.add_post("/passkey/sign-in", sign_in)
    route(app, site, "POST", "/account/passkeys/options", options_to_register)
    route(app, site, "POST", "/account/passkeys", register)
    route(app, site, "POST", "/account/passkeys/{id}/rename", rename)
    route(app, site, "POST", "/account/passkeys/{id}/revoke", revoke)


async def read_answer(request: web.Request) -> Answer:
    """Raises `Invalid`."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(16_384):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise Invalid
    try:
        return msgspec.json.decode(bytes(body), type=Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid from error


async def options_to_register(visit: Visit) -> web.Response:
    """What `navigator.credentials.create` takes."""
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    return _json(await passkeys.options_to_register(visit.app, visit.actor))


async def register(visit: Visit) -> web.Response:
    """Keep the passkey that was just made, under the browser's name until its owner gives it another."""
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    answer = await read_answer(visit.request)
    name = devices.called(visit.request.headers.get("User-Agent", "")) or visit.words("passkeys.unnamed")
    await passkeys.register(visit.app, visit.actor, answer.credential, name)
    return web.json_response({"to": "/account/devices?done=passkey"})


async def rename(visit: Visit) -> web.Response:
    """Another name for one of one's passkeys."""
    form = await read_fields(visit.request)
    await passkeys.rename(visit.app, visit.actor.account_id, visit.request.match_info["id"], form["name"])
    raise web.HTTPSeeOther("/account/devices?done=renamed")


async def revoke(visit: Visit) -> web.Response:
    """End one of one's passkeys."""
    secret = security.session_secret(visit.app, visit.request)
    await step_up.require(visit.app, secret)
    await passkeys.revoke(visit.app, visit.actor, visit.request.match_info["id"], secret)
    raise web.HTTPSeeOther("/account/devices?done=revoked")


def _json(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")
