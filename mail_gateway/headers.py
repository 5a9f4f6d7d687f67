"""Header fields of a mail: from bytes to words, addresses, identifiers and dates.

Promises: every function is linear in its input and capped (M5: the standard library is quadratic here, 50 000 commas
cost it 27 s); no decoded value ever holds CR, LF, NUL, another control character or a bidirectional control, so it
can be put in a log line, a reply header or a notification as it is; encoded words are decoded after the grammar, so
that an encoded comma or bracket never makes an address. Does not judge: who may write as whom is the door's decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from server.formats.malformed import Malformed
from server.formats.words import clean, decode_base64, decode_text, decode_words

__all__ = [
    "Headers", "Mailbox", "Malformed", "Written", "addresses", "clean", "date", "decode_base64", "decode_text",
    "decode_words", "message_ids", "parameters", "unquoted", "written",
]  # fmt: skip

MAX_HEADER_BYTES = 100_000
MAX_FIELDS = 1000
MAX_PARAMETERS = 200
MAX_ADDRESSES = 200
MAX_IDS = 100
MAX_ADDRESS_LENGTH = 320
MAX_ID_LENGTH = 996

# RFC 5322 §2.2. Possessive quantifiers everywhere in this file: a pattern that cannot backtrack cannot be made slow.
_FIELD = re.compile(r"^([!-9;-~]++)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)


class Headers:
    """The fields of one header block, in order. Values are unfolded when asked for, and raw (no encoded word is
    decoded).
    """

    __slots__ = ("_fields", "_first")

    def __init__(self, block: bytes) -> None:
        """Raises Malformed("mime_headers" or "mime_fields") over 100 kB or 1000 fields."""
        if len(block) > MAX_HEADER_BYTES:
            raise Malformed("mime_headers", "L’en-tête du message dépasse 100 ko.")
        try:
            text = block.decode("utf-8")  # RFC 6532
        except UnicodeDecodeError:
            text = block.decode("latin-1")
        fields: list[tuple[str, str]] = _FIELD.findall(text)
        if len(fields) > MAX_FIELDS:
            raise Malformed("mime_fields", "L’en-tête du message compte plus de 1000 champs.")
        self._fields = fields
        first: dict[str, str] = {}
        for name, value in fields:
            first.setdefault(name.lower(), value)
        self._first = first

    def get(self, name: str) -> str | None:
        """The first field of that name (lower case), unfolded and stripped; None when there is none."""
        value = self._first.get(name)
        if value is None:
            return None
        return _unfold(value)

    def all(self, name: str) -> tuple[str, ...]:
        """Every field of that name (lower case), in order: an honest sender writes one, a forger perhaps two."""
        if name not in self._first:
            return ()
        return tuple(_unfold(value) for key, value in self._fields if key.lower() == name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name as written, unfolded value), in order."""
        return ((name, _unfold(value)) for name, value in self._fields)


def _unfold(value: str) -> str:
    if "\n" in value or "\r" in value:
        value = value.replace("\r", "").replace("\n", "")
    return value.strip(" \t")


# ---- parameters: Content-Type, Content-Disposition -------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s;]*+))', re.DOTALL)
_SECTION = re.compile(r"([^*]+)\*(\d{1,3})?(\*)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """`text/plain; charset=utf-8` to ("text/plain", {"charset": "utf-8"}). Names and the main value in lower case;
    RFC 2231 sections joined and decoded; of two parameters of one name the first counts. Raises Malformed over 200
    parameters.
    """
    main, semicolon, _ = value.partition(";")
    main = main.partition("(")[0].strip().lower()
    if not semicolon:
        return main, {}
    found: dict[str, str] = {}
    for count, match in enumerate(_PARAMETER.finditer(value, len(main))):
        if count == MAX_PARAMETERS:
            raise Malformed("mime_parameters", "Un champ d’en-tête compte plus de 200 paramètres.")
        name, quoted, token = match.groups()
        if quoted is not None and "\\" in quoted:
            quoted = _ESCAPE.sub(r"\1", quoted)
        found.setdefault(name.lower(), quoted if quoted is not None else token)
    if any("*" in name for name in found):
        found = _join_sections(found)
    return main, found


def _join_sections(found: dict[str, str]) -> dict[str, str]:
    """RFC 2231 §3 and §4: name*0*=utf-8''…; name*1=… . The extended form wins over a plain one of the same name."""
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for name, value in found.items():
        match = _SECTION.fullmatch(name)
        if match is None:
            plain[name] = value
            continue
        base, number, star = match.groups()
        sections.setdefault(base, []).append((int(number or 0), bool(star) or number is None, value))
    for base, pieces in sections.items():
        pieces.sort(key=lambda piece: piece[0])
        charset, data, escaped = "", b"", b""
        for order, (_, encoded, value) in enumerate(pieces):
            if encoded and order == 0 and value.count("'") >= 2:
                charset, _, value = value.split("'", 2)
            chunk = value.encode("utf-8", "replace")
            if encoded:
                escaped += chunk  # together: some clients cut within an escape
            else:
                data, escaped = data + _unescaped(escaped) + chunk, b""
        plain[base] = decode_text(data + _unescaped(escaped), charset)
    return plain


def _unescaped(value: bytes) -> bytes:
    return _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), value)


# ---- addresses -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who: the display name ("" when none, decoded and clean) and `local@domain` with the domain in lower case."""

    name: str
    address: str


# What nearly every client writes. A name with an `=` may hold encoded words and goes the longer way.
_SIMPLE = re.compile(
    r'(?:(?:"([^"\\=]*+)"\s*+|([^"()<>,;:@\\=\[\]]*+))(<))?([\w.!#$%&*+/=?^`{|}~\'-]{1,200}@[\w.-]{1,255})(>)?'
)
# An encoded word first: some clients leave commas and colons in it, and what is encoded must not end an address.
_TOKEN = re.compile(
    r'"((?:[^"\\]++|\\.)*+)"?+|([,;\s]++)|([(<:])|(=\?[^?\s"<]{1,60}\?[bBqQ]\?[^?\s"<]*+\?=|[^"(<,;:\s]++)', re.DOTALL
)
_ANGLE = re.compile(r'<((?:[^<>"]++|"(?:[^"\\]++|\\.)*+")*+)>', re.DOTALL)
_PAREN = re.compile(r"[()]|\\.", re.DOTALL)
_ADDRESS = re.compile(
    r'(?:[^\s"(),:;<>@\[\\\]\x00-\x1f\x7f]++|"(?:[^"\\\x00-\x1f\x7f]++|\\[ -~])*+")'
    r'@(?:[^\s"(),:;<>@\[\\\]\x00-\x1f\x7f]++|\[[0-9A-Za-z:.]++\])'
)


def addresses(value: str | None) -> tuple[Mailbox, ...]:
    """The mailboxes of an address list (RFC 5322 §3.4): groups flattened, comments and routes dropped, at most 200.

    What is not an address is left out; after an unclosed `<` nothing more is read. Never raises.
    """
    return tuple(
        Mailbox(decode_words(one.name).strip()[:200], _lower_domain(one.address))
        for one in written(value)
        if one.address
    )


@dataclass(frozen=True, slots=True)
class Written:
    """Who, as it stands in the field: the name with its encoded words, `route` ("@a,@b" or ""), the address. Without an
    address it opens a group of that name, or, without a name, closes one.
    """

    name: str
    route: str
    address: str


def written(value: str | None) -> tuple[Written, ...]:
    """As `addresses`, which says the same people: nobody is shown that was not looked at. Never raises."""
    if not value:
        return ()
    simple = _SIMPLE.fullmatch(value)
    if simple is not None and (simple[3] is None) == (simple[5] is None):
        return (Written((simple[1] or simple[2] or "").strip(), "", simple[4]),)
    return _address_list(value)


def _address_list(value: str) -> tuple[Written, ...]:
    found: list[Written] = []
    phrase: list[str] = []
    spec: list[str] = []
    comment = angle = ""
    grouped = False
    position = 0
    # Between them the alternatives match every character: there is no match only at the end.
    while len(found) < MAX_ADDRESSES and (match := _TOKEN.match(value, position)):
        position = match.end()
        quoted, separator, special, atom = match.groups()
        if quoted is not None:
            phrase.append(_ESCAPE.sub(r"\1", quoted))
            spec.append(match[0])
        elif atom is not None:
            phrase.append(atom)
            spec.append(atom)
        elif special == "(":
            position, comment = _skip_comment(value, position)
        elif special == ":":  # the name of a group
            found.append(Written(" ".join(phrase), "", ""))
            phrase, spec, grouped = [], [], True
        elif special == "<":
            bracket = _ANGLE.match(value, match.start(), match.start() + 2 * MAX_ADDRESS_LENGTH)
            if bracket is None:
                break  # going on would let a forger choose where the next address begins
            angle, position = bracket[1], bracket.end()
        elif separator is not None and ("," in separator or ";" in separator):
            _flush(found, phrase, spec, angle, comment)
            phrase, spec, comment, angle = [], [], "", ""
            if grouped and ";" in separator:
                found.append(Written("", "", ""))
                grouped = False
    if len(found) < MAX_ADDRESSES:
        _flush(found, phrase, spec, angle, comment)
    return tuple(found)


def _flush(found: list[Written], phrase: list[str], spec: list[str], angle: str, comment: str) -> None:
    route = ""
    if angle:
        if angle.lstrip().startswith("@"):  # RFC 5322 §4.4, an obsolete route
            route, _, angle = angle.rpartition(":")
        address, name = angle.strip(), " ".join(phrase)
    else:
        address, name = "".join(spec), comment
    if len(address) <= MAX_ADDRESS_LENGTH and _ADDRESS.fullmatch(address):
        found.append(Written(name, route.strip(), address))


def _skip_comment(value: str, position: int) -> tuple[int, str]:
    """From just after `(` to just after its `)`, and what stood between. An unclosed comment runs to the end."""
    depth = 1
    for match in _PAREN.finditer(value, position):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                return match.end(), value[position : match.start()]
    return len(value), ""


def unquoted(local: str) -> str:
    """A local part without the quotes of RFC 5322 §3.2.4."""
    return _ESCAPE.sub(r"\1", local[1:-1]) if local.startswith('"') else local


def _lower_domain(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return clean(f"{local}{at}{domain.lower()}")


# ---- identifiers and dates -------------------------------------------------------------------------------------------

_ID = re.compile(r"<([^<>]*+)>")
_BARE_ID = re.compile(r"[^\s<>@]++@[^\s<>@]++")
_SPACE = re.compile(r"\s+")


def message_ids(value: str | None) -> tuple[str, ...]:
    """The identifiers of Message-ID, In-Reply-To or References, without their angle brackets: ("a@b", "c@d").

    `<>` is none. Of more than 100, the first and the last 99 are kept: the root and the nearest ancestors. Never
    raises.
    """
    if not value:
        return ()
    found: list[str] = []
    for inner in _ID.findall(value):
        inner = clean(_SPACE.sub("", inner))
        if inner and len(inner) <= MAX_ID_LENGTH:
            found.append(inner)
    if not found:
        bare = value.strip()
        if len(bare) <= MAX_ID_LENGTH and _BARE_ID.fullmatch(bare):
            return (clean(bare),)
    if len(found) > MAX_IDS:
        found = [found[0], *found[1 - MAX_IDS :]]
    return tuple(found)


_DATE = re.compile(
    r"\s*(?:[A-Za-z]{2,9}\.?\s*,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s-]+(\d{2,4})\s+(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?"
    r"\s*(?:([+-])(\d\d):?(\d\d)|([A-Za-z]{1,5}))?"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_ZONES = {
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "CET": 1,
    "CEST": 2,
    "MET": 1,
    "BST": 1,
}


def date(value: str | None) -> datetime | None:
    """A Date field (RFC 5322 §3.3 and its obsolete forms) as an aware datetime; None when it is none.

    Years outside 1900-9998 are none: an instant must survive conversion to any zone.
    """
    if not value or len(value) > 200:
        return None
    match = _DATE.match(value)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hour, zone_minute, zone = match.groups()
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 50 else 1900  # RFC 5322 §4.3
    elif len(year) == 3:
        number += 1900
    if not 1900 <= number <= 9998:
        return None
    offset = timedelta(hours=_ZONES.get((zone or "").upper(), 0))
    if sign:
        offset = timedelta(hours=int(zone_hour), minutes=int(zone_minute)) * (-1 if sign == "-" else 1)
    try:
        tz = timezone(offset) if offset else UTC
        seconds = min(int(second or 0), 59)  # a leap second is written 60
        return datetime(number, _MONTHS[month.lower()], int(day), int(hour), int(minute), seconds, tzinfo=tz)
    except (ValueError, KeyError):
        return None
