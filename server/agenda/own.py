"""What a patient notes in their agenda alone: an appointment they made elsewhere, or a reminder of their own.

    Entry → checked() → card() → offer()  → [Noter] …        (`server.actions.own_appointments`)
                      → enter(), change(), remove()            inside a transaction, for pages and the API

Promises: nobody is written to and nothing is booked: Pli is no tool to make appointments with. A reminder has at most
100 characters, its note 1,000, and a day at most ten of them (product.md § 2.5). Who noted it is kept, a helper in
their own name. An hour is kept as it is told there, over both changes of clocks.

Facts, besides `book.facts_of`: `own` (appointment, reminder), `note`, `rrule`, `zone`, `author`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from server import access, actions, audit, space_news
from server.agenda import book, recurrence
from server.audit import Act
from server.errors import Conflict, Invalid, Refused
from server.scopes import WRITE
from server.settings import PLACE
from storage import appointments as rows
from storage.appointments import Appointment
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Receipt
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing
    from storage.database import Tx

MAX_TITLE: Final = 100
MAX_LINE: Final = 200
MAX_NOTE: Final = 1_000
REMINDERS_A_DAY: Final = 10
FURTHEST: Final = timedelta(days=10 * 366)
LONGEST: Final = timedelta(days=60)
KINDS: Final = ("appointment", "reminder")
REPEATS: Final = ("daily", "weekly", "monthly", "yearly")
# Where an hour may be told: the places of France (IANA's names).
ZONES: Final = (
    "Europe/Paris", "America/Guadeloupe", "America/Martinique", "America/Cayenne", "America/Miquelon",
    "Indian/Reunion", "Indian/Mayotte", "Pacific/Noumea", "Pacific/Tahiti", "Pacific/Wallis",
)  # fmt: skip
PARIS: Final = ZONES[0]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is noted. `start`: a day, or a moment (ISO 8601; without offset it is the hour of `zone`); `end` alike, or
    "" for none; of whole days the last one. `until`: the last day of what `repeats` (of `REPEATS`), "" for no end.
    """

    title: str
    start: str
    end: str = ""
    who: str = ""
    place: str = ""
    note: str = ""
    repeats: str = ""
    until: str = ""
    kind: str = "appointment"
    zone: str = PARIS


# ---- what may be noted -----------------------------------------------------------------------------------------------


def checked(entry: Entry, now: datetime | None = None) -> Entry:
    """The entry as it is kept: one line each, moments with their offset. Raises `Invalid`, with a sentence."""
    if entry.kind not in KINDS or entry.repeats not in {"", *REPEATS} or entry.zone not in ZONES:
        raise Invalid("bad_appointment", "Ce rendez-vous ne se lit pas. Rien n’est noté.")
    title, who, place = (line(text) for text in (entry.title, entry.who, entry.place))
    note = _text(entry.note)
    if not title:
        raise Invalid("appointment_without_title", "Écrivez de quoi il s’agit, par exemple « Dentiste ».")
    if len(title) > MAX_TITLE or max(len(who), len(place)) > MAX_LINE:
        raise Invalid("appointment_too_long", f"C’est trop long ({MAX_TITLE} caractères au plus pour le titre).")
    if len(note) > MAX_NOTE:
        raise Invalid("appointment_note_too_long", f"La note est trop longue ({MAX_NOTE} caractères au plus).")
    start = moment(entry.start, entry.zone)
    if start is None:
        raise Invalid("appointment_without_day", "Donnez le jour, et l’heure si elle est connue.")
    day, today = _day(start), (now or datetime.now(UTC)).astimezone(PLACE).date()
    if not today - FURTHEST <= day <= today + FURTHEST:
        raise Invalid("appointment_too_far", "Donnez un jour à moins de dix ans d’ici.")
    end, until = _ended(entry, start), _until(entry, day)
    return msgspec.structs.replace(
        entry, title=title, who=who, place=place, note=note, start=start.isoformat(), end=end, until=until
    )


def moment(text: str, zone: str = PARIS) -> datetime | date | None:
    """A day, or an aware moment in that zone; None for what is neither. An hour that clocks pass over is the next."""
    text, where = text.strip(), ZoneInfo(zone)
    try:
        if len(text) <= len("2026-12-01"):
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text).replace(second=0, microsecond=0)
        at = at if at.tzinfo else at.replace(tzinfo=where)
        return at.astimezone(UTC).astimezone(where)
    except (ValueError, OverflowError):
        return None


def _ended(entry: Entry, start: datetime | date) -> str:
    """The end as it is kept; of whole days the day after the last."""
    if not entry.end.strip():
        return (start + timedelta(days=1)).isoformat() if not isinstance(start, datetime) else ""
    end = moment(entry.end, entry.zone)
    if end is None or isinstance(end, datetime) != isinstance(start, datetime):
        raise Invalid("bad_end", "La fin ne se lit pas. Donnez une heure, ou laissez vide.")
    if not isinstance(end, datetime):
        end += timedelta(days=1)
    if end <= start or end - start > LONGEST:
        raise Invalid("bad_end", "La fin doit venir après le début.")
    return end.isoformat()


def _until(entry: Entry, first: date) -> str:
    if not entry.repeats or not entry.until.strip():
        return ""
    try:
        last = date.fromisoformat(entry.until.strip())
    except ValueError as error:
        raise Invalid("bad_until", "Le dernier jour ne se lit pas.") from error
    if not first <= last <= first + FURTHEST:
        raise Invalid("bad_until", "Le dernier jour doit venir après le premier, dans les dix ans.")
    return last.isoformat()


def line(text: str) -> str:
    """One line, without what steers a printer or turns the reading direction (security item 28)."""
    return " ".join(_plain(text).split())


def _text(text: str) -> str:
    lines = (" ".join(_plain(one).split()) for one in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _plain(text: str) -> str:
    return "".join(sign if unicodedata.category(sign) not in {"Cc", "Cf"} or sign == "\u200d" else " " for sign in text)


def _day(at: datetime | date) -> date:
    return at.astimezone(PLACE).date() if isinstance(at, datetime) else at


def rrule(entry: Entry) -> str:
    """The rule of a checked entry (RFC 5545 § 3.3.10): its end is told in UTC where hours are."""
    if not entry.repeats:
        return ""
    rule = f"FREQ={entry.repeats.upper()}"
    if not entry.until:
        return rule
    last, start = date.fromisoformat(entry.until), moment(entry.start, entry.zone)
    if not isinstance(start, datetime):
        return f"{rule};UNTIL={last:%Y%m%d}"
    ends = datetime.combine(last, start.time(), start.tzinfo).astimezone(UTC)
    return f"{rule};UNTIL={ends:%Y%m%dT%H%M%SZ}"


def facts(entry: Entry, author: str) -> dict[str, Any]:
    """What the agenda keeps of a checked entry."""
    return {
        "title": entry.title, "start": entry.start, "end": entry.end, "all_day": len(entry.start) == 10,
        "location": entry.place, "organizer": entry.who, "stamp": "", "listed": True, "series": "",
        "own": entry.kind, "note": entry.note, "rrule": rrule(entry), "zone": entry.zone, "author": author,
    }  # fmt: skip


def entry_of(known: dict[str, Any]) -> Entry:
    """The entry that these facts were made of: what a form shows."""
    rule = dict(part.partition("=")[::2] for part in str(known.get("rrule") or "").split(";") if part)
    until, zone = rule.get("UNTIL", ""), str(known.get("zone") or PARIS)
    if until:
        local = _local_day(until, ZoneInfo(zone))
        until = local.isoformat()
    end = str(known.get("end") or "")
    if known.get("all_day") and end:
        end = (date.fromisoformat(end) - timedelta(days=1)).isoformat()
    return Entry(
        str(known.get("title", "")), str(known.get("start", "")), end, str(known.get("organizer", "")),
        str(known.get("location", "")), str(known.get("note", "")), rule.get("FREQ", "").lower(), until,
        str(known.get("own", "appointment")), zone,
    )  # fmt: skip


def _local_day(until: str, zone: tzinfo) -> date:
    if len(until) == 8:
        return datetime.strptime(until, "%Y%m%d").date()  # noqa: DTZ007  # a day
    return datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone).date()


# ---- how it is said --------------------------------------------------------------------------------------------------


def said(entry: Entry, language: str = "fr") -> str:
    """« Dentiste, mardi 1 décembre 2026 à 14 h »."""
    start = moment(entry.start, entry.zone)
    told = f"{entry.title}, {when(start, language)}" if start is not None else entry.title
    if entry.repeats:
        told += f", {REPEATED[entry.repeats][language == 'en']}"
    return told


REPEATED: Final = {
    "daily": ("chaque jour", "every day"),
    "weekly": ("chaque semaine", "every week"),
    "monthly": ("chaque mois", "every month"),
    "yearly": ("chaque année", "every year"),
}


def when(start: datetime | date, language: str = "fr") -> str:
    """« mardi 1er décembre 2026 à 14 h », as it is told there."""
    from babel.dates import format_date  # its data takes 20 MB

    locale = "en_GB" if language == "en" else "fr_FR"
    day = format_date(start, "EEEE d MMMM y", locale=locale)
    day = re.sub(r"\b1 (?=\w+ \d{4}$)", "1er ", day) if language == "fr" else day
    if not isinstance(start, datetime):
        return str(day)
    return f"{day} {'at' if language == 'en' else 'à'} {hour(start, language)}"


def hour(at: datetime, language: str = "fr") -> str:
    """« 14 h », « 14 h 30 », "2:30 pm"."""
    if language == "en":
        return f"{at.hour % 12 or 12}:{at.minute:02} {'am' if at.hour < 12 else 'pm'}"
    return f"{at.hour}\u00a0h" + (f"\u00a0{at.minute:02}" if at.minute else "")


def card(entry: Entry) -> dict[str, Any]:
    """The card that asks whether to note a (checked) entry."""
    told = {
        "fr": [entry.place, f"avec {entry.who}" if entry.who else "", entry.note],
        "en": [entry.place, f"with {entry.who}" if entry.who else "", entry.note],
    }
    return {
        "type": "own_appointment",
        "title": f"Noter\u00a0: {said(entry)}\u00a0?",
        "title_en": f"Note: {said(entry, 'en')}?",
        "text": "\n".join([part for part in told["fr"] if part] + [NO_BOOKING[0]]),
        "text_en": "\n".join([part for part in told["en"] if part] + [NO_BOOKING[1]]),
        "entry": msgspec.to_builtins(entry),
    }


NO_BOOKING: Final = (
    "Pli ne prend pas de rendez-vous : ceci est une note pour vous.",
    "Pli does not book appointments: this is a note for yourself.",
)


async def offer(app: App, box: MailboxHandle, entry: Entry, client_key: str = "") -> Receipt:
    """A card about this entry, in « Votre espace ». Raises `Invalid`, and as `post`."""
    handle = await access.dossier(app, box, "agenda")
    shown = card(checked(entry))
    key = f"own:{box.actor.account_id}:{client_key[:200]}" if client_key else ""
    return await space_news.offer(
        app, box.space_id, shown, actions.letter_form(shown), lambda doing: may_write(doing.tx, handle), key
    )


# ---- inside a transaction --------------------------------------------------------------------------------------------


def may_write(tx: Tx, handle: DossierHandle) -> None:
    """The decision again. Raises `Refused`, `NotAllowed`."""
    access.confirm_record(tx, handle, "agenda", WRITE)


def enter(doing: Doing, handle: DossierHandle, entry: Entry, named: str) -> str:
    """Note a checked entry; returns its id. `named`: what makes it one and the same (the message of its card): noted,
    taken back and noted again, it is one appointment. Raises `Invalid`, `Refused`, `NotAllowed`.
    """
    may_write(doing.tx, handle)
    doing, keys = replace(doing, actor=handle.actor), doing.to.keys
    _not_too_many(doing, entry)
    known, uid_hash = facts(entry, handle.actor.name), book.identity(doing.app, keys.space_id, "own", named)
    row = Appointment(new_id(), 0, "own", doing.message_id, b"", doing.at)
    audit.record(doing.tx, Act.AGENDA_CHANGED, handle.actor, keys.space_id, handle.ground, "", "noted")
    if book.enter(doing, row, uid_hash, known):
        return row.id
    was = rows.hold(doing.tx, keys.space_id, uid_hash)
    assert was is not None  # noqa: S101 - else it would have been added
    book.put(doing, replace(was, sequence=was.sequence + 1, state="own", changed_at=doing.at), known)
    return was.id


def change(doing: Doing, handle: DossierHandle, appointment_id: str, entry: Entry) -> None:
    """Another checked entry in its place: moved, or said otherwise. Raises as `enter`, and `Conflict`."""
    may_write(doing.tx, handle)
    doing = replace(doing, actor=handle.actor)
    was, had = _own(doing, appointment_id)
    _not_too_many(doing, entry, but=was.id)
    audit.record(doing.tx, Act.AGENDA_CHANGED, handle.actor, doing.to.space_id, handle.ground, was.id, "changed")
    changed = replace(was, sequence=was.sequence + 1, changed_at=doing.at)
    book.put(doing, changed, facts(entry, str(had.get("author") or handle.actor.name)))


def remove(doing: Doing, handle: DossierHandle, appointment_id: str) -> None:
    """It is no more; that it was stays known to nobody but the history of the space. Raises as `change`."""
    may_write(doing.tx, handle)
    doing = replace(doing, actor=handle.actor)
    was, had = _own(doing, appointment_id)
    audit.record(doing.tx, Act.AGENDA_CHANGED, handle.actor, doing.to.space_id, handle.ground, was.id, "removed")
    changed = replace(was, sequence=was.sequence + 1, state="removed", changed_at=doing.at)
    book.put(doing, changed, had | {"listed": False})


def undo(doing: Doing, handle: DossierHandle, named: str) -> None:
    """What was noted under that name is taken back. Raises as `remove`."""
    was = rows.by_uid(doing.tx, doing.to.space_id, book.identity(doing.app, doing.to.space_id, "own", named))
    remove(doing, handle, was.id if was else "")


def _own(doing: Doing, appointment_id: str) -> tuple[Appointment, dict[str, Any]]:
    """Held: who changes it at once waits."""
    found = rows.hold_one(doing.tx, doing.to.space_id, appointment_id)
    had = book.facts_in(doing.to.keys, found) if found else {}
    if found is None or not had.get("own"):
        raise Refused
    if found.state != "own":
        raise Conflict("appointment_gone", "Ce rendez-vous n’est plus dans votre agenda.")
    return found, had


def _not_too_many(doing: Doing, entry: Entry, but: str = "") -> None:
    """Ten reminders a day. The row of the space is the lock: two of them at once are counted one after the other."""
    start = moment(entry.start, entry.zone)
    if entry.kind != "reminder" or start is None:
        return
    tx, keys = doing.tx, doing.to.keys
    tx.run("UPDATE spaces SET state = state WHERE id = :s", s=keys.space_id)
    begins = datetime.combine(_day(start), datetime.min.time(), PLACE)
    ends, there = begins + timedelta(days=1), 0
    for one in rows.of_space(tx, keys.space_id):
        had = book.facts_in(keys, one) if one.state == "own" and one.id != but else {}
        there += had.get("own") == "reminder" and bool(recurrence.occurrences(had, begins, ends, 1))
    if there >= REMINDERS_A_DAY:
        raise Invalid(
            "too_many_reminders",
            f"Il y a déjà {REMINDERS_A_DAY} rappels ce jour-là. Choisissez un autre jour, ou retirez-en un.",
        )
