"""The agenda: appointments proposed by letter or by a service; the patient accepts, declines, asks for another moment,
or notes what is only announced. Nothing is ever booked without a person.

An appointment card holds `{"type": "appointment", "title", "text", "uid", "instance", "sequence", "stamp", "start",
"end", "all_day", "location", "organizer", "organizer_name", "claimed", "repeats", "ics"}`: times in ISO 8601 with
their offset, `organizer` the verified address, `claimed` who the invitation says organises when that is somebody else,
`ics` what the mail side makes the answer from (RFC 6047). `instance`: which one of a series; `sequence`, then `stamp`:
which version; `repeats`: it is a whole series.

Promises: an appointment is known by its UID **and** who sent it (security item 30), one of a series by itself; a
gesture on a card that a newer version replaced is refused. What organisers do is in `organiser`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from babel import dates

from server.actions.ask import Ask, Done
from server.drafts import MailFacts
from server.errors import Conflict, Invalid
from server.settings import PLACE
from storage import documents, messages
from storage.database import Tx
from storage.documents import Appointment
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing
    from server.reading import OpenMessage
    from storage.vault import SpaceKeys

MAX_WORDS: Final = 2000  # characters of a wish
FURTHEST: Final = timedelta(days=5 * 366)


class AppointmentView(msgspec.Struct, frozen=True):
    """An appointment as listed. `state`: accepted, declined, asked (another moment), added (of an announcement),
    proposed (again, since it changed), cancelled. `message`, of `conversation`: its card.
    """

    title: str
    start: str
    end: str
    all_day: bool
    location: str
    organizer: str
    state: str
    message: str
    conversation: str = ""


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
    instance: str = "",
    stamp: str = "",
    claimed: str = "",
    repeats: bool = False,
) -> dict[str, Any]:
    """The card of an invitation."""
    return {
        "type": "appointment",
        "title": title,
        "text": text,
        "uid": uid,
        "instance": instance,
        "sequence": sequence,
        "stamp": stamp,
        "start": start,
        "end": end,
        "all_day": all_day,
        "location": location,
        "organizer": organizer,
        "organizer_name": organizer_name or organizer,
        "claimed": claimed,
        "repeats": repeats,
        "ics": ics,
    }


# ---- what the patient does -------------------------------------------------------------------------------------------


async def prepare_accept(ask: Ask) -> Done:
    return _answer(ask, "accepted", "ACCEPTED", "Rendez-vous accepté")


async def prepare_decline(ask: Ask) -> Done:
    return _answer(ask, "declined", "DECLINED", "Rendez-vous décliné")


async def prepare_counter(ask: Ask) -> Done:
    """`values`: `text`, what would suit; with a moment in mind, `start` (ISO 8601), or `date` and `time`."""
    card = ask.card or {}
    words, start = _wish(ask.values)
    proposed = start.isoformat() if start is not None else ""
    answers = None
    if card.get("ics"):
        answers = MailFacts(
            invitation=str(card["ics"]),
            method="COUNTER",
            proposed=proposed,
            comment=words,
            organizer=str(card.get("organizer") or ""),
        )
    title = str(card.get("title", ""))
    text, text_en = f"Autre moment demandé : {title}.", f"Another time asked for: {card.get('title_en') or title}."
    if start is not None:
        text += f" Proposition : {_spoken(start, 'fr')}."
        text_en += f" Suggestion: {_spoken(start, 'en')}."
    said = f"\n\n{words}" if words else ""
    return Done(text + said, _remembering(ask, "asked"), answers=answers, text_en=text_en + said)


async def prepare_add(ask: Ask) -> Done:
    """What is announced asks for no answer: the line is the patient's alone."""
    text = f"Ajouté à votre agenda : {(ask.card or {}).get('title', '')}."
    return Done(text, _remembering(ask, "added"), private=True)


async def prepare_remove(ask: Ask) -> Done:
    text = f"Retiré de votre agenda : {(ask.card or {}).get('title', '')}."
    return Done(text, _remembering(ask, "removed"), private=True)


def _answer(ask: Ask, state: str, partstat: str, line: str) -> Done:
    card = ask.card or {}
    answers = None
    if card.get("ics"):
        organizer = str(card.get("organizer") or "")
        answers = MailFacts(invitation=str(card["ics"]), partstat=partstat, organizer=organizer)
    return Done(f"{line} : {card.get('title', '')}.", _remembering(ask, state), answers=answers)


def _wish(values: dict[str, Any]) -> tuple[str, datetime | date | None]:
    """(words, beginning). Raises `Invalid`."""
    words = str(values.get("text") or "").strip()
    day, hour = str(values.get("date") or ""), str(values.get("time") or "")
    told = str(values.get("start") or "") or (f"{day}T{hour}" if hour else day)
    if len(words) > MAX_WORDS:
        raise Invalid("wish_too_long", f"Votre demande est trop longue ({MAX_WORDS} caractères au plus).")
    if not told:
        if not words:
            raise Invalid("empty_wish", "Écrivez ce qui vous conviendrait, ou proposez un jour.")
        return words, None
    try:
        start = date.fromisoformat(told) if len(told) <= 10 else datetime.fromisoformat(told)
        if isinstance(start, datetime) and start.tzinfo is None:
            start = start.replace(tzinfo=PLACE)
        at = start.astimezone(PLACE).date() if isinstance(start, datetime) else start
    except (ValueError, OverflowError) as error:
        raise Invalid("bad_wish", "Proposez un jour, et une heure si vous le souhaitez.") from error
    today = datetime.now(PLACE).date()
    if not today <= at <= today + FURTHEST:
        raise Invalid("wish_out_of_range", "Proposez un jour à venir, dans les cinq ans.")
    return words, start


def _spoken(start: datetime | date, language: str) -> str:
    """`jeudi 3 décembre 2026 à 14 h 30`."""
    locale = "fr_FR" if language == "fr" else "en_GB"
    if not isinstance(start, datetime):
        return dates.format_date(start, "EEEE d MMMM y", locale=locale)
    local = start.astimezone(PLACE)
    joint = "'à' H 'h' mm" if language == "fr" else "'at' h:mm a"
    return dates.format_datetime(local, f"EEEE d MMMM y {joint}", tzinfo=PLACE, locale=locale)


def _remembering(ask: Ask, state: str) -> Any:
    return lambda doing: remember(doing, ask.card or {}, state, ask.opened)


def remember(doing: Doing, card: dict[str, Any], state: str, opened: OpenMessage) -> None:
    """Put the appointment of a card in the agenda, in that state. Raises `Conflict` when it is not the last version."""
    keys, message = doing.to.keys, opened.message
    # A card that came by mail says the address we verified; one that a service made is scoped to that account.
    scope = str(card.get("organizer", "")) if message.raw_blob else message.author_id
    uid_hash = identity(doing.app, keys.space_id, scope, str(card.get("uid") or message.id), _instance(card))
    facts = facts_of(card) | {"listed": state != "removed", "series": _series(doing.app, keys.space_id, scope, card)}
    row = Appointment(new_id(), int(card.get("sequence") or 0), state, message.id, b"", doing.at)
    if documents.add_appointment(
        doing.tx, keys.space_id, row, uid_hash, sealed(keys, row.id, facts), doing.actor.account_id
    ):
        return
    known = documents.hold_appointment(doing.tx, keys.space_id, uid_hash)
    assert known is not None  # noqa: S101 - else it would have been added
    version = age(card, known, facts_in(keys, known))
    if version < 0 or (version == 0 and known.state == "cancelled"):
        raise Conflict("appointment_changed", "Ce rendez-vous a changé depuis. Répondez à sa dernière version.")
    changed = Appointment(known.id, row.sequence, state, message.id, b"", doing.at)
    put(doing, changed, facts)


# ---- what an appointment is known by ---------------------------------------------------------------------------------


def identity(app: App, space_id: str, scope: str, uid: str, instance: str = "") -> str:
    """What an appointment is found by: the UID is only its sender's word, so it is scoped to who that is."""
    name = f"{space_id}|{scope}|{uid}" + (f"\n{instance}" if instance else "")
    return str(app.vault.lookup("appointment", name))


def age(card: dict[str, Any], known: Appointment, facts: dict[str, Any]) -> int:
    """Whether a card is older (-1) than what is known, the same (0) or newer (1): by SEQUENCE, then DTSTAMP (RFC 5546
    § 2.1.5).
    """
    sequence, stamp, had = int(card.get("sequence") or 0), str(card.get("stamp") or ""), str(facts.get("stamp") or "")
    if sequence != known.sequence:
        return 1 if sequence > known.sequence else -1
    if not stamp or not had or stamp == had:
        return 0
    return 1 if stamp > had else -1


def facts_of(card: dict[str, Any]) -> dict[str, Any]:
    """What the agenda keeps of a card."""
    facts = {name: card.get(name, "") for name in ("title", "start", "end", "all_day", "location", "stamp")}
    return facts | {"organizer": card.get("organizer_name") or card.get("organizer", "")}


def facts_in(keys: SpaceKeys, known: Appointment) -> dict[str, Any]:
    """What the agenda kept."""
    return dict(msgspec.json.decode(keys.open("appointment", known.id, known.facts)))


def sealed(keys: SpaceKeys, appointment_id: str, facts: dict[str, Any]) -> Any:
    return keys.seal("appointment", appointment_id, msgspec.json.encode(facts))


def put(doing: Doing, changed: Appointment, facts: dict[str, Any]) -> None:
    """Write a held appointment back."""
    keys = doing.to.keys
    documents.change_appointment(
        doing.tx, keys.space_id, changed, sealed(keys, changed.id, facts), doing.actor.account_id
    )


def _instance(card: dict[str, Any]) -> str:
    return str(card.get("instance") or "")


def _series(app: App, space_id: str, scope: str, card: dict[str, Any]) -> str:
    """The series that one of several belongs to: its cancellation is theirs."""
    return identity(app, space_id, scope, str(card.get("uid") or "")) if _instance(card) else ""


async def appointments(app: App, dossier: DossierHandle) -> list[AppointmentView]:
    """The agenda of a space, in order of date: what the patient did something about, never what was only sent."""

    def pull(tx: Tx) -> list[AppointmentView]:
        return [
            _view(facts, item, messages.find(tx, dossier.space_id, item.message_id))
            for item in documents.appointments(tx, dossier.space_id)
            if (facts := facts_in(dossier.keys, item)).get("listed", True)
        ]

    return sorted(await app.db.read(pull), key=_when)


def _view(facts: dict[str, Any], item: Appointment, message: messages.Message | None) -> AppointmentView:
    names = ("title", "start", "end", "all_day", "location", "organizer")
    title, start, end, all_day, location, organizer = (facts[name] for name in names)
    conversation = message.conversation_id if message is not None else ""
    return AppointmentView(
        title, start, end, bool(all_day), location, organizer, item.state, item.message_id, conversation
    )


def _when(item: AppointmentView) -> datetime:
    """A whole day comes before its hours; what has no date comes first."""
    try:
        at = datetime.fromisoformat(item.start)
        return (at if at.tzinfo else at.replace(tzinfo=PLACE)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
