"""iCalendar text as a tree of content lines (RFC 5545 §3.1), nothing interpreted.

Promises: linear, capped (256 kB, 5000 lines, 5 levels); a line is kept as it came beside what was read of it, so that
an answer can repeat it. Raises `Malformed` only. Does not know what a property means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from server.formats.malformed import Malformed

MAX_OCTETS: Final = 256_000
MAX_LINES: Final = 5000
MAX_LEVELS: Final = 5

_LINE = re.compile(
    r'([A-Za-z0-9-]{1,60})((?:;[A-Za-z0-9-]{1,60}=(?:"[^"]*+"|[^";:,]*+)(?:,(?:"[^"]*+"|[^";:,]*+))*+)*+):(.*)',
    re.DOTALL,
)
_PARAM = re.compile(r';([A-Za-z0-9-]{1,60})=((?:"[^"]*+"|[^";:])*+)')
_CARET = re.compile(r"\^([n^'])")
_FOLDING = re.compile(r"\r?\n[ \t]")


@dataclass(slots=True)
class Line:
    """One content line: name and parameter names in upper case, the value as written, and the unfolded line."""

    name: str
    params: dict[str, str]
    value: str
    raw: str


@dataclass(slots=True)
class Component:
    """VCALENDAR, VEVENT, VTIMEZONE …: its lines and what it contains."""

    name: str
    properties: list[Line] = field(default_factory=list)
    children: list[Component] = field(default_factory=list)

    def lines(self, name: str) -> Iterator[Line]:
        """The lines of that name."""
        return (line for line in self.properties if line.name == name)

    def line(self, name: str) -> Line | None:
        """The first line of that name."""
        return next(self.lines(name), None)

    def value(self, name: str) -> str:
        """Its value, "" when there is none."""
        found = self.line(name)
        return found.value if found is not None else ""

    def raw(self) -> Iterator[str]:
        """The unfolded lines, as they came."""
        yield f"BEGIN:{self.name}"
        yield from (line.raw for line in self.properties)
        for child in self.children:
            yield from child.raw()
        yield f"END:{self.name}"


def parse_calendar(ics: str) -> Component:
    """The VCALENDAR of a text. Raises Malformed("ics" or "ics_size")."""
    if len(ics) > MAX_OCTETS or (not ics.isascii() and len(ics.encode("utf-8", "replace")) > MAX_OCTETS):
        raise Malformed("ics_size", "L’invitation est trop grande.")
    # Only the newline ends a line: str.splitlines would also cut at U+2028, and a summary in two makes another
    # property.
    lines = _FOLDING.sub("", ics.removeprefix("\ufeff").replace("\x00", "")).replace("\r", "").split("\n")
    if len(lines) > MAX_LINES:
        raise Malformed("ics_size", "L’invitation est trop longue.")
    calendar: Component | None = None
    stack: list[Component] = []
    for raw in lines:
        if not raw.strip():
            continue
        line = _content_line(raw)
        if line is None:
            if stack:
                continue  # a client that forgets to fold loses the line, not the appointment
            raise Malformed("ics", "L’invitation est illisible.")
        if line.name == "BEGIN":
            component = Component(line.value.strip().upper())
            if stack:
                stack[-1].children.append(component)
            elif calendar is None and component.name == "VCALENDAR":
                calendar = component
            else:
                raise Malformed("ics", "L’invitation est illisible.")
            stack.append(component)
            if len(stack) > MAX_LEVELS:
                raise Malformed("ics", "L’invitation est illisible.")
        elif line.name == "END":
            if not stack or stack.pop().name != line.value.strip().upper():
                raise Malformed("ics", "L’invitation est illisible.")
        elif stack:
            stack[-1].properties.append(line)
        else:
            raise Malformed("ics", "L’invitation est illisible.")
    if calendar is None or stack:
        raise Malformed("ics", "L’invitation est incomplète.")
    return calendar


def _content_line(raw: str) -> Line | None:
    match = _LINE.fullmatch(raw)
    if match is None:
        return None
    params: dict[str, str] = {}
    if match[2]:
        for name, value in _PARAM.findall(match[2]):
            # RFC 6868: a caret escapes what a parameter could not hold.
            value = _CARET.sub(lambda m: {"n": " ", "^": "^", "'": '"'}[m[1]], value.strip('"'))
            params.setdefault(name.upper(), value)
    return Line(match[1].upper(), params, match[3], raw)


def fold(line: str) -> str:
    """75 octets a line (RFC 5545 §3.1), never within a character."""
    data = line.encode("utf-8", "replace")
    if len(data) <= 75:
        return line
    pieces, start, room = [], 0, 75
    while start < len(data):
        end = min(len(data), start + room)
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode("utf-8"))
        start, room = end, 74
    return "\r\n ".join(pieces)
