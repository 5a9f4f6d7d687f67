"""What the benchmark prints: a row a promise, with its goal, what was measured, what stands beside it, and whether it
is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `met` None: a figure without a goal, or a goal that could not be measured here."""

    what: str
    goal: str
    measured: str
    beside: str = ""
    met: bool | None = None


def render(title: str, rows: Sequence[Row]) -> str:
    """The rows as an aligned table that is also Markdown."""
    verdict = {True: "met", False: "NOT MET", None: ""}
    lines = [("", "goal", "measured", "beside us", "")]
    lines += [(row.what, row.goal, row.measured, row.beside, verdict[row.met]) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return f"\n{title}\n\n" + "\n".join(drawn)


def rate(value: float) -> str:
    """A number of messages a second, without false precision."""
    return f"{value:,.0f}/s" if value >= 10 else f"{value:.1f}/s"


def ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"
