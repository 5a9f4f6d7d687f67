"""What the log calls an object: the title of a document to who may see it, its category alone to its holder otherwise,
nothing at all to somebody who acts for them. Decided by `habilitation`, in the transaction that reads.

Does not: let anybody open anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from server.dossier import titles
from server.dossier.documents import CATEGORIES, OTHER, Seen, item_of
from server.dossier.habilitation import SECRET, Reader, Verdict, decide
from server.drafts import FileFacts
from storage import documents, findings, visibilities
from storage.database import Tx
from storage.documents import Document
from storage.ids import now_ms
from storage.vault import SpaceKeys
from storage.visibilities import Marked

_facts: Final = msgspec.json.Decoder(FileFacts)


@dataclass(frozen=True, slots=True)
class Named:
    """`seen`: every reader asked about may see it. `secret`: it is kept from those who act for the holder."""

    document_id: str
    title: tuple[str, str]  # in French, in English
    category: tuple[str, str]
    seen: bool
    secret: bool


def named(tx: Tx, keys: SpaceKeys, objects: Collection[str], readers: Sequence[Reader]) -> dict[str, Named]:
    """By id, those of these objects that are documents or findings of this dossier. A finding is called by the document
    it was found in.
    """
    found: dict[str, Named] = {}
    for object_id in objects:
        finding = None
        row = documents.document(tx, keys.space_id, object_id)
        if row is None and (finding := findings.one(tx, keys.space_id, object_id)) is not None and finding.document_id:
            row = documents.document(tx, keys.space_id, finding.document_id)
        if row is None:
            continue
        marks = visibilities.marks_of(tx, keys.space_id, {row.id, object_id})
        found[object_id] = _named(keys, row, marks.get(row.id, {}) | marks.get(object_id, {}), readers)
    return found


def _named(keys: SpaceKeys, row: Document, marks: dict[str, Marked], readers: Sequence[Reader]) -> Named:
    facts, now = _facts.decode(keys.open("document", row.id, row.facts)), now_ms()
    item = item_of(row, facts, marks)
    verdicts = [decide(reader, item, now) for reader in readers]
    shown = Seen(row, facts, marks, verdicts[0])
    title = (titles.of(shown).text or facts.name, titles.of(shown, "en").text or facts.name)
    return Named(row.id, title, CATEGORIES.get(facts.category, CATEGORIES[OTHER]), all(verdicts), SECRET in marks)


def whisperers(tx: Tx, keys: SpaceKeys, reader: Reader) -> frozenset[str]:
    """The professionals of whom somebody who acts for the holder knows nothing here: all that they deposited is kept
    from them. That they looked at the dossier is then as secret as what they left there (CSP L.1111-5).
    """
    marks = visibilities.marks(tx, keys.space_id)
    if not any(SECRET in on for on in marks.values()):  # as in most dossiers
        return frozenset()
    hidden, shown, now = set(), set(), now_ms()
    for row in documents.documents(tx, keys.space_id):
        facts = _facts.decode(keys.open("document", row.id, row.facts))
        on = marks.get(row.id, {})
        verdict: Verdict = decide(reader, item_of(row, facts, on), now)
        if verdict:
            shown.add(row.author_id)
        elif SECRET in on:
            hidden.add(row.author_id)
    return frozenset(hidden - shown - {""})
