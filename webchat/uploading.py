"""Files sent ahead, in pieces: the core of the tus resumable upload protocol 1.0.0, with its extensions creation,
expiration and termination (https://tus.io/protocols/resumable-upload).

    POST /uploads → 201, Location        HEAD /uploads/{id} → how far it is
    PATCH /uploads/{id} → 204            DELETE /uploads/{id} → 204        OPTIONS /uploads → what is spoken

A finished upload's id is that of an attachment: what `post` takes. Beyond tus: a POST whose metadata has `modified`
gives the same file again where it stopped, with its `Upload-Offset`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import ClientError, web

from server import uploads
from server.attachments import MAX_UPLOAD
from server.errors import Invalid, PliError
from server.uploads import Upload
from webchat.security import error_page
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

VERSION = "1.0.0"
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


def add_routes(app: App, site: web.Application) -> None:
    """One's own uploads; they belong to who sends them, whoever they are for."""
    route(app, site, "POST", "/uploads", begin)
    route(app, site, "OPTIONS", "/uploads", say_what_is_spoken)
    route(app, site, "HEAD", "/uploads/{upload}", say_how_far)
    route(app, site, "PATCH", "/uploads/{upload}", add)
    route(app, site, "DELETE", "/uploads/{upload}", stop)


class _OtherVersion(PliError):
    status, code, detail = 412, "tus_version", "Version du protocole d’envoi inconnue."


def _check_version(request: web.Request) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise _OtherVersion


def _number(request: web.Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 13):
        raise Invalid("bad_upload", f"{name} : un nombre d’octets.")
    return int(text)


def _metadata(request: web.Request) -> dict[str, str]:
    """Upload-Metadata: `name base64, name base64`."""
    found = {}
    for pair in request.headers.get("Upload-Metadata", "")[:4_000].split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Invalid("bad_upload", "Upload-Metadata : des valeurs en base64.") from error
    return found


def _answer(upload: Upload | None, status: int, **more: str) -> web.Response:
    headers = {"Tus-Resumable": VERSION, **more}
    if upload is not None:
        headers["Upload-Offset"] = str(upload.received)
        headers["Upload-Length"] = str(upload.size)
        if upload.until:
            headers["Upload-Expires"] = formatdate(upload.until / 1000, usegmt=True)
    return web.Response(status=status, headers=headers)


async def say_what_is_spoken(visit: Visit) -> web.StreamResponse:
    """What of tus is spoken, and the largest file."""
    return web.Response(
        status=204,
        headers={
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,expiration,termination",
            "Tus-Max-Size": str(MAX_UPLOAD),
        },
    )


async def begin(visit: Visit) -> web.StreamResponse:
    """A file to come: its name, type and length."""
    _check_version(visit.request)
    facts = _metadata(visit.request)
    kind = facts.get("filetype", "").lower()
    upload = await uploads.begin(
        visit.app,
        visit.actor,
        facts.get("filename", ""),
        kind if _TYPE.fullmatch(kind) else "",
        _number(visit.request, "Upload-Length"),
        facts.get("modified", ""),
    )
    return _answer(upload, 201, Location=f"{visit.desk.base}/uploads/{upload.id}")


async def say_how_far(visit: Visit) -> web.StreamResponse:
    """From where to go on."""
    upload = await uploads.finish(visit.app, visit.actor, visit.request.match_info["upload"])
    _check_version(visit.request)
    return _answer(upload, 200)


async def add(visit: Visit) -> web.StreamResponse:
    """What comes from there on. What came before a cut is kept."""
    request = visit.request
    # Another's is not there, whatever else is wrong.
    await uploads.standing(visit.app, visit.actor, request.match_info["upload"])
    _check_version(request)
    if request.content_type != "application/offset+octet-stream":
        return error_page(request, Invalid("bad_upload", "Content-Type : application/offset+octet-stream."))
    offset = _number(request, "Upload-Offset")
    try:
        upload = await uploads.add(visit.app, visit.actor, request.match_info["upload"], offset, _body(request))
    except (ClientError, ConnectionError):
        return web.Response(status=400)  # nobody is there to read it: the next HEAD tells how far it came
    return _answer(upload, 204)


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(65_536):
        yield chunk


async def stop(visit: Visit) -> web.StreamResponse:
    """It is not wanted any more."""
    await uploads.standing(visit.app, visit.actor, visit.request.match_info["upload"])
    _check_version(visit.request)
    await uploads.stop(visit.app, visit.actor, visit.request.match_info["upload"])
    return _answer(None, 204)
