"""Mail that is held: accepted, kept whole and sealed, and shown to nobody until a person decides.

    a letter  →  its door's reading  →  who did not get theirs, and why  →  one row a patient, then 250

A letter is held when it cannot be shown without danger (`Held`: another patient's document, a forged reference), and
its sender is told, in the transaction of the row. It waits when reading it failed by a fault of ours (`Poison`): a
letter that is brought again for ever is worse than one that is read later; `verdict` reads it again.

Promises: the row, the sealed mail and what is owed to the sender are one transaction, and only then 250; a letter
brought again adds nothing; one patient's copy held keeps no other patient from theirs; nothing that stands in clear in
the row names anybody. Refusals, a database that is down and a full disk are no poison: the letter stays with its
sender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

import msgspec
import structlog

from mail_gateway import returned
from mail_gateway.discretion import for_one
from mail_gateway.returned import Came
from mail_gateway.smtp_syntax import Refusal
from server import audit, people
from server.audit import Act
from server.drafts import Actor
from server.errors import Conflict, Refused, Throttled, Unavailable
from server.formats.malformed import Malformed
from server.handles import SpaceHandle
from server.settings import quarantine_waits
from storage import blobs, deliveries, messages, quarantine
from storage.database import DatabaseDown, Tx
from storage.ids import new_id, now_ms
from storage.vault import Sealed, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

CHANNEL = "quarantine"
# A refusal, a closed space, our load, our storage: the sender keeps the letter, and brings it again or not.
_NO_POISON = (Refusal, Malformed, Refused, Throttled, Unavailable, DatabaseDown, OSError)


class Held(Exception):
    """This letter must not reach the patient, and is not lost either: it is kept, and its sender told.

    `reason`: a stable word. `code`: of the MSSanté list (900-906, dossier integration), "" when none applies.
    `detail`: for the sender, in French, without a word of the content.
    """

    def __init__(self, reason: str, detail: str, code: str = "") -> None:
        self.reason, self.detail, self.code = reason, detail, code
        super().__init__(reason)


class Returned(Held):
    """This letter is refused after it was accepted: its sender is told, and nothing of it is kept."""


class Poison(Held):
    """Reading this letter failed by a fault of ours. `detail` is for operators: the fault and where, no content."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A patient who did not get a letter. `key`: of the letter, the same when it comes again."""

    ins: str
    space: SpaceHandle
    held: Held
    key: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is sealed beside a held mail: enough to read it again as if it had just come. `told`: its sender was."""

    came: Came
    ins: str
    detail: str
    code: str = ""
    told: bool = False


Door = Callable[["App", Came, bytes, Sequence[tuple[str, SpaceHandle]]], Awaitable[list[Kept]]]


def why(error: Exception) -> Held:
    """The reason to keep a letter whose reading raised `error`. Raises it again when it is none."""
    if isinstance(error, Held):
        return error
    if isinstance(error, _NO_POISON):
        raise error
    place = extract_tb(error.__traceback__)[-1]
    return Poison("unreadable", f"{type(error).__name__} in {Path(place.filename).stem}.{place.name}:{place.lineno}")


async def take(
    app: App, came: Came, received: bytes, raw: bytes, spaces: Sequence[tuple[str, SpaceHandle]], door: Door
) -> None:
    """Read a letter by its door's rules, and keep what could not be shown. `received`: as it came over the wire, by
    which it is known again when it cannot even be read. Raises `Refusal` and our own errors: nothing new is then kept.
    """
    try:
        kept = await door(app, came, raw, spaces)
    except Exception as error:  # a fault of ours must not make a letter come back for ever
        held = why(error)
        if not spaces:
            raise
        key = hashlib.blake2b(came.sender.lower().encode() + b"\0" + received, digest_size=16).hexdigest()
        kept = [Kept(ins, space, held, f"unread:{key}") for ins, space in spaces]
    for one in kept:
        await _keep(app, came, raw, one)


async def _keep(app: App, came: Came, raw: bytes, kept: Kept) -> None:
    """Durable on return, with what is owed to the sender."""
    keys, held, mail = kept.space.keys, kept.held, _alone(app, raw, kept.ins)
    waits = isinstance(held, Poison)
    # No other patient's address is this space's to keep.
    own = tuple(one for one in came.asked.recipients if kept.ins in one[0].upper())
    came = replace(came, asked=replace(came.asked, recipients=own))
    telling = None if waits else returned.not_shown(app, came, kept.ins, mail, held.detail, held.code)
    facts = Facts(came, kept.ins, held.detail, held.code, telling is not None)
    blob = None if isinstance(held, Returned) else await app.blobs.put(keys, mail)
    state = "waiting" if waits else "held" if blob is not None else "dropped"
    blob_id = blob.id if blob is not None else ""
    row = quarantine.Row(keys.space_id, new_id(), state, held.reason, 1, len(mail), blob_id, b"", now_ms())

    def write(tx: Tx) -> None:
        if messages.claim_retry_key(tx, keys.space_id, f"held:{kept.key}", "", row.id) is not None:
            raise Conflict
        quarantine.insert(tx, row, seal(keys, row.id, facts))
        if blob is not None:
            blobs.insert(tx, blob)
        audit.record(tx, Act.MAIL_HELD, sender(came), keys.space_id, "correspondent", row.id, state)
        if waits:
            owe_another_try(tx, app, keys, row)

    try:
        await returned.commit(app, keys, telling, write)
    except Conflict:
        return  # it came again: it is here already, and its sender was told
    app.metrics.quarantined(held.reason)
    log.warning("mail.kept", id=row.id, reason=held.reason, code=held.code, fault=held.detail if waits else "")
    app.delivery.wake()


def _alone(app: App, raw: bytes, ins: str) -> bytes:
    """The letter without the other patients' addresses, which are not this space's to keep; whole when even that
    cannot be read.
    """
    try:
        return for_one(raw, ins, app.settings.patient_domain)
    except Exception as error:  # noqa: BLE001 - what is kept is what could not be read
        log.warning("mail.kept_whole", error=type(error).__name__)
        return raw


def owe_another_try(tx: Tx, app: App, keys: SpaceKeys, row: quarantine.Row) -> bool:
    """Owe the next reading of a letter that waits, `row.attempts` after the first. False when it had them all."""
    waits = quarantine_waits(app.settings)
    if row.attempts > len(waits):
        return False
    due = now_ms() + waits[row.attempts - 1] * 1000
    deliveries.insert(tx, keys, "", CHANNEL, due, {"quarantine": row.id})
    return True


def seal(keys: SpaceKeys, quarantine_id: str, facts: Facts) -> Sealed:
    return keys.seal("quarantine", quarantine_id, msgspec.json.encode(facts))


def facts_of(keys: SpaceKeys, row: quarantine.Row) -> Facts:
    """Raises `CannotOpen`."""
    return msgspec.json.decode(keys.open("quarantine", row.id, row.facts), type=Facts)


def sender(came: Came) -> Actor:
    """Who a held letter is from, as its door knew them."""
    return came.actor or people.correspondent(came.sender or f"postmaster@{min(came.domains)}")
