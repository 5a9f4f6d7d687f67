"""« Ranger tout seul »: what professionals send is filed in the transaction of their letter, when the patient chose so.

    post(): ready()  — read apart, before the lock →  run()  — inside, once the message is there: filed, and a line that
    says so in its conversation

Promises: nothing is filed that the patient could not file by hand: what is damaged, restricted (R, V), replaced or
withdrawn stays in its letter, and so does a document that is in the dossier already. Health documents are filed (those
with a uniqueId), and the other files of a letter; but the PDF beside an archive of health documents is a copy of one of
them (CI-SIS, volet de transmission), and is not filed beside it. The choice is asked again inside the transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from server import attachments, audit, reading, scopes
from server.audit import Act
from server.dossier import choices, filing
from server.dossier.filing import XML, ZIP, Filing
from server.drafts import Actor, Author, Draft, File, FileFacts
from server.errors import Conflict
from server.formats.package import Paper
from server.versions import RESTRICTED
from storage import accounts, blobs, documents, enclosed, visibilities
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing

log = structlog.get_logger()

CHOICE: Final = "file_by_itself"
BY: Final = "file_by_itself"  # who filed it: the patient's own choice
KINDS: Final = frozenset({"application/pdf", "image/jpeg", "image/png", "image/tiff", "application/rtf", "text/plain"})
Named = tuple[str, File, Sealed]  # (its id, the file, its facts sealed)
_WRITERS: Final = frozenset({"professional", "team", "bot"})
_LINE: Final = ("{name} est rangé dans votre dossier.", "{count} documents sont rangés dans votre dossier : {name}.")


async def settle(app: App, box: MailboxHandle, *, on: bool) -> None:
    """The holder, or who represents them, answers whether. That they go on by hand is kept too: they are not asked
    twice. Raises `NotAllowed`, `Refused`.
    """

    def keep(tx: Tx) -> None:
        scopes.own_affairs(tx, box)
        if CHOICE not in visibilities.chosen(tx, box.space_id):
            visibilities.choose(tx, box.space_id, CHOICE, choices.OFF, box.actor.account_id)
            audit.record(tx, Act.CHOICE_CHANGED, box.actor, box.space_id, box.ground, CHOICE, choices.OFF)

    if not on:
        await app.db.write(keep)
    await choices.change(app, box, CHOICE, on=on)


def offered(tx: Tx, handle: DossierHandle) -> bool:
    """Whether to ask: something was filed by hand, and the question never answered."""
    if CHOICE in visibilities.chosen(tx, handle.space_id):
        return False
    return any(row.source == "letter" for row in documents.documents(tx, handle.space_id))


# ---- in the transaction of a letter ----------------------------------------------------------------------------------


async def ready(
    app: App, actor: Actor, draft: Draft, author: Author, keys: SpaceKeys, message_id: str, files: Sequence[Named]
) -> tuple[Filing, ...]:
    """What of this draft is to be filed; `files`: with the ids that they will have."""
    writes = draft.kind in {"text", "card"} and (actor.kind in _WRITERS or actor.external)
    if not files or not writes or not await app.db.read(_wanted, keys.space_id):
        return ()
    try:
        return await _ready(app, draft, author, keys, message_id, files)
    except Exception as error:  # noqa: BLE001 - a letter is never lost because a file of it could not be filed
        log.warning("filing.left", how=type(error).__name__)
        return ()


async def _ready(
    app: App, draft: Draft, author: Author, keys: SpaceKeys, message_id: str, files: Sequence[Named]
) -> tuple[Filing, ...]:
    held = [(file_id, file, await _octets(app, keys, draft, file)) for file_id, file, _ in files]
    papers = [paper for _, file, data in held if _kind(file.facts) == ZIP for paper in await _unpacked(data)]
    found = []
    for file_id, file, data in held:
        if not _fit(file.facts) or (not file.facts.unique_id and papers and _kind(file.facts) == "application/pdf"):
            continue
        item = await _filing(app, keys, file, data, papers)
        facts = item.facts
        facts = msgspec.structs.replace(
            facts,
            title=facts.title or facts.name,
            category=facts.category or "other",
            author=facts.author or author.name,
            organisation=facts.organisation or author.organisation,
            created=facts.created or reading.iso(now_ms()),
        )
        found.append(replace(item, facts=facts, attachment_id=file_id, message_id=message_id))
    return tuple(found)


def _wanted(tx: Tx, space_id: str) -> bool:
    space = accounts.space(tx, space_id)
    return space is not None and space.state == "open" and choices.chosen(tx, space_id)[CHOICE]


async def _octets(app: App, keys: SpaceKeys, draft: Draft, file: File) -> bytes:
    if file.blob is not None:
        return await app.blobs.get(keys, file.blob)
    return attachments.cut(draft.raw, file.part)


async def _unpacked(data: bytes) -> tuple[Paper, ...]:
    return tuple((await filing.unpacked("archive", data)).papers)


def _kind(facts: FileFacts) -> str:
    return facts.type.partition(";")[0].strip().lower()


def _fit(facts: FileFacts) -> bool:
    """Whether it may be filed at all; of what is no health document, only what people call a document."""
    if facts.damaged or not facts.size or not RESTRICTED.isdisjoint(facts.confidentiality):
        return False
    return bool(facts.unique_id) or _kind(facts) in KINDS


async def _filing(app: App, keys: SpaceKeys, file: File, data: bytes, papers: Sequence[Paper]) -> Filing:
    facts = file.facts
    paper = next((one for one in papers if facts.unique_id and one.lineage.unique_id == facts.unique_id), None)
    if paper is None and facts.unique_id and _kind(facts) in XML:
        paper = next(iter((await filing.unpacked("document", data)).papers), None)
    own = await app.blobs.put(keys, data) if file.blob is None else None
    original = await app.blobs.put(keys, paper.original) if paper and paper.original else None
    return Filing(
        facts,
        own.id if own else file.blob.id if file.blob else "",
        hashlib.sha256(data).hexdigest(),
        paper.findings if paper else (),
        own,
        original,
        set_id=paper.lineage.set_id if paper else "",
    )


def run(doing: Doing, found: Sequence[Filing]) -> None:
    """File what is ready, once its message is there; and say so where it came."""
    from server.posting import line

    tx, space_id = doing.tx, doing.to.space_id
    if not found or not _wanted(tx, space_id):
        return
    names = []
    for item in found:
        row = enclosed.find(tx, space_id, item.attachment_id)
        if row is not None and row.state != "current":
            continue  # replaced, withdrawn, or here before
        if _file(doing, replace(item, author_id=doing.to.member)):
            secret = "INVISIBLE_REPRESENTANTS_LEGAUX" in item.facts.confidentiality
            names.append("Un document" if secret else f"« {item.facts.title} »")
    if names:
        said = _LINE[len(names) > 1].format(count=len(names), name=", ".join(names))
        line(doing, doing.conversation_id, said, Author("system", "Pli"))


def _file(doing: Doing, item: Filing) -> bool:
    """Whether it was not there already."""
    tx, keys = doing.tx, doing.to.keys
    try:
        document = filing.file(tx, doing.app.vault, keys, item, BY, doing.at)
    except Conflict:
        for blob in (item.own, item.original):
            if blob is not None:
                blobs.remove(tx, keys.space_id, blob.id)
        return False
    audit.record(tx, Act.DOCUMENT_ADDED, doing.actor, keys.space_id, doing.to.ground, document, BY)
    return True
