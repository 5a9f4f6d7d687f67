"""The agenda: appointments proposed by letter or by a service, accepted or declined by the patient. Nothing is ever
booked without a person.

An appointment card holds `{"type": "appointment", "title", "text", "uid", "sequence", "start", "end", "all_day",
"location", "organizer", "organizer_name", "ics"}`: times in ISO 8601 with their offset, `organizer` the verified
address, `ics` the invitation as it came (RFC 5545), from which the mail side makes the answer (RFC 6047, METHOD:REPLY).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.actions.ask import Ask, Done
from server.drafts import MailFacts
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
    organizer_name: str = "",
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
        "organizer_name": organizer_name or organizer,
        "ics": ics,
    }


async def _answer(ask: Ask, state: str, partstat: str, line: str) -> Done:
    card = ask.card or {}
    answers = MailFacts(invitation=str(card["ics"]), partstat=partstat) if card.get("ics") else None

    def effect(doing: Doing) -> None:
        remember(doing, card, state, ask.opened.message.id)

    return Done(f"{line} : {card.get('title', '')}.", effect, answers=answers)


def remember(doing: Doing, card: dict[str, Any], state: str, message_id: str) -> None:
    """Put the appointment of a card in the agenda, in that state."""
    keys = doing.to.keys
    uid = str(card.get("uid") or message_id)
    uid_hash = doing.app.vault.lookup("appointment", f"{keys.space_id}|{card.get('organizer', '')}|{uid}")
    known = documents.appointment_by_uid(doing.tx, keys.space_id, uid_hash)
    appointment_id = known.id if known else new_id()
    facts = {name: card.get(name, "") for name in ("title", "start", "end", "all_day", "location")}
    facts["organizer"] = card.get("organizer_name") or card.get("organizer", "")
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
