"""Measures typed in a chat with Pli itself: read, shown on a card, kept at a tap, taken back at another.

    « tension 13/8 »  →  offer(): a card « Noter : … ? »  →  [Noter] [Corriger] [Ne pas noter]  →  a line, undone by
    [Annuler]

A measure card holds `{"type": "measure", "title", "text", "entries"}`, `entries` as `measure_kinds.Entry`, checked.
Promises: nothing is kept before the tap; what was not understood is said. Does not: read what a person writes to
somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from server import access, actions, space_news
from server.actions.ask import Ask, Done
from server.dossier import measure_kinds as kinds
from server.dossier import measure_words, measures
from server.dossier.measure_kinds import Entry
from server.drafts import Actor, Receipt
from server.errors import Conflict, Invalid
from server.settings import PLACE

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing


async def offer(app: App, box: MailboxHandle, text: str, client_key: str = "") -> Receipt:
    """A card with what those words say, in « Votre espace ». Raises `Invalid`: nothing was understood, or it cannot
    be; and as `post`.
    """
    handle = await access.dossier(app, box)
    entries, unread = await understood(app, handle, text)
    card = measure_card(entries, unread, datetime.now(UTC))
    return await space_news.offer(
        app,
        box.space_id,
        card,
        actions.letter_form(card),
        lambda doing: measures.may_write(doing.tx, handle),
        _key(box.actor, client_key),
    )


async def understood(app: App, handle: DossierHandle, text: str, at: str = "") -> tuple[list[Entry], tuple[str, ...]]:
    """The checked entries of those words, and the words that say nothing. `at`: when they do not say it. Raises
    `Invalid`.
    """
    found = measure_words.read(text, datetime.now(UTC))
    if not found.entries:
        raise Invalid(
            "measure_not_understood",
            "Nous n’avons pas compris cette mesure. Écrivez par exemple « tension 13/8 », « 72 kg » ou « glycémie "
            "1,12 g/L ».",
        )
    dated = [one if one.at else replace(one, at=at) for one in found.entries]
    return [await measures.checked(app, handle, one) for one in dated], found.unread


def measure_card(entries: Sequence[Entry], unread: Sequence[str], now: datetime) -> dict[str, Any]:
    """The card that asks whether to keep these (checked) entries."""
    told = {
        language: " ".join(
            [*(doubt.said(language) for one in entries for doubt in kinds.doubts(one)), *_unread(unread, language)]
        )
        for language in ("fr", "en")
    }
    return {
        "type": "measure",
        "title": f"Noter : {listed(entries)}, {when(entries[0].at, now)}\u00a0?",
        "title_en": f"Record: {listed(entries, 'en')}, {when(entries[0].at, now, 'en')}?",
        "text": told["fr"],
        "text_en": told["en"],
        "entries": msgspec.to_builtins(list(entries)),
    }


def _unread(unread: Sequence[str], language: str) -> list[str]:
    if not unread:
        return []
    said = ", ".join(f"« {words} »" for words in unread)[:300]
    return [f"Not understood, and not recorded: {said}." if language == "en" else f"Pas compris, et pas noté : {said}."]


def listed(entries: Sequence[Entry], language: str = "fr") -> str:
    """« tension artérielle 130/80 mmHg et poids 72 kg »."""
    parts = []
    for one in entries:
        of = kinds.kind(one.slug)
        said = f"{_low(of.name(language))} {kinds.said(of, kinds.values_of(one), language)}"
        if one.heart_rate:
            pulse = kinds.KINDS[kinds.HEART_RATE]
            said += f", {_low(pulse.name(language))} {kinds.said(pulse, (Decimal(one.heart_rate),), language)}"
        if one.moment:
            said += f" {kinds.MOMENTS[one.moment][language == 'en']}"
        parts.append(said)
    joint = " and " if language == "en" else " et "
    return joint.join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _low(name: str) -> str:
    """A name inside a sentence: « tension artérielle », but « HbA1c » as it is."""
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def when(at: str, now: datetime, language: str = "fr") -> str:
    """« aujourd’hui 23 novembre à 14 h 05 », « le 3 mai 2026 »."""
    from babel.dates import format_date, format_time  # its data takes 20 MB

    moment = (kinds.moment_of(at) or now).astimezone(PLACE)
    today, english = moment.date() == now.astimezone(PLACE).date(), language == "en"
    day = format_date(moment, "d MMMM" if today else "d MMMM y", locale="en_GB" if english else "fr_FR")
    said = ("today " if english else "aujourd’hui ") + day if today else ("on " if english else "le ") + day
    if len(at) <= len("2026-11-23"):
        return said
    if english:
        return f"{said} at {format_time(moment, 'h:mm a', locale='en_GB')}"
    return f"{said} à {moment.hour} h {moment.minute:02}"


# ---- what answers the card -------------------------------------------------------------------------------------------


async def prepare_note(ask: Ask) -> Done:
    """What the card says."""
    entries = msgspec.convert((ask.card or {}).get("entries", ()), list[Entry])
    handle = await _dossier(ask)
    return _noted(ask, handle, [await measures.checked(ask.app, handle, one) for one in entries])


async def prepare_correct(ask: Ask) -> Done:
    """Values: `{"text": "tension 13,5/8"}`, read as a measure; at the time of the card, unless it says another."""
    handle = await _dossier(ask)
    card = ask.card or {}
    at = str((card.get("entries") or [{}])[0].get("at", ""))
    entries, unread = await understood(ask.app, handle, str(ask.values.get("text") or ""), at)
    if unread:
        said = ", ".join(f"« {words} »" for words in unread)[:200]
        raise Invalid("measure_half_understood", f"Pas compris : {said}. Rien n’est noté : écrivez la mesure seule.")
    return _noted(ask, handle, entries)


async def prepare_refuse(ask: Ask) -> Done:
    return Done("Pas noté.", text_en="Not recorded.")


async def prepare_undo(ask: Ask) -> Done:
    """What this card had kept is withdrawn; that it was there stays in the history."""
    handle = await _dossier(ask)

    def effect(doing: Doing) -> None:
        if not measures.undo(doing.tx, handle, ask.opened.message.id):
            raise Conflict("already_corrected", "Cette mesure a déjà été corrigée ou retirée, dans vos mesures.")

    return Done("Mesure retirée. Son historique la garde.", effect, text_en="Withdrawn. Its history keeps it.")


def _noted(ask: Ask, handle: DossierHandle, entries: Sequence[Entry]) -> Done:
    def effect(doing: Doing) -> None:
        for one in entries:
            measures.enter(doing.tx, handle, one, message_id=ask.opened.message.id)

    text, text_en = _recorded(entries)
    return Done(text, effect, text_en=text_en)


async def _dossier(ask: Ask) -> DossierHandle:
    """The dossier of the space where the card stands, for who acts. Raises `Refused`."""
    box = await access.mailbox(ask.app, ask.actor, ask.conversation.mailbox_id, ("dossier",))
    return await access.dossier(ask.app, box)


# ---- done on a page or by an application, told in « Votre espace » ---------------------------------------------------


async def record(app: App, box: MailboxHandle, entries: Sequence[Entry], client_key: str) -> Receipt:
    """Keep checked entries that somebody made in a form, or by their token. Raises as `measures.enter`, and as
    `post`.
    """
    handle, (text, text_en) = await access.dossier(app, box), _recorded(entries)
    return await space_news.note(
        app,
        box,
        text,
        text_en,
        lambda doing: _entered(doing, handle, entries),
        action="measures.note",
        retry_key=_key(box.actor, client_key),
    )


async def record_by_service(app: App, handle: DossierHandle, entries: Sequence[Entry], client_key: str) -> Receipt:
    """As `record`, by a service that was granted it; the holder is told. Raises as `measures.enter`, and as `post`."""
    text, text_en = _recorded(entries)
    return await space_news.tell(
        app,
        handle.space_id,
        f"{handle.actor.name}. {text}",
        f"{handle.actor.name}. {text_en}",
        lambda doing: _entered(doing, handle, entries),
        retry_key=_key(handle.actor, client_key),
    )


def _recorded(entries: Sequence[Entry]) -> tuple[str, str]:
    """What is told, in French and in English: each one of a few, else how many."""
    if len(entries) > measure_words.MAX_ENTRIES:
        return f"Noté : {len(entries)} mesures.", f"Recorded: {len(entries)} measures."
    now, at = datetime.now(UTC), entries[0].at
    return (f"Noté : {listed(entries)}, {when(at, now)}.", f"Recorded: {listed(entries, 'en')}, {when(at, now, 'en')}.")


def _entered(doing: Doing, handle: DossierHandle, entries: Sequence[Entry]) -> None:
    for one in entries:
        measures.enter(doing.tx, handle, one, message_id=doing.message_id)


async def amend(app: App, box: MailboxHandle, finding_id: str, entry: Entry | None, slug: str, key: str) -> Receipt:
    """Correct what was entered, or (None) withdraw it. Raises as `measures.correct`, and as `post`."""
    handle, now, of = await access.dossier(app, box), datetime.now(UTC), kinds.kind(slug)
    if entry is None:
        text, text_en = f"{of.fr} : une mesure est retirée.", f"{of.en}: a measure was withdrawn."
    else:
        text = f"Corrigé : {listed([entry])}, {when(entry.at, now)}."
        text_en = f"Corrected: {listed([entry], 'en')}, {when(entry.at, now, 'en')}."
    return await space_news.note(
        app,
        box,
        text,
        text_en,
        lambda doing: measures.correct(doing.tx, handle, finding_id, entry, message_id=doing.message_id),
        action="measures.correct",
        retry_key=_key(box.actor, key),
    )


async def aim(app: App, box: MailboxHandle, slug: str, low: str, high: str, client_key: str) -> Receipt:
    """A personal target, in the canonical unit; both "": none any more. Raises as `measures.aim`, and as `post`."""
    handle, of = await access.dossier(app, box), kinds.kind(slug)
    fr, en = target(of, low, high), target(of, low, high, "en")
    return await space_news.note(
        app,
        box,
        f"{of.fr} : votre objectif est {fr}." if fr else f"{of.fr} : plus d’objectif.",
        f"{of.en}: your target is {en}." if en else f"{of.en}: no target any more.",
        lambda doing: measures.aim(doing.tx, handle, slug, low, high),
        action="measures.target",
        retry_key=_key(box.actor, client_key),
    )


def target(of: kinds.Kind, low: str, high: str, language: str = "fr") -> str:
    """« de 6,5 à 7 % », « 7 % au plus »; "" for none."""
    least, most = (kinds.said(of, kinds.pair(end), language) if end else "" for end in (low, high))
    if least and most:
        return f"{least} to {most}" if language == "en" else f"de {least} à {most}"
    if most:
        return f"at most {most}" if language == "en" else f"{most} au plus"
    return (f"at least {least}" if language == "en" else f"{least} au moins") if least else ""


def _key(actor: Actor, client_key: str) -> str:
    return f"measure:{actor.account_id}:{client_key[:200]}" if client_key else ""
