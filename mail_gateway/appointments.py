"""The appointment a letter brings, as a card, and the answer that leaves (iMIP, RFC 6047).

    REQUEST        →  a card to accept, decline or discuss        CANCEL         →  a card that says so
    PUBLISH        →  a card to note in one's own agenda          DECLINECOUNTER →  a card that says so
    REPLY, COUNTER, anything else, anything unreadable, CANCEL of what is not known  →  a letter, its calendar attached

Promises: nothing enters the agenda without the patient; the UID is the sender's word, and is scoped to the sender we
verified; who an invitation says organises it is shown as a claim when that is somebody else (security item 30). Nothing
in a calendar is fetched. Every calendar of a letter is in its card or among its files. Never raises for what a calendar
holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from mail_gateway import calendar, structure
from mail_gateway.calendar import Invitation, Mailbox, essence, read_invitation
from mail_gateway.mime import Letter, Part
from mail_gateway.structure import Node
from server.agenda import book, organiser
from server.drafts import Actor, MailFacts
from server.formats.malformed import Malformed
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

Effect = Callable[["Doing"], None] | None

MAX_READ: Final = 4  # calendars of one letter that are looked into; more are files
LARGE: Final = 32 * 1024  # octets of calendars that are read in a thread
MAX_DESCRIPTION: Final = 2000  # characters on the card
MAX_ICS: Final = 10_000  # as what a service may send: `AppointmentCard` of the API


@dataclass(frozen=True, slots=True)
class Brought:
    """What the calendars of a letter make of it. `attachments`: its files, without the ones that are the card."""

    attachments: tuple[Part, ...] = ()
    kind: str = "text"
    card: dict[str, Any] | None = None
    effect: Effect = None


async def read(
    app: App, actor: Actor, letter: Letter, raw: bytes, root: Node, address: str, keys: SpaceKeys
) -> Brought:
    """The letter's appointment. `address`: the patient's, whom the invitation asks; `actor`: who sent it, verified."""
    if not letter.calendars:
        return Brought(letter.attachments)
    looked = letter.calendars[:MAX_READ]
    large = sum(part.size for part, _ in looked) > LARGE
    read = await asyncio.to_thread(_read, raw, root, looked) if large else _read(raw, root, looked)
    invitation = next((found for _, found in read if found is not None), None)
    made = await _made(app, actor, letter, invitation, address, keys) if invitation is not None else (None, None)
    twins = [part for part, found in read if found is not None and invitation is not None and _twins(found, invitation)]
    hidden = {part.number for part in (twins if made[0] is not None else twins[1:])}  # Outlook and Gmail send two
    calendars = [part for part, _ in letter.calendars]
    files = [part for part in letter.attachments if part.number not in {one.number for one in calendars}]
    files += [replace(one, name=one.name or "rendez-vous.ics") for one in calendars if one.number not in hidden]
    shown, effect = made
    return Brought(tuple(files), "card" if shown is not None else "text", shown, effect)


def answer(mail: MailFacts, patient: Mailbox, at: datetime) -> str:
    """The calendar of an answer of the patient's, "" when it answers none."""
    try:
        if mail.invitation and mail.method == "COUNTER":
            start = _moment(mail.proposed)
            return calendar.counter(mail.invitation, patient, at, start, mail.comment, mail.organizer)
        if mail.invitation and mail.partstat in {"ACCEPTED", "DECLINED", "TENTATIVE"}:
            partstat = cast(calendar.Answer, mail.partstat)
            return calendar.reply(mail.invitation, patient, partstat, at, mail.organizer)
    except Malformed:
        pass  # the card was not made from a mail: the text of the answer says it all
    return ""


async def _made(
    app: App, actor: Actor, letter: Letter, invitation: Invitation, address: str, keys: SpaceKeys
) -> tuple[dict[str, Any] | None, Effect]:
    """(card, effect) of what is for the patient to see; no card when it is nothing to them."""
    scope = actor.address.lower()
    shown = _card(actor, letter, invitation, address)
    title = shown["title"]

    async def known(state: str = "") -> bool:
        instance = invitation.recurrence_id
        return await app.db.read(organiser.known, app, keys, scope, invitation.uid, instance, state)

    if invitation.method == "REQUEST":
        return shown, lambda doing: organiser.offered(doing, shown, scope)
    if invitation.method == "PUBLISH":
        shown["type"] = "publication"
        return shown, lambda doing: organiser.offered(doing, shown, scope)
    if invitation.method == "CANCEL" and not await known():
        return None, lambda doing: organiser.cancelled(doing, shown, scope)
    if invitation.method == "CANCEL":
        shown |= {"type": "cancellation", "ics": "", "title_en": f"Appointment cancelled: {title}"}
        shown["title"] = f"Rendez-vous annulé : {title}"
        return shown, lambda doing: organiser.cancelled(doing, shown, scope)
    if invitation.method == "DECLINECOUNTER" and await known("asked"):
        shown |= {"type": "kept", "ics": "", "title_en": f"The planned time stays: {title}"}
        shown["title"] = f"Le moment prévu reste : {title}"
        return shown, lambda doing: organiser.kept(doing, shown, scope)
    return None, None


def _card(actor: Actor, letter: Letter, invitation: Invitation, address: str) -> dict[str, Any]:
    organizer = invitation.organizer
    somebody_else = organizer.address and organizer.address.lower() != actor.address.lower()
    ics = essence(invitation, address)
    return book.appointment_card(
        title=invitation.summary or letter.subject or "Rendez-vous",
        text=(invitation.description.strip() or letter.text.strip())[:MAX_DESCRIPTION],
        uid=invitation.uid,
        instance=invitation.recurrence_id,
        sequence=invitation.sequence,
        stamp=f"{invitation.stamp.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if invitation.stamp else "",
        start=_iso(invitation.start),
        end=_iso(invitation.end),
        all_day=invitation.all_day,
        location=invitation.location,
        organizer=actor.address.lower(),
        # A name from elsewhere is only what its mail claims: the verified address stays beside it.
        organizer_name=f"{actor.name} ({actor.address})" if actor.external else actor.name,
        repeats=invitation.recurrence and not invitation.recurrence_id,
        claimed=f"{organizer.name} ({organizer.address})".lstrip() if somebody_else else "",
        ics=ics if len(ics) <= MAX_ICS else "",
        **{name: list(told) if isinstance(told, tuple) else told for name, told in _series(invitation).items()},
    )


def _series(invitation: Invitation) -> dict[str, Any]:
    """What the agenda needs to show every date."""
    return {name: getattr(invitation.series, name) for name in book.REPEATING}


def _read(raw: bytes, root: Node, parts: Sequence[tuple[Part, str]]) -> list[tuple[Part, Invitation | None]]:
    """What each calendar says; the same text again is not read again."""
    known: dict[tuple[str, str], Invitation | None] = {}
    found = []
    for part, method in parts:
        node = structure.find(root, part.number)
        text = structure.text(raw, node) if node is not None else ""
        if (text, method) not in known:
            try:
                known[text, method] = read_invitation(text, method)
            except Malformed:
                known[text, method] = None
        found.append((part, known[text, method]))
    return found


def _twins(one: Invitation, other: Invitation) -> bool:
    return (one.uid, one.recurrence_id, one.sequence, one.start) == (
        other.uid, other.recurrence_id, other.sequence, other.start
    )  # fmt: skip


def _iso(moment: datetime | date | None) -> str:
    return moment.isoformat() if moment is not None else ""


def _moment(text: str) -> datetime | date | None:
    """What `_iso` wrote."""
    if not text:
        return None
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
