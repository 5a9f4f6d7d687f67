"""The reminder bot: writes to somebody what prevention asks of them now, once, a few at a time.

    standings (`server.prevention`) + what was said before  →  rounds.to_write  →  a card a rule, in « Vos rappels de
    prévention »; with each, in its transaction, the record « sent »: at what time, since when it is due

Promises: a rule is spoken of once, and again at its rhythm; what was answered, stopped or sent meanwhile is seen in the
transaction itself, so that two processes, a crash or a second try never write twice. « Dans un mois » comes back as a
delivery of channel `reminder`, at an hour when reminders are written. Who stopped reminders, paused them, or blocked
this bot, gets none.

Does not: say in which order or on which day (`server.bots.households`), or what leaves the house (`server.notices`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from server import access, people, posting, wishes
from server.bots import hearing
from server.delivery import Held, Parcel
from server.drafts import Actor, Draft, Opening, Receipt
from server.errors import Conflict
from server.prevention import known, pausing, rounds, situations, statuses
from server.prevention.rounds import Planned, Spoken
from server.prevention.statuses import SENT, Record
from server.settings import PLACE
from storage import delegations, exchanges
from storage import reminders as rows
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import SpaceHandle
    from server.prevention.engine import Standing
    from server.prevention.rules import Rule, Rules

ADDRESS = "rappels"  # local part of the bot's address
NAME = "Rappels de prévention"
SUBJECT = "Vos rappels de prévention"
LATELY_MS = wishes.HOUR_MS  # what was written so shortly before belongs to the same round
REST = (
    "\n\nD’autres points vous attendent sur la page « Prévention ».",
    "\n\nMore waits for you on the page “Prevention”.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A person before a round. `newest`: the id of each rule's newest record. `name`: of a child or of somebody
    helped, "" of who reads their own reminders. `quiet_until`: they wish for none until then; None: never. `written`:
    the days of the last reminders, of any rule; `lately`: one of them just now.
    """

    standings: Sequence[Standing]
    spoken: dict[str, Spoken]
    newest: dict[str, str]
    name: str
    quiet_until: date | None = date.min
    written: tuple[date, ...] = ()
    lately: bool = False
    situations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Written:
    """What a round did for one person. `lately`: something was written just before this one."""

    next_day: date
    messages: list[str] = field(default_factory=list)
    lately: bool = False


async def bot(app: App) -> Actor:
    """The bot's account, made at first need."""
    address = f"{ADDRESS}@{app.settings.mail_domain}"
    while (known_one := await people.hosted(app, address)) is None:
        with contextlib.suppress(Conflict):  # somebody made it meanwhile
            await people.add_writer(
                app, "bot", NAME, address, role="Service de Pli", organisation="Pli", organisation_id=hearing.PLI
            )
    return known_one


async def remind(app: App, space_id: str, only: str | None = None) -> int:
    """Write to the holder of a space what is due (`only`: of this rule), now; returns how many reminders were posted.
    Raises as `post`.
    """
    return len((await write(app, space_id, datetime.now(PLACE).date(), only=only)).messages)


async def write(
    app: App, space_id: str, today: date, *, heard: frozenset[str] = frozenset(), only: str | None = None
) -> Written:
    """The most urgent few of what is due. `heard`: accounts that are told of this round already. Raises as `post`."""
    writer = await bot(app)
    space = await access.space_to_write(app, writer, space_id)
    seen = await app.db.read(lambda tx: look(app, tx, space, today, only=only))
    if seen.quiet_until is None or seen.quiet_until > today:
        later = today + timedelta(days=rounds.data()["look_again_days"])
        return Written(min(later, seen.quiet_until or later), lately=seen.lately)
    planned = rounds.to_write(seen.standings, seen.spoken, today)
    few = rounds.few(planned, seen.written, today, app.settings.reminders_at_once)
    more = len(planned) > len(few)
    sent, spoken = list[str](), dict(seen.spoken)
    for one in few:
        rule = one.standing.rule
        shown = card(rule, seen.name, known.rules_of(app))
        if more and one is few[-1]:
            shown |= {"text": shown["text"] + REST[0], "text_en": shown["text_en"] + REST[1]}
        key = f"reminder:{statuses.rule_hash(app, space_id, rule.id)}:{one.first}:{one.time}"
        try:
            receipt = await post(app, writer, space, shown, key, sending(one, seen.newest.get(rule.id, "")), heard)
        except Conflict:  # they answered meanwhile
            continue
        if not receipt.again:
            sent.append(receipt.message)
        spoken[rule.id] = Spoken(SENT, today, one.time, one.first, one.standing.since)
    return Written(rounds.next_look(seen.standings, spoken, today, left=more), sent, seen.lately)


def look(
    app: App, tx: Tx, space: SpaceHandle, today: date, rules: Rules | None = None, only: str | None = None
) -> Seen:
    """What is due to somebody by the `rules` (those in force), and what was said of it. `only`: of this rule, or of
    none when it is "". Raises `Refused`: nobody is there.
    """
    standings: list[Standing] = []
    if only != "":
        found = known.of_household(app, tx, space).standings(rules or known.rules_of(app), today)
        standings = [one for one in found if only in {None, one.rule.id}]
    spoken, newest = {}, {}
    for standing in standings:
        if standing.state not in {*rounds.DUE, "later"}:
            continue
        records = _records(app, tx, space, standing.rule.id)
        if records:
            newest[standing.rule.id] = records[-1].id
        if (said := _spoken(records)) is not None:
            spoken[standing.rule.id] = said
    traits = people.traits(app, tx, space.space_id)
    name = traits.given if traits is not None and delegations.represented(tx, space.space_id) else ""
    blocked = exchanges.standing(tx, space.space_id, space.actor.account_id).blocked
    quiet = None if blocked else pausing.quiet_until(app, tx, space)
    before = now_ms() - (rounds.data()["next_few_days"] + 1) * wishes.DAY_MS
    at = rows.sent_since(tx, space.space_id, before)
    lately = bool(at) and at[-1] > now_ms() - LATELY_MS
    days = tuple(_day(one) for one in at)
    return Seen(standings, spoken, newest, name, quiet, days, lately, _situations(tx, space))


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(PLACE).date()


async def zone(app: App, space_id: str) -> ZoneInfo:
    """Whose clocks are looked at for this person. Raises `Refused`."""
    space = await access.space_to_write(app, await bot(app), space_id)

    return rounds.zone_of(await app.db.read(_situations, space))


def _situations(tx: Tx, space: SpaceHandle) -> frozenset[str]:
    said = situations.newest(situations.records(tx, space), statuses.today())
    return frozenset(one.kind for one in said if one.state == situations.SO)


def _records(app: App, tx: Tx, space: SpaceHandle, rule: str) -> list[Record]:
    found = rows.history(tx, space.space_id, statuses.rule_hash(app, space.space_id, rule))
    return [Record.of(space, row) for row in found]


def _spoken(records: Sequence[Record]) -> Spoken | None:
    now = statuses.newest(records)
    if now is None:
        return None
    sent = next((one.facts for one in reversed(records) if one.state == SENT), None)
    return Spoken(
        now.state,
        _day(now.at),
        (sent.time if sent else 0) or 1,
        date.fromisoformat(sent.first) if sent and sent.first else None,
        date.fromisoformat(sent.since) if sent and sent.since else None,
        now.facts.until_day,
    )


def card(rule: Rule, name: str, rules: Rules) -> dict[str, Any]:
    """The card of one of these rules; `name`: of the child it is about, for who reads it for them."""
    shown: dict[str, Any] = {"type": "reminder", "rule": rule.id, "version": str(rule.version)}
    shown["source"] = " ; ".join(rules.book.sources.get(code, code) for code in rule.sources)
    for language, suffix in (("fr", ""), ("en", "_en"), ("falc", "_falc")):
        shown["title" + suffix], shown["text" + suffix] = rule.said(language, name)
    return shown


def sending(one: Planned, newest: str) -> Callable[[posting.Doing], None]:
    """The record of a reminder, unless something was said of its rule since it was looked at."""
    facts = {"time": one.time, "first": one.first.isoformat()}
    if one.standing.since is not None:
        facts["since"] = one.standing.since.isoformat()

    def sent(doing: posting.Doing) -> None:
        record_sent(doing, one.standing.rule.id, facts, newest)

    return sent


def record_sent(doing: posting.Doing, rule: str, facts: dict[str, Any], newest: str) -> None:
    """Raises `Conflict` when `newest` is not the newest record of this rule."""
    app, space_id = doing.app, doing.to.space_id
    said = rows.history(doing.tx, space_id, statuses.rule_hash(app, space_id, rule))
    if (said[-1].id if said else "") != newest:
        raise Conflict("said_meanwhile", "Une réponse est arrivée entre-temps.")
    statuses.add(app, doing.tx, doing.to, rule, SENT, facts, doing.at)


async def post(
    app: App,
    writer: Actor,
    space: SpaceHandle,
    shown: dict[str, Any],
    retry_key: str,
    effect: Callable[[posting.Doing], None],
    heard: frozenset[str] = frozenset(),
) -> Receipt:
    """A card in the bot's conversation of this space. Raises as `posting.post`, and what `effect` raises."""
    talk = await access.common_conversation(app, writer, space)
    to = talk or Opening(space, SUBJECT)
    draft = Draft(
        to, shown["text"], "card", subject=SUBJECT, card=shown, retry_key=retry_key, effect=effect, heard=heard
    )
    return await posting.post(app, writer, draft)


class ReminderChannel:
    """What was put off comes back, unless it was answered otherwise meanwhile."""

    name = "reminder"

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Held` outside the hours, and during a pause."""
        app, space_id, now = self._app, parcel.delivery.space_id, now_ms()
        writer = await bot(app)
        space = await access.space_to_write(app, writer, space_id)
        today = _day(now)
        seen = await app.db.read(lambda tx: look(app, tx, space, today))
        found = next((one for one in seen.standings if one.rule.id == str(parcel.target.get("rule"))), None)
        records = await app.db.read(lambda tx: _records(app, tx, space, str(parcel.target.get("rule"))))
        said = statuses.newest(records)
        if found is None or said is None or said.state != statuses.LATER or seen.quiet_until is None:
            return
        if found.state not in {*rounds.DUE, "later"}:
            return
        opens = rounds.opening(
            max(now, _midnight(seen.quiet_until)), rounds.hours(app.settings.reminder_hours),
            rounds.zone_of(seen.situations),
            any_day=app.settings.reminder_any_day,
        )  # fmt: skip
        if opens > now:
            raise Held("hours", opens)
        effect = sending(Planned(found, 1, today), records[-1].id)
        try:
            await post(
                app,
                writer,
                space,
                card(found.rule, seen.name, known.rules_of(app)),
                f"reminder-again:{parcel.delivery.id}",
                effect,
            )
        except Conflict:
            return


def _midnight(day: date) -> int:
    return 0 if day == date.min else int(datetime(day.year, day.month, day.day, tzinfo=PLACE).timestamp() * 1000)
