"""Absence notes: what a patient is told, once, when whoever they write to is away.

    a patient's message  →  a delivery row for each member who is away, in its transaction  →  the note, by post()

Promises: only a patient's own words are answered, never an automatic mail, a report or another note, so no two notes
ever answer one another (RFC 3834 § 2); once for each patient and absence; the message stands in the mailbox of who is
away whatever is said.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from server import access, people, posting
from server.delivery import Parcel
from server.drafts import Draft, MailFacts
from server.errors import Invalid, Refused, Unauthorised
from storage import absences
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

MAX_NOTE = 2_000  # characters


async def declare(app: App, account_id: str, start: datetime, end: datetime, text: str) -> None:
    """Somebody is away from `start` to `end` (aware); it replaces what they declared before. Raises `Invalid`,
    `Unauthorised`.
    """
    actor = await people.actor(app, account_id)
    if actor.kind not in {"professional", "team"}:
        raise Invalid("no_absence", "Seuls un professionnel ou une équipe déclarent une absence.")
    if end <= start:
        raise Invalid("bad_dates", "L’absence finit avant de commencer.")
    if not text.strip() or len(text) > MAX_NOTE:
        raise Invalid("bad_note", f"Le texte de l’absence doit avoir de 1 à {MAX_NOTE} caractères.")
    office = await access.own_space(app, actor)
    absence_id = new_id()
    sealed = office.keys.seal("absence", absence_id, text.strip().encode())

    def write(tx: Tx) -> None:
        absences.end(tx, account_id)
        absences.insert(tx, office.space_id, absence_id, account_id, _ms(start), _ms(end), sealed)

    await app.db.write(write)


async def end(app: App, account_id: str) -> int:
    """Back again: how many absences ended."""
    return await app.db.write(absences.end, account_id)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class AbsenceNotes:
    """The channel named `absence`. Its target is `{"account", "absence"}`."""

    name = absences.CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Post the note, unless they are back, or it was said to this patient during this absence."""
        app, account_id, absence_id = self._app, str(parcel.target["account"]), str(parcel.target["absence"])
        absence = await app.db.read(absences.in_force, account_id)
        if absence is None or absence.id != absence_id:
            return
        try:
            actor = await people.actor(app, account_id)
            office = await access.own_space(app, actor)
            box = await access.mailbox(app, actor)
            to = await access.conversation_of_message(app, box, parcel.delivery.message_id)
        except (Unauthorised, Refused):
            return  # they are gone, or take part no longer: nobody speaks in their name
        draft = Draft(
            to=to,
            text=office.keys.open("absence", absence.id, absence.text).decode(),
            retry_key=f"absence:{absence.id}",
            in_reply_to=parcel.delivery.message_id,
            mail=MailFacts(automatic=True),
            only=frozenset({to.holder, account_id}),
        )
        await posting.post(app, actor, draft)
