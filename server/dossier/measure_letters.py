"""A period of a measure as a letter: lines that any mail client shows well, and the same as a table (CSV). Pure.

Promises: every value stands with its date and where it comes from; nothing in the table is taken for a formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from server import spreadsheets
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Kind
from server.dossier.measures import MeasureView
from server.settings import PLACE

MOST_LINES: Final = 60  # of the letter; the table has them all
SOURCES: Final = {
    "patient": "saisi par le patient",
    "delegate": "saisi par un proche",
    "professional": "saisi par un professionnel",
    "service": "envoyé par un service",
    "document": "lu dans un document",
    "computed": "calculé",
}


def letter(of: Kind, name: str, views: Sequence[MeasureView], since: str, until: str) -> str:
    """The text, in French: it goes to professionals."""
    lines = [f"{of.fr} de {name}, {period(since, until)} : {len(views)} mesure{'s' if len(views) > 1 else ''}."]
    if len(views) > 2 and (mean := average(of, views)):
        lines.append(f"Moyenne : {kinds.said(of, mean)}.")
    lines.append("")
    if len(views) > MOST_LINES:
        lines += [f"Les {MOST_LINES} dernières (toutes sont dans le tableau joint) :", ""]
    lines += [_line(of, view) for view in views[-MOST_LINES:]]
    return "\n".join(lines) + "\n"


def table(of: Kind, views: Sequence[MeasureView]) -> bytes:
    """As office programs here expect it; decimals with a comma."""
    names = [kinds.KINDS[part].fr for part in of.parts] or [of.fr]
    rows = [["Date", "Heure", *names, "Unité", "Moment", "Remarque", "Provenance"]]
    for view in views:
        day, hour = _when(view.at)
        values = [kinds.written(kinds.display(of, Decimal(value))) if value else "" for value in view.values]
        moment = kinds.MOMENTS.get(view.moment, ("", ""))[0]
        rows.append([day, hour, *values, kinds.shown_unit(of), moment, view.note, _source(view)])
    return spreadsheets.written(rows)


def average(of: Kind, views: Sequence[MeasureView]) -> tuple[Decimal, ...]:
    """Of each number, over the measures that have all of them."""
    whole = [view.decimals for view in views if len(view.decimals) == (len(of.parts) or 1)]
    return tuple(kinds.rounded(of, sum(column, Decimal(0)) / len(whole)) for column in zip(*whole, strict=True))


def period(since: str, until: str) -> str:
    first, last = (f"{day[8:]}/{day[5:7]}/{day[:4]}" if day else "" for day in (since, until))
    if first and last:
        return f"du {first} au {last}"
    return f"depuis le {first}" if first else f"jusqu’au {last}" if last else "depuis le début"


def _line(of: Kind, view: MeasureView) -> str:
    day, hour = _when(view.at)
    beside = [kinds.MOMENTS.get(view.moment, ("", ""))[0], view.note, _source(view)]
    when = f"{day} à {hour}" if hour else day
    return f"{when} : {kinds.said(of, view.decimals)} ({', '.join(part for part in beside if part)})"


def _source(view: MeasureView) -> str:
    said = SOURCES.get(view.source, view.source)
    return f"{said} : {view.title}" if view.title else said


def _when(at: str) -> tuple[str, str]:
    moment = kinds.moment_of(at)
    if moment is None:
        return at, ""
    local = moment.astimezone(PLACE)
    return f"{local:%d/%m/%Y}", f"{local:%H:%M}" if len(at) > len("2026-11-23") else ""
