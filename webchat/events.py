"""What clients say on the live socket: the payload of each event, as the contract has it, and what our own pages add.

`Post`: `documents` of one's dossier, the member it is `only` for, the kept `draft` it ends.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Render(msgspec.Struct, frozen=True):
    """A browser's wish: entries of this conversation with their HTML, in this language."""

    conversation: str
    language: str = "fr"


class Sync(msgspec.Struct, frozen=True):
    cursor: int = 0
    mailbox: str = ""
    limit: int = 100
    render: Render | None = None


class Post(msgspec.Struct, frozen=True):
    conversation: str
    text: str = ""
    client_key: str = ""
    attachments: tuple[str, ...] = ()
    in_reply_to: str = ""
    mailbox: str = ""
    documents: tuple[str, ...] = ()
    only: str = ""
    draft: str = ""


class Act(msgspec.Struct, frozen=True):
    message: str
    action: str
    values: dict[str, Any] = {}
    client_key: str = ""
    mailbox: str = ""


class Read(msgspec.Struct, frozen=True):
    conversation: str
    up_to: int
    mailbox: str = ""


class Typing(msgspec.Struct, frozen=True):
    conversation: str
    mailbox: str = ""
