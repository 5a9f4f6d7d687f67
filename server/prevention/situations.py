"""What a person lives with that changes what is recommended to them: asked in plain words, said by them or by a
professional, taken back when they like.

    data/situations.json  →  kinds: what is asked, of whom, with which dates  →  say(): a record, sealed, and a line

Promises: found by a keyed hash of its kind; a pregnancy ends by itself, some weeks after its term; what is said stays,
and says by whom. « Non » is an answer too: it is not asked again. Does not: decide who sees it (`known`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, space_news
from server.audit import Act
from server.errors import Invalid, NotAllowed
from server.handles import DossierHandle, MailboxHandle, SpaceHandle
from server.prevention import statuses
from server.prevention.engine import Situation
from server.prevention.spans import months_old
from storage import rounds
from storage import situations as rows
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.situations import Row
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

SO, NOT_SO, WITHDRAWN = "so", "not_so", "withdrawn"
PREGNANCY: Final = "pregnancy"
AFTER_BIRTH: Final = timedelta(days=213)
TERM: Final = timedelta(weeks=41)  # from the first day of the last period


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name`, `question`, `help`: French, English. `asks`: nothing, « term » (of a pregnancy), « until ». `sex`: of
    whom it is asked, "" for everybody; from `min_age` to `max_age`, years. `first`: one of the three questions asks it.
    """

    slug: str
    name: tuple[str, str]
    question: tuple[str, str]
    help: tuple[str, str] = ("", "")
    asks: str = ""
    sex: str = ""
    min_age: int = 0
    max_age: int = 150
    first: bool = False

    def concerns(self, birth: date, sex: str, today: date) -> bool:
        return sex in (self.sex or sex) and self.min_age <= months_old(birth, today) // 12 <= self.max_age


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    kinds: tuple[Kind, ...]


@lru_cache
def kinds() -> dict[str, Kind]:
    """By slug, in the order in which they are asked."""
    data = (Path(__file__).parent / "data" / "situations.json").read_bytes()
    return {one.slug: one for one in msgspec.json.decode(data, type=_Table).kinds}


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sealed part. `since`, `until`: ISO 8601; of a pregnancy as `engine.Situation`. `source`: as of a status."""

    kind: str
    since: str = ""
    until: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, opened."""

    id: str
    kind: str
    state: str
    facts: Facts
    by: str
    at: int

    def situation(self) -> Situation:
        since, until = (date.fromisoformat(day) if day else None for day in (self.facts.since, self.facts.until))
        return Situation(since, until)

    def over(self, today: date) -> bool:
        """A pregnancy counts until some rules that follow the birth are over too."""
        until = self.situation().until
        room = AFTER_BIRTH if self.kind == PREGNANCY else timedelta()
        return self.state == SO and until is not None and until + room < today


# ---- inside a transaction --------------------------------------------------------------------------------------------


def records(tx: Tx, to: SpaceHandle) -> list[Entry]:
    """Every record, the oldest first; what is damaged is missing alone."""
    found = []
    for row in rows.of(tx, to.space_id):
        try:
            facts = msgspec.json.decode(to.keys.open("situation", row.id, row.facts), type=Facts)
        except CannotOpen:
            continue
        found.append(Entry(row.id, facts.kind, row.state, facts, row.by, row.at))
    return found


def newest(entries: Iterable[Entry], today: date) -> list[Entry]:
    """What stands: the newest of each kind, but for what was taken back, or ended by itself."""
    by_kind = {one.kind: one for one in entries}
    return [one for one in by_kind.values() if one.state != WITHDRAWN and not one.over(today)]


def add(app: App, tx: Tx, to: SpaceHandle, facts: Facts, state: str, at: int) -> str:
    """One more record; returns its id. The right to write is the caller's to ask."""
    entry_id = new_id()
    hashed = str(app.vault.lookup("situation", f"{to.space_id}|{facts.kind}"))
    whole = msgspec.structs.replace(facts, source=statuses.source_of(tx, to))
    sealed = to.keys.seal("situation", entry_id, msgspec.json.encode(whole))
    rows.add(tx, to.space_id, Row(entry_id, hashed, state, to.actor.account_id, at, b""), sealed)
    rounds.look_at(tx, to.space_id, at)  # something else may be due now
    return entry_id


# ---- what may be said ------------------------------------------------------------------------------------------------


def checked(slug: str, state: str, day: str = "") -> Facts:
    """`day`: the term of a pregnancy, or until when it is so, ISO 8601. Raises `Invalid` with a sentence."""
    kind = kinds().get(slug)
    if kind is None or state not in {SO, NOT_SO, WITHDRAWN}:
        raise Invalid("unknown_answer", "Cette réponse n’existe pas.")
    if state != SO or not kind.asks:
        return Facts(slug)
    if not day and kind.asks == "term":
        raise Invalid("term_missing", "Écrivez la date prévue de l’accouchement, même approximative.")
    if not day:
        return Facts(slug)
    try:
        until = date.fromisoformat(day)
    except ValueError as error:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.") from error
    now = statuses.today()
    if kind.asks == "term" and not now - timedelta(days=183) <= until <= now + TERM:
        raise Invalid("term_far", "Cette date d’accouchement est trop éloignée d’aujourd’hui.")
    if kind.asks == "until" and until <= now:
        raise Invalid("date_in_past", "Choisissez une date à venir, dans les cinq ans.")
    since = (until - TERM).isoformat() if kind.asks == "term" else ""
    return Facts(slug, since, until.isoformat())


# ---- by the holder's side, by a professional -------------------------------------------------------------------------


def put(doing: Doing, handle: DossierHandle, facts: Facts, state: str) -> None:
    """Inside the transaction of its line: the right asked again, the record, the audit row."""
    access.confirm_record(doing.tx, handle)
    entry = add(doing.app, doing.tx, handle, facts, state, doing.at)
    audit.record(
        doing.tx, Act.PREVENTION_SAID, handle.actor, handle.space_id, handle.ground, entry, f"situation_{state}"
    )


async def say(app: App, box: MailboxHandle, handle: DossierHandle, facts: Facts, state: str, key: str = "") -> None:
    """« Oui », « non », or taken back. `facts`: of `checked`. Raises `NotAllowed`, `Refused`."""
    fr, en = sentence(facts, state)
    retry_key = f"situation:{handle.actor.account_id}:{key[:100]}" if key else ""
    await space_news.note(
        app, box, fr, en, lambda doing: put(doing, handle, facts, state), action="prevention.said", retry_key=retry_key
    )


async def say_as_professional(
    app: App, handle: DossierHandle, facts: Facts, state: str, *, secret: bool = False
) -> None:
    """Said as theirs, and told to the patient unless it is a minor's `secret`. Raises `NotAllowed`, `Refused`."""

    def run(tx: Tx) -> None:
        access.confirm_record(tx, handle)
        if not statuses.may_say(tx, handle):
            raise NotAllowed("not_habilitated", "Votre profession ou vos droits ne le permettent pas dans ce dossier.")
        entry = add(app, tx, handle, facts, state, now_ms())
        if secret:
            statuses.keep_secret(tx, handle, entry)
        audit.record(tx, Act.PREVENTION_SAID, handle.actor, handle.space_id, handle.ground, entry, f"situation_{state}")

    if secret:
        await app.db.write(run)
        return
    fr, en = sentence(facts, state)
    by = handle.actor.name
    await space_news.tell(app, handle.space_id, f"{by}. {fr}", f"{by}. {en}", lambda doing: run(doing.tx))


def sentence(facts: Facts, state: str) -> tuple[str, str]:
    """« Prévention : grossesse, oui, jusqu’au 3 mai 2027. »"""
    fr, en = kinds()[facts.kind].name
    if state == WITHDRAWN:
        return f"Prévention, « {fr} » : réponse retirée.", f"Prevention, “{en}”: answer taken back."
    if state == NOT_SO:
        return f"Prévention, « {fr} » : non.", f"Prevention, “{en}”: no."
    if not facts.until:
        return f"Prévention, « {fr} » : oui.", f"Prevention, “{en}”: yes."
    when, when_en = statuses.said_on(facts.until), statuses.said_on(facts.until, "en")
    return f"Prévention, « {fr} » : oui, jusqu’au {when}.", f"Prevention, “{en}”: yes, until {when_en}."
