"""One IMAP command, from what was read to what is asked (RFC 3501 and 9051 § 9, and the extensions named below). Pure.

Promises: `parse` returns a `Command` or raises `BadCommand`, and nothing else, in time linear in the command. Case of
command names is folded; flags and passwords are kept as `commands` says; mailbox names are decoded, INBOX in capitals.
Extensions: LITERAL+ and LITERAL- (7888, read by `wire`), ID (2971), ENABLE (5161), SASL-IR (4959), NAMESPACE (2342),
UNSELECT (3691), IDLE (2177), UIDPLUS (4315), MOVE (6851), LIST-EXTENDED (5258), LIST-STATUS (5819), SPECIAL-USE and
CREATE-SPECIAL-USE (6154), STATUS=SIZE (8438), OBJECTID (8474), APPENDLIMIT (7889), CONDSTORE and QRESYNC (7162),
ESEARCH (4731), SEARCHRES (5182), WITHIN (5032), BINARY (3516), UTF8=ACCEPT (6855), PREVIEW (8970), QUOTA (9208).
Which of them are offered, and when, is for the session to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from mail_gateway.imap import items, names
from mail_gateway.imap.commands import (
    Append,
    Authenticate,
    Command,
    Copy,
    Enable,
    Fetch,
    Folder,
    Identify,
    Listing,
    Login,
    Resync,
    Search,
    Select,
    Status,
    Store,
    What,
)
from mail_gateway.imap.search import CHARSETS, KeyReader
from mail_gateway.imap.syntax import LARGEST_64, BadCommand, Cursor, Ids, Literal, Part

MAX_NAME = 1000  # octets of a mailbox name
MAX_PATTERNS = 100
MAX_WORDS = 50  # in a list of options or capabilities
STATUS_ITEMS = frozenset({
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ", "MAILBOXID",
    "APPENDLIMIT", "DELETED-STORAGE",
})  # fmt: skip
_SELECTIONS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})
_RESULTS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE"})
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,200}+')
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]++")
_USE = re.compile(rb"\\[A-Za-z]{1,30}")
_CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
_RETURN = re.compile(rb"RETURN(?= \()", re.IGNORECASE)
_UTF8 = re.compile(rb"UTF8 \(", re.IGNORECASE)
_NIL = re.compile(rb"NIL(?=[ )])", re.IGNORECASE)
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = 253_402_214_400_000  # the last day of the year 9999: said in any zone, it still has four digits


def parse(parts: Sequence[Part], *, utf8: bool = False) -> Command:
    """The command in a line and its literals. `utf8`: UTF8=ACCEPT or IMAP4rev2 is enabled. Raises BadCommand."""
    cursor = Cursor(parts or (b"",), utf8=utf8)
    tag = cursor.match(_TAG)
    if tag is None:
        raise cursor.bad("Tag expected")
    cursor.tag = tag[0].decode("ascii")
    cursor.space()
    name = cursor.keyword()
    cursor.uid = name == "UID"
    if cursor.uid:
        cursor.space()
        name = cursor.keyword()
    reader = (_BY_UID if cursor.uid else COMMANDS).get(name)
    if reader is None:
        raise cursor.bad("Unknown command")
    what = reader(cursor)
    cursor.end()
    return Command(cursor.tag, name, cursor.uid, what)


def tag_of(line: bytes) -> str:
    """The tag of a command that was not read to its end, to refuse it by name."""
    found = _TAG.match(line)
    return found[0].decode("ascii") if found and line[found.end() : found.end() + 1] == b" " else "*"


# ---- signing in, and what a client says of itself --------------------------------------------------------------------


def _alone(cursor: Cursor) -> None:
    return None


def _id(cursor: Cursor) -> Identify:
    """RFC 2971 § 3.1: NIL or (field value …)."""
    cursor.space()
    if not cursor.peek(b"("):
        if cursor.keyword() != "NIL":
            raise cursor.bad("List expected")
        return Identify()
    said = cursor.listed(lambda: "" if cursor.match(_NIL) else _lenient(cursor), 60, empty=True)
    if len(said) % 2:
        raise cursor.bad("Value expected")
    return Identify({name.lower(): value for name, value in zip(said[::2], said[1::2], strict=True)})


def _lenient(cursor: Cursor) -> str:
    return cursor.string().decode("utf-8", "replace")


def _enable(cursor: Cursor) -> Enable:
    cursor.space()
    found = [cursor.keyword()]
    while cursor.take(b" "):
        found.append(cursor.keyword())
        if len(found) > MAX_WORDS:
            raise cursor.bad("List too long")
    return Enable(tuple(dict.fromkeys(found)))


def _login(cursor: Cursor) -> Login:
    cursor.space()
    address = cursor.text()
    cursor.space()
    return Login(address, cursor.text())


def _authenticate(cursor: Cursor) -> Authenticate:
    cursor.space()
    mechanism = cursor.keyword()
    if not cursor.take(b" "):
        return Authenticate(mechanism, None)
    found = cursor.match(_BASE64)
    if found is None:
        raise cursor.bad("Base64 expected")
    return Authenticate(mechanism, found[0])


# ---- mailboxes -------------------------------------------------------------------------------------------------------


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


def _folder(cursor: Cursor) -> Folder:
    cursor.space()
    return Folder(mailbox(cursor))


def _create(cursor: Cursor) -> Folder:
    r"""RFC 6154 § 3: CREATE name (USE (\Sent …))."""
    found = _folder(cursor)
    if not cursor.take(b" "):
        return found
    cursor.need(b"(")
    if cursor.keyword() != "USE":
        raise cursor.bad("Unknown parameter")
    cursor.space()
    use = cursor.listed(lambda: cursor.word(_USE, "Use expected").decode("ascii").lower(), MAX_WORDS, empty=True)
    cursor.need(b")")
    return Folder(found.mailbox, use=frozenset(use))


def _rename(cursor: Cursor) -> Folder:
    found = _folder(cursor)
    cursor.space()
    return Folder(found.mailbox, to=mailbox(cursor))


def _quota_root(cursor: Cursor) -> Folder:
    """A quota root is a string of the server's own, not a mailbox (RFC 9208 § 3.2)."""
    cursor.space()
    return Folder(cursor.text())


def _select(cursor: Cursor) -> Select:
    name = _folder(cursor).mailbox
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


def _lsub(cursor: Cursor) -> Listing:
    cursor.space()
    reference = mailbox(cursor)
    cursor.space()
    return Listing(reference, (_pattern(cursor),))


def _list(cursor: Cursor) -> Listing:
    """RFC 5258 § 6: LIST [(selection)] reference pattern|(patterns) [RETURN (…)]."""
    cursor.space()
    options: list[str] = []
    extended = cursor.peek(b"(")
    if extended:
        options = cursor.listed(lambda: _one_of(cursor, _SELECTIONS), MAX_WORDS, empty=True)
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
        if not cursor.match(_RETURN):
            raise cursor.bad("RETURN expected")
        cursor.space()
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


def _one_of(cursor: Cursor, known: frozenset[str]) -> str:
    name = cursor.keyword()
    if name not in known:
        raise cursor.bad("Unknown option")
    return name


def _status(cursor: Cursor) -> Status:
    found = _folder(cursor)
    cursor.space()
    return Status(found.mailbox, _status_items(cursor))


def _status_items(cursor: Cursor) -> tuple[str, ...]:
    wanted = cursor.listed(cursor.keyword, MAX_WORDS)
    if not STATUS_ITEMS.issuperset(wanted):
        raise cursor.bad("Unknown status item")
    return tuple(dict.fromkeys(wanted))


def _append(cursor: Cursor) -> Append:
    found = _folder(cursor)
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


# ---- messages --------------------------------------------------------------------------------------------------------


def _search(cursor: Cursor) -> Search:
    """RFC 4466 § 2.6.1: SEARCH [RETURN (…)] [CHARSET name] keys."""
    cursor.space()
    returns: frozenset[str] | None = None
    if cursor.match(_RETURN):
        cursor.space()
        returns = frozenset(cursor.listed(lambda: _one_of(cursor, _RESULTS), MAX_WORDS, empty=True) or ("ALL",))
        cursor.space()
    charset = "US-ASCII"
    if cursor.match(_CHARSET):
        charset = cursor.string().decode("ascii", "replace").upper()
        cursor.space()
    reader = KeyReader(cursor, CHARSETS.get(charset, ""))
    keys = reader.keys()
    return Search(charset, tuple(keys), tuple(reader.numbers), returns, reader.modseq)


def _ids(cursor: Cursor) -> Ids:
    cursor.space()
    return cursor.ids()


def _ids_then(cursor: Cursor) -> Ids:
    ids = _ids(cursor)
    cursor.space()
    return ids


def _fetch(cursor: Cursor) -> Fetch:
    ids = _ids_then(cursor)
    wanted = items.wanted(cursor)
    if not cursor.take(b" "):
        return Fetch(ids, wanted)
    modifiers = dict(cursor.listed(lambda: _modifier(cursor), 2))
    since = modifiers.get("CHANGEDSINCE")
    if since is None or ("VANISHED" in modifiers and not cursor.uid):  # RFC 7162 § 3.2.6
        raise cursor.bad("VANISHED goes with UID and CHANGEDSINCE")
    return Fetch(ids, wanted.also("MODSEQ"), since, "VANISHED" in modifiers)


def _modifier(cursor: Cursor) -> tuple[str, int]:
    name = cursor.keyword()
    if name == "VANISHED":
        return name, 0
    if name != "CHANGEDSINCE":
        raise cursor.bad("Unknown modifier")
    cursor.space()
    return name, cursor.number(LARGEST_64)


def _store(cursor: Cursor) -> Store:
    ids = _ids_then(cursor)
    since: int | None = None
    if cursor.take(b"("):
        if cursor.keyword() != "UNCHANGEDSINCE":
            raise cursor.bad("Unknown modifier")
        cursor.space()
        since = cursor.number(LARGEST_64)
        cursor.need(b")")
        cursor.space()
    change = "+" if cursor.take(b"+") else "-" if cursor.take(b"-") else ""
    item = cursor.keyword()
    if item not in ("FLAGS", "FLAGS.SILENT"):
        raise cursor.bad("FLAGS expected")
    cursor.space()
    return Store(ids, change, item == "FLAGS.SILENT", cursor.flags(), since)


def _copy(cursor: Cursor) -> Copy:
    return Copy(_ids_then(cursor), mailbox(cursor))


COMMANDS: dict[str, Callable[[Cursor], What]] = {
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "NAMESPACE"), _alone),
    **dict.fromkeys(("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "IDLE"), _alone),
    **dict.fromkeys(("SELECT", "EXAMINE"), _select),
    **dict.fromkeys(("DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT"), _folder),
    **dict.fromkeys(("COPY", "MOVE"), _copy),
    "ID": _id,
    "ENABLE": _enable,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "CREATE": _create,
    "RENAME": _rename,
    "GETQUOTA": _quota_root,
    "LIST": _list,
    "LSUB": _lsub,
    "STATUS": _status,
    "APPEND": _append,
    "SEARCH": _search,
    "FETCH": _fetch,
    "STORE": _store,
}
_BY_UID: dict[str, Callable[[Cursor], What]] = {
    "FETCH": _fetch,
    "STORE": _store,
    "SEARCH": _search,
    "EXPUNGE": _ids,
    **dict.fromkeys(("COPY", "MOVE"), _copy),
}

__all__ = ["COMMANDS", "BadCommand", "Command", "Literal", "parse", "tag_of"]
