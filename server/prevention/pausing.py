"""Reminders paused until a day, stopped, taken up again: what the holder's side chose, each choice a record.

Promises: a choice stands until the next one; the record says who chose and when, a line in « Votre espace » and a row
of the audit too. Nothing else of prevention changes: what is recommended still stands on its page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from dateutil.relativedelta import relativedelta

from server import access, audit, space_news
from server.audit import Act
from server.errors import Invalid
from server.handles import DossierHandle, MailboxHandle, SpaceHandle
from server.prevention import statuses
from server.prevention.statuses import Record, rule_hash
from server.settings import PLACE
from storage import reminders as rows
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

EVERY: Final = "*"  # stands for every rule
OPEN, PAUSED, STOPPED = "resumed", "paused", "stopped"
MONTHS: Final = ("1", "3", "6", "12")


@dataclass(frozen=True, slots=True)
class Chosen:
    """`state`: resumed (as when nothing was ever chosen), paused until a day, stopped. `at`: ms; 0: never chosen."""

    state: str = OPEN
    until: date | None = None
    at: int = 0


def chosen(app: App, tx: Tx, space: SpaceHandle, today: date) -> Chosen:
    """What stands today: a pause that is over is none."""
    known = rows.history(tx, space.space_id, rule_hash(app, space.space_id, EVERY))
    if not known:
        return Chosen()
    record = Record.of(space, known[-1])
    until = record.facts.until_day
    if record.state == PAUSED and (until is None or until <= today):
        return Chosen(OPEN, at=record.at)
    return Chosen(record.state, until, record.at)


def quiet_until(app: App, tx: Tx, space: SpaceHandle) -> date | None:
    """The day from which reminders may be written; long past when they may, None when they are stopped."""
    now = chosen(app, tx, space, datetime.now(PLACE).date())
    return None if now.state == STOPPED else now.until or date.min


async def choose(app: App, box: MailboxHandle, state: str, months: str = "", key: str = "") -> None:
    """The holder, or who acts for them. `months`: of a pause. Raises `Invalid`, `NotAllowed`, `Refused`."""
    if state not in {OPEN, PAUSED, STOPPED} or (state == PAUSED and months not in MONTHS):
        raise Invalid("bad_choice", "Un choix du formulaire n’est pas possible. Rien n’est changé.")
    handle = await access.dossier(app, box)
    until = datetime.now(PLACE).date() + relativedelta(months=int(months)) if state == PAUSED else None

    def effect(doing: Doing) -> None:
        put(doing, handle, state, until)

    fr, en = sentence(state, until)
    retry_key = f"pausing:{box.actor.account_id}:{key[:100]}" if key else ""
    await space_news.note(app, box, fr, en, effect, action="reminders.chosen", retry_key=retry_key)


def put(doing: Doing, handle: DossierHandle, state: str, until: date | None) -> None:
    """Inside the transaction of its line: the right asked again, the record, the audit row."""
    access.confirm_record(doing.tx, handle)
    facts = {"until": until.isoformat()} if until else {}
    statuses.add(doing.app, doing.tx, handle, EVERY, state, facts, doing.at)
    audit.record(doing.tx, Act.CHOICE_CHANGED, handle.actor, handle.space_id, handle.ground, "reminders", state)


def sentence(state: str, until: date | None) -> tuple[str, str]:
    """What is told of that choice, in French and in English."""
    if until is not None:
        days = [statuses.said_on(until.isoformat(), language) for language in ("fr", "en")]
        return f"Rappels de prévention en pause jusqu’au {days[0]}.", f"Prevention reminders paused until {days[1]}."
    if state == STOPPED:
        return "Plus de rappels de prévention.", "No more prevention reminders."
    return "Les rappels de prévention reprennent.", "Prevention reminders start again."
