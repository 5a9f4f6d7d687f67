"""What `server.access` hands out: the proof that somebody may open a mailbox, a space, a conversation or a dossier.

Reading and posting take these, never ids. Only `server.access` makes them (`tests/laws` looks).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from server.drafts import Actor
from storage.delegations import EVERYTHING
from storage.vault import SpaceKeys


@dataclass(frozen=True, slots=True)
class MailboxHandle:
    """A mailbox that the actor may look into. `ground`: self, representative or helper. `owner`: the account it
    belongs to. `scopes`: what for (of `EVERYTHING`); a reader of messages asks for them (`access.reads`).
    """

    actor: Actor
    mailbox_id: str
    space_id: str
    owner: str
    owner_kind: str
    ground: str
    scopes: frozenset[str] = EVERYTHING

    def may(self, *scopes: str) -> bool:
        """Whether the handle is for all of these; what is shown depends on it, what is done asks again."""
        return self.scopes.issuperset(scopes)


@dataclass(frozen=True, slots=True)
class SpaceHandle:
    """A space that the actor may act in. `holder`, `mailbox_id`: of the person it belongs to. `thread`: the token of
    the address that led here. `team`: the mailbox of the team in whose name the actor writes to it.
    """

    actor: Actor
    space_id: str
    keys: SpaceKeys
    ground: str
    holder: str
    mailbox_id: str
    thread: str = field(default="", kw_only=True)
    team: MailboxHandle | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class ConversationHandle(SpaceHandle):
    """A conversation the actor may read and write in. `member`: the member the actor acts as (an account's or a
    contact's id).

    `through`: the mailbox the actor reads it in ('' for a correspondent elsewhere). `replies`: whether the holder may
    answer (see `exchanges.replies`). `about`: the conversation it follows.
    """

    conversation_id: str
    member: str
    through: str
    subject: str
    replies: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class DossierHandle(SpaceHandle):
    """The dossier of a space, open to the actor."""
