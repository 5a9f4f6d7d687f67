"""The writing half of the API: every call builds a `Draft` and hands it to `server.posting.post`, the one path.

A retry key is scoped to the account and to what is written to: the conversation, or the patient for a first letter.
It is looked up before the draft is made, because the files of a first attempt are gone from the uploads when the
second one comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from stdnum.fr import nir

from server import access, actions, handing, people, posting, reading
from server.actions import acting, catalogue, consent
from server.api import shapes
from server.api.door import Call
from server.api.shapes import (
    Card,
    ConsentRequestCard,
    NewAction,
    NewConversation,
    NewHandover,
    NewMessage,
    NewReturn,
    Nothing,
    ReadUpTo,
    Receipt,
    ServiceCard,
    Unread,
)
from server.drafts import Actor, Draft, Member, Opening
from server.drafts import Receipt as Posted
from server.errors import Invalid, NotAllowed, Refused
from server.handles import ConversationHandle, MailboxHandle, SpaceHandle

if TYPE_CHECKING:
    from server.posting import Doing

# Sex (or NIA), year, month, department and the rest, key included: 15 characters (référentiel INS). ASCII digits only.
_INS = re.compile(r"[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{8}")
_ADDRESS = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}")


async def open_conversation(call: Call[Nothing, NewConversation]) -> Receipt:
    """`POST /conversations`."""
    body = call.body
    _check_line(body.subject)
    if call.actor.kind == "holder":
        space, member = await _correspondent(call, body.to)
        members: tuple[Member, ...] = (member,)
    else:
        space, members = await patient_of(call, body.to), ()
    return await _post(call, Opening(space, body.subject, members), "new")


async def post_message(call: Call[Nothing, NewMessage]) -> Receipt:
    """`POST /conversations/{id}/messages`."""
    box = await access.mailbox(call.app, call.actor)
    to = await access.conversation(call.app, box, call.at["id"])
    if call.body.in_reply_to:
        await reading.message(call.app, to, call.body.in_reply_to)
    return await _post(call, to, to.conversation_id)


async def act(call: Call[Nothing, NewAction]) -> Receipt:
    """`POST /messages/{id}/actions/{action}`."""
    box = await access.mailbox(call.app, call.actor)
    values: dict[str, Any] = dict(call.body.values)
    return _receipt(await acting.act(call.app, box, call.at["id"], call.at["action"], values, call.retry_key))


async def hand_over(call: Call[Nothing, NewHandover]) -> Receipt:
    """`POST /conversations/{id}/handover`."""
    box = await access.mailbox(call.app, call.actor)
    key = _key(call, f"hand:{call.at['id']}")
    return _receipt(await handing.ask(call.app, box, call.at["id"], call.body.to, call.body.text, key))


async def give_back(call: Call[Nothing, NewReturn]) -> Receipt:
    """`POST /conversations/{id}/handover/return`."""
    box = await access.mailbox(call.app, call.actor)
    return _receipt(await handing.give_back(call.app, box, call.at["id"], _key(call, f"return:{call.at['id']}")))


async def mark_read(call: Call[Nothing, ReadUpTo]) -> Unread:
    """`POST /conversations/{id}/read`."""
    box = await access.mailbox(call.app, call.actor)
    to = await access.conversation(call.app, box, call.at["id"])
    return Unread(await reading.mark_read(call.app, to, call.body.up_to))


def _receipt(posted: Posted) -> Receipt:
    return Receipt(posted.conversation, posted.message, posted.seq)


def _key(call: Call[Nothing, Any], where: str) -> str:
    """The retry key of this call, of this account, in this place; "" when it was given none."""
    return f"api:{call.actor.account_id}:{where}:{call.retry_key}" if call.retry_key else ""


async def _post(
    call: Call[Nothing, NewConversation] | Call[Nothing, NewMessage], to: Opening | ConversationHandle, where: str
) -> Receipt:
    body = call.body
    if shapes.NOT_IN_A_TEXT.search(body.text):
        raise Invalid("control_characters", "text : des caractères de commande n’ont pas leur place dans un message.")
    card, effect = _card(call.actor, body.card)
    space = to.space if isinstance(to, Opening) else to
    retry_key = _key(call, where)
    if retry_key and (known := await posting.receipt_again(call.app, call.actor, space.space_id, retry_key)):
        return _receipt(known)
    draft = Draft(
        to=to,
        text=body.text or str((card or {}).get("text", "")),
        kind="text" if card is None else "card",
        card=card,
        uploads=tuple(dict.fromkeys(body.attachments)),
        retry_key=retry_key,
        in_reply_to=(body.in_reply_to or "") if isinstance(body, NewMessage) else "",
        effect=effect,
    )
    try:
        return _receipt(await posting.post(call.app, call.actor, draft))
    except Invalid:
        # Two attempts side by side: the other took the files between our look and our post.
        known = await posting.receipt_again(call.app, call.actor, space.space_id, retry_key) if retry_key else None
        if known is None:
            raise
        return _receipt(known)


def _card(actor: Actor, card: Card | None) -> tuple[dict[str, Any] | None, Callable[[Doing], None] | None]:
    """The card as stored, and what posting it does besides. A service is offered in the catalogue's words, and reading
    is asked for in ours, not in those of whoever offers or asks.
    """
    if card is None:
        return None, None
    if isinstance(card, ServiceCard):
        return catalogue.service_card(card.service), None
    if isinstance(card, ConsentRequestCard):
        return consent.asking(actor, consent.wish(card.things, card.days, card.reason))
    built: dict[str, Any] = msgspec.to_builtins(card)
    for name in ("title", "title_en"):
        _check_line(built.get(name, ""))
    if any(isinstance(value, str) and shapes.NOT_IN_A_TEXT.search(value) for value in built.values()):
        raise Invalid("control_characters", "card : des caractères de commande n’y ont pas leur place.")
    return actions.check_card(built), None


def _check_line(text: str) -> None:
    if shapes.NOT_IN_A_LINE.search(text):
        raise Invalid("control_characters", "Un titre tient sur une ligne, sans caractère de commande.")


async def patient_of(call: Call[Any, Any], to: str, through: MailboxHandle | None = None) -> SpaceHandle:
    """The space of the patient written to, from the caller's own mailbox or a team's. That nobody has this INS is told
    to a signed-in writer, and braked.
    """
    settings = call.app.settings
    local, at, domain = to.strip().rpartition("@")
    ins = (local if at else domain).upper()
    if (at and domain.lower() != settings.patient_domain.lower()) or not _INS.fullmatch(ins):
        raise Invalid("bad_recipient", "to : le matricule INS d’un patient (15 caractères), ou son adresse.")
    if settings.strict_ins_key and nir.calc_check_digits(ins[:13]) != ins[13:]:
        raise Invalid("bad_recipient", "to : la clé de ce matricule INS est fausse.")
    call.app.lookups.may_look_up(call.actor.account_id)
    try:
        return await access.patient(call.app, call.actor, ins, through=through)
    except Refused as error:
        if error.code not in {"no_space", "closed"}:
            raise
        call.app.lookups.unknown(call.actor.account_id)
        raise Refused("no_such_recipient", "Aucun espace ouvert n’a ce matricule.") from None


async def _correspondent(call: Call[Nothing, NewConversation], to: str) -> tuple[SpaceHandle, Member]:
    """The patient's own space, and the professional they write to, who wrote to them before. Raises `NotAllowed`."""
    address = to.strip().lower()
    if not _ADDRESS.fullmatch(address):
        raise Invalid("bad_recipient", "to : l’adresse d’un professionnel qui vous a déjà écrit.")
    space = await access.own_space(call.app, call.actor)
    await access.correspondent(call.app, space, address)
    known = await people.hosted(call.app, address)
    if known is None:
        return space, Member(address=address)
    if known.account_id == call.actor.account_id:
        raise NotAllowed("not_a_correspondent", "On ne s’écrit pas à soi-même.")
    return space, Member(
        known.account_id, known.mailbox_id, access.organisation(known), known.name, known.address, known.role
    )
