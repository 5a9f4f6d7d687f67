"""A file of a message as its readers see it, and what became of the document it is: replaced, withdrawn, here before.

Promises: says it only from the record (`storage.enclosed`, which `mail_gateway.lineage` makes), with its date and who
did it; leads to another message only the patient, who has them all.
"""

from __future__ import annotations

import msgspec

from server.drafts import Body, FileFacts
from server.views import ChangeView, FileView
from storage import accounts, enclosed, messages
from storage.database import Tx
from storage.enclosed import Enclosed
from storage.messages import Attachment
from storage.vault import CannotOpen, SpaceKeys

_body = msgspec.json.Decoder(Body)
_facts = msgspec.json.Decoder(FileFacts)
RESTRICTED = frozenset({"R", "V"})  # HL7: restricted, very restricted


def file_view(tx: Tx, keys: SpaceKeys, attachment: Attachment, reader: str, *, filed: bool) -> FileView:
    """`reader`: an account's id. `filed`: whether this very file is in the dossier. Raises `CannotOpen`."""
    facts = _facts.decode(keys.open("file", attachment.id, attachment.facts))
    row = enclosed.find(tx, keys.space_id, attachment.id) if facts.unique_id else None
    return FileView(
        attachment.id,
        facts.name,
        facts.type,
        facts.size,
        keys.space_id,
        facts.title,
        facts.document_label,
        facts.category,
        facts.author,
        facts.created,
        facts.damaged,
        filed or (row is not None and enclosed.filed(tx, keys.space_id, row)),
        facts.note,
        not RESTRICTED.isdisjoint(facts.confidentiality),
        _change(tx, keys, row, reader) if row is not None and row.state != "current" else None,
    )


def _change(tx: Tx, keys: SpaceKeys, row: Enclosed, reader: str) -> ChangeView | None:
    holder = accounts.holder_of(tx, keys.space_id)
    own = holder is not None and holder.id == reader
    if row.state == "same" and not own:
        return None  # that the patient had it from somebody else is nobody else's to know
    return changed(tx, keys, row.state, row.changed_by, row.changed_at, own=own)


def changed(tx: Tx, keys: SpaceKeys, state: str, by: str, at: int | None, *, own: bool) -> ChangeView:
    """A change that the message `by` made. `at`: milliseconds, that message's own when None. `own`: the patient reads,
    and may be led there.
    """
    from server.reading import iso

    message = messages.find(tx, keys.space_id, by)
    if message is None:
        return ChangeView(state, iso(at) if at else "")
    try:
        author = _body.decode(keys.open("body", message.id, message.body)).author.name
    except CannotOpen:
        author = ""  # that message is lost; what it did is not
    when = iso(message.at if at is None else at)
    return ChangeView(state, when, author, *((message.id, message.conversation_id) if own else ()))
