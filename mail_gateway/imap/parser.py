"""One IMAP command, from what was read to what is asked (RFC 3501 § 9). Pure.

Promises: `parse` returns a `Command` or raises `BadCommand`, and nothing else, in time linear in the command. Case of
command names is folded; mailbox names, flags and passwords are kept as sent (INBOX excepted).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mail_gateway.imap.commands import (
    Append,
    Authenticate,
    Command,
    Copy,
    Fetch,
    Folder,
    Listing,
    Login,
    Search,
    Select,
    Status,
    Store,
    What,
)
from mail_gateway.imap.fetch import ITEMS, Section, Wanted
from mail_gateway.imap.search import KeyReader
from mail_gateway.imap.syntax import BadCommand, Cursor, Ids, Literal, Part

MAX_ITEMS = 100
MAX_FIELDS = 200
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,200}+')
_PART = re.compile(rb"[1-9][0-9]{0,4}(?:\.[1-9][0-9]{0,4}){0,99}+")
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([0-9]{1,10})>")
_WORD = re.compile(rb"[A-Z0-9.]++", re.IGNORECASE)
_DATE_TIME = re.compile(rb'"[0-9A-Za-z :+-]{1,40}"')
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]++")
_FIELD_NAME = re.compile(rb"[!#-\'*-9;-Z^-~]{1,200}")


def parse(parts: Sequence[Part]) -> Command:
    """The command in a line and its literals. Raises BadCommand."""
    cursor = Cursor(parts or (b"",))
    tag = cursor.match(_TAG)
    if tag is None:
        raise cursor.bad("Tag expected")
    cursor.tag = tag[0].decode("ascii")
    cursor.space()
    name = cursor.keyword()
    uid = name == "UID"
    if uid:
        cursor.space()
        name = cursor.keyword()
    reader = COMMANDS.get(name)
    if reader is None or (uid and name not in _BY_UID):
        raise cursor.bad("Unknown command")
    what = _uid_expunge(cursor) if uid and name == "EXPUNGE" else reader(cursor)
    cursor.end()
    return Command(cursor.tag, name, uid, what)


def tag_of(line: bytes) -> str:
    """The tag of a command that was not read to its end, to refuse it by name."""
    found = _TAG.match(line)
    return found[0].decode("ascii") if found and line[found.end() : found.end() + 1] == b" " else "*"


def _alone(cursor: Cursor) -> None:
    return None


def _uid_expunge(cursor: Cursor) -> Ids:
    cursor.space()
    return cursor.ids()


def _id(cursor: Cursor) -> None:
    """RFC 2971: NIL or (field value …), read and forgotten."""
    cursor.space()
    if not cursor.take(b"("):
        if cursor.keyword() != "NIL":
            raise cursor.bad("List expected")
        return
    for count in range(60):
        if cursor.take(b")"):
            return
        if count:
            cursor.space()
        cursor.string()
    raise cursor.bad("List too long")


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


def mailbox(cursor: Cursor) -> str:
    name = cursor.string().decode("utf-8", "replace")
    return "INBOX" if name.upper() == "INBOX" else name


def _folder(cursor: Cursor) -> Folder:
    cursor.space()
    return Folder(mailbox(cursor))


def _select(cursor: Cursor) -> Select:
    return Select(_folder(cursor).mailbox)


def _rename(cursor: Cursor) -> Folder:
    found = _folder(cursor)
    cursor.space()
    mailbox(cursor)
    return found


def _list(cursor: Cursor) -> Listing:
    cursor.space()
    reference = mailbox(cursor)
    cursor.space()
    return Listing(reference, (cursor.pattern(),))


def _status(cursor: Cursor) -> Status:
    found = _folder(cursor)
    cursor.space()
    cursor.need(b"(")
    items = [cursor.keyword()]
    while cursor.take(b" "):
        items.append(cursor.keyword())
    cursor.need(b")")
    if not set(items) <= {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"}:
        raise cursor.bad("Unknown status item")
    return Status(found.mailbox, tuple(dict.fromkeys(items)))


def _append(cursor: Cursor) -> Append:
    found = _folder(cursor)
    cursor.space()
    flags: frozenset[str] = frozenset()
    if cursor.peek(b"("):
        flags = cursor.flags()
        cursor.space()
    if cursor.peek(b'"'):
        if cursor.match(_DATE_TIME) is None:
            raise cursor.bad("Date and time expected")
        cursor.space()
    return Append(found.mailbox, flags, None, cursor.literal())


def _search(cursor: Cursor) -> Search:
    cursor.space()
    charset = "US-ASCII"
    if cursor.take(b"CHARSET ") or cursor.take(b"charset "):
        charset = cursor.string().decode("ascii", "replace").upper()
        cursor.space()
    reader = KeyReader(cursor)
    keys = reader.keys()
    return Search(charset, tuple(keys), tuple(reader.numbers))


def _ids_then(cursor: Cursor) -> Ids:
    cursor.space()
    ids = cursor.ids()
    cursor.space()
    return ids


def _store(cursor: Cursor) -> Store:
    ids = _ids_then(cursor)
    change = "+" if cursor.take(b"+") else "-" if cursor.take(b"-") else ""
    item = cursor.keyword()
    if item not in ("FLAGS", "FLAGS.SILENT"):
        raise cursor.bad("FLAGS expected")
    cursor.space()
    return Store(ids, change, item == "FLAGS.SILENT", cursor.flags())


def _copy(cursor: Cursor) -> Copy:
    return Copy(_ids_then(cursor), mailbox(cursor))


# ---- FETCH -----------------------------------------------------------------------------------------------------------

_MACROS = {
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_OLD_SECTIONS = {
    "RFC822": Section(label=b"RFC822"),
    "RFC822.HEADER": Section(kind="HEADER", peek=True, label=b"RFC822.HEADER"),
    "RFC822.TEXT": Section(kind="TEXT", label=b"RFC822.TEXT"),
}


def _fetch(cursor: Cursor) -> Fetch:
    ids = _ids_then(cursor)
    names: set[str] = set()
    sections: list[Section] = []
    listed = cursor.take(b"(")
    while True:
        item = _item(cursor)
        if isinstance(item, Section):
            sections.append(item)
        elif item in _MACROS and not listed:
            names.update(_MACROS[item])
        elif item in ITEMS:
            names.add(item)
        else:
            raise cursor.bad("Unknown data item")
        if len(sections) > MAX_ITEMS:
            raise cursor.bad("Too many data items")
        if not listed or not cursor.take(b" "):
            break
    if listed:
        cursor.need(b")")
    return Fetch(ids, Wanted(frozenset(names), tuple(dict.fromkeys(sections))))


def _item(cursor: Cursor) -> str | Section:
    word = cursor.match(_WORD)
    if word is None:
        raise cursor.bad("Data item expected")
    name = word[0].decode("ascii").upper()
    if name in _OLD_SECTIONS:
        return _OLD_SECTIONS[name]
    if name in ("BODY", "BODY.PEEK") and cursor.take(b"["):
        return _section(cursor, peek=name == "BODY.PEEK")
    return name


def _section(cursor: Cursor, *, peek: bool) -> Section:
    number = cursor.match(_PART)
    part = number[0].decode("ascii") if number else ""
    kind = ""
    if (number is None and not cursor.peek(b"]")) or (number is not None and cursor.take(b".")):
        word = cursor.match(_WORD)
        kind = word[0].decode("ascii").upper() if word else ""
        known = ("HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME")
        if kind not in known or (kind == "MIME" and not part):
            raise cursor.bad("Unknown section")
    fields: list[bytes] = []
    if kind.startswith("HEADER.FIELDS"):
        cursor.space()
        fields = _field_names(cursor)
    cursor.need(b"]")
    spec = part + ("." if part and kind else "") + kind
    label = b"BODY[" + spec.encode("ascii") + (b" (%b)" % b" ".join(map(_name, fields)) if fields else b"") + b"]"
    partial = None
    found = cursor.match(_PARTIAL)
    if found is not None:
        partial = (int(found[1]), int(found[2]))
        if not partial[1]:
            raise cursor.bad("Nothing asked for")
        label += b"<%d>" % partial[0]
    return Section(part, kind, frozenset(name.lower() for name in fields), partial, peek, label)


def _field_names(cursor: Cursor) -> list[bytes]:
    cursor.need(b"(")
    fields = [cursor.string()]
    while cursor.take(b" "):
        fields.append(cursor.string())
        if len(fields) > MAX_FIELDS:
            raise cursor.bad("Too many fields")
    cursor.need(b")")
    if not all(_FIELD_NAME.fullmatch(name) for name in fields):
        raise cursor.bad("Bad field name")
    return fields


def _name(field: bytes) -> bytes:
    """As an astring: most clients look for the names as they sent them, without quotes."""
    return field if re.fullmatch(rb"[A-Za-z0-9.!#$&'+/=?^_`|~-]+", field) else b'"%b"' % field


COMMANDS: dict[str, Callable[[Cursor], What]] = {
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "NAMESPACE"), _alone),
    **dict.fromkeys(("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "IDLE"), _alone),
    **dict.fromkeys(("SELECT", "EXAMINE"), _select),
    **dict.fromkeys(("CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE"), _folder),
    **dict.fromkeys(("LIST", "LSUB"), _list),
    **dict.fromkeys(("COPY", "MOVE"), _copy),
    "ID": _id,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "RENAME": _rename,
    "STATUS": _status,
    "APPEND": _append,
    "SEARCH": _search,
    "FETCH": _fetch,
    "STORE": _store,
}
_BY_UID = frozenset({"FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE"})

__all__ = ["COMMANDS", "BadCommand", "Command", "Literal", "parse", "tag_of"]
