"""Files of messages: kept when they are uploaded, opened when somebody asks for them.

A file is bytes of its own, or a part of a raw mail: `encoding:start:end`, the place of its encoded body. A part is
decoded when it is opened, never before.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from server import access
from server.drafts import Actor, FileFacts
from server.errors import Invalid, Refused, TooLarge, Unavailable
from server.handles import MailboxHandle
from storage import blobs, messages
from storage.database import Tx
from storage.ids import new_id
from storage.messages import Attachment, Message
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MAX_UPLOAD = 20 * 1024 * 1024  # octets

_facts = msgspec.json.Decoder(FileFacts)


async def opened(app: App, box: MailboxHandle, space_id: str, attachment_id: str) -> tuple[FileFacts, bytes]:
    """A file of a message of this mailbox. Raises `Refused`; `Unavailable` when it does not open."""
    handle, attachment = await access.attachment(app, box, attachment_id, space_id)
    return await _opened(app, handle.keys, attachment)


async def _opened(app: App, keys: SpaceKeys, attachment: Attachment) -> tuple[FileFacts, bytes]:
    try:
        facts = _facts.decode(keys.open("file", attachment.id, attachment.facts))
        blob = await app.db.read(blobs.find, keys.space_id, attachment.blob_id)
        if blob is None:
            raise Refused
        data = await app.blobs.get(keys, blob)
    except CannotOpen as error:
        app.metrics.unopened()
        raise Unavailable("damaged", "Ce fichier est abîmé et ne peut pas être ouvert. Il a été signalé.") from error
    return facts, cut(data, attachment.part) if attachment.part else data


def cut(raw: bytes, part: str) -> bytes:
    """A part of a raw mail: `encoding:start:end`, offsets of its encoded body (RFC 2045 § 6)."""
    encoding, start, end = part.split(":")
    body = raw[int(start) : int(end)]
    if encoding == "base64":
        try:
            return base64.b64decode(body)
        except binascii.Error:
            clean = bytes(c for c in body if c in _BASE64)
            return base64.b64decode(clean[: len(clean) // 4 * 4])
    return quopri.decodestring(body) if encoding == "quoted-printable" else body


_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


async def upload(app: App, actor: Actor, name: str, media_type: str, data: bytes) -> str:
    """Keep a file until a message takes it; returns its id. Raises `TooLarge`, `Invalid`."""
    if len(data) > MAX_UPLOAD:
        raise TooLarge(
            "file_too_large",
            f"Le fichier est trop lourd ({len(data) // 1_000_000} Mo, {MAX_UPLOAD // 1_048_576} au plus). Votre texte "
            "est gardé.",
        )
    if not name.strip():
        raise Invalid("no_name", "Le fichier n’a pas de nom.")
    own = await access.own_space(app, actor)
    upload_id = new_id()
    facts = FileFacts(clean_name(name), media_type or "application/octet-stream", len(data))
    blob = await app.blobs.put(own.keys, data)
    sealed = own.keys.seal("file", upload_id, msgspec.json.encode(facts))

    def keep(tx: Tx) -> None:
        access.confirm(tx, own)
        blobs.insert(tx, blob)
        messages.insert_attachment(tx, own.space_id, Attachment(upload_id, "", 0, blob.id, "", b""), sealed)

    await app.db.write(keep)
    return upload_id


def clean_name(name: str) -> str:
    """A file name without path, control characters or bidirectional overrides, 200 characters at most."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in base if c.isprintable() and unicodedata.category(c) != "Cf").strip(" .")
    return kept[-200:] or "fichier"


async def opened_unchecked(app: App, keys: SpaceKeys, attachment: Attachment) -> tuple[FileFacts, bytes]:
    """The bytes of a file, under the same condition as `reading.open_unchecked`."""
    return await _opened(app, keys, attachment)


async def raw_unchecked(app: App, keys: SpaceKeys, message: Message) -> bytes | None:
    """The mail as it came, or None when the message did not come as one."""
    if not message.raw_blob:
        return None
    blob = await app.db.read(blobs.find, keys.space_id, message.raw_blob)
    return await app.blobs.get(keys, blob) if blob else None
