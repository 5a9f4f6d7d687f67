"""Each evening, an office that expects patients the next day is told who is ready: a mail in its own mailbox.

    the hour of `evening_hour`, in Paris  →  every office with an appointment tomorrow  →  one message each

Promises: once an office and a day, whatever stops and starts again (the retry key); who was down at that hour tells as
soon as it is up, the same evening. The mail stands in a conversation of the office's own space, which no patient reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from server import posting, undelivered
from server.agenda.book import instant
from server.drafts import Author, Draft, MailFacts, Opening
from server.errors import PliError
from server.handles import ConversationHandle
from server.journeys import board
from server.journeys.board import Board, Expected
from server.settings import PLACE
from storage import appointments

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

SUBJECT: Final = "Prêts pour demain"
AGAIN_S: Final = 300.0  # after a failure
_HEADINGS: Final = {
    "to_call": "À appeler",
    "waiting": "Nous attendons encore quelque chose d’eux",
    "unknown": "Rien ne leur a été demandé",
    "ready": "Prêts",
}


@asynccontextmanager
async def told_each_evening(app: App) -> AsyncIterator[None]:
    """While this is open, offices are told."""
    task = asyncio.create_task(_forever(app), name="evening")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _forever(app: App) -> None:
    while True:
        now = datetime.now(UTC)
        wait = (next_time(now, app.settings.evening_hour) - now).total_seconds()
        if now.astimezone(PLACE).hour >= app.settings.evening_hour:
            try:
                await tell(app, board.tomorrow(now))
            except Exception as error:  # noqa: BLE001 - an evening that failed is tried again, and stops nothing else
                log.warning("evening.failed", error=type(error).__name__)
                wait = min(wait, AGAIN_S)
        await asyncio.sleep(wait)


def next_time(now: datetime, hour: int) -> datetime:
    """The next instant at which it is that hour in Paris."""
    local = now.astimezone(PLACE)
    day = local.date() + timedelta(days=1 if local.hour >= hour else 0)
    return datetime.combine(day, time(hour), PLACE).astimezone(UTC)


async def tell(app: App, day: date) -> int:
    """Tell every office who is ready that day; how many were told now."""
    told = 0
    for mailbox_id in await app.db.read(appointments.offices_between, *board.bounds(day)):
        try:
            told += await _tell(app, mailbox_id, day)
        except PliError as error:  # one office that cannot be told keeps nobody else waiting
            log.warning("evening.untold", code=error.code)
    return told


async def _tell(app: App, mailbox_id: str, day: date) -> bool:
    shown = await app.db.read(board.seen, app, mailbox_id, day)
    if not shown.expected:
        return False
    reference = f"soir.{mailbox_id}@{app.settings.mail_domain}"
    to = await undelivered.to_office(app, mailbox_id, reference)
    there = isinstance(to, ConversationHandle)
    subject = f"{SUBJECT}, {_day(day)} : {shown.count('ready')} sur {len(shown.expected)}"
    draft = Draft(
        to=to if isinstance(to, ConversationHandle) else Opening(to, SUBJECT),
        kind="line",
        text=written(shown, day, f"{app.settings.public_url.rstrip('/')}/ready?day={day.isoformat()}"),
        subject=subject,
        retry_key=f"evening:{day.isoformat()}",
        mail=None if there else MailFacts(message_id=reference),
        author=Author("system", "Pli"),
    )
    return not (await posting.post(app, undelivered.SYSTEM, draft)).again


def written(shown: Board, day: date, address: str) -> str:
    """The board in words, those to act upon first."""
    count = len(shown.expected)
    lines = [f"{_day(day).capitalize()} : {count} patient{'s' * (count > 1)} attendu{'s' * (count > 1)}, "
             f"{shown.count('ready')} prêt{'s' * (shown.count('ready') > 1)}."]  # fmt: skip
    for state in board.STATES:
        group = [one for one in shown.expected if one.state == state]
        if group:
            lines += ["", f"{_HEADINGS[state]} ({len(group)}) :", *(f"- {_patient(one)}" for one in group)]
    if shown.full:
        lines += ["", f"Seuls les {board.MOST} premiers sont ici."]
    return "\n".join([*lines, "", f"Le tableau, tenu à jour : {address}"])


def _patient(one: Expected) -> str:
    at = instant(one.start)
    hour = "" if one.all_day or at is None else f"{at.astimezone(PLACE):%-H h %M}, "
    born = date.fromisoformat(one.born)
    missing = " ; ".join(f"« {step.title} » {_said(step.read)}" for step in one.missing)
    answer = "" if one.answer in {"accepted", "added"} else " (rendez-vous sans réponse)"
    what = f" : {missing}" if missing else ""
    return f"{hour}{one.patient}, né{'e' * (one.sex == 'F')} le {born:%d/%m/%Y}, {one.title}{answer}{what}"


def _said(read: bool) -> str:
    return "lu, sans réponse" if read else "non lu"


def _day(day: date) -> str:
    """« mardi 24 novembre »."""
    from babel.dates import format_date  # its data takes 20 MB: only who has patients tomorrow pays

    return format_date(day, "EEEE d MMMM", locale="fr")
