"""A plain text as it is read on screen: paragraphs, what was quoted (folded, level within level), the signature
(folded), and what is beyond forty lines (folded). Pure.

Promises: everything is escaped; linear in the length of the text; nothing is left out: what is folded stands in the
page, where a search finds it; a web address becomes a link only when it says http or https.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from server.quotations import split_quoted

LONG = 40  # lines shown before the rest is folded
SIGNED = 15  # lines of a signature at most
DEEP = 5  # levels of quotation that are told apart
WIDE = 80  # characters that make a line on screen
_LINK = re.compile(r"https?://[^\s<>\"'«»]+")
_LOOSE = re.compile(r" (?=[?!:;»])")
_TRAILING = ".,;:!?)]}’…"
_ATTRIBUTION = re.compile(r"^(?:Le|On|Am|El|Il) .{1,200}:\s*$")
_MARKS = re.compile(r"^[> ]*")
_SIGNATURES = ("-- ", "--")  # RFC 3676 § 4.3; many clients drop the space

Piece = tuple[bool, list[str]]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text: a paragraph, or what somebody quoted."""

    quoted: bool
    text: Markup


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in its parts: what is shown, what is shown when it is asked for, and the signature."""

    shown: list[Block]
    rest: list[Block]
    signature: Markup


def blocks(text: str) -> list[Block]:
    """A text as paragraphs and quotes: lines that begin with `>` (RFC 3676 § 4.5), and what clients copy under an
    answer without marking it.
    """
    return _blocks(_pieces(text))


def folded(text: str) -> Folded:
    """The same, with what is long and what is signed apart."""
    written, signature = _signed(text)
    shown, rest = _cut(_pieces(written))
    return Folded(_blocks(shown), _blocks(rest), _lines(signature))


def _signed(text: str) -> tuple[str, list[str]]:
    """(what was written, the signature's lines): none when more stands below the mark than a signature holds."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    start = max(len(lines) - SIGNED - 1, 1)
    mark = next((n for n in range(len(lines) - 1, start - 1, -1) if lines[n] in _SIGNATURES), None)
    below = [line for line in lines[mark + 1 :] if line.strip()] if mark is not None else []
    if mark is None or not below or any(line.startswith(">") for line in below):
        return text, []
    return "\n".join(lines[:mark]), below


def _pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    written, copied = split_quoted(text.replace("\r\n", "\n").replace("\r", "\n"))
    for line in written.split("\n"):
        quoted = line.startswith(">")
        if not quoted and not line.strip():
            if found and not found[-1][0]:
                found.append((False, []))
            continue
        if found and found[-1][0] == quoted:
            found[-1][1].append(line)
        else:
            found.append((quoted, [line]))
    _move_attributions(found)
    if copied:
        found.append((True, copied.split("\n")))
    return [(quoted, lines) for quoted, lines in found if lines]


def _move_attributions(found: list[Piece]) -> None:
    """« Le 3 mai, X a écrit : » goes into the quote that it announces."""
    for number in range(1, len(found)):
        quoted, lines = found[number]
        before = next((found[n] for n in (number - 1, number - 2) if n >= 0 and found[n][1]), None)
        if quoted and before and not before[0] and _ATTRIBUTION.match(before[1][-1]):
            lines.insert(0, before[1].pop())


def _cut(found: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """What forty lines hold, and the rest; a quote is folded anyway, and a rest of a few lines is none."""
    room = LONG
    for number, (quoted, lines) in enumerate(found):
        if quoted:
            continue
        for at, line in enumerate(lines):
            room -= 1 + len(line) // WIDE
            if room < 0:
                rest = [(False, lines[at:]), *found[number + 1 :]]
                if sum(1 + len(line) // WIDE for quoted, some in rest if not quoted for line in some) < LONG // 4:
                    return found, []
                return [*found[:number], *([(False, lines[:at])] if at else [])], rest
        room -= 1
    return found, []


def _blocks(found: list[Piece]) -> list[Block]:
    return [Block(quoted, _nested(lines) if quoted else _lines(lines)) for quoted, lines in found]


def _nested(lines: list[str]) -> Markup:
    """Quoted lines without their marks; what was quoted in the quotation stands within it."""
    depths = [(min(_MARKS.match(line).group().count(">"), DEEP), line.lstrip("> ")) for line in lines]  # type: ignore[union-attr]
    out, level, first = [], 1, True
    for depth, some in groupby(depths, key=lambda item: max(item[0], 1)):
        out.append(Markup("<blockquote>") * (depth - level) + Markup("</blockquote>") * (level - depth))
        if not first and depth == level:
            out.append(Markup("<br>"))
        out.append(_lines(line for _, line in some))
        level, first = depth, False
    return Markup().join([*out, Markup("</blockquote>") * (level - 1)])


def _lines(lines: Iterable[str]) -> Markup:
    return Markup("<br>").join(_linked(_tied(line)) for line in lines)


def _linked(line: str) -> Markup:
    out, end = [], 0
    for match in _LINK.finditer(line):
        url = match.group().rstrip(_TRAILING)
        out += [
            escape(line[end : match.start()]),
            Markup('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>').format(url),
        ]
        end = match.start() + len(url)
    return Markup("").join([*out, escape(line[end:])])


def _tied(line: str) -> str:
    """French punctuation stays on the line of its word."""
    return _LOOSE.sub("\u00a0", line)
