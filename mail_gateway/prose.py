"""The words of a letter: flowed lines joined, HTML to text, two forms of one letter compared.

Promises: linear, never raises. Does not produce HTML and does not make any safe to show.
"""

from __future__ import annotations

import re
import unicodedata
from html.entities import html5

MAX_HTML = 1_000_000

# ---- flowed text -----------------------------------------------------------------------------------------------------

_QUOTE_DEPTH = re.compile(r">*")


def reflow(text: str, delsp: bool = False) -> str:
    """RFC 3676 §4: a line that ends in a space goes on in the next, within one quote depth; `-- ` is a signature."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth = len(_QUOTE_DEPTH.match(line)[0])  # type: ignore[index]  # an empty match is a match
        content = line[depth:]
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if flows and delsp:
            content = content[:-1]
        if open_depth == depth and content != "-- ":
            out.append(content)
        else:
            out.append(("\n" if out else "") + (">" * depth + " " if depth else "") + content)
        open_depth = depth if flows else -1
    return "".join(out)


# ---- HTML ------------------------------------------------------------------------------------------------------------

# `[^<>]` and not `[^>]`: ten thousand unclosed `<` must not each be read to the end.
_TAG = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9:]{0,40})([^<>]*+)>|[!?/][^<>]*+>)")
_HIDDEN = frozenset(
    (
        "script",
        "style",
        "head",
        "title",
        "noscript",
        "template",
        "svg",
        "math",
        "object",
        "iframe",
        "textarea",
        "select",
    )
)
_BREAK = frozenset(
    ("br", "p", "div", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "blockquote",
     "section", "article", "header", "footer", "pre", "dl", "dt", "dd", "address", "figure", "center")
)  # fmt: skip
_PARAGRAPH = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol"))
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,31}));?")
_QUOTE, _UNQUOTE = "\x02", "\x03"  # where a blockquote begins and ends, until the lines are known
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def from_html(html: str) -> str:
    """What a person reads of an HTML mail, as text with line breaks. Scripts, styles and comments vanish."""
    html = html[:MAX_HTML].replace(_QUOTE, "").replace(_UNQUOTE, "")
    lower = html.lower()
    out: list[str] = []
    position = 0
    while True:
        match = _TAG.search(html, position)
        if match is None:
            out.append(_BLANKS.sub(" ", html[position:]))
            break
        if match.start() > position:
            out.append(_BLANKS.sub(" ", html[position : match.start()]))
        position = match.end()
        comment, closing, name, attributes = match.groups()
        if comment:
            stop = lower.find("-->", position)
            if stop < 0:
                break
            position = stop + 3
        elif name:
            name = name.lower()
            if name in _HIDDEN and not closing and not attributes.endswith("/"):
                stop = (
                    lower.find(f"</{name}", position) if len(lower) == len(html) else html.find(f"</{name}", position)
                )
                if stop < 0:
                    break
                position = stop
            elif name in _BREAK:
                if name == "blockquote":
                    out.append(_UNQUOTE if closing else _QUOTE)
                out.append("\n\n" if name in _PARAGRAPH else "\n" if name == "br" or not _at_line_start(out) else "")
                if name == "li" and not closing:
                    out.append("- ")
            elif name in ("td", "th") and closing:
                out.append(" ")
    return _tidy("".join(out))


def _at_line_start(out: list[str]) -> bool:
    for piece in reversed(out[-3:]):
        if piece.strip(" "):
            return piece.endswith("\n")
    return not out


def _tidy(text: str) -> str:
    text = _REFERENCE.sub(_character, text).replace("\xa0", " ")
    lines, depth = [], 0
    for line in text.split("\n"):
        depth = max(0, depth + line.count(_QUOTE) - line.count(_UNQUOTE))
        line = line.replace(_QUOTE, "").replace(_UNQUOTE, "").strip()
        lines.append(f"{'>' * min(depth, 20)} {line}" if depth and line else line)
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _character(match: re.Match[str]) -> str:
    """Not html.unescape: it raises on a number of five thousand digits."""
    decimal, hexadecimal, name = match.groups()
    if name:
        return html5.get(f"{name};") or html5.get(name) or match[0]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if (code < 32 and code not in (9, 10)) or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    return chr(code)


# ---- two forms of one letter ----------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W_]+")
# What clients write in one of the forms only: addresses of links, places of pictures.
_NOT_SAID = re.compile(
    r"(?:https?://|www\.|mailto:|tel:|cid:)[^\s>\])]+|\[(?:image|logo)\b[^\]\n]{0,200}\]", re.IGNORECASE
)


def leaves_out(form: str, other: str, *, some: bool = False) -> bool:
    """Whether one form of a letter leaves out words of the other. `some`: more than a tenth of them, or a number (an
    hour, a dose).
    """
    wanted = _words(other)
    missing = wanted - _words(form)
    if not some:
        return bool(missing)
    return len(missing) * 10 > len(wanted) or any(not word.isalpha() for word in missing)


def _words(text: str) -> set[str]:
    text = unicodedata.normalize("NFKC", _NOT_SAID.sub(" ", text)).replace("\u00ad", "").casefold()
    return set(_WORD.findall(text))
