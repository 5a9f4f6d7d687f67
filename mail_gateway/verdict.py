"""What becomes of mail that is held: read again by itself, released or dropped by an operator.

    waiting  ─ read again after 1 min, after 10 min ─→  released  |  held, after the third failure
    held     ─ an operator decides ─────────────────→  released  |  dropped, and its sender told

Reading again is what its door did when it came, with the facts the door established then and the same retry key: a
letter that came again meanwhile, or whose release was cut short, is there once. One that turns out to be refused is
dropped, and its sender told as of any refusal after acceptance.

Operators decide without reading (security item 13). They see when, why, how large, and who sent it, to call them: the
address is a professional's, and no patient stands beside it. They see no patient, subject, Message-ID nor word of the
letter. A letter about another person is released only by who says that the identity was established
(`despite_identity`); one whose author hides it from the patient never is. Everything is in the audit, with
who.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from mail_gateway import acceptance, quarantine, returned
from mail_gateway.quarantine import CHANNEL, Door, Facts, Held, Poison
from mail_gateway.returned import Came
from mail_gateway.smtp_syntax import Refusal
from server import access, audit, reading
from server.audit import Act
from server.delivery import Parcel
from server.drafts import Actor
from server.errors import Conflict, Invalid, Refused
from storage import blobs
from storage import quarantine as rows
from storage.database import Tx
from storage.quarantine import Row
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

DOORS: Final[dict[str, Door]] = {"mx": acceptance.from_operator, "submission": acceptance.from_professional}
ITSELF: Final = Actor("quarantine", "system", "Pli")
_CLOSED: Final = "L’espace de ce patient est fermé"
_UNREADABLE: Final = "Notre serveur n’a pas pu lire ce message. Renvoyez-le sous une autre forme"
_IDENTITY: Final = (
    "Un document de ce courrier concerne une autre personne que son destinataire. Établissez l’identité avec "
    "l’expéditeur, puis dites-le (--despite-identity), ou abandonnez ce courrier."
)
_INVISIBLE: Final = "L’auteur d’un document l’a marqué invisible à qui lit cette boîte : il ne peut être qu’abandonné."
_DECIDED: Final = "Ce courrier n’attend plus de décision."


class QuarantineChannel:
    """The channel named `quarantine`. Its target is `{"quarantine": id}`: a letter that waits to be read again."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """One more reading; what comes of it is in the row. A database that is down is the worker's to try again."""
        row = await self._app.db.read(rows.find, str(parcel.target.get("quarantine", "")))
        if row is None or row.state != "waiting":
            return
        try:
            await self._read_again(row, parcel.keys, quarantine.facts_of(parcel.keys, row))
        except Conflict:
            return  # an operator was faster

    async def _read_again(self, row: Row, keys: SpaceKeys, facts: Facts) -> None:
        app = self._app
        try:
            await _read(app, row, keys, facts)
        except Poison as fault:
            await _failed(app, row, keys, replace(facts, detail=fault.detail))
        except Held as held:
            await _settle(
                app, replace(row, reason=held.reason), keys, replace(facts, detail=held.detail, code=held.code), "held"
            )
        except Refusal as refusal:
            if refusal.code < 500:
                await _failed(app, row, keys, replace(facts, detail=refusal.status))
            else:
                await _settle(app, replace(row, reason="refused"), keys, replace(facts, detail=refusal.text), "dropped")
        else:
            await _settle(app, row, keys, facts, "released")


async def release(app: App, quarantine_id: str, by: str, *, despite_identity: bool = False) -> None:
    """Give a letter to its patient after all. Raises `Invalid` (nobody knows it, it may not be, it still cannot be
    read), `Conflict` (it is decided already).
    """
    row, keys, facts = await _undecided(app, quarantine_id)
    if row.reason.startswith("invisible"):
        raise Invalid("invisible", _INVISIBLE)
    if row.reason == "wrong_patient" and not despite_identity:
        raise Invalid("identity", _IDENTITY)
    came = replace(
        facts.came, ignore_references=row.reason == "forged_reference", despite_identity=row.reason == "wrong_patient"
    )
    try:
        await _read(app, row, keys, replace(facts, came=came))
    except Held as held:
        raise Invalid(
            "still_held", f"Ce courrier ne peut toujours pas être remis ({held.reason}) : {held.detail}"
        ) from None
    except Refusal as refusal:
        raise Invalid("refused", f"Ce courrier ne peut pas être remis : {refusal.text}") from None
    await _settle(app, row, keys, facts, "released", _operator(by), "despite_identity" if despite_identity else "done")


async def drop(app: App, quarantine_id: str, by: str) -> None:
    """Give a letter up: nothing of it stays, and its sender is told unless they were. Raises as `release`."""
    row, keys, facts = await _undecided(app, quarantine_id)
    await _settle(app, row, keys, facts, "dropped", _operator(by))


async def listed(app: App, *, everything: bool = False) -> list[dict[str, Any]]:
    """What is undecided, or `everything`, oldest first, as an operator sees it."""
    found = await app.db.read(rows.everything if everything else rows.undecided)
    return [_shown(row, await _facts(app, row)) for row in found]


async def show(app: App, quarantine_id: str, by: str) -> dict[str, Any]:
    """One letter, with its sender and what was said to them. Raises `Invalid`."""
    row = await _find(app, quarantine_id)
    facts = await _facts(app, row)
    await app.db.write(audit.record, Act.MAIL_EXAMINED, _operator(by), row.space_id, "operator", row.id)
    more: dict[str, Any] = {"changed_by": row.changed_by, "changed_at": _iso(row.changed_at)}
    if facts is not None:
        more |= {"door": facts.came.door, "sender": facts.came.sender, "detail": facts.detail, "told": facts.told}
    return _shown(row, facts) | more


# ---- one letter ------------------------------------------------------------------------------------------------------


async def _read(app: App, row: Row, keys: SpaceKeys, facts: Facts) -> None:
    """As if it had just come. Raises `Held`, `Poison` or `Refusal` when the patient does not get it."""
    try:
        raw = await _mail(app, row, keys)
        space = await access.patient(app, quarantine.sender(facts.came), facts.ins)
        kept = await DOORS[facts.came.door](app, facts.came, raw, [(facts.ins, space)])
    except Refused:
        raise Refusal(550, "5.2.1", _CLOSED) from None
    except Exception as error:  # noqa: BLE001 - `why` raises again what is no fault of reading
        raise quarantine.why(error) from None
    if kept:
        raise kept[0].held


async def _failed(app: App, row: Row, keys: SpaceKeys, facts: Facts) -> None:
    """Once more by itself, or an operator's from now on."""
    tried = replace(row, attempts=row.attempts + 1)

    def write(tx: Tx) -> str:
        state = "waiting" if quarantine.owe_another_try(tx, app, keys, tried) else "held"
        sealed = quarantine.seal(keys, row.id, facts)
        if not rows.change(tx, row, replace(tried, state=state), sealed, ITSELF.account_id):
            raise Conflict
        return state

    state = await app.db.write(write)
    log.warning("mail.not_read", id=row.id, attempts=tried.attempts, state=state, fault=facts.detail)


async def _settle(
    app: App, row: Row, keys: SpaceKeys, facts: Facts, state: str, who: Actor = ITSELF, outcome: str = "done"
) -> None:
    """What becomes of a letter, its audit row and what its sender is told of it: one transaction. Raises `Conflict`."""
    telling = await _telling(app, row, keys, facts, state)
    decided = state != "held"
    facts = _emptied(facts) if decided else replace(facts, told=telling is not None)
    act = {"held": Act.MAIL_HELD, "released": Act.MAIL_RELEASED, "dropped": Act.MAIL_DROPPED}[state]

    def write(tx: Tx) -> None:
        if not rows.change(tx, row, replace(row, state=state), quarantine.seal(keys, row.id, facts), who.account_id):
            raise Conflict("decided", _DECIDED)
        if decided:
            rows.forget_mail(tx, row)
        audit.record(tx, act, who, row.space_id, "operator" if who is not ITSELF else "quarantine", row.id, outcome)

    await returned.commit(app, keys, telling, write)
    log.info("mail.settled", id=row.id, state=state, reason=row.reason)


async def _telling(app: App, row: Row, keys: SpaceKeys, facts: Facts, state: str) -> returned.Telling | None:
    """What the sender is told: that it is not shown, once; that it is after all, when they were told that it is not."""
    if facts.told != (state == "released"):
        return None
    try:
        original = await _mail(app, row, keys)
    except CannotOpen:
        original = b""  # the sender is told all the same
    if facts.told:
        return returned.shown_later(app, facts.came, facts.ins, original)
    detail = _UNREADABLE if row.reason == "unreadable" else facts.detail
    return returned.not_shown(app, facts.came, facts.ins, original, detail, facts.code)


def _emptied(facts: Facts) -> Facts:
    """What stays of a letter that is decided: its door, its sender's domain, the code."""
    return Facts(Came(facts.came.door, facts.came.sender.rpartition("@")[2]), "", "", facts.code, facts.told)


async def _mail(app: App, row: Row, keys: SpaceKeys) -> bytes:
    """Raises `CannotOpen`."""
    blob = await app.db.read(blobs.find, row.space_id, row.blob_id)
    if blob is None:
        raise CannotOpen("the mail of a quarantine row is missing")
    return await app.blobs.get(keys, blob)


async def _find(app: App, quarantine_id: str) -> Row:
    row = await app.db.read(rows.find, quarantine_id)
    if row is None:
        raise Invalid("no_such_mail", f"Aucun courrier « {quarantine_id} » en quarantaine.")
    return row


async def _undecided(app: App, quarantine_id: str) -> tuple[Row, SpaceKeys, Facts]:
    row = await _find(app, quarantine_id)
    if row.state not in ("waiting", "held"):
        raise Conflict("decided", _DECIDED)
    try:
        keys = await app.db.read(lambda tx: reading.space_keys(app, tx, row.space_id))
        return row, keys, quarantine.facts_of(keys, row)
    except (CannotOpen, Refused):
        raise Invalid("forgotten", "L’espace de ce courrier n’existe plus.") from None


# ---- what an operator sees -------------------------------------------------------------------------------------------


async def _facts(app: App, row: Row) -> Facts | None:
    """None when the space was forgotten, and its letters with it."""
    try:
        keys = await app.db.read(lambda tx: reading.space_keys(app, tx, row.space_id))
        return quarantine.facts_of(keys, row)
    except (CannotOpen, Refused):
        return None


def _shown(row: Row, facts: Facts | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": _iso(row.at),
        "state": row.state,
        "reason": row.reason,
        "code": facts.code if facts else "",
        "from": facts.came.sender.rpartition("@")[2] if facts else "",
        "size": row.size,
        "attempts": row.attempts,
    }


def _iso(at: int | None) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds") if at else ""


def _operator(by: str) -> Actor:
    """Whoever works at the machine, by their name there."""
    return Actor(f"operator:{by}", "operator", by)
