"""An office organises: it proposes an appointment to a patient, one moment or several, moves it, calls it off, answers
a wish, notes what was agreed by phone.

    Proposal → a card (`proposals`), posted with the effect of `organiser` → the patient's tap (`server.actions.agenda`)

Promises: only the organiser changes an appointment, the account or somebody of its team; for everybody else it is not
there. Nothing is booked without a person: accepted is what the patient accepted, or what a person of the office says
was agreed with them, which the patient is told and may decline. Every card says how to reach somebody. A change of
what somebody else changed meanwhile is refused. Whom else a patient meets when is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, audit, posting, reading
from server.agenda import book, organiser, own, proposals
from server.agenda.proposals import Moment, Proposal
from server.audit import Act
from server.drafts import Draft, Opening, Receipt
from server.errors import Conflict, NotAllowed, Refused
from server.handles import ConversationHandle, MailboxHandle, SpaceHandle
from storage import appointments as rows
from storage import messages
from storage.appointments import Appointment
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing
    from storage.vault import SpaceKeys

OFFICES: Final = frozenset({"professional", "team", "bot"})
_GONE: Final = frozenset({"cancelled", "removed"})


@dataclass(frozen=True, slots=True)
class Mine:
    """An appointment of an office that may change it. `card`: its last one, in `conversation`; `scope`: of its UID."""

    space_id: str
    row: Appointment
    facts: dict[str, Any]
    card: dict[str, Any]
    scope: str
    conversation: str


# ---- what an office does ---------------------------------------------------------------------------------------------


async def propose(app: App, box: MailboxHandle, to: SpaceHandle, wanted: Proposal, retry_key: str = "") -> Receipt:
    """A new appointment, in a conversation of this mailbox or in a new one of the space. Raises `Invalid`,
    `NotAllowed`, `Conflict` when its `uid` is known, and as `post`.
    """
    office(box)
    if retry_key and (known := await posting.receipt_again(app, box.actor, to.space_id, retry_key)):
        return known
    if wanted.agreed and box.actor.kind == "bot":
        raise NotAllowed("no_person", "Seule une personne peut noter ce qui a été convenu.")
    wanted = proposals.checked(wanted)
    card = await proposals.card(app, box, wanted)

    def effect(doing: Doing) -> None:
        if organiser.known(doing.tx, doing.app, doing.to.keys, box.owner, card["uid"], ""):
            raise Conflict("appointment_known", "Un rendez-vous a déjà cet identifiant pour ce patient.")
        audit.record(doing.tx, Act.AGENDA_CHANGED, box.actor, doing.to.space_id, doing.to.ground, "", "proposed")
        organiser.offered(doing, card, box.owner, agreed=wanted.agreed)

    opened = to if isinstance(to, ConversationHandle) else Opening(to, wanted.title)
    return await posting.post(app, box.actor, Draft(opened, "", "card", card=card, effect=effect, retry_key=retry_key))


async def move(
    app: App, box: MailboxHandle, mine: Mine, wanted: Proposal, retry_key: str = "", *, granted: bool = False
) -> Receipt:
    """Another version of an appointment: its moment, its place, its words. `granted`: it is what the
    patient asked for. Raises as `propose`.
    """
    wanted = proposals.checked(msgspec.structs.replace(wanted, uid=str(mine.card.get("uid", ""))))
    if mine.row.state in _GONE:
        raise Conflict("appointment_off", "Ce rendez-vous est annulé. Proposez-en un nouveau.")
    if wanted.agreed and box.actor.kind == "bot":
        raise NotAllowed("no_person", "Seule une personne peut noter ce qui a été convenu.")
    card = await proposals.card(app, box, wanted, granted=granted) | {
        "sequence": mine.row.sequence + 1,
        "scope": mine.scope,
        "instance": str(mine.card.get("instance") or ""),
    }
    return await _change(
        app, box, mine, card, "moved", lambda doing: organiser.offered(doing, card, mine.scope, agreed=wanted.agreed),
        retry_key,
    )  # fmt: skip


async def cancel(app: App, box: MailboxHandle, mine: Mine, reason: str = "", retry_key: str = "") -> Receipt:
    """It will not be. Raises `Conflict` when it was called off before."""
    if mine.row.state in _GONE:
        raise Conflict("appointment_off", "Ce rendez-vous est annulé. Proposez-en un nouveau.")
    card = await proposals.after(app, box, mine.card, mine.facts, "cancellation", reason)
    card |= {"sequence": mine.row.sequence + 1}
    return await _change(
        app, box, mine, card, "cancelled", lambda doing: organiser.cancelled(doing, card, mine.scope), retry_key
    )


async def grant(app: App, box: MailboxHandle, mine: Mine, retry_key: str = "") -> Receipt:
    """The moment that the patient asked for is proposed to them, as long as what was planned. Raises `Conflict` when
    they did not name one.
    """
    _, start = await wish(app, mine)
    if mine.row.state != "asked" or len(start) <= len("2026-12-01"):
        raise Conflict("no_wish", "Ce patient n’a pas proposé de jour et d’heure.")
    begins, was = book.instant(start), book.instant(str(mine.facts.get("start")))
    until = book.instant(str(mine.facts.get("end") or ""))
    end = (begins + (until - was)).isoformat() if begins and was and until and until > was else ""
    wanted = msgspec.structs.replace(proposal_of(mine), moments=(Moment(start, end),))
    return await move(app, box, mine, wanted, retry_key, granted=True)


async def keep(app: App, box: MailboxHandle, mine: Mine, reason: str = "", retry_key: str = "") -> Receipt:
    """The other moment is not possible; what was planned is offered again. Raises `Conflict` when nothing was asked."""
    if mine.row.state != "asked":
        raise Conflict("no_wish", "Ce patient n’a pas demandé d’autre moment.")
    card = await proposals.after(app, box, mine.card, mine.facts, "kept", reason)
    return await _change(app, box, mine, card, "kept", lambda doing: organiser.kept(doing, card, mine.scope), retry_key)


async def _change(
    app: App, box: MailboxHandle, mine: Mine, card: dict[str, Any], done: str, effect: Callable[[Doing], None],
    retry_key: str,
) -> Receipt:  # fmt: skip
    to = await access.conversation(app, box, mine.conversation)
    if retry_key and (known := await posting.receipt_again(app, box.actor, to.space_id, retry_key)):
        return known

    def run(doing: Doing) -> None:
        held = rows.hold_one(doing.tx, mine.space_id, mine.row.id)
        if held is None or held.organiser_id != box.owner:
            raise Refused
        if (held.sequence, held.state) != (mine.row.sequence, mine.row.state):
            raise Conflict("appointment_changed_meanwhile", "Ce rendez-vous vient de changer. Relisez-le avant d’agir.")
        audit.record(doing.tx, Act.AGENDA_CHANGED, box.actor, mine.space_id, doing.to.ground, held.id, done)
        effect(doing)

    return await posting.post(app, box.actor, Draft(to, "", "card", card=card, effect=run, retry_key=retry_key))


def office(box: MailboxHandle) -> None:
    """Raises `Refused` for a mailbox that organises nothing."""
    if box.owner_kind not in OFFICES:
        raise Refused


# ---- what an office has ----------------------------------------------------------------------------------------------


async def mine(app: App, box: MailboxHandle, space_id: str, appointment_id: str) -> Mine:
    """An appointment that this mailbox's office organises. Raises `Refused`: it is not there, or not theirs."""
    office(box)
    found = await app.db.read(lambda tx: _mine(app, tx, box, rows.find(tx, space_id, appointment_id), space_id))
    if found is None:
        raise Refused
    return found


async def named(app: App, box: MailboxHandle, space: SpaceHandle, uid: str) -> Mine | None:
    """The one that this office's program knows by that identifier."""
    uid_hash = book.identity(app, space.space_id, box.owner, uid)
    return await app.db.read(lambda tx: _mine(app, tx, box, rows.by_uid(tx, space.space_id, uid_hash), space.space_id))


def _mine(app: App, tx: Tx, box: MailboxHandle, row: Appointment | None, space_id: str) -> Mine | None:
    if row is None or row.organiser_id != box.owner:
        return None
    keys = reading.keys_of(app, tx, space_id, {})
    message = messages.find(tx, space_id, row.message_id)
    if message is None:
        return None
    card = reading.body_of(keys, message).card or {}
    scope = card.get("scope") or (card.get("organizer", "") if message.raw_blob else message.author_id)
    return Mine(space_id, row, book.facts_in(keys, row), card, str(scope), message.conversation_id)


def proposal_of(mine: Mine) -> Proposal:
    """What was proposed: what a form to change it begins with."""
    facts = mine.facts
    said = mine.card.get("said")  # the office's own words, without ours
    return Proposal(
        str(facts.get("title", "")),
        (Moment(str(facts.get("start", "")), str(facts.get("end", ""))),),
        str(facts.get("location", "")),
        str(said if said is not None else mine.card.get("text", "")),
        str(mine.card.get("uid", "")),
        rrule=str(facts.get("rrule") or ""),
        zone=str(facts.get("zone") or own.PARIS),
    )


async def wish(app: App, mine: Mine) -> tuple[str, str]:
    """(words, beginning or "") of the other moment that the patient asked for."""
    return await app.db.read(lambda tx: wish_in(tx, reading.keys_of(app, tx, mine.space_id, {}), mine.row))


def wish_in(tx: Tx, keys: SpaceKeys, row: Appointment) -> tuple[str, str]:
    """As `wish`, inside a reading."""
    from server.actions import agenda  # it reads the book, as we do

    asked = [one for one in messages.answers(tx, keys.space_id, row.message_id) if one.action == "agenda.counter"]
    if row.state != "asked" or not asked:
        return "", ""
    detail = msgspec.json.decode(keys.open("answer", asked[-1].answer_id, asked[-1].detail))
    return agenda.wish(detail.get("values") or {})
