"""How an invitation repeats, as it says: its rule, the dates it adds, leaves out or puts elsewhere (RFC 5545 § 3.8.5).

Promises: pure and capped; nothing is expanded here (`server.agenda.recurrence` does, in a window), and the rule is the
sender's text, bounded and of plain characters, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from mail_gateway.contentlines import Component, Line

MOST: Final = 200  # dates of each kind
LONGEST: Final = 500  # characters of a rule
_RULE: Final = re.compile(r"[A-Z0-9=;,+:-]*", re.ASCII | re.IGNORECASE)

Moment = Callable[[Line | None], datetime | date | None]


@dataclass(frozen=True, slots=True)
class Series:
    """As `server.agenda.recurrence` reads it: ISO 8601, an instance as an instant in UTC or a day. `zone`: IANA's name
    of where its hours are told, "" when the organiser's software has its own.
    """

    rrule: str = ""
    rdates: tuple[str, ...] = ()
    exdates: tuple[str, ...] = ()
    zone: str = ""
    moved: tuple[dict[str, str], ...] = ()


def read(event: Component, siblings: Iterable[Component], moment: Moment, end: Callable[[Component], str]) -> Series:
    """`siblings`: the other events of the same UID, one date each. `end`: when one of them ends."""
    rule = event.value("RRULE").strip()
    if len(rule) > LONGEST or not _RULE.fullmatch(rule):
        rule = ""
    rdates = _dates(event.lines("RDATE"), moment)
    if not (rule or rdates):
        return Series()
    moved, gone = [], []
    for one in islice(siblings, MOST):
        instance, start = moment(one.line("RECURRENCE-ID")), moment(one.line("DTSTART"))
        if instance is None:
            continue
        if one.value("STATUS").strip().upper() == "CANCELLED" or start is None:
            gone.append(_instance(instance))
        else:
            moved.append({"instance": _instance(instance), "start": start.isoformat(), "end": end(one)})
    left_out = tuple(_instance(at) for at in _moments(event.lines("EXDATE"), moment))
    return Series(rule, rdates, (*left_out, *gone), _zone(moment(event.line("DTSTART"))), tuple(moved))


def _dates(lines: Iterable[Line], moment: Moment) -> tuple[str, ...]:
    return tuple(at.isoformat() for at in _moments(lines, moment))


def _moments(lines: Iterable[Line], moment: Moment) -> list[datetime | date]:
    """The values of these lines, `MOST` at most; of a period its beginning."""
    values = (
        Line(line.name, line.params, text.partition("/")[0], "")
        for line in islice(lines, MOST)
        for text in line.value.split(",", MOST)
    )
    return [at for value in islice(values, MOST) if (at := moment(value)) is not None]


def _instance(at: datetime | date) -> str:
    return (at.astimezone(UTC) if isinstance(at, datetime) else at).isoformat()


def _zone(start: datetime | date | None) -> str:
    if not isinstance(start, datetime):
        return ""
    return start.tzinfo.key if isinstance(start.tzinfo, ZoneInfo) else "UTC" if start.tzinfo is UTC else ""
