"""The book of a space's appointments: what one is known by, how it is kept, how the agenda is listed.

Promises: an appointment is known by its UID **and** who sent it (security item 30), one of a series by itself; a
gesture on a card that a newer version replaced is refused; whatever changes an appointment goes through `enter` and
`put`, so that what hangs on it (`following`) moves in the same transaction.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server.agenda import following
from server.errors import Conflict
from server.settings import PLACE
from storage import accounts, messages
from storage import appointments as rows
from storage.appointments import Appointment
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing
    from server.reading import OpenMessage
    from storage.vault import SpaceKeys

MOST_TOLD = 40  # changes of an appointment that are kept, besides the first
REPEATING = ("rrule", "rdates", "exdates", "zone", "moved")  # as `recurrence` reads them
KEPT = (*REPEATING, "instance", "uid", "agreed", "moments")  # of a card, when it says so


class AppointmentView(msgspec.Struct, frozen=True):
    """An appointment as listed. `state`: accepted, declined, asked (another moment), added (of an announcement),
    proposed (again, since it changed), cancelled, own (noted by the patient alone; `own`: appointment, reminder).
    `message`, of `conversation`: its card. `rrule`: how it repeats (RFC 5545 § 3.3.10), told in `zone`.
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
    id: str = ""
    own: str = ""
    note: str = ""
    rrule: str = ""
    zone: str = ""


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
    **more: Any,
) -> dict[str, Any]:
    """The card of an invitation. `more`: what is of `KEPT`."""
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
        **{name: value for name, value in more.items() if value},
    }


# ---- keeping ---------------------------------------------------------------------------------------------------------


def remember(doing: Doing, card: dict[str, Any], state: str, opened: OpenMessage) -> None:
    """Put the appointment of a card in the agenda, in that state. Raises `Conflict` when it is not the last version."""
    keys, message = doing.to.keys, opened.message
    # A card that came by mail says the address we verified; one that a service made is scoped to that account; a newer
    # version made here (`organising`) says the scope of the first.
    scope = str(card.get("scope") or (card.get("organizer", "") if message.raw_blob else message.author_id))
    uid_hash = identity(doing.app, keys.space_id, scope, str(card.get("uid") or message.id), _instance(card))
    facts = facts_of(card) | {"listed": state != "removed", "series": _series(doing.app, keys.space_id, scope, card)}
    who = accounts.by_id(doing.tx, message.author_id)  # a contact elsewhere is no account
    row = Appointment(new_id(), int(card.get("sequence") or 0), state, message.id, b"", doing.at, who.id if who else "")
    if enter(doing, row, uid_hash, facts):
        return
    known = rows.hold(doing.tx, keys.space_id, uid_hash)
    assert known is not None  # noqa: S101 - else it would have been added
    version = age(card, known, facts_in(keys, known))
    if version < 0 or (version == 0 and known.state == "cancelled"):
        raise Conflict("appointment_changed", "Ce rendez-vous a changé depuis. Répondez à sa dernière version.")
    put(doing, replace(known, sequence=row.sequence, state=state, message_id=message.id, changed_at=doing.at), facts)


def enter(doing: Doing, one: Appointment, uid_hash: str, facts: dict[str, Any]) -> bool:
    """Keep a new one; False when this UID is known."""
    keys, one = doing.to.keys, _dated(one, facts)
    facts = _told(doing, one, facts, {})
    if not rows.add(doing.tx, keys.space_id, one, uid_hash, sealed(keys, one.id, facts), doing.actor.account_id):
        return False
    following.changed(doing, one, facts)
    return True


def put(doing: Doing, changed: Appointment, facts: dict[str, Any]) -> None:
    """Write a held appointment back."""
    keys, changed = doing.to.keys, _dated(changed, facts)
    was = rows.find(doing.tx, keys.space_id, changed.id)
    facts = _told(doing, changed, facts, facts_in(keys, was) if was else {}, was.state if was else "")
    rows.change(doing.tx, keys.space_id, changed, sealed(keys, changed.id, facts), doing.actor.account_id)
    following.changed(doing, changed, facts)


def _told(
    doing: Doing, one: Appointment, facts: dict[str, Any], had: dict[str, Any], before: str = ""
) -> dict[str, Any]:
    """The facts with what happened to it: when (ms), by whom, which state, and its beginning if that is new."""
    known = list(had.get("history") or ())
    moved = any(had.get(name) != facts.get(name) for name in ("start", "end", "location"))
    if moved or one.state != before:
        said = {"at": doing.at, "by": doing.actor.name, "state": one.state}
        known.append(said | ({"start": facts.get("start", "")} if moved else {}))
    return facts | {"history": known[:1] + known[1:][-MOST_TOLD:]}


def _dated(one: Appointment, facts: dict[str, Any]) -> Appointment:
    at = instant(str(facts.get("start") or ""))
    return replace(one, starts_at=int(at.timestamp() * 1000) if at is not None else None)


def instant(text: str) -> datetime | None:
    """When that begins: a day begins at midnight in Paris; None for what is no date."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=PLACE)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


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
    facts |= {name: card[name] for name in KEPT if card.get(name)}
    return facts | {"organizer": card.get("organizer_name") or card.get("organizer", "")}


def facts_in(keys: SpaceKeys, known: Appointment) -> dict[str, Any]:
    """What the agenda kept."""
    return dict(msgspec.json.decode(keys.open("appointment", known.id, known.facts)))


def sealed(keys: SpaceKeys, appointment_id: str, facts: dict[str, Any]) -> Any:
    return keys.seal("appointment", appointment_id, msgspec.json.encode(facts))


def _instance(card: dict[str, Any]) -> str:
    return str(card.get("instance") or "")


def _series(app: App, space_id: str, scope: str, card: dict[str, Any]) -> str:
    """The series that one of several belongs to: its cancellation is theirs."""
    return identity(app, space_id, scope, str(card.get("uid") or "")) if _instance(card) else ""


def listed(tx: Tx, keys: SpaceKeys) -> list[tuple[Appointment, dict[str, Any]]]:
    """What the patient did something about, never what was only sent, each with its facts. A date of a series that has
    an appointment of its own (moved, called off) is left out of the series.
    """
    found = [(one, facts_in(keys, one)) for one in rows.of_space(tx, keys.space_id)]
    found = [(one, facts) for one, facts in found if facts.get("listed", True)]
    apart: dict[str, list[str]] = {}
    for one, facts in found:
        series, instance = facts.get("series"), facts.get("instance")
        whole = rows.by_uid(tx, keys.space_id, series) if series and instance and one.state != "removed" else None
        if whole is not None:
            apart.setdefault(whole.id, []).append(str(instance))
    return [
        (one, facts | {"exdates": [*facts.get("exdates", ()), *apart[one.id]]} if one.id in apart else facts)
        for one, facts in found
    ]


async def appointments(app: App, dossier: DossierHandle) -> list[AppointmentView]:
    """The agenda of a space, in order of date: what the patient did something about, never what was only sent."""

    def pull(tx: Tx) -> list[AppointmentView]:
        return [
            _view(facts, item, messages.find(tx, dossier.space_id, item.message_id))
            for item, facts in listed(tx, dossier.keys)
        ]

    return sorted(await app.db.read(pull), key=_when)


def _view(facts: dict[str, Any], item: Appointment, message: messages.Message | None) -> AppointmentView:
    names = ("title", "start", "end", "all_day", "location", "organizer")
    title, start, end, all_day, location, organizer = (facts[name] for name in names)
    conversation = message.conversation_id if message is not None else ""
    more = [str(facts.get(name) or "") for name in ("own", "note", "rrule", "zone")]
    return AppointmentView(
        title, start, end, bool(all_day), location, organizer, item.state, item.message_id, conversation, item.id, *more
    )


def _when(item: AppointmentView) -> datetime:
    """A whole day comes before its hours; what has no date comes first."""
    return instant(item.start) or datetime.min.replace(tzinfo=UTC)
