"""What a person reads of their copy without Pli: a page of HTML, and the same as a PDF.

Pure. Promises: the page needs nothing but itself (no script, no style from elsewhere, no picture), and a screen reader
finds its headings and tables; the PDF is for paper. What a font of the PDF cannot write is written near to it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from fpdf import FPDF

_NEAR: Final = {"≥": ">=", "≤": "<=", "→": "->", "′": "'", "″": '"', "\u202f": " ", "\u00a0": " ", "−": "-", "μ": "µ"}
_STYLE: Final = (
    "body{font:18px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.4rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A heading, words, and rows under column names; `links`: the file each row leads to ("" for none)."""

    title: str
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    links: tuple[str, ...] = ()


def page(title: str, parts: Sequence[Part]) -> bytes:
    """The page, in UTF-8."""
    body = Markup().join(_part(part) for part in parts)
    return str(
        Markup(
            '<!doctype html><html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-'
            'width, initial-scale=1"><title>{0}</title><style>{1}</style></head><body><h1>{0}</h1>{2}</body></html>'
        ).format(title, Markup(_STYLE), body)  # noqa: S704 - a text of ours
    ).encode()


def _part(part: Part) -> Markup:
    words = Markup().join(Markup("<p>{}</p>").format(word) for word in part.words)
    if not part.rows:
        return Markup("<h2>{}</h2>{}").format(part.title, words)
    head = Markup().join(Markup('<th scope="col">{}</th>').format(name) for name in part.columns)
    rows = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(
                Markup("<td>{}</td>").format(_cell(cell, part.links[place] if not column and part.links else ""))
                for column, cell in enumerate(row)
            )
        )
        for place, row in enumerate(part.rows)
    )
    table = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, rows)
    return Markup("<h2>{}</h2>{}{}").format(part.title, words, table)


def _cell(text: str, link: str) -> Markup:
    if not link:
        return escape(text)
    return Markup('<a href="{}">{}</a>').format(quote(link), text)


def pdf(title: str, parts: Sequence[Part]) -> bytes:
    """The same on paper, A4."""
    from fpdf import FPDF  # half of what it costs to start a program that makes no PDF

    paper = FPDF(format="A4")
    paper.core_fonts_encoding = "cp1252"
    paper.set_title(near(title))
    paper.set_lang("fr")
    paper.set_auto_page_break(auto=True, margin=15)
    paper.add_page()
    _line(paper, title, 18, bold=True)
    for part in parts:
        paper.ln(4)
        _line(paper, part.title, 14, bold=True)
        for words in part.words:
            _line(paper, words, 11)
        if part.rows:
            paper.set_font("Helvetica", size=9)
            with paper.table(text_align="LEFT", line_height=5) as table:
                for row in (part.columns, *part.rows):
                    cells = table.row()
                    for cell in row:
                        cells.cell(near(cell))
    return bytes(paper.output())


def _line(paper: FPDF, text: str, size: int, *, bold: bool = False) -> None:
    paper.set_font("Helvetica", style="B" if bold else "", size=size)
    paper.multi_cell(0, size / 2, near(text), new_x="LMARGIN", new_y="NEXT")


def near(text: str) -> str:
    """The text in the letters that every PDF reader has (Windows-1252), and near to it where it has none."""
    return "".join(_letter(char) for char in text)


def _letter(char: str) -> str:
    if char in _NEAR:
        return _NEAR[char]
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        bare = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        return bare if bare != char and bare.isascii() else "?"
    return char
