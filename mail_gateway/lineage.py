"""What a letter's documents do to those that came before: corrected, withdrawn, the same again.

    papers of a letter  →  Draft.effect  →  rows of storage.enclosed · the dossier marked · a line in the thread of the
    older document · its file line changed, for everybody who has it — all in the transaction of the letter

Promises: the chain (relatedDocument RPLC; else setId and versionNumber) is followed only for the same author or
organisation, as the documents name them, **and** the same verified sender: the person, or their organisation when
they are hosted here. Of anybody else a document is simply another one, and nothing is said of the old. An older
version that comes late does not take the place of the newer. The same document (uniqueId and content) twice is one,
and the second says where the first is; another content under a known uniqueId is never hidden behind it.

What is replaced stays readable where it came, marked so, and in the dossier as obsolete; the newest is offered for
filing, never filed by itself: filing is the patient's gesture. What is withdrawn (action D) also stays readable, in
the mail and where the patient had filed it, marked « Retiré par son auteur » and no more offered: a deletion rules
the shared record of the professionals, who then keep no copy, while a letter received is the patient's own, and care
may have been given on the strength of it. Only the last version can be replaced or withdrawn. CI-SIS volet
Structuration minimale; volet de transmission d'un document CDA par messagerie (IHE XDM, urn:action:extraMetadataSlot).

Does not see a withdrawal that came before its document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from mail_gateway.addresses import normalise
from server import access, posting
from server.drafts import Actor, Author, Body, File, FileFacts
from server.formats.package import Lineage
from storage import conversations, enclosed, entries, messages
from storage.enclosed import Enclosed

if TYPE_CHECKING:
    from server.posting import Doing

Effect = Callable[["Doing"], None]
_body = msgspec.json.Decoder(Body)


@dataclass(frozen=True, slots=True)
class Followed:
    """A document of a letter. `file_id`: of the draft's file it is; "" for one that only withdraws another."""

    file_id: str
    lineage: Lineage


def following(documents: Sequence[Followed], files: Sequence[File], sender: Actor, author: Author) -> Effect | None:
    """The effect of a letter that brings these documents, as far as they are among its files. None when there is
    none. `sender`: as the door verified them, whoever else answers go to. `author`: for the line in the thread.
    """
    kept = {"", *(file.id for file in files)}
    brought = [document for document in documents if document.file_id in kept]
    if not brought:
        return None

    def run(doing: Doing) -> None:
        enclosed.lock(doing.tx, doing.to.space_id)
        for document in brought:
            _follow(doing, document, sender, author)

    return run


def _follow(doing: Doing, document: Followed, sender: Actor, author: Author) -> None:
    new = _row(doing, document)
    related = enclosed.related(doing.tx, doing.to.space_id, new)
    own = [old for old in related if _same_author(old, new) and _same_sender(doing, old, sender)]
    if document.lineage.action == "delete":
        for old in own:
            if old.state in ("current", "same") and (_is(old, new) or _supersedes(new, old)):
                _outdate(doing, old, "deleted", author)
        return
    known = next((old for old in related if _is(old, new) and old.content_hash == new.content_hash), None)
    newest = max((old for old in own if _supersedes(old, new)), key=lambda old: old.version, default=None)
    if known is not None:
        current = known.state in ("current", "same")
        by = known.message_id if current else known.changed_by
        new = replace(new, state="same" if current else known.state, changed_by=by, changed_at=doing.at)
    elif newest is not None:
        new = replace(new, state="replaced", changed_by=newest.message_id, changed_at=doing.at)
    else:
        corrected = document.lineage.action == "correct"
        for old in own:
            if old.state in ("current", "same") and (_supersedes(new, old) or (corrected and _is(old, new))):
                _outdate(doing, old, "replaced", author)
    enclosed.insert(doing.tx, doing.to.space_id, new)


def _row(doing: Doing, document: Followed) -> Enclosed:
    line = document.lineage
    return Enclosed(
        document.file_id,
        doing.message_id,
        _hash(doing, "document", line.unique_id or line.digest),
        _hash(doing, "content", line.digest),
        _hash(doing, "set", line.set_id),
        line.version,
        _hash(doing, "document", line.replaces),
        _hash(doing, "author", line.author_id),
        _hash(doing, "organisation", line.organisation_id),
    )


def _hash(doing: Doing, kind: str, value: str) -> str:
    """By space, so that two patients with the same doctor have nothing in common to be seen."""
    return doing.app.vault.lookup(kind, f"{doing.to.space_id}|{value}") if value else ""


def _is(old: Enclosed, new: Enclosed) -> bool:
    return old.unique_hash == new.unique_hash


def _supersedes(newer: Enclosed, older: Enclosed) -> bool:
    """RPLC names the older one; else it is a lower version of the same set."""
    if newer.replaces_hash and newer.replaces_hash == older.unique_hash:
        return True
    return bool(newer.set_hash) and newer.set_hash == older.set_hash and newer.version > older.version


def _same_author(old: Enclosed, new: Enclosed) -> bool:
    return bool(
        (new.author_hash and new.author_hash == old.author_hash)
        or (new.organisation_hash and new.organisation_hash == old.organisation_hash)
    )


def _same_sender(doing: Doing, old: Enclosed, sender: Actor) -> bool:
    """A document names its author itself; who sent it is what a door verified: the account here, or the From address
    elsewhere, whose domain many share. Not who takes part: that may be a Reply-To, which anybody of the domain writes.
    """
    if old.message_id == doing.message_id:
        return True
    if sender.external:
        message = messages.find(doing.tx, doing.to.space_id, old.message_id)
        body = _body.decode(doing.to.keys.open("body", message.id, message.body)) if message else None
        return bool(body and body.mail and normalise(body.mail.from_address).lower() == sender.address)
    member, organisation = enclosed.sender(doing.tx, doing.to.space_id, old.message_id)
    here = access.organisation(sender)
    return member == sender.account_id or bool(here and here == organisation)


# ---- what becomes of the older one -----------------------------------------------------------------------------------


def _outdate(doing: Doing, old: Enclosed, state: str, author: Author) -> None:
    tx, space_id = doing.tx, doing.to.space_id
    copies = enclosed.mark(tx, space_id, old, state, doing.message_id, doing.at)
    if not copies:
        return  # a copy of it was marked just before
    enclosed.outdate_filed(tx, space_id, (attachment for attachment, _ in copies), state, doing.message_id)
    for message_id in sorted({message for _, message in copies} - {doing.message_id}):
        message = messages.find(tx, space_id, message_id)
        if message is None:
            continue
        _tell(doing, message)
        if message_id == old.message_id:
            posting.line(doing, message.conversation_id, _line(doing, old, state), author)


def _tell(doing: Doing, message: messages.Message) -> None:
    """A change for everybody who has the message of the older document."""
    for member in conversations.participants(doing.tx, doing.to.space_id, message.conversation_id):
        if member.mailbox_id and entries.change(doing.tx, member.mailbox_id, message.id) is not None:
            doing.wake.add(member.mailbox_id)


def _line(doing: Doing, old: Enclosed, state: str) -> str:
    attachment = messages.attachment(doing.tx, doing.to.space_id, old.attachment_id)
    name = "Un document"
    if attachment is not None:
        sealed = doing.to.keys.open("file", attachment.id, attachment.facts)
        facts = msgspec.json.decode(sealed, type=FileFacts)
        dated = f" du {datetime.fromisoformat(facts.created):%d/%m/%Y}" if facts.created else ""
        name = f"« {facts.title or facts.name} »{dated}"
    if state == "deleted":
        return f"{name} : retiré par son auteur. Il reste lisible ici, mais n’est plus à jour."
    return f"{name} : remplacé par son auteur. La nouvelle version est dans le dernier message qu’il vous a envoyé."
