"""Commands about mailboxes, as they are read: SELECT, CREATE, LIST, STATUS, APPEND and their like (RFC 9051 § 6.3 and
the extensions that `parser` names). Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mail_gateway.imap import names
from mail_gateway.imap.commands import Append, Folder, Listing, Resync, Select, Status
from mail_gateway.imap.syntax import LARGEST_64, MAX_WORDS, Cursor, Ids

MAX_NAME = 1000  # octets of a mailbox name
MAX_PATTERNS = 100
STATUS_ITEMS = frozenset({
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ", "MAILBOXID",
    "APPENDLIMIT", "DELETED-STORAGE",
})  # fmt: skip
_SELECTIONS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})
_USE = re.compile(rb"\\[A-Za-z]{1,30}")
_UTF8 = re.compile(rb"UTF8 \(", re.IGNORECASE)
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = 253_402_214_400_000  # the last day of the year 9999: said in any zone, it still has four digits


def folder(cursor: Cursor) -> Folder:
    cursor.space()
    return Folder(mailbox(cursor))


def create(cursor: Cursor) -> Folder:
    r"""RFC 6154 § 3: CREATE name (USE (\Sent …))."""
    found = folder(cursor)
    if not cursor.take(b" "):
        return found
    cursor.need(b"(")
    if cursor.keyword() != "USE":
        raise cursor.bad("Unknown parameter")
    cursor.space()
    use = cursor.listed(lambda: cursor.word(_USE, "Use expected").decode("ascii").lower(), MAX_WORDS, empty=True)
    cursor.need(b")")
    return Folder(found.mailbox, use=frozenset(use))


def rename(cursor: Cursor) -> Folder:
    found = folder(cursor)
    cursor.space()
    return Folder(found.mailbox, to=mailbox(cursor))


def quota_root(cursor: Cursor) -> Folder:
    """A quota root is a string of the server's own, not a mailbox (RFC 9208 § 3.2)."""
    cursor.space()
    return Folder(cursor.text())


def select(cursor: Cursor) -> Select:
    name = folder(cursor).mailbox
    if not cursor.take(b" "):
        return Select(name)
    asked = cursor.listed(lambda: _parameter(cursor), 2)
    resync = next((one for one in asked if one is not None), None)
    return Select(name, condstore=None in asked, resync=resync)


def _parameter(cursor: Cursor) -> Resync | None:
    """RFC 7162 § 3.1.8 and § 3.2.5: CONDSTORE, or QRESYNC (validity modseq [known [(numbers uids)]])."""
    name = cursor.keyword()
    if name == "CONDSTORE":
        return None
    if name != "QRESYNC":
        raise cursor.bad("Unknown parameter")
    cursor.space()
    cursor.need(b"(")
    validity = cursor.number()
    cursor.space()
    modseq = cursor.number(LARGEST_64)
    known: Ids | None = None
    match: tuple[Ids, Ids] | None = None
    if cursor.take(b" "):
        if not cursor.peek(b"("):
            known = cursor.known_ids()
        if known is None or cursor.take(b" "):
            match = _match(cursor)
    cursor.need(b")")
    return Resync(validity, modseq, known, match)


def _match(cursor: Cursor) -> tuple[Ids, Ids]:
    """Message numbers and their UIDs, as many of the one as of the other."""
    cursor.need(b"(")
    numbers = cursor.known_ids()
    cursor.space()
    uids = cursor.known_ids()
    cursor.need(b")")
    if numbers.count() != uids.count():
        raise cursor.bad("As many UIDs as numbers expected")
    return numbers, uids


def lsub(cursor: Cursor) -> Listing:
    cursor.space()
    reference = mailbox(cursor)
    cursor.space()
    return Listing(reference, (_pattern(cursor),))


def listing(cursor: Cursor) -> Listing:
    """RFC 5258 § 6: LIST [(selection)] reference pattern|(patterns) [RETURN (…)]."""
    cursor.space()
    options: list[str] = []
    extended = cursor.peek(b"(")
    if extended:
        options = cursor.listed(lambda: cursor.one_of(_SELECTIONS), MAX_WORDS, empty=True)
        cursor.space()
    if "RECURSIVEMATCH" in options and not {"SUBSCRIBED", "SPECIAL-USE"} & set(options):  # RFC 5258 § 3.1
        raise cursor.bad("RECURSIVEMATCH of what?")
    reference = mailbox(cursor)
    cursor.space()
    several = cursor.peek(b"(")
    patterns = cursor.listed(lambda: _pattern(cursor), MAX_PATTERNS) if several else [_pattern(cursor)]
    returns: set[str] = {"SUBSCRIBED", "SPECIAL-USE"} & set(options)  # implied (RFC 5258 § 3.1, 6154 § 2)
    status: tuple[str, ...] = ()
    returning = cursor.take(b" ")
    if returning:
        if not cursor.returning():
            raise cursor.bad("RETURN expected")
        for name, wanted in cursor.listed(lambda: _returned(cursor), MAX_WORDS, empty=True):
            returns.add(name)
            status = wanted or status
    return Listing(
        reference, tuple(dict.fromkeys(patterns)), frozenset(options), frozenset(returns - {"STATUS"}), status,
        extended or several or returning,
    )  # fmt: skip


def _returned(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    name = cursor.keyword()
    if name == "STATUS":  # RFC 5819
        cursor.space()
        return name, _status_items(cursor)
    if name not in _RETURNS:
        raise cursor.bad("Unknown option")
    return name, ()


def _pattern(cursor: Cursor) -> str:
    return _named(cursor, cursor.pattern())


def status(cursor: Cursor) -> Status:
    found = folder(cursor)
    cursor.space()
    return Status(found.mailbox, _status_items(cursor))


def _status_items(cursor: Cursor) -> tuple[str, ...]:
    wanted = cursor.listed(cursor.keyword, MAX_WORDS)
    if not STATUS_ITEMS.issuperset(wanted):
        raise cursor.bad("Unknown status item")
    return tuple(dict.fromkeys(wanted))


def append(cursor: Cursor) -> Append:
    found = folder(cursor)
    cursor.space()
    flags: frozenset[str] = frozenset()
    if cursor.peek(b"("):
        flags = cursor.flags()
        cursor.space()
    at = None
    if cursor.peek(b'"'):
        at = _date_time(cursor)
        cursor.space()
    utf8 = cursor.match(_UTF8) is not None  # RFC 6855 § 4: UTF8 (~{n} …)
    message = cursor.literal()
    if utf8:
        if not message.binary:
            raise cursor.bad("Binary literal expected")
        cursor.need(b")")
    if not cursor.ended():
        raise cursor.bad("One message at a time")  # MULTIAPPEND (RFC 3502) is not offered
    return Append(found.mailbox, flags, at, message, utf8)


def _date_time(cursor: Cursor) -> int:
    """In milliseconds since 1970; a moment outside 1970-9999 is the nearest one inside."""
    found = cursor.match(_DATE_TIME)
    if found is None:
        raise cursor.bad("Date and time expected")
    day, hour, minute, second, zone_hour, zone_minute = (int(found[group]) for group in (1, 4, 5, 6, 8, 9))
    try:
        # A leap second is written 60.
        moment = datetime(int(found[3]), _MONTHS[found[2].lower()], day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, KeyError):
        raise cursor.bad("No such date") from None
    if zone_hour > 23 or zone_minute > 59 or second > 60:
        raise cursor.bad("No such date")
    offset = timedelta(hours=zone_hour, minutes=zone_minute) * (-1 if found[7] == b"-" else 1)
    return min(max((moment - _EPOCH - offset) // timedelta(milliseconds=1), 0), _LAST_MOMENT)


def mailbox(cursor: Cursor) -> str:
    name = _named(cursor, cursor.string())
    return "INBOX" if name.upper() == "INBOX" else name


def _named(cursor: Cursor, sent: bytes) -> str:
    """A name or a pattern, decoded."""
    if len(sent) > MAX_NAME:
        raise cursor.bad("Name too long")
    try:
        name = sent.decode("utf-8")
    except UnicodeDecodeError:
        raise cursor.bad("Not UTF-8") from None
    if not cursor.utf8:
        name = names.decode(name)
    if not names.fit(name):
        raise cursor.bad("Control character in a name")
    return name
