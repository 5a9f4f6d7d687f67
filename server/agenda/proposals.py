"""What an office proposes, checked, and the cards that say so.

    Proposal → checked() → card()          an appointment, or several moments to choose from
                           after()         what came of it: called off, or the planned time stays

Promises: every card says how to reach somebody; what was agreed by phone says so, and by whom. Does not decide who may:
`organising` does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import hours, people
from server.agenda import book, own, recurrence
from server.errors import Invalid
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle

MOST_MOMENTS: Final = 3
MAX_TITLE: Final = 200
MAX_PLACE: Final = 300
MAX_TEXT: Final = 2000
MAX_UID: Final = 200
FURTHEST: Final = timedelta(days=5 * 366)
_AFTER: Final = {
    "cancellation": ("Rendez-vous annulé", "Appointment cancelled"),
    "kept": ("Le moment prévu reste", "The planned time stays"),
}


class Moment(msgspec.Struct, frozen=True):
    """`start`: a moment or a day (ISO 8601; without offset it is the hour of `zone`). `end`: alike, "" when unsaid; of
    whole days the day after the last.
    """

    start: str
    end: str = ""


class Proposal(msgspec.Struct, frozen=True):
    """What an office proposes. `moments`: one, or up to three to choose from. `uid`: what the office's program knows it
    by. `agreed`: the patient agreed by phone. `rrule`: how it repeats (RFC 5545 § 3.3.10).
    """

    title: str
    moments: tuple[Moment, ...]
    location: str = ""
    text: str = ""
    uid: str = ""
    agreed: bool = False
    rrule: str = ""
    zone: str = own.PARIS


# ---- what may be proposed --------------------------------------------------------------------------------------------


def checked(wanted: Proposal) -> Proposal:
    """As it is kept: one line each, moments with their offset. Raises `Invalid`, with a sentence."""
    title, location = own.line(wanted.title), own.line(wanted.location)
    if not title:
        raise Invalid("appointment_without_title", "Écrivez de quoi il s’agit, par exemple « Dentiste ».")
    if len(title) > MAX_TITLE or len(location) > MAX_PLACE or len(wanted.text) > MAX_TEXT or len(wanted.uid) > MAX_UID:
        raise Invalid("proposal_too_long", f"C’est trop long ({MAX_TITLE} caractères au plus pour le titre).")
    if not 1 <= len(wanted.moments) <= MOST_MOMENTS:
        raise Invalid("bad_moments", f"Proposez un moment, ou {MOST_MOMENTS} au plus parmi lesquels choisir.")
    if (wanted.agreed or wanted.rrule) and len(wanted.moments) > 1:
        raise Invalid("one_moment", "Ce qui est convenu, ou qui se répète, a un seul moment.")
    if wanted.zone not in own.ZONES:
        raise Invalid("bad_zone", "Ce lieu n’est pas connu pour dire une heure.")
    moments = tuple(_moment(one, wanted) for one in wanted.moments)
    if len({one.start for one in moments}) < len(moments):
        raise Invalid("same_moments", "Deux des moments proposés sont les mêmes.")
    if wanted.rrule and not recurrence.understood(wanted.rrule, moments[0].start):
        raise Invalid("bad_rule", "Cette répétition n’est pas comprise.")
    text = "\n".join(own.line(part) for part in wanted.text.splitlines()).strip()
    return msgspec.structs.replace(wanted, title=title, location=location, text=text, moments=moments)


def _moment(one: Moment, wanted: Proposal) -> Moment:
    start, now = own.moment(one.start, wanted.zone), datetime.now(UTC)
    if start is None:
        raise Invalid("appointment_without_day", "Donnez le jour, et l’heure si elle est connue.")
    begins = book.instant(start.isoformat())
    assert begins is not None  # noqa: S101 - it was just read
    latest = now if isinstance(start, datetime) else now - timedelta(days=1)
    if not latest < begins < now + FURTHEST:
        raise Invalid("appointment_out_of_range", "Donnez un moment à venir, dans les cinq ans.")
    if not one.end.strip():
        return Moment(start.isoformat(), "" if isinstance(start, datetime) else _day_after(start.isoformat()))
    end = own.moment(one.end, wanted.zone)
    if end is None or isinstance(end, datetime) != isinstance(start, datetime) or end <= start:
        raise Invalid("bad_end", "La fin doit venir après le début.")
    if end - start > own.LONGEST:
        raise Invalid("bad_end", "La fin doit venir après le début.")
    return Moment(start.isoformat(), end.isoformat())


def _day_after(day: str) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()


# ---- cards -----------------------------------------------------------------------------------------------------------


async def card(app: App, box: MailboxHandle, wanted: Proposal, *, granted: bool = False) -> dict[str, Any]:
    """The card of a (checked) proposal."""
    office, one = await people.actor(app, box.owner), wanted.moments[0]
    made = book.appointment_card(
        title=wanted.title,
        text="",
        uid=wanted.uid or f"{new_id()}@{app.settings.mail_domain}",
        sequence=0,
        start=one.start,
        end=one.end,
        all_day=len(one.start) == len("2026-12-01"),
        location=wanted.location,
        organizer=office.address,
        organizer_name=office.name,
        ics="",
        stamp=_stamp(),
        repeats=bool(wanted.rrule),
        rrule=wanted.rrule,
        zone=wanted.zone if wanted.rrule else "",
    )
    made |= {"scope": box.owner, "said": wanted.text}
    reach = await _reach(app, box)
    before = ("C’est le moment que vous avez demandé.", "This is the time you asked for.") if granted else ("", "")
    if wanted.agreed:
        day = own.when(datetime.now(UTC).date())
        day_en = own.when(datetime.now(UTC).date(), "en")
        before = (
            f"Convenu de vive voix avec {box.actor.name}, {day}. Si ce n’est pas le cas, déclinez.",
            f"Agreed in person or by phone with {box.actor.name}, {day_en}. If not, decline.",
        )
        made |= {"agreed": box.actor.name, "labels": {"agenda.accept": ["C’est bien cela", "That is right"]}}
    if len(wanted.moments) > 1:
        before = ("Choisissez le moment qui vous convient.", "Choose the time that suits you.")
        made |= {
            "type": "moments",
            "moments": [msgspec.to_builtins(moment) for moment in wanted.moments],
            "labels": {
                name: [_told(moment, wanted.zone, "fr"), _told(moment, wanted.zone, "en")]
                for name, moment in zip(("agenda.first", "agenda.second", "agenda.third"), wanted.moments, strict=False)
            },
        }
    texts = ["\n".join(part for part in (before[at], wanted.text, reach[at]) if part) for at in (0, 1)]
    return made | {"text": texts[0], "text_en": texts[1]}


def _told(moment: Moment, zone: str, language: str) -> str:
    start = own.moment(moment.start, zone)
    assert start is not None  # noqa: S101 - it was checked
    return own.when(start, language)


async def after(
    app: App, box: MailboxHandle, had: dict[str, Any], facts: dict[str, Any], kind: str, reason: str
) -> dict[str, Any]:
    """A card about the one before (`had`; `facts`: of its appointment). kind: cancellation, kept."""
    reason = own.line(reason)
    if len(reason) > MAX_TEXT:
        raise Invalid("proposal_too_long", f"C’est trop long ({MAX_TEXT} caractères au plus).")
    office, reach = await people.actor(app, box.owner), await _reach(app, box)
    title = str(facts.get("title", ""))
    kept = ("start", "end", "all_day", "location")
    return {name: facts.get(name, "") for name in kept} | {
        "type": kind,
        "title": f"{_AFTER[kind][0]} : {title}",
        "title_en": f"{_AFTER[kind][1]}: {title}",
        "text": "\n".join(part for part in (reason, reach[0]) if part),
        "text_en": "\n".join(part for part in (reason, reach[1]) if part),
        "uid": str(had.get("uid", "")),
        "instance": str(had.get("instance") or ""),
        "sequence": int(had.get("sequence") or 0),
        "stamp": _stamp(),
        "organizer": office.address,
        "organizer_name": office.name,
        "ics": "",
    }


async def _reach(app: App, box: MailboxHandle) -> tuple[str, str]:
    """How to reach somebody: in the conversation, and how soon they say they answer."""
    if box.actor.kind == "bot":
        return (
            "Une question ? Écrivez ici, ou demandez à parler à une personne.",
            "A question? Write here, or ask for a person.",
        )
    known = await hours.of_account(app, box.owner)
    days, soon = known.answers_hours // 24, known.answers_hours
    fr = f" sous {days} jours" if days > 1 else f" sous {soon} heures" if soon else ""
    en = f" within {days} days" if days > 1 else f" within {soon} hours" if soon else ""
    return f"Une question ? Écrivez ici : une personne vous répond{fr}.", (
        f"A question? Write here: somebody answers you{en}."
    )


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
