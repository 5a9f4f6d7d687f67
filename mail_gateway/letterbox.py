"""A letter into the spaces of the patients it is for: mail to `Draft`, for both doors.

    raw mail  →  as this patient may see it  →  thread (References, this space, this sender)  →  text, HTML made safe,
    files, documents, appointment card  →  post(), once for each patient

Promises: two patients of one letter never learn of each other; a letter that comes again (lost 250) is one message;
whatever can be read is delivered, and what cannot is refused by a reply that says why. All patients are prepared
before the first is written to, so that a letter is refused for all or for none. Does not know protocols nor who may
speak for whom: the doors established that.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mail_gateway import appointments, cleaning, mime, structure
from mail_gateway.discretion import for_one
from mail_gateway.enclosures import enclosed, has_archive
from mail_gateway.malformed import Malformed
from mail_gateway.mime import Letter
from mail_gateway.prose import split_quoted
from mail_gateway.smtp_syntax import Refusal
from mail_gateway.structure import Node
from server import access, actions, people, posting, reading
from server.access import ConversationHandle, SpaceHandle
from server.actions import acting
from server.drafts import MAX_TEXT, Actor, Author, Draft, File, FileFacts, MailFacts, Member, Opening
from server.errors import Conflict, Invalid, NotAllowed, Refused, TooLarge
from storage import conversations

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

HASHED_APART: Final = 64 * 1024  # octets from which a hash costs more than a change of thread
LARGE: Final = 512 * 1024  # octets from which a letter is read in a thread
_NUMBER: Final = re.compile(r"\s*([1-9])\s*[.)]?\s*")
_CUT: Final = "\n\n[…] La suite de ce message est dans le fichier joint."


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter at the door. `sender`: of the envelope. `reply_to`: who takes part instead of the author."""

    actor: Actor
    sender: str
    raw: bytes
    members: tuple[Member, ...] = ()
    reply_to: Actor | None = None


Read = tuple[Letter, Node]  # a letter, and where everything is in its raw mail


async def read(raw: bytes) -> Read:
    """The letter in a raw mail. Raises `Malformed`."""
    return mime.read_with_root(raw) if len(raw) < LARGE else await asyncio.to_thread(mime.read_with_root, raw)


async def deliver(app: App, sent: Sent, found: Read, spaces: Sequence[tuple[str, SpaceHandle]]) -> None:
    """One message for each (INS, space). Raises `Refusal` or our own errors; a repeated call changes nothing.

    `found`: what `read` says of `sent.raw`.
    """
    try:
        apart = len(sent.raw) > HASHED_APART
        key = await asyncio.to_thread(retry_key, sent, found[0]) if apart else retry_key(sent, found[0])
        ready = [(ins, await _prepare(app, sent, found, ins, space, key)) for ins, space in spaces]
    except Malformed as error:
        raise Refusal(550, "5.6.0", error.detail) from None
    for _, (actor, draft) in ready:
        if not await _answered(app, sent, draft):
            await _post(app, actor, draft)


async def _post(app: App, actor: Actor, draft: Draft) -> None:
    try:
        await posting.post(app, actor, draft)
    except (Invalid, NotAllowed, TooLarge) as error:
        raise Refusal(550, "5.6.0", error.detail) from None
    except Refused:  # closed since RCPT: said when the letter is brought again
        raise Refusal(451, "4.3.0", "Try again later") from None


def retry_key(sent: Sent, letter: Letter) -> str:
    """The same Message-ID, sender and content is the same letter (item 24); without Message-ID, the same date and
    subject.
    """
    name = letter.message_id or f"{letter.date}\0{letter.subject}"
    seed = f"{name}\0{sent.sender.lower()}\0".encode() + mime.body_hash(sent.raw)
    return f"mail:{hashlib.blake2b(seed, digest_size=16).hexdigest()}"


async def _prepare(app: App, sent: Sent, found: Read, ins: str, space: SpaceHandle, key: str) -> tuple[Actor, Draft]:
    raw = for_one(sent.raw, ins, app.settings.patient_domain)
    letter, root = found if raw is sent.raw else await read(raw)
    actor, to, answers = await _place(app, sent, letter, ins, space)
    traits = await app.db.read(lambda tx: people.traits(app, tx, space.space_id)) if has_archive(letter) else None
    within = await enclosed(raw, root, letter, ins, traits)
    keys = space.keys
    files = [*within.files]
    for document in within.documents:
        files.append(File(document.facts, await app.blobs.put(keys, document.content)))
    text, more = _text(letter, root)
    kind, card, effect = appointments.card(sent.actor, letter, text, keys.space_id)
    draft = Draft(
        to=to,
        text="" if card and not text.strip() else text,
        kind=kind,
        subject=subject(letter),
        html=await cleaning.safe(letter.html),
        card=card,
        files=(*files, *more),
        retry_key=key,
        in_reply_to=answers,
        mail=_facts(letter),
        raw=raw,
        members=sent.members,
        effect=_effects(effect, _replies(letter, to)),
        author=Author(sent.actor.kind, sent.actor.name, sent.actor.role, sent.actor.organisation),
    )
    return actor, draft


async def _place(
    app: App, sent: Sent, letter: Letter, ins: str, space: SpaceHandle
) -> tuple[Actor, ConversationHandle | Opening, str]:
    """(who takes part, where the letter goes, the message it answers)."""
    references = tuple(dict.fromkeys((*letter.in_reply_to, *reversed(letter.references))))
    for actor in (sent.actor, sent.reply_to):
        if actor is None or not references:
            continue
        found = await access.correspondence(app, actor, ins, references)
        if isinstance(found, tuple):
            return actor, found[0], found[1]
    actor = sent.reply_to or sent.actor
    return actor, Opening(replace(space, actor=actor), subject(letter)), ""


def subject(letter: Letter) -> str:
    """ECO.3.1.3: the software's prefix is not for people."""
    return letter.subject.removeprefix("XDM/1.0/DDM+").strip() or "(sans objet)"


def _facts(letter: Letter) -> MailFacts:
    references = tuple(dict.fromkeys((*letter.references, *letter.in_reply_to)))
    author = letter.from_[0] if letter.from_ else None
    return MailFacts(
        message_id=letter.message_id,
        references=references,
        from_name=author.name if author else "",
        from_address=author.address if author else "",
        to=tuple(mailbox.address for mailbox in letter.to),
        cc=tuple(mailbox.address for mailbox in letter.cc),
        receipt_to=letter.asks_receipt,
    )


def _text(letter: Letter, root: Node) -> tuple[str, tuple[File, ...]]:
    """The whole text, quotation included; what is too long for a message is also a file."""
    if len(letter.text) <= MAX_TEXT:
        return letter.text, ()
    node = next((node for node in structure.walk(root) if node.type == "text"), None)
    cut = letter.text[: MAX_TEXT - len(_CUT)] + _CUT
    if node is None:
        return cut, ()
    encoding = node.encoding if node.encoding in ("base64", "quoted-printable") else "identity"
    facts = FileFacts("message.txt", "text/plain", len(letter.text.encode("utf-8", "replace")))
    return cut, (File(facts, part=f"{encoding}:{node.body_start}:{node.body_end}"),)


# ---- effects ---------------------------------------------------------------------------------------------------------

Effect = Callable[["Doing"], None] | None


def _replies(letter: Letter, to: ConversationHandle | Opening) -> Effect:
    """MSSanté, CNAM note § 7: FIN ends the right to answer; the professional's next letter gives it back."""
    if letter.ends_exchange:
        return lambda doing: conversations.set_replies(doing.tx, doing.to.space_id, doing.conversation_id, "closed")
    if isinstance(to, ConversationHandle) and to.replies == "closed":
        return lambda doing: conversations.set_replies(doing.tx, doing.to.space_id, doing.conversation_id, "open")
    return None


def _effects(*effects: Effect) -> Effect:
    wanted = [effect for effect in effects if effect is not None]
    if not wanted:
        return None

    def run(doing: Doing) -> None:
        for effect in wanted:
            effect(doing)

    return run


# ---- answers by mail (law 6) -----------------------------------------------------------------------------------------


async def _answered(app: App, sent: Sent, draft: Draft) -> bool:
    """Whether the letter was an answer to a card, by its number, and the action was done. Otherwise it is a letter.

    A number with more under it does both: nothing somebody wrote is lost.
    """
    first, _, rest = split_quoted(draft.text)[0].strip().partition("\n")
    number = _NUMBER.fullmatch(first)
    if number is None or not draft.in_reply_to or sent.actor.external or not isinstance(draft.to, ConversationHandle):
        return False
    opened = await reading.open_unchecked(app, draft.to.keys, draft.in_reply_to)
    card = opened.body.card
    action = actions.choice(card, int(number[1])) if card else None
    if action is None:
        return False
    try:
        box = await access.mailbox(app, sent.actor)
        await acting.act(app, box, draft.in_reply_to, action, {}, draft.retry_key)
    except (Conflict, Invalid, NotAllowed, Refused):
        return False
    return not (rest.strip() and not rest.strip().startswith("--")) and not draft.files
