"""What somebody wrote on a page, with all that hangs on it, made a `Draft` and posted: one way for the form and for the
live socket.

    text · files sent ahead · documents of the dossier · whom it answers, and whom alone it is for · the kept draft it
    ends  →  post()

Promises: the same client key gives the same receipt, whatever became of its files meanwhile; the patient has every
message of their space, also one that is for somebody else alone. A document goes as a copy that its readers may open;
who may be sent which document is for rules that do not exist yet: whoever may read the dossier may send from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server import access, audit, keeping, posting, reading
from server.audit import Act
from server.dossier import documents as shelf
from server.drafts import MAX_FILES, MAX_FILES_SIZE, Actor, Draft, File, Receipt
from server.errors import Invalid, TooLarge
from server.exchanges import may_answer
from server.handles import ConversationHandle, MailboxHandle
from storage import exchanges

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent. `only`: the member it is for alone; `draft`: the kept draft it ends. "" for none."""

    text: str
    client_key: str = ""
    uploads: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    in_reply_to: str = ""
    only: str = ""
    draft: str = ""


def retry_key(actor: Actor, client_key: str) -> str:
    """The retry key of what somebody writes here; '' when the client gave none."""
    return f"chat:{actor.account_id}:{client_key[:200]}" if client_key else ""


async def send(app: App, box: MailboxHandle, to: ConversationHandle, letter: Letter) -> Receipt:
    """A message in a conversation of this mailbox. Raises as `post`."""
    key = retry_key(box.actor, letter.client_key)
    if key and (known := await posting.receipt_again(app, box.actor, to.space_id, key)):
        return known
    if letter.in_reply_to:
        await reading.message(app, to, letter.in_reply_to)  # one that they have: else `Refused`
    addressed = await _addressed(app, to, letter.only)
    draft = Draft(
        to=to,
        text=letter.text,
        files=await copies(app, box, letter.documents),
        uploads=tuple(dict.fromkeys(letter.uploads)),
        in_reply_to=letter.in_reply_to,
        only=frozenset({*addressed, to.member, to.holder}) if addressed else frozenset(),
        addressed=addressed,
        retry_key=key,
        effect=effect(box, letter.draft, letter.documents, letter.only if addressed else ""),
    )
    try:
        return await posting.post(app, box.actor, draft)
    except Invalid:
        # Two attempts side by side: the other took the files between our look and our post.
        known = await posting.receipt_again(app, box.actor, to.space_id, key) if key else None
        if known is None:
            raise
        return known


async def _addressed(app: App, to: ConversationHandle, only: str) -> dict[str, str]:
    """Whom alone a message is for, by name; nobody in particular when there is nobody else. Raises `Invalid`."""
    if not only:
        return {}
    others = {one.member_id: one.name for one in await reading.people_in(app, to) if one.member_id != to.member}
    if only not in others:
        raise Invalid(
            "nobody_to_write_to", "Cette personne ne prend plus part à la conversation. Votre texte est gardé."
        )
    return {only: others[only]} if len(others) > 1 else {}


def effect(box: MailboxHandle, draft_id: str, documents: tuple[str, ...], only: str = "") -> Callable[[Doing], None]:
    """What sending does besides: the draft ends, each document that goes is noted, whom it is for must take it."""
    end = keeping.ending(box, draft_id)

    def run(doing: Doing) -> None:
        if only and doing.to.member == doing.to.holder:
            may_answer([exchanges.standing(doing.tx, doing.to.space_id, only)])
        end(doing)
        for document in documents:
            audit.record(doing.tx, Act.DOCUMENT_SENT, doing.actor, doing.to.space_id, doing.to.ground, document)

    return run


async def copies(app: App, box: MailboxHandle, documents: tuple[str, ...]) -> tuple[File, ...]:
    """Documents of the dossier as files of a message. Raises `Refused`, `TooLarge`."""
    if not documents:
        return ()
    if len(documents) > MAX_FILES:
        raise TooLarge("too_many_files", f"Trop de pièces jointes ({MAX_FILES} au plus). Votre texte est gardé.")
    handle = await access.dossier(app, box)
    files, size = [], 0
    for document in dict.fromkeys(documents):
        facts, data = await shelf.open_document(app, handle, document)
        size += len(data)
        if size > MAX_FILES_SIZE:
            raise TooLarge(
                "files_too_large",
                f"Les pièces jointes sont trop lourdes ({MAX_FILES_SIZE // 1_048_576} Mo en tout au plus). Votre "
                "texte est gardé.",
            )
        facts = msgspec.structs.replace(facts, size=len(data), inner="")
        files.append(File(facts, await app.blobs.put(handle.keys, data)))
    return tuple(files)
