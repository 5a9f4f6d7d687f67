"""The vaccines of a life as a picture: years along, a row a disease. Pure: rows, words → Markup.

    picture   an SVG: what was done, what was said to be done, what is due, what is expected; and today
    legend    what each mark is

Promises: what comes from elsewhere is escaped; marks differ by shape, not by colour alone (WCAG 1.4.1); marks that
would stand on one another are one, with their number; names stand above their row, so that it reads at 320 px without
scrolling; positions along are in percent, down in em, so that text keeps its reader's own size. Its table stands
beneath it (WCAG 1.1.1). No script, no inline style. Its look is `static/prevention.css`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from markupsafe import Markup

from server.prevention.life_line import DONE, DUE, EXPECTED, SAID, Dose, Row
from webchat.words import Words

LEFT, RIGHT = 3.0, 94.0  # of the width, in percent
HEAD, TALL = 2.2, 3.1  # em: above the first row, and of each
TOGETHER = 4.0  # percent: nearer than that, two marks are one
MOST_YEARS = 7  # that are written along
KINDS: Final = (DONE, SAID, DUE, EXPECTED)


def picture(rows: Sequence[Row], first: date, last: date, today: date, words: Words, *, key: str) -> Markup:
    """`first`, `last`: the ends of the line. `key`: makes its ids, one a page."""
    along = _Along(first, last)
    high = HEAD + TALL * len(rows) + 1.6
    parts = [_years(along, high), _now(along, today, high, words)]
    parts += [_row(along, row, HEAD + TALL * number) for number, row in enumerate(rows)]
    return Markup(
        '<svg class="life" role="img" height="{4:.1f}em" aria-labelledby="{0}-t {0}-d"><title id="{0}-t">{1}</title>'
        '<desc id="{0}-d">{2}</desc><g aria-hidden="true">{3}</g></svg>'
    ).format(key, words("prevention.line.picture"), _told(rows, words), Markup().join(parts), high)


def legend(rows: Sequence[Row], words: Words) -> Markup:
    """What the marks are that stand there."""
    shown = [kind for kind in KINDS if any(dose.kind == kind for row in rows for dose in row.doses)]
    lines = Markup().join(
        Markup('<li><svg class="life-key" aria-hidden="true" focusable="false">{}</svg>{}</li>').format(
            _shape(kind, "50%", 0.7), words(f"prevention.line.{kind}")
        )
        for kind in shown
    )
    return Markup('<ul class="life-legend">{}</ul>').format(lines)


def _told(rows: Sequence[Row], words: Words) -> str:
    """The picture in a sentence or two."""
    done = sum(dose.kind in {DONE, SAID} for row in rows for dose in row.doses)
    due = sum(dose.kind == DUE for row in rows for dose in row.doses)
    return words("prevention.line.told", count=len(rows), done=done, due=due)


class _Along:
    """Where a day stands, in percent."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.last = first, last

    def share(self, day: date) -> float:
        wide = max((self.last - self.first).days, 1)
        at = min(max((day - self.first).days, 0), wide)
        return LEFT + at / wide * (RIGHT - LEFT)


def _years(along: _Along, high: float) -> Markup:
    span = along.last.year - along.first.year
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50) if span / step <= MOST_YEARS - 1)
    begin = along.first.year + (-along.first.year) % step
    parts = []
    for year in range(begin, along.last.year + 1, step):
        if date(year, 1, 1) < along.first:
            continue
        x = along.share(date(year, 1, 1))
        parts.append(
            Markup('<line class="life-year" x1="{0:.2f}%" x2="{0:.2f}%" y1="1.3em" y2="{1:.1f}em"/>{2}').format(
                x, high, _text("life-number", x, 1, str(year))
            )
        )
    return Markup().join(parts)


def _now(along: _Along, today: date, high: float, words: Words) -> Markup:
    x = along.share(today)
    side = " before" if x > 50 else ""
    return Markup('<line class="life-now" x1="{0:.2f}%" x2="{0:.2f}%" y1="1.3em" y2="{1:.1f}em"/>{2}').format(
        x, high - 0.3, _text(f"life-now-name{side}", x, high - 0.4, words("day.today"))
    )


def _row(along: _Along, row: Row, top: float) -> Markup:
    y = top + 2.1
    parts = [
        Markup('<line class="life-row" x1="{:.2f}%" x2="{:.2f}%" y1="{:.1f}em" y2="{:.1f}em"/>').format(
            LEFT, RIGHT, y, y
        ),
        _text("life-name", 0, top + 1, row.name),
    ]
    for kind, x, count in _marks(along, row.doses):
        parts.append(_shape(kind, f"{x:.2f}%", y, many=count > 1))
        if count > 1:
            parts.append(_text(f"life-count {kind}", x, y, str(count)))
    return Markup().join(parts)


def _text(kind: str, x: float, y: float, words: str) -> Markup:
    """In a picture of its own, so that em are those of the whole and not of the text's size."""
    return Markup('<svg class="life-at" y="{:.1f}em"><text class="{}" x="{:.2f}%">{}</text></svg>').format(
        y, kind, x, words
    )


def _marks(along: _Along, doses: Sequence[Dose]) -> list[tuple[str, float, int]]:
    """(kind, where, how many): those that would stand on one another are one."""
    found: list[tuple[str, float, int]] = []
    for dose in sorted(doses, key=lambda one: one.at or date.max):
        if dose.at is None:
            continue
        x = along.share(dose.at)
        if found and found[-1][0] == dose.kind and x - found[-1][1] < TOGETHER:
            found[-1] = (dose.kind, found[-1][1], found[-1][2] + 1)
        else:
            found.append((dose.kind, x, 1))
    return found


def _shape(kind: str, x: str, y: float, *, many: bool = False) -> Markup:
    """Done: a disc; said to be done: a ring; due: a diamond; expected: a small ring of dots. `many`: with room for
    their number.
    """
    if kind == DUE:
        return Markup(
            '<svg x="{}" y="{:.1f}em" class="life-at">'
            '<rect class="life-due" x="-6" y="-6" width="12" height="12" transform="rotate(45)"/></svg>'
        ).format(x, y)
    radius = 10 if many else 5 if kind == EXPECTED else 7
    return Markup('<circle class="life-{}" cx="{}" cy="{:.1f}em" r="{}"/>').format(kind, x, y, radius)
