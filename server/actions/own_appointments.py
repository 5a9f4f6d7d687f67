"""What a patient notes in their agenda alone, asked on a card, on a page or by the API; told and undone in the
thread.

    « Noter : Dentiste, mardi 1er décembre 2026 à 14 h ? »  →  [Noter] [Corriger] [Ne pas noter]  →  a line, [Annuler]

An `own_appointment` card holds `{"type", "title", "text", "entry"}`, `entry` as `own.Entry`, checked. Promises: nothing
is noted before the tap; nobody else hears of it. Pli makes no appointment with anybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, space_news
from server.actions.ask import Ask, Done
from server.agenda import own
from server.agenda.own import Entry
from server.drafts import Receipt
from server.errors import Invalid
from server.scopes import MESSAGES, WRITE

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing

_FIELDS: Final = ("title", "who", "place", "note", "repeats", "until")
# « 2/12 à 15 h », « 2/12/2026 15h30 », « 9 h »: what stands under a number in a letter.
_DAY: Final = re.compile(r"\b(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}))?\b")
_HOUR: Final = re.compile(r"\b(\d{1,2})\s*(?:h|:)\s*(\d{2})?\b", re.IGNORECASE)


# ---- what answers the card -------------------------------------------------------------------------------------------


async def prepare_note(ask: Ask) -> Done:
    """What the card says."""
    return await _noted(ask, own.checked(_entry(ask)))


async def prepare_correct(ask: Ask) -> Done:
    """Values: any of `title`, `date`, `time`, `who`, `place`, `note`; or `text`, a day and an hour as one writes them
    (« 2/12 à 15 h »). What is not said stays.
    """
    return await _noted(ask, own.checked(corrected(_entry(ask), ask.values)))


async def prepare_refuse(ask: Ask) -> Done:
    return Done("Pas noté.", text_en="Not noted.", private=True)


async def prepare_undo(ask: Ask) -> Done:
    handle, message_id = await _agenda(ask), ask.opened.message.id
    return Done(
        "Retiré de votre agenda.",
        lambda doing: own.undo(doing, handle, message_id),
        text_en="Removed from your agenda.",
        private=True,
    )


async def _noted(ask: Ask, entry: Entry) -> Done:
    handle, message_id = await _agenda(ask), ask.opened.message.id

    def effect(doing: Doing) -> None:
        own.enter(doing, handle, entry, message_id)

    return Done(f"Noté\u00a0: {own.said(entry)}.", effect, text_en=f"Noted: {own.said(entry, 'en')}.", private=True)


def _entry(ask: Ask) -> Entry:
    try:
        return msgspec.convert((ask.card or {}).get("entry"), Entry)
    except msgspec.ValidationError as error:
        raise Invalid("bad_appointment", "Ce rendez-vous ne se lit pas. Rien n’est noté.") from error


async def _agenda(ask: Ask) -> DossierHandle:
    """The agenda of the space where the card stands, for who acts. Raises `Refused`."""
    box = await access.mailbox(ask.app, ask.actor, ask.conversation.mailbox_id, ("agenda",))
    return await access.dossier(ask.app, box, "agenda")


def corrected(entry: Entry, values: dict[str, Any]) -> Entry:
    """The entry with what was filled in, not yet checked. Raises `Invalid`."""
    said = {name: str(values[name]) for name in _FIELDS if str(values.get(name) or "").strip()}
    start, words = own.moment(entry.start, entry.zone), str(values.get("text") or "")
    day, hour = str(values.get("date") or ""), str(values.get("time") or "")
    if words.strip() and not (day or hour):
        day, hour = _read(words, start)
    if start is None or not (day or hour):
        return msgspec.structs.replace(entry, **said)
    day = day or start.isoformat()[:10]
    hour = hour or (f"{start:%H:%M}" if isinstance(start, datetime) else "")
    return moved(msgspec.structs.replace(entry, **said), f"{day}T{hour}" if hour else day)


def moved(entry: Entry, start: str) -> Entry:
    """At another moment, as long as before."""
    was, begins = own.moment(entry.start, entry.zone), own.moment(start, entry.zone)
    ends = own.moment(entry.end, entry.zone) if entry.end else None
    end = ""
    if isinstance(was, datetime) and isinstance(begins, datetime) and isinstance(ends, datetime):
        end = (begins + (ends - was)).isoformat()
    return msgspec.structs.replace(entry, start=start, end=end)


def _read(words: str, start: Any) -> tuple[str, str]:
    """(day, hour) of words under a number. Raises `Invalid`."""
    hour = _HOUR.search(words)
    day = _DAY.search(words)
    if (day is None and hour is None) or start is None:
        raise Invalid("moment_not_understood", "Écrivez le jour et l’heure, par exemple « 2/12 à 15 h ».")
    told = ""
    if day is not None:
        told = f"{day[3] or start.year}-{int(day[2]):02}-{int(day[1]):02}"
    return told, f"{int(hour[1]):02}:{hour[2] or '00'}" if hour is not None else ""


# ---- done on a page or by the API, told in « Votre espace » ----------------------------------------------------------


async def record(app: App, box: MailboxHandle, entry: Entry, client_key: str) -> Receipt:
    """Note an entry. Raises `Invalid`, `Refused`, `NotAllowed`, and as `post`."""
    entry = own.checked(entry)
    handle = await access.dossier(app, box, "agenda")
    return await _tell(
        app, box, f"Noté\u00a0: {own.said(entry)}.", f"Noted: {own.said(entry, 'en')}.", "agenda.note", client_key,
        lambda doing: own.enter(doing, handle, entry, doing.message_id),
    )  # fmt: skip


async def amend(app: App, box: MailboxHandle, appointment_id: str, entry: Entry | None, client_key: str) -> Receipt:
    """Say one otherwise, at another moment, or (None) remove it. Raises as `record`, and `Conflict`."""
    handle = await access.dossier(app, box, "agenda")
    if entry is None:
        return await _tell(
            app, box, "Un rendez-vous que vous aviez noté est retiré de l’agenda.",
            "An appointment you had noted is removed from the agenda.", "agenda.undo", client_key,
            lambda doing: own.remove(doing, handle, appointment_id),
        )  # fmt: skip
    entry = own.checked(entry)
    fr, en = f"Changé\u00a0: {own.said(entry)}.", f"Changed: {own.said(entry, 'en')}."
    return await _tell(
        app, box, fr, en, "agenda.correct", client_key,
        lambda doing: own.change(doing, handle, appointment_id, entry),
    )  # fmt: skip


async def _tell(
    app: App, box: MailboxHandle, fr: str, en: str, action: str, client_key: str, effect: Callable[[Doing], object]
) -> Receipt:
    """A line for the holder; who acts for them and has no part in their messages is named in it."""
    if not box.may(MESSAGES, WRITE):
        fr, en = f"{box.actor.name}. {fr}", f"{box.actor.name}. {en}"
    key = f"own:{box.actor.account_id}:{client_key[:200]}" if client_key else ""
    return await space_news.note(app, box, fr, en, lambda doing: _do(effect, doing), action=action, retry_key=key)


def _do(effect: Callable[[Doing], object], doing: Doing) -> None:
    effect(doing)
