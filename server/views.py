"""What readers are given: the entry of the contract, and its parts. Shapes only.

Times are ISO 8601 in UTC, sizes in octets. These structs are what live chat, the HTTP API and the pages all show, so
that one message looks the same through every door.
"""

from __future__ import annotations

from typing import Any

import msgspec


class AuthorView(msgspec.Struct, frozen=True):
    kind: str
    name: str
    role: str = ""
    organisation: str = ""
    acting_for: str = ""
    acting_as: str = ""
    sex: str = ""
    born: str = ""  # of a patient, where the list is read by those who care for them


class ChangeView(msgspec.Struct, frozen=True):
    """What became of a document. `state`: replaced, deleted (by its author), or same (as one that was here before).
    `by`: who did it; `message`, `conversation`: where the newer one is, or the first; "" when the reader has them not.
    """

    state: str
    at: str
    by: str = ""
    message: str = ""
    conversation: str = ""


class FileView(msgspec.Struct, frozen=True):
    """A file of a message. The document fields are empty when it is not a document we understand. `restricted`: its
    author does not want it in a record that is shared.
    """

    id: str
    name: str
    type: str
    size: int
    space: str = ""
    title: str = ""
    label: str = ""
    category: str = ""
    author: str = ""
    created: str = ""
    damaged: str = ""
    filed: bool = False
    note: str = ""
    restricted: bool = False
    change: ChangeView | None = None


class Wording(msgspec.Struct, frozen=True):
    """What a message said before it was corrected. `until`: when."""

    text: str
    until: str


class RecipientView(msgspec.Struct, frozen=True):
    """Somebody a message went to. `state`: sent, delayed, delivered, read or failed, since `at` when that is known."""

    name: str
    state: str
    at: str = ""


class MessageView(msgspec.Struct, frozen=True):
    """A message as one mailbox sees it. For those who wrote it, `status`: sent, delayed, delivered, read, failed or
    answered, the furthest of any recipient; and `recipients`, with the state of each.
    `addressed`: whom alone it is for. `before`: what it said, the oldest first. `correctable`: until when it may be.
    """

    id: str
    at: str
    author: AuthorView
    mine: bool
    kind: str
    subject: str
    text: str
    html: str = ""
    card: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    attachments: list[FileView] = []
    in_reply_to: str = ""
    status: str = "sent"
    status_at: str = ""
    status_by: str = ""
    automatic: bool = False  # an absence note or another answer that no person wrote
    addressed: list[str] = []
    before: list[Wording] = []
    correctable: str = ""
    recipients: list[RecipientView] = []


class Entry(msgspec.Struct, frozen=True):
    """Message n in mailbox m. kind: message (for the first time) or change (it has a new state)."""

    seq: int
    kind: str
    conversation: str
    message: MessageView


class Page(msgspec.Struct, frozen=True):
    """Entries, the cursor to continue from, and whether more wait."""

    entries: list[Entry]
    cursor: int
    more: bool


class LabelView(msgspec.Struct, frozen=True):
    """A label of a mailbox. `count`: the conversations that have it, where that is told."""

    id: str
    name: str
    count: int = 0


class KeptView(msgspec.Struct, frozen=True):
    r"""How a mailbox keeps a conversation, now. `followed`: « à suivre », \Flagged in a mail client."""

    archived: bool = False
    pinned: bool = False
    muted: bool = False
    labels: list[LabelView] = []
    followed: bool = False


class ConversationView(msgspec.Struct, frozen=True):
    """A row of the list. `asks`: it waits for an answer from here; `draft`: one is being written."""

    id: str
    subject: str
    with_: list[AuthorView] = msgspec.field(name="with")
    last: MessageView
    last_seq: int
    unread: int
    replies: str
    asks: bool = False
    draft: bool = False
    kept: KeptView = KeptView()
