"""What was found in documents and what people said, as their reader may see it.

Promises: a finding of a document is seen by whoever may see that document, and no more once the document is replaced
or withdrawn; one that somebody entered is seen by its own rule (measures, profile, record). Corrections never
overwrite: what was corrected stays, and says by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from server import reading
from server.dossier import documents as shelf
from server.dossier import filing, standing
from server.dossier.habilitation import MEASURES, PROFILE, RECORD, Item, Reader, decide
from server.errors import Conflict, NotAllowed, Refused
from server.formats.findings import Finding
from storage import findings as rows
from storage import visibilities
from storage.database import Tx
from storage.findings import Row
from storage.ids import now_ms
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

log = structlog.get_logger()

_TYPES: Final = {"measure": MEASURES, "statement": PROFILE}
_finding: Final[msgspec.json.Decoder[Finding]] = msgspec.json.Decoder(Finding)


@dataclass(frozen=True, slots=True)
class Held:
    """A finding, and where it comes from. `document`: its id ("" when somebody entered it), `title` of it. `at`: when
    it was recorded, ISO 8601. `by`: an account. `state`: current, corrected, withdrawn, outdated (its document is).
    `marks`: that are on, its own and its document's.
    `author`, `organisation`, `dated` (the act, ISO 8601): of the document, as its producer says. `ended_by`,
    `ended_at`: who corrected or withdrew it, when.
    """

    id: str
    finding: Finding
    document: str
    title: str
    message: str
    source: str
    by: str
    at: str
    state: str = "current"
    corrects: str = ""
    marks: tuple[str, ...] = ()
    author: str = ""
    organisation: str = ""
    dated: str = ""
    ended_by: str = ""
    ended_at: str = ""


async def of(app: App, handle: DossierHandle, kinds: Sequence[str] = (), *, current: bool = True) -> list[Held]:
    """Findings of these kinds (all when none is named) that their reader may see, the oldest recorded first."""
    return await app.db.read(lambda tx: held(tx, handle, kinds, current=current))


def held(
    tx: Tx, handle: DossierHandle, kinds: Sequence[str] = (), *, current: bool = True, reader: Reader | None = None
) -> list[Held]:
    """As `of`, inside a transaction. `reader`: whose eyes it is seen with, those of the handle when none is named."""
    reader, now = reader or standing.reader(tx, handle), now_ms()
    known = {item.row.id: item for item in shelf.seen(tx, handle, reader)}
    marks = visibilities.marks(tx, handle.space_id)
    found = []
    for row in rows.of(tx, handle.space_id, kinds, current=current):
        on = marks.get(row.id, {})
        document = known.get(row.document_id)
        if row.document_id and document is None:
            continue
        if document is not None and current and document.row.state != "current":
            continue
        own = Item(
            document.facts.document_type if document else _TYPES.get(row.kind, RECORD),
            document.facts.category if document else "",
            (document.row.author_id if document else "") or row.by,
            {mark: one.at for mark, one in on.items()},
        )
        if (document is None or on) and not decide(reader, own, now):
            continue
        try:
            found.append(_held(handle, row, document, tuple(sorted(on | document.marks.keys() if document else on))))
        except CannotOpen:
            log.warning("dossier.unopened", what="finding")
    return found


def _held(handle: DossierHandle, row: Row, document: shelf.Seen | None, marks: tuple[str, ...]) -> Held:
    facts = document.facts if document else None
    outdated = document is not None and document.row.state != "current" and row.state == "current"
    return Held(
        row.id,
        _finding.decode(handle.keys.open("finding", row.id, row.content)),
        row.document_id,
        facts.title if facts else "",
        row.message_id if handle.ground != standing.CARE else "",
        row.source,
        row.by,
        reading.iso(row.at),
        "outdated" if outdated else row.state,
        row.corrects,
        marks,
        facts.author if facts else "",
        facts.organisation if facts else "",
        facts.created if facts else "",
        row.ended_by,
        reading.iso(row.ended_at) if row.ended_at else "",
    )


def source_of(handle: DossierHandle) -> str:
    """What stands as the source of what is entered by this handle."""
    return {"self": "patient", standing.CARE: "professional", standing.SERVICE: "service"}.get(
        handle.ground, "delegate"
    )


def enter(tx: Tx, handle: DossierHandle, finding: Finding, *, message_id: str = "") -> str:
    """Somebody enters a finding; returns its id. The right to write is the caller's to ask (`access.may_write`)."""
    return filing.add_finding(
        tx, handle.keys, finding, source_of(handle), handle.actor.account_id, now_ms(), message_id=message_id
    )


def correct(tx: Tx, handle: DossierHandle, finding_id: str, finding: Finding | None, *, message_id: str = "") -> str:
    """What one entered oneself was wrong: the new one stands beside it, or (None) it is withdrawn. Returns the new id,
    "" for none. Raises `Refused`; `NotAllowed` for what a document or somebody else said; `Conflict` when it was
    corrected meanwhile.
    """
    known = next((one for one in held(tx, handle, current=False) if one.id == finding_id), None)
    if known is None:
        raise Refused
    holders = handle.ground not in {standing.CARE, standing.SERVICE}
    mine = known.by == handle.actor.account_id or (holders and known.source in {"patient", "delegate"})
    if known.document or not mine:
        raise NotAllowed("not_your_entry", "Vous ne pouvez corriger que ce qui a été saisi par vous.")
    at, by = now_ms(), handle.actor.account_id
    if not rows.end(tx, handle.space_id, finding_id, "corrected" if finding else "withdrawn", by, at):
        raise Conflict("already_corrected", "Cette ligne a déjà été corrigée.")
    if finding is None:
        return ""
    return filing.add_finding(
        tx, handle.keys, finding, source_of(handle), by, at, message_id=message_id, corrects=finding_id
    )
