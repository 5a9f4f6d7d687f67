"""Keeping one's conversations: archive, pin, mute, label. What somebody does, in the mailbox they do it in.

Each act is one record with its author (a helper's own name, in the mailbox of the person they help) and its date, and
takes the mailbox's next number: a device that was away sees by its cursor that something moved, and asks for the list
again. Nothing of this is the other side's to know, and no message changes: unread is the same number everywhere. Where
a mail client may look, what is archived is in its folder Archive too (`server.filing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import access, filing, listing, scopes
from server.errors import Invalid, NotAllowed, Refused
from server.handles import ConversationHandle, MailboxHandle
from server.listing import PINNED_MOST
from server.reading import keys_of
from server.views import KeptView, LabelView
from storage import entries, marks
from storage.database import Tx
from storage.ids import new_id
from storage.marks import ARCHIVED, LABEL, MUTED, PINNED

if TYPE_CHECKING:
    from server.app import App

KINDS = frozenset({ARCHIVED, PINNED, MUTED, LABEL})
LABELS_MOST = 20
LABEL_LONG = 40  # characters


async def state(app: App, box: MailboxHandle, conversation_id: str) -> tuple[KeptView, list[LabelView]]:
    """How this mailbox keeps a conversation now, and every label it might have: its own marks, and nothing of one it
    does not have. Raises `Refused`.
    """
    scopes.reads(box)

    def pull(tx: Tx) -> tuple[KeptView, list[LabelView]]:
        labels = listing.labels_in(app, tx, box)
        on = {(mark.kind, mark.label_id): mark for mark in marks.of(tx, box.mailbox_id, [conversation_id])}
        away, muted = on.get((ARCHIVED, "")), (MUTED, "") in on
        last = entries.thread_last(tx, box.mailbox_id, conversation_id)
        archived = away is not None and (muted or last <= away.seq)
        tags = [label for label in labels if (LABEL, label.id) in on]
        flagged = entries.thread_flagged(tx, box.mailbox_id, conversation_id) > 0
        return KeptView(archived, (PINNED, "") in on, muted, tags, flagged), labels

    return await app.db.read(pull)


async def put(app: App, box: MailboxHandle, conversation: ConversationHandle, kind: str, on: bool, label: str) -> None:
    """Archive, pin, mute or label a conversation, or undo it; what a professional archives moves to Archive in their
    mail client too. Raises `Refused`, `Invalid`, `NotAllowed`.
    """
    if kind not in KINDS:
        raise Invalid

    def write(tx: Tx) -> None:
        _may(app, tx, box)
        if kind == LABEL and label not in {known.id for known in marks.labels(tx, box.mailbox_id)}:
            raise Refused
        _put(tx, box, conversation, kind, label if kind == LABEL else "", on)

    await app.db.write(write)
    app.hub.wake({box.mailbox_id})


def _may(app: App, tx: Tx, box: MailboxHandle) -> None:
    """The decision again, inside the write: the mailbox is open to them, and theirs to change. Raises `Refused`,
    `NotAllowed`.
    """
    access.still_open(app, tx, box)
    scopes.need(box.scopes, scopes.MESSAGES, scopes.WRITE)


def _put(tx: Tx, box: MailboxHandle, conversation: ConversationHandle, kind: str, label: str, on: bool) -> None:
    seq = entries.next_seq(tx, box.mailbox_id)  # first: its lock puts two devices in order, and the limit holds
    known = marks.of(tx, box.mailbox_id, [conversation.conversation_id])
    if kind != ARCHIVED and any((mark.kind, mark.label_id) == (kind, label) for mark in known) == on:
        return  # as it is: pressing twice is pressing once. Archiving again is news: something may have come since
    if kind == PINNED and on and marks.pinned(tx, box.mailbox_id) >= PINNED_MOST:
        raise NotAllowed(
            "too_many_pinned", f"Vous avez déjà épinglé {PINNED_MOST} conversations. Détachez-en une d’abord."
        )
    marks.put(
        tx, box.mailbox_id, conversation.conversation_id, kind, "on" if on else "off", box.actor.account_id, seq, label
    )
    if kind == ARCHIVED:
        filing.archived(tx, box, conversation.conversation_id, on)


async def relabel(app: App, box: MailboxHandle, conversation: ConversationHandle, wanted: set[str]) -> None:
    """Exactly these labels of the mailbox. Raises `Refused`."""

    def write(tx: Tx) -> None:
        _may(app, tx, box)
        for label in marks.labels(tx, box.mailbox_id):
            _put(tx, box, conversation, LABEL, label.id, label.id in wanted)

    await app.db.write(write)
    app.hub.wake({box.mailbox_id})


async def labels(app: App, box: MailboxHandle) -> list[LabelView]:
    """The labels of this mailbox, by name. Raises `Refused`."""
    scopes.reads(box)
    return await app.db.read(lambda tx: listing.labels_in(app, tx, box))


async def name_label(app: App, box: MailboxHandle, name: str, label: str = "") -> str:
    """Make a label, or name one anew; its id. Raises `Invalid`, `NotAllowed`, `Refused`."""
    name = " ".join(name.split())
    if not name:
        raise Invalid("label_empty", "Donnez un nom à l’étiquette.")
    if len(name) > LABEL_LONG:
        raise Invalid("label_long", f"Ce nom est trop long ({len(name)} caractères, {LABEL_LONG} au plus).")
    label_id = label or new_id()

    def write(tx: Tx) -> None:
        _may(app, tx, box)
        entries.next_seq(tx, box.mailbox_id)
        known = listing.labels_in(app, tx, box)
        if label and label not in {other.id for other in known}:
            raise Refused
        if any(other.name.casefold() == name.casefold() and other.id != label for other in known):
            raise Invalid("label_taken", f"Vous avez déjà une étiquette « {name} ».")
        if not label and len(known) >= LABELS_MOST:
            raise NotAllowed("too_many_labels", f"Vous avez déjà {LABELS_MOST} étiquettes. Supprimez-en une d’abord.")
        sealed = keys_of(app, tx, box.space_id, {}).seal("label", label_id, name.encode())
        if label:
            marks.rename_label(tx, box.mailbox_id, label_id, sealed)
        else:
            marks.add_label(tx, box.mailbox_id, label_id, sealed, box.actor.account_id)

    await app.db.write(write)
    app.hub.wake({box.mailbox_id})
    return label_id


async def remove_label(app: App, box: MailboxHandle, label: str) -> None:
    """Nothing has this label any more; no conversation is lost. Raises `Refused`."""

    def write(tx: Tx) -> None:
        _may(app, tx, box)
        entries.next_seq(tx, box.mailbox_id)
        marks.end_label(tx, box.mailbox_id, label)

    await app.db.write(write)
    app.hub.wake({box.mailbox_id})
