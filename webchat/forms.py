"""Forms as they stream in, within our limits whatever they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from server.drafts import MAX_FILES, MAX_FILES_SIZE, MAX_TEXT
from server.errors import Invalid, PliError, TooLarge

MAX_FIELD = 4 * MAX_TEXT + 1_000  # octets of one field
MAX_FIELDS = 40
DRAINED = 4 * MAX_FILES_SIZE  # octets read on after a limit, so that the browser hears our answer
TOO_HEAVY = "C’est trop lourd ({} Mo au plus). Votre texte est gardé."


@dataclass(slots=True)
class Form:
    """What came in a form: its fields, its files as (name, type, bytes), and the limit it broke."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    problem: PliError | None = None

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


async def read_form(request: web.Request, most: int = MAX_FILES_SIZE) -> Form:
    """Read a form as it streams in, within our limits whatever its length header says; its files `most` octets. Raises
    `Invalid`, `TooLarge`.
    """
    if not request.content_type.startswith("multipart/"):
        return await read_fields(request)
    form = Form()
    try:
        parts, spent = await request.multipart(), 0
        while (part := await parts.next()) is not None:
            if not isinstance(part, BodyPartReader) or len(form.fields) + len(form.files) > MAX_FIELDS + MAX_FILES:
                raise Invalid
            spent = await _read_part(part, form, spent, most)
    except (ValueError, LookupError, TypeError, AssertionError, HttpProcessingError) as error:
        raise Invalid from error  # the library has many ways to say that a body is malformed
    return form


async def read_fields(request: web.Request) -> Form:
    """Read a form without files: all that is read of somebody who is not signed in. Raises `Invalid`, `TooLarge`."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_FIELD:
            raise TooLarge("too_large", TOO_HEAVY.format(MAX_FILES_SIZE // 1_048_576))
    try:
        return Form(dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)))
    except ValueError as error:
        raise Invalid from error


async def _read_part(part: BodyPartReader, form: Form, spent: int, most: int) -> int:
    held, name = bytearray(), part.filename
    while chunk := await part.read_chunk(65_536):
        spent += len(chunk)
        if len(held) + len(chunk) > (MAX_FIELD if name is None else most) or spent > most + MAX_FIELD:
            form.problem = TooLarge("too_large", TOO_HEAVY.format(most // 1_048_576))
            held.clear()
            if spent > DRAINED:
                raise form.problem
        elif form.problem is None:
            held += chunk
    if form.problem is not None:
        return spent
    if name is None:
        form.fields[part.name or ""] = held.decode("utf-8", "replace")
    elif name and held:
        form.files.append((name, part.headers.get("Content-Type", "").partition(";")[0].strip().lower(), bytes(held)))
    return spent
