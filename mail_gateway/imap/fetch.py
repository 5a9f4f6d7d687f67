"""What a FETCH asks for, and the piece of a mail that answers it (RFC 3501 and 9051 § 6.4.5, BINARY by RFC 3516).

Pure; linear in the mail; raises nothing but `UnknownEncoding`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from mail_gateway import structure
from mail_gateway.structure import Node

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A field and the lines that continue it. Possessive: it cannot backtrack.
_REST = rb"[ \t]*+:[^\n]*+\n?+(?:[ \t][^\n]*+\n?+)*+"
_FIELD = re.compile(rb"^([!-9;-~]++)(%b)" % _REST, re.MULTILINE)


_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})


class UnknownEncoding(Exception):
    """A part's transfer encoding cannot be undone: NO [UNKNOWN-CTE] (RFC 3516 § 4.3)."""


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[…]: `part` such as "1.2" ("" for the whole mail), `kind` one of "", HEADER, HEADER.FIELDS,
    HEADER.FIELDS.NOT, TEXT, MIME; `partial` the first octet and how many; `label` what the answer is called.
    BINARY[…] is `decoded`; BINARY.SIZE[…] is `decoded` and `sized`: its length is the answer.
    """

    part: str = ""
    kind: str = ""
    fields: frozenset[bytes] = frozenset()  # in lower case
    partial: tuple[int, int] | None = None
    peek: bool = False
    label: bytes = b"BODY[]"
    decoded: bool = False
    sized: bool = False

    @property
    def of_header(self) -> bool:
        """Whether the mail's header block is enough to answer it."""
        return not self.part and self.kind.startswith("HEADER")


# Named items, in the order in which they are answered.
ITEMS = (
    "UID", "FLAGS", "MODSEQ", "INTERNALDATE", "RFC822.SIZE", "EMAILID", "THREADID", "ENVELOPE", "BODY", "BODYSTRUCTURE",
    "PREVIEW",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """The data items of one FETCH: some of ITEMS, and sections. `lazy`: PREVIEW only where it is at hand (RFC 8970)."""

    names: frozenset[str]
    sections: tuple[Section, ...] = ()
    lazy: bool = False

    def also(self, name: str) -> Wanted:
        """The same and one data item more."""
        return replace(self, names=self.names | {name})

    @property
    def marks_seen(self) -> bool:
        return any(not section.peek for section in self.sections)

    @property
    def needs_date(self) -> bool:
        return "INTERNALDATE" in self.names

    @property
    def needs_ids(self) -> bool:
        return bool(self.names & {"EMAILID", "THREADID"})

    @property
    def needs_facts(self) -> bool:
        return bool(self.names & {"RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "PREVIEW"} or self.sections)

    @property
    def needs_octets(self) -> bool:
        return any(not section.of_header for section in self.sections)


def cut(section: Section, header: bytes, raw: bytes, root: Node | None) -> bytes | None:
    """The octets of a section, or None when the mail has no such part.

    `raw` and `root` are not looked at for a section that is of the header alone, nor `root` for the whole mail.
    Raises UnknownEncoding, for BINARY alone.
    """
    found = _whole(section, header, raw, root)
    if found is None or section.partial is None:
        return found
    first, count = section.partial
    return found[first : first + count]


def _whole(section: Section, header: bytes, raw: bytes, root: Node | None) -> bytes | None:
    if section.of_header:
        return _header(section, header)
    if not section.part and not section.kind:
        return raw
    if root is None:
        return None
    if not section.part:
        return raw[root.body_start :]
    node = structure.find(root, section.part)
    if node is None:
        return None
    if section.kind == "":
        return _content(raw, node) if section.decoded else raw[node.body_start : node.body_end]
    if section.kind == "MIME":
        return raw[node.header_start : node.header_end]
    if node.type != "message" or not node.children:  # HEADER and TEXT of a part are those of the mail it encloses
        return None
    inner = node.children[0]
    if section.kind == "TEXT":
        return raw[inner.body_start : inner.body_end]
    return _header(section, raw[inner.header_start : inner.header_end])


def _content(raw: bytes, node: Node) -> bytes:
    """A multipart or an enclosed mail is not encoded (RFC 2045 § 6.4), so it comes as it stands."""
    if node.encoding not in _ENCODINGS:
        raise UnknownEncoding
    return raw[node.body_start : node.body_end] if node.children else structure.decode(raw, node)


def opening(section: Section, found: bytes | None) -> bytes:
    """What is written of a section before its octets, `found`; of BINARY.SIZE and of what is not there, all of it."""
    if section.sized:
        return section.label + b" %d" % len(found or b"")
    if found is None:
        return section.label + b" NIL"
    binary = b"~" if section.decoded and b"\0" in found else b""  # literal8: a literal cannot hold NUL (RFC 3516 § 4.2)
    return section.label + b" %b{%d}\r\n" % (binary, len(found))


def _header(section: Section, block: bytes) -> bytes:
    if section.kind == "HEADER":
        return block
    if section.kind == "HEADER.FIELDS":
        chosen = _these(section.fields).findall(block)
    else:
        chosen = [name + rest for name, rest in _FIELD.findall(block) if name.lower() not in section.fields]
    # RFC 9051 § 6.4.5.1: with the blank line, unless the mail has none.
    blank = b"\r\n" if block.endswith((b"\n\r\n", b"\n\n")) or block in (b"\r\n", b"\n") else b""
    if chosen and not chosen[-1].endswith(b"\n"):  # the block ended in the middle of a line
        chosen[-1] += b"\r\n"
    return b"".join(chosen) + blank


@lru_cache(maxsize=200)
def _these(fields: frozenset[bytes]) -> re.Pattern[bytes]:
    """What finds these fields, and looks at no other: a client asks the same of each of thousands of mails."""
    names = b"|".join(re.escape(name) for name in sorted(fields))
    return re.compile(rb"^(?:%b)%b" % (names, _REST), re.MULTILINE | re.IGNORECASE)


def internal_date(at: int) -> bytes:
    """Milliseconds since 1970 as INTERNALDATE, quotes included."""
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return b'"%02d-%b-%04d %b +0000"' % (
        moment.day, _MONTHS[moment.month - 1].encode(), moment.year, moment.strftime("%H:%M:%S").encode(),
    )  # fmt: skip
