"""What the doors hand to `post()` and get back.

A `Draft` is not yet accepted; a message is. The texts here are in clear: they live in memory between a door and the
vault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from storage.blobs import Blob

if TYPE_CHECKING:
    from server.handles import ConversationHandle, SpaceHandle
    from server.posting import Doing

# Limits, stated to the person before they bite.
MAX_TEXT = 200_000  # characters of one message
MAX_SUBJECT = 300  # characters
MAX_FILES = 50
MAX_FILES_SIZE = 20 * 1024 * 1024  # octets of all files of one message written here
MAX_MAIL = 25 * 1024 * 1024  # octets of one mail, as the citizen mailbox of MSSanté (note CNAM § 6)

# First words of a letter's HTML from which was taken what opening it would have fetched; a page may say them better.
FETCHING_REMOVED = "<p><em>Les images distantes ont été retirées.</em></p>"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. A correspondent elsewhere has no account: `account_id` is empty and `address` identifies them."""

    account_id: str
    kind: str  # holder, professional, team, bot, operator
    name: str
    role: str = ""
    organisation: str = ""
    organisation_id: str = ""
    address: str = ""
    mailbox_id: str = ""
    space_id: str = ""
    language: str = "fr"

    @property
    def external(self) -> bool:
        return not self.account_id


class Author(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who wrote, as shown: names as they were that day. `acting_for`: whose space a delegate wrote in, `acting_as`
    what (representative, helper); `sex`: the delegate's, for the words.
    """

    kind: str
    name: str
    role: str = ""
    organisation: str = ""
    acting_for: str = ""
    acting_as: str = ""
    sex: str = ""


class MailFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a mail said of itself (RFC 5322), or what ours will say when it is sent.

    `message_id` and `references` without angle brackets. `receipt_to`: RFC 8098 Disposition-Notification-To. `dsn_…`:
    what the sender asked of reports (RFC 3461), for recipients elsewhere: ENVID in xtext as given, RET, NOTIFY joined
    by commas.
    """

    message_id: str = ""
    references: tuple[str, ...] = ()
    from_name: str = ""
    from_address: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    receipt_to: str = ""
    return_path: str = ""  # the envelope's sender, when it came by mail
    automatic: bool = False  # written by no person: an absence note (RFC 3834)
    invitation: str = ""  # the iCalendar object that this message answers
    dsn_envid: str = ""
    dsn_ret: str = ""
    dsn_notify: str = ""
    partstat: str = ""  # how: ACCEPTED, DECLINED or TENTATIVE (RFC 5545 § 3.2.12)
    method: str = "REPLY"  # or COUNTER (RFC 5546 § 3.2.7): `proposed`, ISO 8601, and `comment`, in words
    proposed: str = ""
    comment: str = ""
    organizer: str = ""  # who is answered, when the invitation does not say


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sealed content of a message. `addressed`: whom alone it is for, by member id with their name that day; empty:
    everybody. `by`: the account that wrote it, whoever it acted for.
    """

    author: Author
    subject: str = ""
    text: str = ""
    html: str = ""  # already made safe
    card: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None  # {message, action, label}
    mail: MailFacts | None = None
    addressed: dict[str, str] = {}
    by: str = ""


class FileFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a file. The document fields come from its CDA or XDM header and are empty for other files.

    `created`: ISO 8601. `category`: a slug of `server.dossier.documents.CATEGORIES`. `inner`: the path of the document
    inside an IHE_XDM archive (for instance `IHE_XDM/SUBSET01/DOC0001.XML`), empty when the file is the document itself.
    """

    name: str
    type: str
    size: int
    title: str = ""
    document_type: str = ""  # typeCode, LOINC or TRE_A05
    document_label: str = ""
    category: str = ""
    author: str = ""
    organisation: str = ""
    created: str = ""
    unique_id: str = ""
    inner: str = ""
    damaged: str = ""  # why a document could not be understood, for a person; empty when it could
    note: str = ""  # what else a person should know of it
    class_code: str = ""  # TRE_A03, computed from the type
    received_class: str = ""  # as its sender wrote it: provenance only
    confidentiality: tuple[str, ...] = ()  # N, R or V, then MASQUE_PS and its like (JDV_J08)
    version: int = 0  # of its set; 0 when it has none
    extra: dict[str, str] = {}  # what its producer said besides and we do not model: facility, setting, event, format …


@dataclass(frozen=True, slots=True)
class File:
    """A file of a draft: its facts, and its bytes as a blob, or as part `part` of the raw mail. `id`: the one that an
    effect of the draft names it by; "" when none does.
    """

    facts: FileFacts
    blob: Blob | None = None
    part: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody to take part in a new conversation besides the holder. For a correspondent elsewhere `account_id` is
    empty.
    """

    account_id: str = ""
    mailbox_id: str = ""
    organisation: str = ""
    name: str = ""
    address: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A conversation to open in a space."""

    space: SpaceHandle
    subject: str
    members: tuple[Member, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """A delivery that the message itself owes at a later time (a reminder to repeat)."""

    channel: str
    due_at: int
    target: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """Not yet accepted. `effect` runs inside the transaction of the message: a card's action (law 6: it sends nothing
    itself).
    """

    to: ConversationHandle | Opening
    text: str
    kind: str = "text"  # text, card, answer, line, bounce, correction
    subject: str = ""
    html: str = ""
    card: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    files: tuple[File, ...] = ()
    uploads: tuple[str, ...] = ()  # ids of files uploaded before, of the actor's own
    retry_key: str = ""
    in_reply_to: str = ""  # message id of ours
    mail: MailFacts | None = None
    raw: bytes = b""  # the mail as it came
    members: tuple[Member, ...] = ()  # more people who take part from now on
    leaving: frozenset[str] = frozenset()  # member ids that take part no longer, once they have this message
    only: frozenset[str] = frozenset()  # member ids the message is for; empty: everybody
    addressed: Mapping[str, str] = field(default_factory=dict)  # of those, whom it says it is for, by name
    effect: Callable[[Doing], None] | None = None
    later: tuple[Later, ...] = ()
    author: Author | None = None
    heard: frozenset[str] = frozenset()  # accounts that another message already tells outside Pli: not twice


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender may rely on: committed. `seq` in the author's own mailbox (0 for a correspondent elsewhere)."""

    message: str
    conversation: str
    space: str
    seq: int
    again: bool = False  # the same retry key was here before: this is its receipt
    wake: frozenset[str] = field(default=frozenset(), compare=False)  # mailboxes that have something new
    owed: bool = field(default=False, compare=False)  # a delivery is due now
