"""Files that come in pieces, and go on where they stopped after a cut, a reload or a restart of ours.

    begin()  →  an id  →  add() as often as needed, from where it stands  →  whole: an attachment of the same id, which
    `post()` takes like any other upload

Promises: an octet that is counted is sealed and durable; the same file chosen again (name, size, date) goes on instead
of starting anew; what is not whole or not sent within 24 hours goes, after a month when an answer of a form names it
(`hold`). One account's own, in the space of their own.
Does not: look for viruses, or speak HTTP (`webchat.uploading`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server import access
from server.attachments import MAX_UPLOAD, clean_name
from server.drafts import Actor, FileFacts
from server.errors import Conflict, Invalid, Refused, Throttled, TooLarge
from server.handles import SpaceHandle
from storage import blobs, messages
from storage import uploads as rows
from storage.blobs import Blob
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.messages import Attachment
from storage.uploads import UploadRow

if TYPE_CHECKING:
    from server.app import App

KEPT_MS = 24 * 3_600_000
HELD_MS = 30 * KEPT_MS  # of a file that an answer of a form names, until the answers go
PIECE = 512 * 1024  # octets made durable at a time
MAX_UNFINISHED = 100  # of one account
MAX_WAITING = 200 * 1024 * 1024  # octets of one account, whole or not, that no message took

_joining = asyncio.Semaphore(4)  # whole files in memory at once


class _Facts(FileFacts, frozen=True, omit_defaults=True):
    modified: str = ""  # by which the same file is known again


@dataclass(frozen=True, slots=True)
class Upload:
    """`until`: ms since 1970. `whole`: a message can take it."""

    id: str
    name: str
    type: str
    size: int
    received: int
    whole: bool
    until: int


_facts = msgspec.json.Decoder(_Facts)


async def begin(app: App, actor: Actor, name: str, media_type: str, size: int, modified: str = "") -> Upload:
    """A file of `size` octets to come; with `modified`, the one that was begun and not finished, if there is one.

    Raises `TooLarge`, `Invalid`, `Throttled`.
    """
    if size > MAX_UPLOAD:
        raise TooLarge("file_too_large", f"Le fichier est trop lourd ({MAX_UPLOAD // 1_048_576} Mo au plus).")
    if size <= 0 or not name.strip():
        raise Invalid("empty_file", "Ce fichier est vide : il ne peut pas être joint.")
    own = await access.own_space(app, actor)
    facts = _Facts(clean_name(name), media_type or "application/octet-stream", size, modified=modified[:40])
    upload_id = new_id()
    sealed = own.keys.seal("file", upload_id, msgspec.json.encode(facts))
    row = UploadRow(upload_id, actor.account_id, sealed, size, 0, "", now_ms() + KEPT_MS)

    def keep(tx: Tx) -> Upload:
        access.confirm(tx, own)
        for known in rows.unfinished(tx, own.space_id, actor.account_id, now_ms()) if modified else ():
            if _facts.decode(own.keys.open("file", known.id, known.facts)) == facts:
                return _upload(own, known)
        count, coming = rows.waiting(tx, own.space_id, actor.account_id)
        if count >= MAX_UNFINISHED or coming + messages.waiting_uploads(tx, own.space_id) + size > MAX_WAITING:
            raise Throttled("too_many_uploads", "Trop de fichiers attendent un message. Envoyez-les d’abord.")
        rows.insert(tx, own.space_id, row, sealed, now_ms())
        return _upload(own, row)

    return await app.db.write(keep)


def _upload(own: SpaceHandle, row: UploadRow) -> Upload:
    facts = _facts.decode(own.keys.open("file", row.id, row.facts))
    return Upload(row.id, facts.name, facts.type, row.size, row.received, bool(row.attachment_id), row.until_at)


def _of(tx: Tx, own: SpaceHandle, upload_id: str) -> UploadRow:
    row = rows.find(tx, own.space_id, upload_id, now_ms())
    if row is None or row.account_id != own.actor.account_id:
        raise Refused
    return row


async def standing(app: App, actor: Actor, upload_id: str) -> Upload:
    """How far it is. Raises `Refused`."""
    own = await access.own_space(app, actor)
    return await app.db.read(lambda tx: _upload(own, _of(tx, own, upload_id)))


async def listed(app: App, actor: Actor, upload_ids: Sequence[str]) -> list[Upload]:
    """Those that are whole, in this order: what a draft that is opened again still has."""
    own = await access.own_space(app, actor)

    def find(tx: Tx) -> list[Upload]:
        found = []
        for upload_id in upload_ids:
            item = messages.attachment(tx, own.space_id, upload_id)
            if item is not None and not item.message_id:
                facts = _facts.decode(own.keys.open("file", item.id, item.facts))
                found.append(Upload(item.id, facts.name, facts.type, facts.size, facts.size, True, 0))
        return found

    return await app.db.read(find)


async def add(app: App, actor: Actor, upload_id: str, offset: int, data: AsyncIterator[bytes]) -> Upload:
    """Take what comes from `offset` on, piece by piece. What came before a cut is kept. Raises `Refused`; `Conflict`
    when the file does not stand there; `TooLarge` when more comes than was announced.
    """
    own = await access.own_space(app, actor)
    row = await app.db.read(_of, own, upload_id)
    if row.received != offset:
        raise Conflict("other_offset", "Ce fichier a avancé depuis. Reprenez d’où il en est.")
    held, at = bytearray(), offset
    async for chunk in data:
        if at + len(held) + len(chunk) > row.size:
            raise TooLarge("more_than_announced", "Il arrive plus d’octets que ce qui était annoncé.")
        held += chunk
        while len(held) >= PIECE:
            at = await _take(app, own, upload_id, at, bytes(held[:PIECE]))
            del held[:PIECE]
    if held:
        at = await _take(app, own, upload_id, at, bytes(held))
    if at == row.size:
        await _join(app, own, upload_id)
    return await standing(app, actor, upload_id)


async def _take(app: App, own: SpaceHandle, upload_id: str, offset: int, piece: bytes) -> int:
    blob = await app.blobs.put(own.keys, piece)

    def keep(tx: Tx) -> None:
        access.confirm(tx, own)
        if not rows.take(tx, own.space_id, upload_id, offset, len(piece), blob.id):
            raise Conflict("other_offset", "Ce fichier a avancé depuis. Reprenez d’où il en est.")
        blobs.insert(tx, blob)

    await app.db.write(keep)
    return offset + len(piece)


async def _join(app: App, own: SpaceHandle, upload_id: str) -> None:
    """Every piece is there: one file, of the same id. Safe to do again when it was cut short."""
    async with _joining:
        pieces = await app.db.read(_pieces, own.space_id, upload_id)
        whole = b"".join([await app.blobs.get(own.keys, piece) for piece in pieces])
        blob = await app.blobs.put(own.keys, whole)

    def keep(tx: Tx) -> None:
        row = _of(tx, own, upload_id)
        if row.size == blob.size and rows.complete(tx, own.space_id, upload_id):
            blobs.insert(tx, blob)
            file = Attachment(upload_id, "", 0, blob.id, "", b"")
            messages.insert_attachment(tx, own.space_id, file, own.keys.seal("file", upload_id, _plain(own, row)))

    await app.db.write(keep)


def _plain(own: SpaceHandle, row: UploadRow) -> bytes:
    """The facts of the file, without what only its coming needed."""
    facts = _facts.decode(own.keys.open("file", row.id, row.facts))
    return msgspec.json.encode(FileFacts(facts.name, facts.type, facts.size))


def _pieces(tx: Tx, space_id: str, upload_id: str) -> list[Blob]:
    found = [blobs.find(tx, space_id, blob_id) for blob_id in rows.parts(tx, space_id, upload_id)]
    return [blob for blob in found if blob is not None]


async def take_whole(app: App, actor: Actor, name: str, media_type: str, data: bytes) -> str:
    """A file that came at once, in a form; it waits as the others do. Raises as `begin`."""
    upload = await begin(app, actor, name, media_type, len(data))
    await add(app, actor, upload.id, 0, _once(data))
    return upload.id


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def finish(app: App, actor: Actor, upload_id: str) -> Upload:
    """As `standing`; and joins what came whole before a restart could."""
    upload = await standing(app, actor, upload_id)
    if upload.received == upload.size and not upload.whole:
        await _join(app, await access.own_space(app, actor), upload_id)
        upload = await standing(app, actor, upload_id)
    return upload


def hold(tx: Tx, own: SpaceHandle, named: Collection[str], before: Collection[str]) -> None:
    """An unfinished form names these files: they wait a month. Those it named `before` and names no more, a day. Inside
    a transaction.
    """
    gone = [one for one in before if one not in named]
    rows.keep_until(tx, own.space_id, own.actor.account_id, named, now_ms() + HELD_MS)
    rows.keep_until(tx, own.space_id, own.actor.account_id, gone, now_ms() + KEPT_MS)


async def stop(app: App, actor: Actor, upload_id: str) -> None:
    """It is not wanted any more: nothing of it stays. Raises `Refused`."""
    own = await access.own_space(app, actor)

    def remove(tx: Tx) -> None:
        _of(tx, own, upload_id)
        rows.remove(tx, own.space_id, upload_id)

    await app.db.write(remove)
