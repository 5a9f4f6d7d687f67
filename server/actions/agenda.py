"""The agenda: appointments proposed by letter or by a service; the patient accepts, declines, asks for another moment,
or notes what is only announced. Nothing is ever booked without a person.

An appointment card holds `{"type": "appointment", "title", "text", "uid", "instance", "sequence", "stamp", "start",
"end", "all_day", "location", "organizer", "organizer_name", "claimed", "repeats", "ics"}`: times in ISO 8601 with
their offset, `organizer` the verified address, `claimed` who the invitation says organises when that is somebody else,
`ics` what the mail side makes the answer from (RFC 6047). `instance`: which one of a series; `sequence`, then `stamp`:
which version; `repeats`: it is a whole series.

How an appointment is kept and found again: `server.agenda.book`; what organisers do to it: `server.agenda.organiser`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from babel import dates

from server.actions.ask import Ask, Done
from server.agenda import book
from server.drafts import MailFacts
from server.errors import Conflict, Invalid
from server.settings import PLACE

MAX_WORDS: Final = 2000  # characters of a wish
FURTHEST: Final = timedelta(days=5 * 366)


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


async def prepare_first(ask: Ask) -> Done:
    return _picked(ask, 0)


async def prepare_second(ask: Ask) -> Done:
    return _picked(ask, 1)


async def prepare_third(ask: Ask) -> Done:
    return _picked(ask, 2)


def _picked(ask: Ask, place: int) -> Done:
    """One of the moments that an office offered: it is the appointment from now on."""
    card = ask.card or {}
    moments = card.get("moments") or ()
    start = book.instant(moments[place]["start"]) if place < len(moments) else None
    if start is None:
        raise Invalid("no_such_moment", "Ce moment n’est pas parmi ceux qui vous sont proposés.")
    if start < datetime.now(PLACE):
        raise Conflict("moment_past", "Ce moment est passé. Choisissez-en un autre, ou demandez-en un.")
    chosen = card | {"start": moments[place]["start"], "end": moments[place]["end"]}
    title, title_en = card.get("title", ""), card.get("title_en") or card.get("title", "")
    return Done(
        f"Rendez-vous accepté : {title}, {_spoken(start, 'fr')}.",
        lambda doing: book.remember(doing, chosen, "accepted", ask.opened),
        text_en=f"Appointment accepted: {title_en}, {_spoken(start, 'en')}.",
    )


def wish(values: dict[str, Any]) -> tuple[str, str]:
    """(words, beginning in ISO 8601 or "") of a wish that was taken."""
    try:
        words, start = _wish(values)
    except Invalid:  # the day has passed since
        return str(values.get("text") or "").strip(), ""
    return words, start.isoformat() if start is not None else ""


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
    return lambda doing: book.remember(doing, ask.card or {}, state, ask.opened)
