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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from mail_gateway import appointments, cleaning, dsn, lineage, mime, placing, structure
from mail_gateway.discretion import for_one
from mail_gateway.enclosures import enclosed, has_archive
from mail_gateway.mime import Letter
from mail_gateway.quarantine import Kept, Returned, why
from mail_gateway.smtp_syntax import Asked, Refusal
from mail_gateway.structure import Node
from server import access, actions, audit, exchanges, posting, reading
from server.actions import acting, consent
from server.actions.confirmations import confirmation_card
from server.audit import Act
from server.drafts import MAX_TEXT, Actor, Author, Draft, File, FileFacts, MailFacts, Member
from server.errors import Conflict, Invalid, NotAllowed, Refused, TooLarge
from server.formats import xdm
from server.formats.malformed import Malformed
from server.forms import by_mail
from server.handles import ConversationHandle, SpaceHandle
from server.journeys import binding
from server.quotations import split_quoted
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

HASHED_APART: Final = 64 * 1024  # octets from which a hash costs more than a change of thread
LARGE: Final = 512 * 1024  # octets from which a letter is read in a thread
ABSENCE_DAYS: Final = 7
_SIGNATURE: Final = re.compile(r"^-- ?$", re.MULTILINE)
_NUMBER: Final = re.compile(r"\s*([1-9])\s*[.)]?\s*")
_SAYING: Final = frozenset({"agenda.correct", "agenda.counter", "measures.correct"})  # actions that take words
_BLOCKED: Final = "Ce patient ne souhaite pas recevoir vos messages. Un document de soins (IHE_XDM) reste possible."
_DEPOSIT: Final = "Un document a été déposé par ce professionnel, que vous avez bloqué. Son message n’est pas affiché."
_CUT: Final = "\n\n[…] La suite de ce message est dans le fichier joint."


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter at the door. `sender`: of the envelope. `reply_to`: who takes part instead of the author."""

    actor: Actor
    sender: str
    raw: bytes
    members: tuple[Member, ...] = ()
    reply_to: Actor | None = None
    ignore_references: bool = False  # an operator looked at forged ones: a conversation of its own
    despite_identity: bool = False  # an operator established whom the documents are about
    asked: Asked = field(default_factory=Asked)  # of reports


Read = tuple[Letter, Node]  # a letter, and where everything is in its raw mail


async def read(raw: bytes) -> Read:
    """The letter in a raw mail. Raises `Malformed`."""
    return mime.read_with_root(raw) if len(raw) < LARGE else await asyncio.to_thread(mime.read_with_root, raw)


async def deliver(app: App, sent: Sent, found: Read, spaces: Sequence[tuple[str, SpaceHandle]]) -> list[Kept]:
    """One message for each (INS, space); returns those whose letter is not to be shown, or not now, and is to be kept.

    Raises `Refusal` or our own errors; a repeated call changes nothing. `found`: what `read` says of `sent.raw`.
    """
    ready, kept = [], []
    key = await key_of(sent, found[0])
    for ins, space in spaces:
        try:
            ready.append((ins, space, await _prepare(app, sent, found, ins, space, key)))
        except Malformed as error:
            raise Refusal(550, "5.6.0", error.detail) from None
        except Exception as error:  # noqa: BLE001 - `why` raises again what is no reason to keep a letter
            kept.append(Kept(ins, space, why(error), key))
    for ins, space, (actor, draft) in ready:
        try:
            if not await _answered(app, sent, draft):
                await _post(app, sent, actor, draft, space, alone=len(spaces) == 1)
        except Exception as error:  # noqa: BLE001 - as above
            kept.append(Kept(ins, space, why(error), key))
    return kept


async def _post(app: App, sent: Sent, actor: Actor, draft: Draft, space: SpaceHandle, *, alone: bool) -> None:
    try:
        await posting.post(app, actor, draft)
    except (Invalid, NotAllowed, TooLarge) as error:
        if error.code != exchanges.BLOCKED:
            raise Refusal(550, "5.6.0", error.detail) from None
        await _turn_away(app, sent, space, alone=alone)
    except Refused:  # closed since RCPT: said when the letter is brought again
        raise Refusal(451, "4.3.0", "Try again later") from None


async def _turn_away(app: App, sent: Sent, space: SpaceHandle, *, alone: bool) -> None:
    """The patient blocked this sender, who is told or not, as `blocked_senders` says.

    Raises `Refusal`, or `Returned` when other patients of the letter have it.
    """
    await app.db.write(lambda tx: audit.record(tx, Act.WRITER_TURNED_AWAY, sent.actor, space.space_id, "correspondent"))
    if app.settings.blocked_senders == "silent":
        return
    if alone:
        raise Refusal(550, "5.7.1", _BLOCKED)
    raise Returned("blocked", _BLOCKED)


async def key_of(sent: Sent, letter: Letter) -> str:
    """`retry_key`, away from the event loop when the letter is long."""
    apart = len(sent.raw) > HASHED_APART
    return await asyncio.to_thread(retry_key, sent, letter) if apart else retry_key(sent, letter)


def retry_key(sent: Sent, letter: Letter) -> str:
    """The same Message-ID, sender and content is the same letter (item 24); without Message-ID, the same date and
    subject. An automatic answer that says the same again is the same for `ABSENCE_DAYS`.
    """
    if letter.auto_replied:
        said = split_quoted(letter.text)[0].strip()
        seed = f"{sent.sender.lower()}\0{said}\0{now_ms() // (ABSENCE_DAYS * 86_400_000)}".encode()
        return f"auto:{hashlib.blake2b(seed, digest_size=16).hexdigest()}"
    name = letter.message_id or f"{letter.date}\0{letter.subject}"
    seed = f"{name}\0{sent.sender.lower()}\0".encode() + mime.body_hash(sent.raw)
    return f"mail:{hashlib.blake2b(seed, digest_size=16).hexdigest()}"


async def _prepare(app: App, sent: Sent, found: Read, ins: str, space: SpaceHandle, key: str) -> tuple[Actor, Draft]:
    raw = for_one(sent.raw, ins, app.settings.patient_domain)
    letter, root = found if raw is sent.raw else await read(raw)
    place = await placing.place(app, sent, letter, ins, space)
    keys = space.keys
    address = f"{ins}@{app.settings.patient_domain}"
    brought = await appointments.read(app, sent.actor, letter, raw, root, address, keys)
    attached = letter if brought.attachments is letter.attachments else replace(letter, attachments=brought.attachments)
    within = await enclosed(app, raw, root, attached, ins, space, established=sent.despite_identity)
    files = [*within.files]
    text, more = _text(letter, root)
    deposit = has_archive(letter) and await access.is_blocked(app, sent.actor, space)
    if deposit:  # the document, and no word of somebody whom the patient does not want to hear
        text, more, letter = _DEPOSIT, (), replace(letter, html="", asks_receipt="")
        brought = appointments.Brought()
        files = [file for file in files if file.part == "" or xdm.is_xdm(file.facts.name, "zip")]
    elif brought.card is None and placing.asks_confirmation(letter):
        brought = replace(brought, kind="card", card=confirmation_card(sent.actor.name))
    elif brought.card is None and placing.asks_to_read(letter) and not place.actor.external:
        card, asks = _request(place.actor, letter)
        brought = replace(brought, kind="card", card=card, effect=asks)
    author = Author(sent.actor.kind, sent.actor.name, sent.actor.role, sent.actor.organisation)
    chain = lineage.following(within.followed, files, sent.actor, author)
    draft = Draft(
        to=place.to,
        text="" if brought.card and not text.strip() else text,
        kind=brought.kind,
        subject=placing.subject(letter),
        html=await cleaning.safe(letter.html),
        card=brought.card,
        files=(*files, *more),
        retry_key=key,
        in_reply_to=place.answers,
        mail=dsn.noted(app, _facts(letter, sent.sender), sent.asked),
        raw=raw,
        members=sent.members,
        effect=_effects(
            brought.effect,
            None if deposit else _exchange(app, sent, letter, place),
            None if deposit else _journey(sent, letter, brought.card),
            chain,
        ),
        author=author,
    )
    return place.actor, draft


def _request(actor: Actor, letter: Letter) -> tuple[dict[str, Any], Callable[[Doing], None]]:
    """To be allowed to read the dossier. Raises `Refusal` for what is not understood: nothing is asked by mistake."""
    try:
        return consent.asking(actor, consent.wish_of_letter(letter.text))
    except Invalid as error:
        raise Refusal(550, "5.6.0", error.detail) from None


def _facts(letter: Letter, return_path: str) -> MailFacts:
    references = tuple(dict.fromkeys((*letter.references, *letter.in_reply_to)))
    author = letter.from_[0] if letter.from_ else None
    return MailFacts(
        message_id=letter.message_id,
        references=references,
        from_name=author.name if author else "",
        from_address=author.address if author else "",
        to=tuple(mailbox.address for mailbox in letter.to),
        cc=tuple(mailbox.address for mailbox in letter.cc),
        receipt_to="" if letter.auto_submitted else letter.asks_receipt,
        return_path=return_path,
        automatic=letter.auto_submitted,
    )


def _text(letter: Letter, root: Node) -> tuple[str, tuple[File, ...]]:
    """The whole text, quotation included; what is too long for a message is also a file."""
    if letter.subject == placing.FIN and not letter.text.strip() and letter.from_:
        return f"{letter.from_[0].name or letter.from_[0].address} a mis fin à cet échange.", ()
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


def _exchange(app: App, sent: Sent, letter: Letter, place: placing.Place) -> Effect:
    """What the letter does to the exchange with its sender (MSSanté, CNAM note § 7). Blocked is blocked for who wrote
    it, whoever it asks to be answered at.
    """

    def effect(doing: Doing) -> None:
        author = "" if place.actor is sent.actor else access.member_id(app, doing.tx, sent.actor, doing.to.space_id)
        others = (author,) if author else ()
        exchanges.heard(doing, ends=letter.ends_exchange, automatic=letter.auto_submitted, others=others)

    return effect


def _journey(sent: Sent, letter: Letter, card: dict[str, Any] | None) -> Effect:
    """What somebody hosted here names beside an invitation, or for the appointment that comes."""
    name = "" if sent.actor.external else placing.journey(letter)
    if not name:
        return None
    invitation = card if card is not None and card.get("type") in {"appointment", "publication"} else None
    return lambda doing: binding.by_letter(doing, name, invitation)


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

    A number with more under it does both: nothing somebody wrote is lost. Under another moment it is the wish.
    """
    if not draft.in_reply_to or not isinstance(draft.to, ConversationHandle):
        return False
    said = split_quoted(draft.text)[0].strip()
    first, _, rest = said.partition("\n")
    number = _NUMBER.fullmatch(first)
    if not any(char.isdigit() for char in said) and "tout" not in said.lower():
        return False
    if await access.is_blocked(app, sent.actor, draft.to):
        return False  # a letter, then, and turned away as such
    opened = await reading.open_unchecked(app, draft.to.keys, draft.in_reply_to)
    card = opened.body.card
    if card and card.get("type") in actions.FILLED:
        whole = await by_mail.answer(app, draft.to, draft.in_reply_to, card, said, draft.retry_key)
        return whole and not draft.files
    if number is None:
        return False
    action = actions.choice(card, int(number[1])) if card else None
    if action is None:
        return False
    try:
        wish = {"text": _SIGNATURE.split(rest)[0].strip()} if action in _SAYING else {}
        await acting.act_in(app, draft.to, draft.in_reply_to, action, wish, draft.retry_key)
    except (Conflict, Invalid, NotAllowed, Refused):
        return False
    return not draft.files and (bool(wish) or not rest.strip() or rest.strip().startswith("--"))
