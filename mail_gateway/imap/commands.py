"""What a client can ask for, once its words are read: one shape a command (RFC 9051 § 6 and the extensions named).

The parser makes them, the session carries them out; nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mail_gateway.imap.fetch import Wanted
from mail_gateway.imap.search import Key, Numbers
from mail_gateway.imap.syntax import Ids, Literal


@dataclass(frozen=True, slots=True)
class Login:
    address: str
    password: str

    def __repr__(self) -> str:
        return "<Login>"


@dataclass(frozen=True, slots=True)
class Authenticate:
    """`initial`: the initial response of RFC 4959, in base64 ("=" is an empty one), or None."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return "<Authenticate>"


@dataclass(frozen=True, slots=True)
class Identify:
    """ID (RFC 2971): what the client says of itself, names in lower case; empty for NIL."""

    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161): the capabilities named, in capitals."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    r"""A command about one mailbox (CREATE, DELETE, SUBSCRIBE, UNSUBSCRIBE, RENAME, GETQUOTAROOT; GETQUOTA: a root).
    Names are decoded: never modified UTF-7. `to`: the new name of RENAME; `use`: what CREATE asks for by RFC 6154 § 3,
    in lower case ("\sent").
    """

    mailbox: str
    to: str = ""
    use: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resync:
    """QRESYNC (RFC 7162 § 3.2.5): what the client has. `known`: UIDs; `match`: (message numbers, their UIDs)."""

    validity: int
    modseq: int
    known: Ids | None = None
    match: tuple[Ids, Ids] | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, EXAMINE, with what RFC 7162 lets one ask at the same time."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """LIST and LSUB (RFC 9051 § 6.3.9, RFC 5258, 5819, 6154). `options`: which mailboxes (SUBSCRIBED, REMOTE,
    RECURSIVEMATCH, SPECIAL-USE); `returns`: what of each (SUBSCRIBED, CHILDREN, SPECIAL-USE), what a selection implies
    among it; `status`: STATUS items. `extended`: written as RFC 5258 has it.
    """

    reference: str
    patterns: tuple[str, ...]
    options: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """`items` in capitals: MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, HIGHESTMODSEQ, MAILBOXID,
    APPENDLIMIT, DELETED-STORAGE.
    """

    mailbox: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """`flags` as in Store; `at` in milliseconds since 1970, None for now; `utf8`: sent as UTF8 (…) (RFC 6855)."""

    mailbox: str
    flags: frozenset[str]
    at: int | None
    message: Literal
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """`numbers`: the sequence sets among the keys, each with the set of UIDs that the mailbox puts into it. `returns`:
    MIN, MAX, ALL, COUNT, SAVE (RFC 4731, 5182); None for the answer of old. `charset` not among `search.CHARSETS`: the
    keys were read as well as could be, and the answer is NO [BADCHARSET (…)].
    """

    charset: str
    keys: tuple[Key, ...]
    numbers: tuple[tuple[Numbers, set[int]], ...]
    returns: frozenset[str] | None = None
    modseq: bool = False  # a MODSEQ key: the answer says the highest of what it found


@dataclass(frozen=True, slots=True)
class Fetch:
    """`changed_since`, `vanished`: RFC 7162 (§ 3.1.4.1: MODSEQ is then among what is wanted). `vanished` comes only
    with UID and `changed_since`; whether QRESYNC is enabled the session knows.
    """

    ids: Ids
    wanted: Wanted
    changed_since: int | None = None
    vanished: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """`change`: "" replaces, "+" adds, "-" removes; `flags`: system flags in lower case, keywords as sent (they are
    one whatever their case); `unchanged_since`: RFC 7162 § 3.1.3.
    """

    ids: Ids
    change: str
    silent: bool
    flags: frozenset[str]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY and MOVE."""

    ids: Ids
    mailbox: str


What = (
    Login | Authenticate | Identify | Enable | Folder | Select | Listing | Status | Append | Search | Fetch | Store
    | Copy | Ids | None
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """`name` in capitals; `uid` for UID FETCH and its like."""

    tag: str
    name: str
    uid: bool
    what: What
