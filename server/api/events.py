"""The live events of the contract (Socket.IO, path `/socket.io/`), as shapes: what the published AsyncAPI is made from.

The live chat's door speaks them; doors do not import each other, so a test compares what that door really says with
what is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.api.shapes import MOST, Id, Key, Text, Uploads, Value
from server.views import Entry, Page

Number = Annotated[int, Meta(ge=0, le=MOST)]


class Connect(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `auth` of the connection. A browser needs none: its session cookie signs it in."""

    token: str = ""


class Sync(msgspec.Struct, frozen=True):
    """Entries after a cursor; 0 is the beginning. `mailbox`: one's own when absent, as in every event."""

    cursor: Number = 0
    mailbox: str = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


class Post(msgspec.Struct, frozen=True):
    """A message for a conversation. The same `client_key` gives the same receipt. `documents`: of one's own dossier,
    sent as copies. `only`: the member it is for alone (and the patient). `draft`: the kept draft it ends.
    """

    conversation: Id
    text: Text = ""
    client_key: Key = ""
    attachments: Uploads = []
    in_reply_to: str = ""
    mailbox: str = ""
    documents: list[Id] = []
    only: str = ""
    draft: str = ""


class Act(msgspec.Struct, frozen=True):
    """An answer to a card. The same `client_key` gives the same receipt."""

    message: Id
    action: str
    values: dict[str, Value] = {}
    client_key: Key = ""
    mailbox: str = ""


class Read(msgspec.Struct, frozen=True):
    """Everything of the conversation up to this number is read."""

    conversation: Id
    up_to: Number
    mailbox: str = ""


class Typing(msgspec.Struct, frozen=True):
    """Somebody is writing in a conversation."""

    conversation: Id
    mailbox: str = ""


class Posted(msgspec.Struct, frozen=True):
    """Committed. `seq`: the number in the writer's own mailbox."""

    message: str
    seq: int
    conversation: str


class Acted(msgspec.Struct, frozen=True):
    """Committed: the message that tells of the action."""

    message: str
    seq: int


class Reason(msgspec.Struct, frozen=True):
    """A stable `code`, and a `detail` for a person."""

    code: str
    detail: str


class Failure(msgspec.Struct, frozen=True):
    """Why nothing was done. The same codes as the HTTP API's."""

    error: Reason


class Unread(msgspec.Struct, frozen=True):
    """What is left unread in the mailbox."""

    unread: int


class Entries(msgspec.Struct, frozen=True):
    """New or changed entries of a mailbox, in order. `cursor`: where to go on from. A page of ours finds an entry's
    `fragment` of HTML beside it, which nobody else needs.
    """

    mailbox: str
    entries: list[Entry]
    cursor: int


class Told(msgspec.Struct, frozen=True):
    """Nothing to say: it was told."""


class Who(msgspec.Struct, frozen=True):
    """`kind`: holder, professional, team, bot."""

    kind: str
    name: str


class Someone(msgspec.Struct, frozen=True):
    """Who it is about, in which conversation. Told, not kept."""

    conversation: str
    who: Who


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `ack`: what its acknowledgement may be."""

    name: str
    by: Literal["client", "server"]
    summary: str
    payload: type
    ack: tuple[type, ...] = ()


EVENTS = (
    Event("sync", "client", "Pull entries from a cursor; also after every connection", Sync, (Page, Failure)),
    Event("post", "client", "Write in a conversation", Post, (Posted, Failure)),
    Event("act", "client", "Answer a card", Act, (Acted, Failure)),
    Event("read", "client", "Say what was read", Read, (Unread, Failure)),
    Event("typing", "client", "Say that one is writing", Typing, (Told, Failure)),
    Event("entries", "server", "New or changed entries", Entries),
    Event("typing", "server", "Somebody is writing", Someone),
    Event("presence", "server", "Somebody came or left", Someone),
)
