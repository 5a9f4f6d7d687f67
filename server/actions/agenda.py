"""The agenda: appointments proposed by letter or by a service, accepted or declined by the patient. Nothing is ever booked
without a person.

An appointment card holds `{"type": "appointment", "title", "text", "uid", "sequence", "start", "end", "all_day", "location",
"organizer", "ics"}`: times in ISO 8601 with their offset, `ics` the invitation as it came (RFC 5545), from which the answer is
made (RFC 6047, METHOD:REPLY).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import icalendar
import msgspec

from server import people
from server.actions.ask import Ask, Done
from server.errors import Invalid
from storage import documents
from storage.documents import Appointment
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.access import DossierHandle
    from server.app import App
    from server.posting import Doing


class AppointmentView(msgspec.Struct, frozen=True):
    """An appointment as listed. `state`: proposed, accepted, declined, cancelled."""

    title: str
    start: str
    end: str
    all_day: bool
    location: str
    organizer: str
    state: str
    message: str


def appointment_card(
    *,
    title: str,
    text: str,
    uid: str,
    sequence: int,
    start: str,
    end: str,
    all_day: bool,
    location: str,
    organizer: str,
    ics: str,
) -> dict[str, Any]:
    """The card of an invitation."""
    return {
        "type": "appointment",
        "title": title,
        "text": text,
        "uid": uid,
        "sequence": sequence,
        "start": start,
        "end": end,
        "all_day": all_day,
        "location": location,
        "organizer": organizer,
        "ics": ics,
    }


def _reply(ics: str, name: str, address: str, partstat: str) -> str:
    """The answer to an invitation: same UID, SEQUENCE, RECURRENCE-ID and ORGANIZER, one ATTENDEE (RFC 5546 § 3.2.3)."""
    try:
        asked = icalendar.Calendar.from_ical(ics)
    except (ValueError, IndexError) as error:
        raise Invalid("bad_invitation", "Cette invitation ne peut pas être lue.") from error
    events = asked.walk("VEVENT")
    if not events:
        raise Invalid("bad_invitation", "Cette invitation ne contient pas de rendez-vous.")
    event = events[0]
    answer = icalendar.Event()
    for name_ in ("UID", "SEQUENCE", "RECURRENCE-ID", "ORGANIZER", "DTSTART", "DTEND", "SUMMARY"):
        if name_ in event:
            answer[name_] = event[name_]
    attendee = icalendar.vCalAddress(f"mailto:{address}")
    attendee.params["PARTSTAT"] = icalendar.vText(partstat)
    attendee.params["CN"] = icalendar.vText(name)
    answer.add("ATTENDEE", attendee, encode=False)
    answer.add("DTSTAMP", datetime.now(UTC))
    reply = icalendar.Calendar()
    reply.add("PRODID", "-//Pli//Agenda//FR")
    reply.add("VERSION", "2.0")
    reply.add("METHOD", "REPLY")
    reply.add_component(answer)
    return str(reply.to_ical().decode())


async def _answer(ask: Ask, state: str, partstat: str, line: str) -> Done:
    card = ask.card or {}
    traits = await ask.app.db.read(lambda tx: people.traits(ask.app, tx, ask.conversation.space_id))
    if traits is None:
        raise Invalid("no_traits", "L’identité de cet espace est incomplète.")
    address = f"{traits.ins}@{ask.app.settings.patient_domain}"
    reply = _reply(str(card["ics"]), traits.name, address, partstat) if card.get("ics") else ""

    def effect(doing: Doing) -> None:
        remember(doing, card, state, ask.opened.message.id)

    return Done(f"{line} : {card.get('title', '')}.", effect, calendar=reply)


def remember(doing: Doing, card: dict[str, Any], state: str, message_id: str) -> None:
    """Put the appointment of a card in the agenda, in that state."""
    keys = doing.to.keys
    uid = str(card.get("uid") or message_id)
    uid_hash = doing.app.vault.lookup("appointment", f"{keys.space_id}|{card.get('organizer', '')}|{uid}")
    known = documents.appointment_by_uid(doing.tx, keys.space_id, uid_hash)
    appointment_id = known.id if known else new_id()
    facts = {name: card.get(name, "") for name in ("title", "start", "end", "all_day", "location", "organizer")}
    documents.put_appointment(
        doing.tx,
        keys.space_id,
        Appointment(appointment_id, int(card.get("sequence") or 0), state, message_id, b"", now_ms()),
        uid_hash,
        keys.seal("appointment", appointment_id, msgspec.json.encode(facts)),
        doing.actor.account_id,
    )


async def prepare_accept(ask: Ask) -> Done:
    return await _answer(ask, "accepted", "ACCEPTED", "Rendez-vous accepté")


async def prepare_decline(ask: Ask) -> Done:
    return await _answer(ask, "declined", "DECLINED", "Rendez-vous décliné")


async def appointments(app: App, dossier: DossierHandle) -> list[AppointmentView]:
    """The agenda of a space, in order of date."""
    found = []
    for item in await app.db.read(documents.appointments, dossier.space_id):
        facts = msgspec.json.decode(dossier.keys.open("appointment", item.id, item.facts))
        found.append(
            AppointmentView(
                facts["title"],
                facts["start"],
                facts["end"],
                bool(facts["all_day"]),
                facts["location"],
                facts["organizer"],
                item.state,
                item.message_id,
            )
        )
    return sorted(found, key=lambda item: item.start)
