"""An office binds a sequence to an appointment it organises or follows: from a page, or by a letter that names one.

Promises: a sequence is the office's own, or that of a team its writer works in, who then runs it; an appointment of
another office cannot be reached, nor seen; a letter that names what is not known is delivered all the same, and its
writer is told which names there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from server import access, people, posting, undelivered
from server.agenda import book
from server.delivery import Parcel
from server.drafts import Author, Draft, Receipt
from server.errors import Conflict, Invalid, PliError, Refused
from server.handles import ConversationHandle, MailboxHandle
from server.journeys import planning, sending, sequences
from server.journeys.planning import Bound
from server.journeys.sequences import Prepared
from storage import appointments, deliveries
from storage import journeys as rows
from storage.appointments import Appointment
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing


# ---- from a page -----------------------------------------------------------------------------------------------------


async def attach(
    app: App, box: MailboxHandle, conversation_id: str, appointment_id: str, sequence_id: str, retry_key: str = ""
) -> Receipt:
    """Bind a sequence to an appointment, in a conversation of this office with the patient; a line tells of it. Raises
    `Refused`, `Invalid`, and as `post`.
    """
    prepared = next((one for one in await sequences.usable(app, box) if one.id == sequence_id), None)
    if prepared is None:
        raise Refused
    return await _act(
        app,
        box,
        conversation_id,
        lambda tx, to: _started(tx, to, appointment_id, prepared),
        lambda doing: _start(doing, box, appointment_id, prepared),
        retry_key,
    )


async def attach_to_card(app: App, box: MailboxHandle, card: Receipt, sequence_id: str, retry_key: str = "") -> Receipt:
    """As `attach`, to the appointment that a card just proposed."""
    found = await app.db.read(appointments.of_space, card.space)
    one = next((one for one in found if one.message_id == card.message), None)
    return await attach(app, box, card.conversation, one.id if one is not None else "", sequence_id, retry_key)


async def stop(app: App, box: MailboxHandle, conversation_id: str, journey_id: str, retry_key: str = "") -> Receipt:
    """End a journey that this office runs, or whose appointment it organises. Raises `Refused`, and as `post`."""
    return await _act(
        app,
        box,
        conversation_id,
        lambda tx, to: sending.stopped(_theirs(tx, to.keys, box, journey_id)),
        lambda doing: _stop(doing, box, journey_id),
        retry_key,
    )


async def of_conversation(
    app: App, box: MailboxHandle, to: ConversationHandle
) -> list[tuple[Appointment, dict[str, Any], list[Bound]]]:
    """The appointments of this patient that this office organises or follows, with their facts and journeys; those to
    come first.
    """

    def look(tx: Tx) -> list[tuple[Appointment, dict[str, Any], list[Bound]]]:
        access.office_keys(app, tx, box)
        found = [one for one in appointments.of_space(tx, to.space_id) if _follows(tx, to.space_id, box, one.id)]
        return [(one, book.facts_in(to.keys, one), planning.of_appointment(tx, to.keys, one.id)) for one in found]

    now = now_ms()
    found = await app.db.read(look)
    return sorted(found, key=lambda one: ((one[0].starts_at or 0) < now, abs((one[0].starts_at or 0) - now)))


async def _act(
    app: App,
    box: MailboxHandle,
    conversation_id: str,
    words: Callable[[Tx, ConversationHandle], sending.Said],
    effect: Callable[[Doing], None],
    retry_key: str,
) -> Receipt:
    to = await access.conversation(app, box, conversation_id)
    fr, en = await app.db.read(words, to)
    line = {"message": "", "action": "journey.changed", "label": fr, "label_en": en}
    draft = Draft(to=to, kind="line", text=fr, answer=line, retry_key=retry_key, effect=effect)
    receipt = await posting.post(app, box.actor, draft)
    app.delivery.wake()
    return receipt


def _started(tx: Tx, to: ConversationHandle, appointment_id: str, prepared: Prepared) -> sending.Said:
    found = appointments.find(tx, to.space_id, appointment_id)
    if found is None:
        raise Refused
    facts, now = book.facts_in(to.keys, found), now_ms()
    due = planning.dates(prepared.sequence, str(facts.get("start") or ""))
    late = sum(planning.too_late(step, due.get(step.number, 0), now) for step in prepared.sequence.steps)
    return sending.started(prepared.sequence, str(facts.get("title") or ""), late)


def _start(doing: Doing, box: MailboxHandle, appointment_id: str, prepared: Prepared) -> None:
    """The right, and the sequence, looked at again in the transaction."""
    tx = doing.tx
    found = appointments.find(tx, doing.to.space_id, appointment_id)
    if found is None or not _follows(tx, doing.to.space_id, box, appointment_id):
        raise Refused
    planning.start(doing, found, prepared, told_apart=True)


def _stop(doing: Doing, box: MailboxHandle, journey_id: str) -> None:
    bound = _theirs(doing.tx, doing.to.keys, box, journey_id)
    if bound.journey.state != "running":
        raise Conflict("journey_stopped", "Ce parcours est déjà arrêté.")
    planning.stop(doing, journey_id)


def _theirs(tx: Tx, keys: SpaceKeys, box: MailboxHandle, journey_id: str) -> Bound:
    found = rows.find(tx, keys.space_id, journey_id)
    runs = found is not None and found.mailbox_id == box.mailbox_id
    if found is None or not (runs or _follows(tx, keys.space_id, box, found.appointment_id)):
        raise Refused
    return planning.opened(tx, keys, found)


def _follows(tx: Tx, space_id: str, box: MailboxHandle, appointment_id: str) -> bool:
    return box.mailbox_id in appointments.offices(tx, space_id, appointment_id)


# ---- by a letter -----------------------------------------------------------------------------------------------------


def by_letter(doing: Doing, name: str, card: dict[str, Any] | None) -> None:
    """The effect of a letter that names a sequence: `card` of the invitation it brings, or None; then it is bound to
    the one coming appointment of this patient with its writer.
    """
    app, tx = doing.app, doing.tx
    try:
        box = access.office(app, tx, doing.actor)
    except Refused:
        return
    prepared, names = sequences.named(tx, app, box, name)
    if prepared is None:
        _tell(doing, "unknown", name, names)
        return
    found = _invited(doing, card) if card is not None else _coming(doing, box)
    if len(found) != 1:
        _tell(doing, "none" if not found else "many", name, names)
        return
    try:
        planning.start(doing, found[0], prepared)
    except Invalid:
        _tell(doing, "none", name, names)


def _invited(doing: Doing, card: dict[str, Any]) -> list[Appointment]:
    scope, uid, instance = (str(card.get(one) or "") for one in ("organizer", "uid", "instance"))
    space_id = doing.to.space_id
    found = appointments.by_uid(doing.tx, space_id, book.identity(doing.app, space_id, scope, uid, instance))
    return [found] if found is not None else []


def _coming(doing: Doing, box: MailboxHandle) -> list[Appointment]:
    tx, space_id = doing.tx, doing.to.space_id
    return [
        one
        for one in appointments.of_space(tx, space_id)
        if (one.starts_at or 0) > doing.at and one.state not in planning.STOPS and _follows(tx, space_id, box, one.id)
    ]


def _tell(doing: Doing, why: str, name: str, names: list[str]) -> None:
    target = {"letter": doing.message_id, "why": why, "name": name, "names": names, "to": doing.actor.account_id}
    deliveries.insert(doing.tx, doing.to.keys, doing.message_id, NOT_BOUND, doing.at, target)


NOT_BOUND = "journey_unknown"


class NotBound:
    """The channel that tells the writer of a letter why no sequence was bound. As `undelivered`: to them alone."""

    name = NOT_BOUND

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        app, target = self._app, parcel.target
        try:
            actor = await people.actor(app, str(target["to"]))
            box = await access.mailbox(app, actor)
            to = await access.conversation_of_message(app, box, str(target["letter"]))
            draft = Draft(
                to=to,
                kind="bounce",
                text=_why(str(target["why"]), str(target["name"]), [str(one) for one in target["names"]]),
                retry_key=f"journey-unknown:{target['letter']}",
                in_reply_to=str(target["letter"]),
                only=frozenset({to.member}),
                author=Author("system", "Pli"),
            )
            await posting.post(app, undelivered.SYSTEM, draft)
        except PliError:
            return


def _why(why: str, name: str, names: list[str]) -> str:
    known = "\n".join(f"- {one}" for one in names)
    listed = (
        f"\n\nParcours de votre équipe :\n{known}" if names else "\n\nVotre équipe n’a encore préparé aucun parcours."
    )
    said = {
        "unknown": f"Aucun parcours ne s’appelle « {name} » : rien n’est programmé. Votre message est bien remis.",
        "none": f"Le parcours « {name} » n’est pas commencé : il n’y a pas de rendez-vous à venir avec ce patient. "
        "Envoyez l’invitation avec le nom du parcours. Votre message est bien remis.",
        "many": f"Le parcours « {name} » n’est pas commencé : ce patient a plusieurs rendez-vous à venir avec vous. "
        "Nommez le parcours dans l’invitation de celui qui convient. Votre message est bien remis.",
    }[why]
    return said + (listed if why == "unknown" else "")
