"""A few numbers over time as a picture, and the same as a table. Pure: points, band, words → Markup.

    line_chart   a figure: the last value large, the curves, the range that is usual, levels, what each curve is
    table        what the picture shows, for who reads rather than looks (WCAG 1.1.1); it stands beneath the picture

Promises: what comes from elsewhere is escaped; nothing depends on colour alone (WCAG 1.4.1: curves differ by
dash and by the shape of their points); text keeps the reader's own size, since the picture has no fixed scale
(positions are in percent, sizes in rem); no script, no inline style. Does not: know what a number means, or convert
one.
Its look is `static/charts.css`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from server.formats import said

MOST_POINTS: Final = 500  # of a curve: beyond, the eye sees no more (the table has them all)
SHAPES: Final = 3  # kinds of dash and point
LEFT, RIGHT, TOP, BOTTOM = 4.0, 96.0, 8.0, 86.0  # of the picture, in percent
ROOM = 0.12  # above and below what is drawn
_DECIMAL = re.compile(r"[-+]?\d+([.,]\d+)?")


@dataclass(frozen=True, slots=True)
class Point:
    """A number somewhere: `at` on the horizontal (seconds since 1970, months of age …), `value` on the vertical."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A curve. `reference`: one to compare with (a growth curve): no points, its name at its end."""

    name: str
    points: Sequence[Point]
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """The range that is usual, as who measured says; None where it has no end. `label`: in words."""

    low: float | None
    high: float | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A value to see at a glance: a target. `label`: in words."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class _Plane:
    """What is drawn stands in here; `x` and `y` give percents of the picture."""

    left: float
    right: float
    low: float
    high: float

    def x(self, at: float) -> str:
        wide = self.right - self.left
        return _percent((LEFT + RIGHT) / 2 if wide <= 0 else LEFT + (at - self.left) / wide * (RIGHT - LEFT))

    def y(self, value: float) -> str:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _percent(BOTTOM - share * (BOTTOM - TOP))


def line_chart(
    series: Sequence[Series],
    band: Band | None = None,
    *,
    title: str,
    key: str,
    desc: str = "",
    unit: str = "",
    last: str = "",
    last_when: str = "",
    ends: tuple[str, str] = ("", ""),
    levels: Sequence[Level] = (),
    comma: bool = True,
) -> Markup:
    """A figure. `title`, `desc`: what is heard instead of the picture. `key`: makes its ids, one a page. `unit`: UCUM.
    `last`, `last_when`: the last value and its date in words, large. `ends`: in words, where the horizontal begins and
    ends. `comma`: decimals are written so. Markup without a picture when there is nothing to draw.
    """
    drawn = [Series(one.name, _thinned(one.points), one.reference) for one in series if one.points]
    head = _last(last, last_when, said.unit(unit))
    if not drawn:
        return Markup('<figure class="chart-box">{}</figure>').format(head)
    plane = _plane(drawn, band, levels)
    parts = [_band(plane, band), _grid(plane, comma=comma), *(_level(plane, level) for level in levels)]
    number = 0
    for one in drawn:
        parts.append(_reference(plane, one) if one.reference else _curve(plane, one, number))
        number += not one.reference
    parts += [
        _text("chart-end", _percent(LEFT), "99%", ends[0]),
        _text("chart-end last", _percent(RIGHT), "99%", ends[1]),
    ]
    picture = Markup(
        '<svg class="chart" role="img" aria-labelledby="{0}-t {0}-d"><title id="{0}-t">{1}</title>'
        '<desc id="{0}-d">{2}</desc>{3}</svg>'
    ).format(key, title, desc or title, Markup().join(parts))
    return Markup('<figure class="chart-box">{}{}{}</figure>').format(head, picture, _legend(drawn, band))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str | Markup]]) -> Markup:
    """A table: the first cell of a row is its head. On a narrow screen each cell says its column (and
    stays a cell: the roles hold whatever the display).
    """
    heads = Markup().join(Markup('<th role="columnheader" scope="col">{}</th>').format(one) for one in head)
    lines = []
    for first, *others in rows:
        cells = [
            Markup('<td role="cell" data-head="{}">{}</td>').format(name, cell)
            for name, cell in zip(head[1:], others, strict=True)
        ]
        lines.append(
            Markup('<tr role="row"><th role="rowheader" scope="row">{}</th>{}</tr>').format(first, Markup().join(cells))
        )
    return Markup(
        '<table class="chart-table" role="table"><caption>{}</caption><thead role="rowgroup"><tr role="row">{}</tr>'
        '</thead><tbody role="rowgroup">{}</tbody></table>'
    ).format(caption, heads, Markup().join(lines))


def number_of(text: str) -> float | None:
    """The number that a decimal text is, or None: words, several numbers, something beyond measure."""
    if not _DECIMAL.fullmatch(text.strip()) or len(text) > 40:
        return None
    return float(text.strip().replace(",", "."))


# ---- the picture -----------------------------------------------------------------------------------------------------


def _plane(series: Sequence[Series], band: Band | None, levels: Sequence[Level]) -> _Plane:
    ats = [point.at for one in series if not one.reference for point in one.points]
    if not ats or min(ats) == max(ats):  # one value alone: what it is compared with makes room
        ats = [point.at for one in series for point in one.points]
    values = [point.value for one in series for point in one.points] + [level.value for level in levels]
    values += [end for end in ((band.low, band.high) if band else ()) if end is not None]
    low, high = min(values), max(values)
    room = (high - low) * ROOM or abs(high) * ROOM or 1.0
    return _Plane(min(ats), max(ats), low - room, high + room)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    ordered = sorted(points, key=lambda point: point.at)
    step = math.ceil(len(ordered) / MOST_POINTS)
    return ordered if step <= 1 else [*ordered[:-1:step], ordered[-1]]


def _band(plane: _Plane, band: Band | None) -> Markup:
    if band is None or (band.low is None and band.high is None):
        return Markup()
    top = plane.y(plane.high if band.high is None else band.high)
    bottom = plane.y(plane.low if band.low is None else band.low)
    tall = _percent(float(bottom[:-1]) - float(top[:-1]))
    return Markup('<rect class="chart-band" x="0" width="100%" y="{}" height="{}"/>').format(top, tall)


def _grid(plane: _Plane, *, comma: bool) -> Markup:
    """Three or four round values."""
    step = _round_step((plane.high - plane.low) / 3)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, lines = math.ceil(plane.low / step), []
    for index in range(first, math.floor(plane.high / step) + 1):
        y = plane.y(index * step)
        label = said.number(f"{index * step:.{digits}f}", comma)
        lines.append(Markup('<line class="chart-grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        lines.append(_text("chart-number", "0", y, label))
    return Markup().join(lines)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * times for times in (1, 2, 5, 10) if step <= power * times * 1.0001)


def _level(plane: _Plane, level: Level) -> Markup:
    y = plane.y(level.value)
    line = Markup('<line class="chart-level" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y)
    return line + _text("chart-level-name", "100%", y, level.label)


def _curve(plane: _Plane, series: Series, number: int) -> Markup:
    kind, parts = f"c{number % SHAPES}", [_line(plane, series.points, f"chart-line c{number % SHAPES}")]
    for point in series.points:
        parts.append(_mark(plane.x(point.at), plane.y(point.value), kind, last=point is series.points[-1]))
    return Markup().join(parts)


def _mark(x: str, y: str, kind: str, *, last: bool) -> Markup:
    """A point: a disc, a ring or a square."""
    size = 6 if last else 4
    if kind == "c2":
        return Markup(
            '<svg x="{}" y="{}" class="chart-point c2"><rect x="{}" y="{}" width="{}" height="{}"/></svg>'
        ).format(x, y, -size, -size, 2 * size, 2 * size)
    return Markup('<circle class="chart-point {}" cx="{}" cy="{}" r="{}"/>').format(kind, x, y, size)


def _reference(plane: _Plane, series: Series) -> Markup:
    inside = [point for point in series.points if plane.left <= point.at <= plane.right] or list(series.points)
    end = inside[-1]
    return _line(plane, inside, "chart-reference") + _text(
        "chart-name", _percent(RIGHT), plane.y(end.value), series.name
    )


def _line(plane: _Plane, points: Sequence[Point], kind: str) -> Markup:
    """Segments, which take percents where a polyline takes none."""
    return Markup().join(
        Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            kind, plane.x(one.at), plane.y(one.value), plane.x(other.at), plane.y(other.value)
        )
        for one, other in pairwise(points)
    )


def _text(kind: str, x: str, y: str, words: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, x, y, words) if words else Markup()


def _percent(share: float) -> str:
    return f"{share:.2f}%"


# ---- beside the picture ----------------------------------------------------------------------------------------------


def _last(last: str, when: str, unit: str) -> Markup:
    if not last:
        return Markup()
    return Markup('<p class="chart-last"><strong>{}</strong>{}{}</p>').format(
        last,
        Markup(' <span class="chart-unit">{}</span>').format(unit) if unit else "",
        Markup(' <span class="soft">{}</span>').format(when) if when else "",
    )


def _legend(series: Sequence[Series], band: Band | None) -> Markup:
    own = [one for one in series if not one.reference]
    keys = [(one.name, _key(number)) for number, one in enumerate(own)] if len(own) > 1 else []
    if band is not None and band.label and not (band.low is None and band.high is None):
        keys.append((band.label, Markup('<rect class="chart-band" width="100%" height="100%"/>')))
    lines = Markup().join(
        Markup('<li><svg class="chart-key" aria-hidden="true" focusable="false">{}</svg>{}</li>').format(drawn, name)
        for name, drawn in keys
    )
    return Markup('<ul class="chart-legend">{}</ul>').format(lines) if lines else Markup()


def _key(number: int) -> Markup:
    kind = f"c{number % SHAPES}"
    line = Markup('<line class="chart-line {}" x1="0" y1="50%" x2="100%" y2="50%"/>').format(kind)
    return line + _mark("50%", "50%", kind, last=False)
