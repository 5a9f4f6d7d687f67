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

from mail_gateway.imap import items, mailboxes
from mail_gateway.imap.commands import Authenticate, Command, Copy, Enable, Fetch, Identify, Login, Search, Store, What
from mail_gateway.imap.search import CHARSETS, KeyReader
from mail_gateway.imap.syntax import LARGEST_64, MAX_WORDS, BadCommand, Cursor, Ids, Literal, Part

_RESULTS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE"})
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,200}+')
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]++")
_CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
_NIL = re.compile(rb"NIL(?=[ )])", re.IGNORECASE)


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


# ---- messages --------------------------------------------------------------------------------------------------------


def _search(cursor: Cursor) -> Search:
    """RFC 4466 § 2.6.1: SEARCH [RETURN (…)] [CHARSET name] keys."""
    cursor.space()
    returns: frozenset[str] | None = None
    if cursor.returning():
        returns = frozenset(cursor.listed(lambda: cursor.one_of(_RESULTS), MAX_WORDS, empty=True) or ("ALL",))
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
    return Copy(_ids_then(cursor), mailboxes.mailbox(cursor))


COMMANDS: dict[str, Callable[[Cursor], What]] = {
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "NAMESPACE"), _alone),
    **dict.fromkeys(("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "IDLE"), _alone),
    **dict.fromkeys(("SELECT", "EXAMINE"), mailboxes.select),
    **dict.fromkeys(("DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT"), mailboxes.folder),
    **dict.fromkeys(("COPY", "MOVE"), _copy),
    "ID": _id,
    "ENABLE": _enable,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "CREATE": mailboxes.create,
    "RENAME": mailboxes.rename,
    "GETQUOTA": mailboxes.quota_root,
    "LIST": mailboxes.listing,
    "LSUB": mailboxes.lsub,
    "STATUS": mailboxes.status,
    "APPEND": mailboxes.append,
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
