"""What somebody fills in of a form: kept at each step, taken up again on any device, sent, corrected by a new version.

Promises: of two devices that answer at once, the second is told and writes nothing over the first; what was sent stays
as it was sent, with its author and date, whatever is sent later. Facts are sealed; only how far it is stands outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from server import access, audit, uploads
from server.audit import Act
from server.errors import Conflict
from server.forms import ticking
from server.handles import ConversationHandle
from storage import fillings as rows
from storage import messages
from storage.database import Tx
from storage.fillings import BEGUN, COMPLETED, CORRECTED, Filling
from storage.ids import now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was sent. `by`: the name, that day; `account`: theirs, "" of a correspondent elsewhere; `ground`: self, or
    what a delegate is; `message`: the answer.
    """

    at: int
    by: str
    account: str
    ground: str
    message: str
    answers: dict[str, tuple[str, ...]]


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """`answers`: as they are being written; `sent`: each version, the oldest first; `place`: the last question."""

    answers: dict[str, tuple[str, ...]] = {}
    sent: tuple[Version, ...] = ()
    place: str = ""


class Ticked(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts of a checklist's filling: which things are ticked. By whom and when: `ticking.ticks`."""

    things: tuple[int, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """A filling as read: its `version` is what one says to write."""

    version: int
    state: str
    facts: Facts
    changed_at: int = 0


_facts = msgspec.json.Decoder(Facts)


async def known(app: App, conversation: ConversationHandle, message_id: str) -> Known:
    """What is filled in so far."""
    return await app.db.read(lambda tx: known_in(tx, conversation.keys, message_id))


def known_in(tx: Tx, keys: SpaceKeys, message_id: str) -> Known:
    """As `known`, inside a transaction; whoever asks has the message."""
    row = rows.find(tx, keys.space_id, message_id)
    if row is None:
        return Known(0, rows.NONE, Facts())
    return Known(row.version, row.state, opened(keys, message_id, row.facts), row.changed_at)


def opened(keys: SpaceKeys, message_id: str, facts: bytes) -> Facts:
    """The facts of a form's filling. Raises `CannotOpen`."""
    return _facts.decode(keys.open("filling", message_id, facts))


async def keep(
    app: App,
    conversation: ConversationHandle,
    message_id: str,
    answers: Mapping[str, tuple[str, ...]],
    read: int,
    place: str = "",
    *,
    files: str = "",
) -> Known:
    """Keep these (read) answers beside the others; no answer takes one away. `files`: the question among them whose
    answers are uploads of the actor's, which wait for the answers to go. Raises `Conflict` when somebody wrote since
    version `read`; `Refused`, `NotAllowed`.
    """
    own = await access.own_space(app, conversation.actor) if files else None

    def write(tx: Tx) -> Known:
        access.confirm(tx, conversation)
        now = known_in(tx, conversation.keys, message_id)
        if now.version != read:
            raise elsewhere()
        if own is not None:
            uploads.hold(tx, own, _ids(answers.get(files, ())), _ids(now.facts.answers.get(files, ())))
        merged = {link: kept for link, kept in {**now.facts.answers, **answers}.items() if kept}
        state = BEGUN if now.state == rows.NONE else now.state
        facts = msgspec.structs.replace(now.facts, answers=merged, place=place)
        put(tx, conversation, message_id, facts, state, read)
        ground, actor = conversation.ground, conversation.actor
        audit.record_once(tx, Act.FORM_FILLED, actor, conversation.space_id, ground, message_id, why="")
        return Known(read + 1, state, facts)

    return await app.db.write(write)


def _ids(files: tuple[str, ...]) -> list[str]:
    """Of the answers to a question that wants files: « upload|name »."""
    return [one.partition("|")[0] for one in files]


def elsewhere() -> Conflict:
    """Somebody wrote since."""
    return Conflict("form_elsewhere", "Ce questionnaire a été rempli ailleurs entre-temps. Vérifiez, puis continuez.")


def put(
    tx: Tx, to: ConversationHandle, message_id: str, facts: msgspec.Struct, state: str, read: int, *, done: bool = False
) -> None:
    """Write over version `read`. Raises `Conflict`."""
    at = now_ms()
    before = rows.find(tx, to.space_id, message_id)
    completed = at if done else before.completed_at if before else None
    row = Filling(message_id, read + 1, state, b"", to.actor.account_id or to.member, at, completed)
    if not rows.put(tx, to.space_id, row, to.keys.seal("filling", message_id, msgspec.json.encode(facts)), read):
        raise elsewhere()


def complete(doing: Doing, message_id: str, answers: Mapping[str, tuple[str, ...]], read: int) -> str:
    """What was filled in is sent, by the message of `doing`; returns the message of the version before, "" for none.
    Raises `Conflict`.
    """
    to, actor = doing.to, doing.actor
    now = known_in(doing.tx, to.keys, message_id)
    if now.version != read:
        raise elsewhere()
    kept = dict(answers)
    version = Version(doing.at, actor.name, actor.account_id, to.ground, doing.message_id, kept)
    facts = Facts(kept, (*now.facts.sent, version))
    put(doing.tx, to, message_id, facts, CORRECTED if now.facts.sent else COMPLETED, read, done=True)
    return now.facts.sent[-1].message if now.facts.sent else ""


def ticked(tx: Tx, keys: SpaceKeys, message_id: str) -> dict[int, ticking.Tick]:
    """What stands ticked of a checklist, by its message."""
    return ticking.ticks(messages.answers(tx, keys.space_id, message_id), keys)


def keep_ticks(doing: Doing, message_id: str, count: int) -> None:
    """How far a list of that many things is, beside the answer that says it, which is recorded already."""
    standing = sorted(ticked(doing.tx, doing.to.keys, message_id))
    row = rows.find(doing.tx, doing.to.space_id, message_id)
    state = COMPLETED if len(standing) == count else BEGUN if standing else rows.NONE
    facts, read = Ticked(tuple(standing)), row.version if row else 0
    put(doing.tx, doing.to, message_id, facts, state, read, done=state == COMPLETED)
