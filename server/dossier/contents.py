"""What stands in a document besides what is shown of it first: the CDA it was taken from, and its findings.

Promises: of a document of the dossier, the findings that were kept when it was filed, for those who may see it; of a
file of a message, those read of it now, in a process apart. What cannot be read holds nothing: the file itself can
still be opened. Does not write the opening down: `documents.open_document` and the message do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from server.dossier import documents as shelf
from server.dossier import filing, standing
from server.dossier.habilitation import decide
from server.drafts import FileFacts
from server.formats.findings import Finding
from storage import blobs, findings, visibilities
from storage.blobs import Blob
from storage.database import Tx
from storage.ids import now_ms
from storage.messages import Attachment
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

_finding: Final[msgspec.json.Decoder[Finding]] = msgspec.json.Decoder(Finding)


@dataclass(frozen=True, slots=True)
class Contents:
    """`original`: the CDA, when the document is not it. `findings`: in the order of the document."""

    original: bytes = b""
    findings: tuple[Finding, ...] = ()


async def of_document(app: App, handle: DossierHandle, document_id: str) -> Contents:
    """Of a document of the dossier. Raises `Refused`."""
    blob, found = await app.db.read(_kept, handle, document_id)
    return Contents(await app.blobs.get(handle.keys, blob) if blob else b"", found)


def _kept(tx: Tx, handle: DossierHandle, document_id: str) -> tuple[Blob | None, tuple[Finding, ...]]:
    reader, now = standing.reader(tx, handle), now_ms()
    item = shelf.one_seen(tx, handle, document_id, reader)
    rows = sorted(findings.of_document(tx, handle.space_id, document_id), key=lambda row: (row.at, row.id))
    marks = visibilities.marks_of(tx, handle.space_id, [row.id for row in rows])
    found = []
    for row in rows:
        own = marks.get(row.id, {})
        if row.state == "current" and (not own or decide(reader, shelf.item_of(item.row, item.facts, own), now)):
            found.append(_finding.decode(handle.keys.open("finding", row.id, row.content)))
    original = item.row.original_blob
    return (blobs.find(tx, handle.space_id, original) if original else None), tuple(found)


async def of_file(app: App, keys: SpaceKeys, attachment: Attachment, facts: FileFacts, data: bytes) -> Contents:
    """Of a file of a message that its reader may open."""
    try:
        if facts.type.partition(";")[0].strip().lower() in filing.XML:
            paper = next(iter((await filing.unpacked("document", data)).papers), None)
        else:
            paper = await filing.paper_of(app, keys, attachment, facts, data)
    except OSError:  # no process to read it in: the file itself is shown
        return Contents()
    return Contents(paper.original if paper.content == data else b"", paper.findings) if paper else Contents()
