"""Files in and out. A file is never shown as a page of ours: it downloads, with the type it has, in a sandbox
(security.md 37).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from server import access, attachments
from server.api.door import MAX_MULTIPART, MULTIPART_S, Call
from server.api.problems import TooSlow, WrongType
from server.api.shapes import Nothing, SpaceQuery, Upload
from server.dossier import documents as shelf
from server.drafts import FileFacts
from server.errors import Invalid, Throttled, TooLarge
from storage import messages
from storage.database import Tx
from storage.ids import now_ms

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_ANY = "application/octet-stream"
UPLOADS_KEPT_MS = 24 * 3_600_000
MAX_WAITING = 200 * 1024 * 1024  # octets that one account may have uploaded and not sent


async def upload(call: Call[Nothing, None]) -> Upload:
    """`POST /attachments`: one file in a `multipart/form-data` body; it waits for a message of the same account."""
    request = call.request
    if request.content_type != "multipart/form-data":
        raise WrongType("not_multipart", "Le fichier doit être envoyé en multipart/form-data.")
    if (request.content_length or 0) > MAX_MULTIPART:
        raise _too_large()
    await _make_room(call)
    try:
        async with asyncio.timeout(MULTIPART_S):
            with call.door.holding() as hold:
                name, media_type, data = await _one_file(request, hold)
    except TimeoutError:
        raise TooSlow from None
    upload_id = await attachments.upload(call.app, call.actor, name, media_type, data)
    return Upload(upload_id, attachments.clean_name(name), media_type, len(data))


async def _make_room(call: Call[Nothing, None]) -> None:
    """Forget what this account uploaded and never sent; refuse more when too much of it still waits."""
    own = await access.own_space(call.app, call.actor)

    def look(tx: Tx) -> int:
        messages.forget_uploads(tx, own.space_id, now_ms() - UPLOADS_KEPT_MS)
        return messages.waiting_uploads(tx, own.space_id)

    if await call.app.db.write(look) > MAX_WAITING:
        raise Throttled("too_many_uploads", "Trop de fichiers attendent un message. Envoyez-les, ou réessayez demain.")


def _too_large() -> TooLarge:
    limit = attachments.MAX_UPLOAD // 1_048_576
    return TooLarge("file_too_large", f"Le fichier est trop lourd ({limit} Mio au plus).")


async def _one_file(request: web.Request, hold: Callable[[int], None]) -> tuple[str, str, bytes]:
    """(name, type, octets) of the one file. Fields without a file name are passed over."""
    bad = Invalid("bad_multipart", "Le corps de la demande n’est pas un multipart/form-data valable.")
    found: tuple[str, str, bytes] | None = None
    taken = 0
    try:
        parts = await request.multipart()
        while (part := await parts.next()) is not None:
            if not isinstance(part, BodyPartReader) or "Content-Encoding" in part.headers:
                raise bad
            data = bytearray()
            while chunk := await part.read_chunk(65_536):
                data += part.decode(chunk) if "Content-Transfer-Encoding" in part.headers else chunk
                taken += len(chunk)
                hold(len(chunk))
                if taken > MAX_MULTIPART or len(data) > attachments.MAX_UPLOAD:
                    raise _too_large()
            if part.filename is None:
                continue
            if found is not None:
                raise Invalid("several_files", "Un seul fichier par demande.")
            media_type = part.headers.get(hdrs.CONTENT_TYPE, _ANY).partition(";")[0].strip().lower()
            found = _decoded(part.filename), media_type if _TYPE.fullmatch(media_type) else _ANY, bytes(data)
    except (HttpProcessingError, ValueError, AssertionError, RuntimeError, LookupError) as error:
        raise bad from error  # all that aiohttp raises on a broken body
    if found is None:
        raise Invalid("no_file", "Il n’y a pas de fichier dans la demande.")
    return found


def _decoded(name: str) -> str:
    """Clients percent-encode what does not fit in a header (RFC 7578 § 2), browsers at least quotes."""
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name


async def download(call: Call[SpaceQuery, None]) -> web.Response:
    """`GET /attachments/{id}`: a file of a message the caller has, or one the caller uploaded and has not sent yet."""
    app, attachment_id = call.app, call.at["id"]
    own = await access.own_space(app, call.actor)
    waiting = await app.db.read(messages.attachment, own.space_id, attachment_id)
    if waiting is not None and not waiting.message_id:
        return as_download(*await attachments.opened_unchecked(app, own.keys, waiting))
    box = await access.mailbox(app, call.actor, call.query.mailbox)
    space_id = await app.db.read(messages.space_of_attachment, attachment_id)
    return as_download(*await attachments.opened(app, box, space_id or "", attachment_id))


async def document(call: Call[SpaceQuery, None]) -> web.Response:
    """`GET /documents/{id}`: a document of the dossier of the patient who calls, or for whom they act."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("dossier",))
    handle = await access.dossier(call.app, box)
    return as_download(*await shelf.open_document(call.app, handle, call.at["id"]))


def as_download(facts: FileFacts, data: bytes) -> web.Response:
    """RFC 6266: an attachment, whatever it is; the name in ASCII, and as it is (RFC 8187)."""
    name = attachments.clean_name(facts.name)
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    media_type = facts.type.partition(";")[0].strip().lower()
    return web.Response(
        body=data,
        content_type=media_type if _TYPE.fullmatch(media_type) else _ANY,
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
