"""What somebody says of a recommendation: done, later, not concerned, not wished; and taken back. Each is a record with
its author; what was said before stays.

    a card's answer, a page, a professional  →  Saying  →  add(): one record, in the transaction that tells of it

Promises: a record is found by a keyed hash of its rule, since the rule alone would say something of a person's health;
what a professional says is theirs, and told to the patient, unless it is a minor's secret. Does not: say what is due
(`engine`), or decide who sees a record (`known`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, audit, space_news
from server.audit import Act
from server.dossier import documents as shelf
from server.dossier import habilitation, standing
from server.dossier.habilitation import SECRET, Item
from server.dossier.words import day as said_day
from server.errors import Conflict, Invalid, NotAllowed
from server.handles import DossierHandle, MailboxHandle, SpaceHandle
from server.prevention.spans import Span, plus
from server.settings import PLACE
from storage import accounts, deliveries, visibilities
from storage import reminders as rows
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.reminders import Reminder

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing
    from server.prevention.rules import Rule

DONE, LATER, NOT_CONCERNED, REFUSED, NO_ANSWER, SENT = (
    "done", "later", "not_concerned", "refused", "no_answer", "sent",
)  # fmt: skip
WITHDRAWN: Final = "withdrawn"
ANSWERS: Final = (DONE, LATER, NOT_CONCERNED, REFUSED)
FIRST_YEAR: Final = 1900
MONTHS: Final = ("1", "3", "6")
MORNING: Final = time(9)  # when what was put off comes back
VACCINATIONS: Final = "87273-9"  # who may see notes of vaccination, by the matrix, may say something of prevention


@dataclass(frozen=True, slots=True)
class Saying:
    """`state`: of `ANSWERS`. `on`: the day it was done, `until`: the day it comes back, ISO 8601. `document`: that
    proves it, by its id in the dossier. `told`: of no answer, « no » or « unknown ».
    """

    state: str
    on: str = ""
    until: str = ""
    document: str = ""
    told: str = ""

    def facts(self) -> dict[str, str]:
        return {name: value for name in ("on", "until", "document", "told") if (value := getattr(self, name))}


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sealed part of a record. `until`: ISO 8601, or ms of records made before. `declaration`: the document that
    the answer filed. `source`: patient, delegate, professional, pli. Of a reminder sent: the `time` it is of the same
    thing, the day of the `first`, and `since` when it was due.
    """

    rule: str
    on: str = ""
    until: str | int = ""
    document: str = ""
    declaration: str = ""
    source: str = ""
    told: str = ""
    time: int = 0
    first: str = ""
    since: str = ""

    @property
    def until_day(self) -> date | None:
        if isinstance(self.until, int):
            return datetime.fromtimestamp(self.until / 1000, PLACE).date()
        return date.fromisoformat(self.until) if self.until else None


@dataclass(frozen=True, slots=True)
class Record:
    """A record, opened. `by`: an account. `at`: ms."""

    id: str
    state: str
    facts: Facts
    by: str
    at: int

    @classmethod
    def of(cls, to: SpaceHandle, row: Reminder) -> Record:
        """Raises `CannotOpen`."""
        facts = msgspec.json.decode(to.keys.open("reminder", row.id, row.facts), type=Facts)
        return cls(row.id, row.state, facts, row.by, row.at)

    @property
    def side(self) -> str:
        """Whose word it is: the holder's side has one, each professional theirs, and Pli, which only asks."""
        return _side(self.facts.source, self.by)


def _side(source: str, by: str) -> str:
    return by if source in {"professional", "pli"} else "holder"


def rule_hash(app: App, space_id: str, rule: str) -> str:
    """What a rule is found by in a space: its name would say something of the person's health."""
    return str(app.vault.lookup("rule", f"{space_id}|{rule}"))


# ---- what may be said ------------------------------------------------------------------------------------------------


def today() -> date:
    return datetime.now(UTC).astimezone(PLACE).date()


def checked(said: Saying) -> Saying:
    """Raises `Invalid` with a sentence."""
    if said.state not in ANSWERS:
        raise Invalid("unknown_answer", "Cette réponse n’existe pas.")
    if said.state == DONE and said.on and _day(said.on) > today():
        raise Invalid("date_in_future", "Cette date n’est pas encore passée.")
    if said.state == DONE and said.on and _day(said.on).year < FIRST_YEAR:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.")
    if said.state == LATER and not today() < _day(said.until) <= plus(today(), Span(5, "y")):
        raise Invalid("date_in_past", "Choisissez une date à venir, dans les cinq ans.")
    return said


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.") from error


def later(months: str = "") -> Saying:
    """In so many months, of `MONTHS`; in one when nobody says. Raises `Invalid`."""
    if months and months not in MONTHS:
        raise Invalid("unknown_answer", "Cette réponse n’existe pas.")
    return Saying(LATER, until=plus(today(), Span(int(months or MONTHS[0]), "m")).isoformat())


def due_at(said: Saying) -> int:
    """When what was put off comes back, ms."""
    return int(datetime.combine(_day(said.until), MORNING, PLACE).timestamp() * 1000)


# ---- inside a transaction --------------------------------------------------------------------------------------------


def add(app: App, tx: Tx, to: SpaceHandle, rule: str, state: str, facts: dict[str, Any], at: int) -> str:
    """One more record; returns its id. The right to write is the caller's to ask."""
    record_id, space_id = new_id(), to.space_id
    whole = Facts(**{"source": source_of(tx, to), **facts, "rule": rule})
    sealed = to.keys.seal("reminder", record_id, msgspec.json.encode(whole))
    newest = Reminder(record_id, state, b"", to.actor.account_id, at)
    rows.add(tx, space_id, newest, rule_hash(app, space_id, rule), sealed)
    return record_id


def source_of(tx: Tx, to: SpaceHandle) -> str:
    """Who says so: the holder, somebody who acts for them, a professional, or Pli."""
    if to.ground == standing.CARE:
        return "professional"
    if to.actor.account_id == to.holder:
        return "patient"
    account = accounts.by_id(tx, to.actor.account_id)
    return "delegate" if account is not None and account.kind == "holder" else "pli"


def take_back(app: App, tx: Tx, to: SpaceHandle, rule: str, at: int) -> Record | None:
    """The newest answer of who takes it back (of the holder's side: any of theirs) counts no more; what it said. None
    when there is none.
    """
    known = rows.history(tx, to.space_id, rule_hash(app, to.space_id, rule))
    mine = _side(source_of(tx, to), to.actor.account_id)
    said = [one for one in (Record.of(to, row) for row in known) if one.side == mine]
    if not said or said[-1].state not in ANSWERS:
        return None
    add(app, tx, to, rule, WITHDRAWN, {}, at)
    return said[-1]


def newest(records: Iterable[Record]) -> Record | None:
    """What stands of one rule, of its records from the oldest on: the newest that nobody took back."""
    standing_ones: dict[str, Record] = {}
    for one in records:
        standing_ones.pop(one.side, None)  # so that the order is that of the newest of each side
        if one.state != WITHDRAWN:
            standing_ones[one.side] = one
    return next(reversed(standing_ones.values()), None)


# ---- on a page -------------------------------------------------------------------------------------------------------


async def say(app: App, box: MailboxHandle, handle: DossierHandle, rule: Rule, said: Saying, key: str = "") -> None:
    """The holder, or who acts for them, answers; « Votre espace » tells. Raises `Invalid`, `NotAllowed`, `Refused`."""
    checked(said)

    def effect(doing: Doing) -> None:
        put(doing, handle, rule.id, said)

    await _note(app, box, handle, rule, sentence(said), effect, key)


def put(doing: Doing, handle: DossierHandle, rule: str, said: Saying) -> None:
    """Inside the transaction of its line: the right asked again, the record, the audit row, and what is owed later."""
    tx = doing.tx
    access.confirm_record(tx, handle)
    if said.document:
        shelf.one_seen(tx, handle, said.document)
    record = add(doing.app, tx, handle, rule, said.state, said.facts(), doing.at)
    audit.record(tx, Act.PREVENTION_SAID, handle.actor, handle.space_id, handle.ground, record, said.state)
    if said.state == LATER:
        target = {"rule": rule, "conversation": doing.conversation_id}
        deliveries.insert(tx, handle.keys, doing.message_id, "reminder", due_at(said), target)


async def withdraw(app: App, box: MailboxHandle, handle: DossierHandle, rule: Rule, key: str = "") -> None:
    """The holder's side takes an answer back. Raises `Conflict` when there is none, `NotAllowed`, `Refused`."""

    def effect(doing: Doing) -> None:
        access.confirm_record(doing.tx, handle)
        _taken_back(app, doing.tx, handle, rule.id, doing.at)

    await _note(app, box, handle, rule, ("réponse annulée.", "answer taken back."), effect, key)


def _taken_back(app: App, tx: Tx, handle: DossierHandle, rule: str, at: int) -> None:
    if take_back(app, tx, handle, rule, at) is None:
        raise Conflict("nothing_to_take_back", "Cette réponse a déjà été annulée.")
    audit.record(tx, Act.PREVENTION_SAID, handle.actor, handle.space_id, handle.ground, "", WITHDRAWN)


async def _note(
    app: App,
    box: MailboxHandle,
    handle: DossierHandle,
    rule: Rule,
    told: tuple[str, str],
    effect: Callable[[Doing], None],
    key: str,
) -> None:
    retry_key = f"prevention:{handle.actor.account_id}:{key[:100]}" if key else ""
    fr, en = f"{rule.title} : {told[0]}", f"{rule.title_en}: {told[1]}"
    await space_news.note(app, box, fr, en, effect, action="prevention.said", retry_key=retry_key)


def sentence(said: Saying) -> tuple[str, str]:
    """« noté comme fait le 3 mai 2026. »"""
    if said.state == DONE and not said.on:
        return "noté comme fait.", "noted as done."
    if said.state == DONE:
        return f"noté comme fait le {said_on(said.on)}.", f"noted as done on {said_on(said.on, 'en')}."
    if said.state == LATER:
        return (
            f"nous en reparlerons le {said_on(said.until)}.",
            f"we will speak of it again on {said_on(said.until, 'en')}.",
        )
    if said.state == NOT_CONCERNED:
        return "noté : pas concerné.", "noted: not concerned."
    return "noté : ne souhaite pas.", "noted: not wished."


def said_on(iso: str, language: str = "fr") -> str:
    """« 3 mai 2026 »."""
    return said_day(int(datetime.combine(_day(iso), time(12), PLACE).timestamp() * 1000), language)


# ---- a professional --------------------------------------------------------------------------------------------------


async def say_as_professional(
    app: App, handle: DossierHandle, rule: Rule, said: Saying, *, secret: bool = False
) -> None:
    """A professional who may see vaccinations says that it is done, or that the patient is not concerned; the patient
    is told. `secret`: of a minor, from who represents them: then nothing is told, they read « Votre espace » too.

    Raises `Invalid`, `NotAllowed`, `Refused`.
    """
    if checked(said).state not in {DONE, NOT_CONCERNED}:
        raise Invalid("unknown_answer", "Cette réponse n’existe pas.")

    def run(tx: Tx) -> None:
        _may_say(tx, handle)
        record = add(app, tx, handle, rule.id, said.state, said.facts(), now_ms())
        if secret:
            keep_secret(tx, handle, record)
        audit.record(tx, Act.PREVENTION_SAID, handle.actor, handle.space_id, handle.ground, record, said.state)

    if secret:
        await app.db.write(run)
        return
    fr, en = sentence(said)
    by = handle.actor.name
    line, line_en = f"{by}. {rule.title} : {fr}", f"{by}. {rule.title_en}: {en}"
    await space_news.tell(app, handle.space_id, line, line_en, lambda doing: run(doing.tx))


async def withdraw_as_professional(app: App, handle: DossierHandle, rule: Rule) -> None:
    """A professional takes back what they said themselves; told unless it was secret. Raises `Conflict`, `NotAllowed`,
    `Refused`.
    """

    def run(tx: Tx) -> None:
        _may_say(tx, handle)
        _taken_back(app, tx, handle, rule.id, now_ms())

    if await app.db.read(lambda tx: _secret(app, tx, handle, rule.id)):
        await app.db.write(run)
        return
    by = handle.actor.name
    line, line_en = f"{by}. {rule.title} : réponse annulée.", f"{by}. {rule.title_en}: answer taken back."
    await space_news.tell(app, handle.space_id, line, line_en, lambda doing: run(doing.tx))


def _secret(app: App, tx: Tx, handle: DossierHandle, rule: str) -> bool:
    known = rows.history(tx, handle.space_id, rule_hash(app, handle.space_id, rule))
    mine = [row.id for row in known if row.by == handle.actor.account_id]
    return bool(mine) and SECRET in visibilities.marks_of(tx, handle.space_id, mine[-1:]).get(mine[-1], {})


def _may_say(tx: Tx, handle: DossierHandle) -> None:
    """By a ground in force, and the matrix. Raises `NotAllowed`, `Refused`."""
    access.confirm_record(tx, handle)
    if not may_say(tx, handle):
        raise NotAllowed("not_habilitated", "Votre profession ou vos droits ne le permettent pas dans ce dossier.")


def keep_secret(tx: Tx, handle: DossierHandle, record: str) -> None:
    """From who represents a minor (CSP L.1111-5)."""
    visibilities.record(tx, handle.space_id, record, SECRET, on=True, by=handle.actor.account_id)


def may_say(tx: Tx, handle: DossierHandle) -> bool:
    """Whether this professional may see notes of vaccination here, now."""
    return bool(habilitation.decide(standing.reader(tx, handle), Item(VACCINATIONS, "prevention"), now_ms()))
