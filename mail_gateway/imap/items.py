"""The data items of FETCH, as they are read (RFC 3501 and 9051 § 6.4.5; BINARY 3516, MODSEQ 7162, EMAILID and THREADID
8474, PREVIEW 8970). Pure; what they mean is `fetch`.
"""

from __future__ import annotations

import re

from mail_gateway.imap.fetch import ITEMS, Section, Wanted
from mail_gateway.imap.syntax import LARGEST_64, Cursor

MAX_ITEMS = 100
MAX_FIELDS = 200
_PART = re.compile(rb"[1-9][0-9]{0,4}(?:\.[1-9][0-9]{0,4}){0,99}+")
_PARTIAL = re.compile(rb"<([0-9]{1,20})\.([0-9]{1,20})>")
_WORD = re.compile(rb"[A-Z0-9.]++", re.IGNORECASE)
_LAZY = re.compile(rb" \(LAZY(?: LAZY){0,9}\)", re.IGNORECASE)
_FIELD_NAME = re.compile(rb"[!#-\'*-9;-Z^-~]{1,200}")
_BARE = re.compile(rb"[A-Za-z0-9.!#$&'+/=?^_`|~-]+")
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
_OF_PART = ("HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME")


def wanted(cursor: Cursor) -> Wanted:
    """A macro, one data item, or several between parentheses."""
    listed = cursor.peek(b"(")
    if listed:
        items = cursor.listed(lambda: _item(cursor), MAX_ITEMS)
    else:
        items = [_item(cursor)]
    names: set[str] = set()
    sections: list[Section] = []
    for item in items:
        if isinstance(item, Section):
            sections.append(item)
        elif item in _MACROS and not listed:
            names.update(_MACROS[item])
        elif item in ITEMS or item == _LAZY_PREVIEW:
            names.add(item)
        else:
            raise cursor.bad("Unknown data item")
    # Asked for both ways, it is wanted at any price.
    lazy = _LAZY_PREVIEW in names and "PREVIEW" not in names
    if _LAZY_PREVIEW in names:
        names = (names - {_LAZY_PREVIEW}) | {"PREVIEW"}
    return Wanted(frozenset(names), tuple(dict.fromkeys(sections)), lazy)


_LAZY_PREVIEW = "PREVIEW (LAZY)"


def _item(cursor: Cursor) -> str | Section:
    word = cursor.match(_WORD)
    if word is None:
        raise cursor.bad("Data item expected")
    name = word[0].decode("ascii").upper()
    if name in _OLD_SECTIONS:
        return _OLD_SECTIONS[name]
    if name in ("BODY", "BODY.PEEK") and cursor.take(b"["):
        return _section(cursor, peek=name == "BODY.PEEK")
    if name in ("BINARY", "BINARY.PEEK", "BINARY.SIZE"):
        cursor.need(b"[")
        return _binary(cursor, name)
    if name == "PREVIEW" and cursor.match(_LAZY):
        return _LAZY_PREVIEW
    return name


def _section(cursor: Cursor, *, peek: bool) -> Section:
    number = cursor.match(_PART)
    part = number[0].decode("ascii") if number else ""
    kind = ""
    if (number is None and not cursor.peek(b"]")) or (number is not None and cursor.take(b".")):
        word = cursor.match(_WORD)
        kind = word[0].decode("ascii").upper() if word else ""
        if kind not in _OF_PART or (kind == "MIME" and not part):
            raise cursor.bad("Unknown section")
    fields: list[bytes] = []
    if kind.startswith("HEADER.FIELDS"):
        cursor.space()
        fields = _field_names(cursor)
    cursor.need(b"]")
    spec = part + ("." if part and kind else "") + kind
    label = b"BODY[" + spec.encode("ascii") + (b" (%b)" % b" ".join(map(_name, fields)) if fields else b"") + b"]"
    partial = _partial(cursor)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Section(part, kind, frozenset(name.lower() for name in fields), partial, peek, label)


def _binary(cursor: Cursor, name: str) -> Section:
    """RFC 3516 § 4.2: a part, or nothing for the whole mail, which is then as BODY[] has it."""
    number = cursor.match(_PART)
    part = number[0].decode("ascii") if number else ""
    cursor.need(b"]")
    sized = name == "BINARY.SIZE"
    label = b"%b[%b]" % (b"BINARY.SIZE" if sized else b"BINARY", part.encode("ascii"))
    partial = None if sized else _partial(cursor)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Section(part, "", frozenset(), partial, name != "BINARY", label, decoded=True, sized=sized)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    found = cursor.match(_PARTIAL)
    if found is None:
        return None
    first, count = int(found[1]), int(found[2])
    if not count:
        raise cursor.bad("Nothing asked for")
    if max(first, count) > LARGEST_64:
        raise cursor.bad("Number too large")
    return first, count


def _field_names(cursor: Cursor) -> list[bytes]:
    fields = cursor.listed(cursor.string, MAX_FIELDS)
    if not all(_FIELD_NAME.fullmatch(name) for name in fields):
        raise cursor.bad("Bad field name")
    return fields


def _name(field: bytes) -> bytes:
    """As an astring: most clients look for the names as they sent them, without quotes."""
    return field if _BARE.fullmatch(field) else b'"%b"' % field
