"""The channel named `journey`: posts what is due of a journey, as the office, in its conversation with the patient.

Promises: a step is sent once. Its message and its row change in one transaction, under the lock that a moving
appointment takes; what was planned before it moved finds a newer plan and does nothing; what was killed in between is
tried again under the same key. Steps due at the same instant come in their order. What cannot reach the patient (who
blocked the office, or closed their space) is for somebody to call about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from server import access, people, posting
from server.agenda import book
from server.delivery import Parcel
from server.drafts import Actor, Draft, MailFacts, Opening
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused, Unauthorised
from server.handles import ConversationHandle, SpaceHandle
from server.journeys import Sequence, Step, planning, questionnaires
from server.journeys.planning import Bound
from server.settings import PLACE
from storage import accounts, appointments, calls, conversations, deliveries
from storage import journeys as rows
from storage.calls import Call
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Channel
    from server.posting import Doing

log = structlog.get_logger()


def channels(app: App) -> list[Channel]:
    """What `server.app` hands the delivery worker."""
    from server.journeys import binding, silence  # they speak through this module

    return [JourneyChannel(app), silence.SilenceChannel(app), binding.NotBound(app)]


Said = tuple[str, str]  # in French, in English
_NO_HOUR: Final = ("l’heure qui vous sera donnée", "the time you will be given")
_NO_PLACE: Final = ("au lieu qui vous sera donné", "at the place you will be given")
_NAMED: Final = re.compile(r"\{(patient|date|hour|place)\}")


class Superseded(Conflict):
    """The appointment moved, or the step was sent, since this was prepared."""

    code = "journey_superseded"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an office writes to the patient. `only`: whom alone it is for, when others take part there."""

    actor: Actor
    to: ConversationHandle | Opening
    only: frozenset[str]
    patient: str
    language: str


class JourneyChannel:
    """Its target is `{"journey", "plan"}`, and `say` for a word on the journey itself."""

    name = planning.CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        app, keys, target = self._app, parcel.keys, parcel.target
        bound = await app.db.read(_current, keys, target)
        if bound is None:
            return
        try:
            place = await place_of(app, bound, keys)
        except (Refused, Unauthorised):  # closed since, or the office is no more
            await app.db.write(_missed, keys, target, [row.number for row in planning.due_now(bound.steps, now_ms())])
            return
        if say := str(target.get("say") or ""):
            await _say(app, place, bound, say)
        for row in planning.due_now(bound.steps, now_ms()):
            try:
                await _post(app, place, bound, row.number, keys)
            except Superseded:
                continue
            except (Invalid, NotAllowed, Refused):  # the patient wants no word of it, or its form is no more
                await app.db.write(_missed, keys, target, [row.number])


def _current(tx: Tx, keys: SpaceKeys, target: dict[str, Any]) -> Bound | None:
    """The journey, when this is of its plan."""
    found = rows.find(tx, keys.space_id, str(target["journey"]))
    return planning.opened(tx, keys, found) if found is not None and found.plan == target["plan"] else None


# ---- one step --------------------------------------------------------------------------------------------------------


async def _post(app: App, place: Place, bound: Bound, number: int, keys: SpaceKeys) -> None:
    """Raises `Superseded`, `NotAllowed`, and as `post`."""
    step = next(one for one in bound.facts.sequence.steps if one.number == number)
    if step.days <= 0 and not await app.db.read(_still_to_come, keys, bound):
        await app.db.write(_passed, keys, bound, number)
        return
    values = placeholders(bound, place)
    card = await _card(app, bound, step, values)
    text = _words(step, place.language, values)
    draft = Draft(
        to=place.to,
        kind="card" if card is not None else "text",
        text=str(card["text"]) if card is not None else text,
        card=card,
        retry_key=f"journey:{bound.journey.id}:{bound.journey.plan}:{number}",
        mail=MailFacts(automatic=True),
        only=place.only,
        effect=lambda doing: _sent(doing, bound, step),
    )
    await posting.post(app, place.actor, draft)


def _still_to_come(tx: Tx, keys: SpaceKeys, bound: Bound) -> bool:
    found = appointments.find(tx, keys.space_id, bound.journey.appointment_id)
    return found is not None and (found.starts_at or 0) > now_ms()


def _passed(tx: Tx, keys: SpaceKeys, bound: Bound, number: int) -> None:
    held = planning.held(tx, keys, bound.journey.id)
    for row in held.steps if held is not None and held.journey.plan == bound.journey.plan else ():
        if row.number == number and row.state == "planned":
            rows.put_step(tx, keys.space_id, bound.journey.id, replace(row, state="passed", changed_at=now_ms()))


def _sent(doing: Doing, bound: Bound, step: Step) -> None:
    """In the transaction of its message. Raises `Superseded`."""
    tx, keys, at = doing.tx, doing.to.keys, doing.at
    held = planning.held(tx, keys, bound.journey.id)
    row = next((one for one in held.steps if one.number == step.number), None) if held is not None else None
    if held is None or row is None or held.journey.plan != bound.journey.plan or row.state != "planned":
        raise Superseded
    day = planning.local_day(held.facts.start)
    silent = planning.silent_at(step, day, at) if day is not None else None
    sent = replace(row, state="sent", message_id=doing.message_id, silent_at=silent, told="", changed_at=at)
    rows.put_step(tx, keys.space_id, held.journey.id, sent)
    if not held.journey.conversation_id:
        journey = replace(held.journey, conversation_id=doing.conversation_id, changed_at=at)
        planning.keep(tx, keys, journey, held.facts)
    if silent is not None:
        target = {"journey": held.journey.id, "plan": held.journey.plan, "number": step.number}
        deliveries.insert(tx, keys, "", planning.SILENCE, silent, target)


def _missed(tx: Tx, keys: SpaceKeys, target: dict[str, Any], numbers: list[int]) -> None:
    """What could not reach the patient: over, and an essential one is called about."""
    held = planning.held(tx, keys, str(target["journey"]))
    if held is None or held.journey.plan != target["plan"]:
        return
    essential = {step.number for step in held.facts.sequence.steps if step.essential}
    for row in held.steps:
        if row.number not in numbers or row.state != "planned":
            continue
        told = "call" if row.number in essential else ""
        put = replace(row, state="passed", told=told, changed_at=now_ms())
        rows.put_step(tx, keys.space_id, held.journey.id, put)
        if told:
            call = Call(new_id(), keys.space_id, held.journey.id, row.number, now_ms())
            calls.add(tx, held.journey.mailbox_id, call)


# ---- where -----------------------------------------------------------------------------------------------------------


async def place_of(app: App, bound: Bound, keys: SpaceKeys) -> Place:
    """The office's conversation with the patient about this appointment, else their newest, else a new one. Raises
    `Refused`, `Unauthorised`.
    """
    office = await app.db.read(accounts.by_mailbox, bound.journey.mailbox_id)
    actor = await people.actor(app, office.id if office is not None else "")
    space = await access.space_to_write(app, actor, keys.space_id)
    talk = await _talk(app, actor, bound, space)

    def about(tx: Tx) -> tuple[str, str, frozenset[str]]:
        traits, holder = people.traits(app, tx, keys.space_id), accounts.by_id(tx, space.holder)
        there = conversations.participants(tx, keys.space_id, talk.conversation_id) if talk is not None else []
        both = frozenset({space.holder, actor.account_id})
        crowd = any(one.member_id not in both for one in there)
        language = holder.language if holder is not None else "fr"
        return traits.name if traits is not None else "", language, both if crowd else frozenset()

    patient, language, only = await app.db.read(about)
    subject = bound.facts.title or bound.facts.sequence.name
    return Place(actor, talk or Opening(space, subject), only, patient, language)


async def _talk(app: App, actor: Actor, bound: Bound, space: SpaceHandle) -> ConversationHandle | None:
    found = await app.db.read(appointments.find, space.space_id, bound.journey.appointment_id)
    try:
        box = await access.mailbox(app, actor)
        talk = await access.conversation_of_message(app, box, found.message_id if found is not None else "")
    except Refused:
        return await access.common_conversation(app, actor, space)
    return talk if talk.replies != "left" else None


# ---- words -----------------------------------------------------------------------------------------------------------


def placeholders(bound: Bound, place: Place) -> dict[str, dict[str, str]]:
    """What stands for {patient}, {date}, {hour} and {place}, by language."""
    fr, en = date_and_hour(bound, "fr"), date_and_hour(bound, "en")
    where = bound.facts.location
    return {
        "fr": {"patient": place.patient, "place": where or _NO_PLACE[0], "date": fr[0], "hour": fr[1] or _NO_HOUR[0]},
        "en": {"patient": place.patient, "place": where or _NO_PLACE[1], "date": en[0], "hour": en[1] or _NO_HOUR[1]},
    }


def date_and_hour(bound: Bound, language: str) -> tuple[str, str]:
    """« jeudi 3 décembre 2026 », « 14 h 30 »; "" for an appointment that has no hour."""
    from babel.dates import format_date, format_time  # its data takes 20 MB

    at, english = book.instant(bound.facts.start), language == "en"
    local = (at or datetime.now(UTC)).astimezone(PLACE)
    day = format_date(local, "EEEE d MMMM y", locale="en_GB" if english else "fr_FR")
    if bound.facts.all_day:
        return day, ""
    return day, format_time(local, "h:mm a", locale="en_GB") if english else f"{local.hour} h {local.minute:02}"


def filled(text: str, values: dict[str, str]) -> str:
    """The text with what stands for its placeholders; what came from a calendar is never read as one."""
    return _NAMED.sub(lambda found: values.get(found[1], ""), text)


def _words(step: Step, language: str, values: dict[str, dict[str, str]]) -> str:
    english = language == "en" and bool(step.text_en)
    title, text = (step.title_en or step.title, step.text_en) if english else (step.title, step.text)
    return f"{title}\n\n{filled(text, values['en' if english else 'fr'])}"


async def _card(app: App, bound: Bound, step: Step, values: dict[str, dict[str, str]]) -> dict[str, Any] | None:
    """The card of a step that asks for something; None for words."""
    title, text = step.title, filled(step.text, values["fr"])
    found = (("title_en", step.title_en), ("text_en", filled(step.text_en, values["en"])))
    english = {name: said for name, said in found if said}
    if step.kind == "confirmation":
        return {"type": "confirmation", "title": title, "text": text} | english
    if step.kind == "checklist":
        from server.forms import cards

        return cards.checklist_card(title, text, step.items, items_en=step.items_en, **english)
    if step.kind == "questionnaire":
        card = await questionnaires.card(app, bound.journey.mailbox_id, step.questionnaire)
        return card | {"title": title} | ({"text": text} if text else {}) | english
    return None


# ---- a word on the journey itself ------------------------------------------------------------------------------------


async def _say(app: App, place: Place, bound: Bound, say: str) -> None:
    """Once a plan; what is said of a date goes to the patient as a message, the rest as a line."""
    fr, en = _SAID[say](bound)
    draft = Draft(
        to=place.to,
        kind="text" if say == "moved" else "line",
        text=en if say == "moved" and place.language == "en" else fr,
        answer=None if say == "moved" else {"message": "", "action": f"journey.{say}", "label": fr, "label_en": en},
        retry_key=f"journey:{bound.journey.id}:{bound.journey.plan}:{say}",
        mail=MailFacts(automatic=True),
        only=place.only,
        effect=lambda doing: _as_planned(doing, bound),
    )
    try:
        await posting.post(app, place.actor, draft)
    except Superseded:
        return
    except PliError as error:  # a word, not a step: what it tells of is done already
        log.warning("journey.not_told", code=error.code)


def _as_planned(doing: Doing, bound: Bound) -> None:
    held = planning.held(doing.tx, doing.to.keys, bound.journey.id)
    if held is None or held.journey.plan != bound.journey.plan:
        raise Superseded


def started(sequence: Sequence, title: str, late: int) -> Said:
    """`late`: how many steps are not sent any more."""
    ahead, name = len(sequence.steps) - late, sequence.name
    called = sequence.name_en or name
    fr = f"Parcours « {name} » pour « {title} » : {ahead} message{'s' if ahead > 1 else ''}."
    en = f"Care pathway “{called}” for “{title}”: {ahead} message{'s' if ahead != 1 else ''}."
    if late:
        fr += f" Déjà trop tard pour {late} autre{'s' if late > 1 else ''}, non envoyé{'s' if late > 1 else ''}."
        en += f" Too late already for {late} more, not sent."
    return fr, en


def stopped(bound: Bound) -> Said:
    name = bound.facts.sequence.name
    return (
        f"Le parcours « {name} » est arrêté : ses prochains messages ne partiront pas.",
        f"The care pathway “{bound.facts.sequence.name_en or name}” has ended: its next messages will not be sent.",
    )


def _started(bound: Bound) -> Said:
    late = sum(row.state == "passed" for row in bound.steps)
    return started(bound.facts.sequence, bound.facts.title, late)


def _moved(bound: Bound) -> Said:
    """What no longer holds, and what comes."""
    (day, hour), (day_en, hour_en) = date_and_hour(bound, "fr"), date_and_hour(bound, "en")
    gone = [step for step in bound.facts.sequence.steps if step.number in bound.facts.moved]
    again = any(row.state == "planned" for row in bound.steps)
    at, at_en = (f" à {hour}", f" at {hour_en}") if hour else ("", "")
    fr = f"« {bound.facts.title} » est déplacé au {day}{at} : les consignes changent.\n\n"
    fr += "Ne suivez plus ce que vous avez reçu pour l’ancienne date :\n"
    fr += "".join(f"- {step.title}\n" for step in gone)
    fr += "\nVous recevrez les nouvelles consignes à temps." if again else "\nEn cas de doute, écrivez-nous ici."
    en = f"“{bound.facts.title}” is moved to {day_en}{at_en}: the instructions change.\n\n"
    en += "No longer follow what you received for the old date:\n"
    en += "".join(f"- {step.title_en or step.title}\n" for step in gone)
    en += "\nYou will receive the new instructions in time." if again else "\nIf in doubt, write to us here."
    return fr, en


_SAID: Final = {"started": _started, "stopped": stopped, "moved": _moved}
