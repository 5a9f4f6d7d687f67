"""Answers of the patient that enter the dossier besides: which (`data/mapping.json`), and how, in the transaction of
the answer.

Promises: the patient is told before sending which answers these are, and what they leave out does not enter; each
entry has the answer's message as its source, and stands as said by the patient (or by who acts for them, in their own
name); what corrected answers say replaces what the earlier ones entered, and the history keeps it. Does not: read what
a correspondent answers, nor enter what does not fit (it stays in the answer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server.dossier import findings, measures, profile
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Entry
from server.errors import Invalid
from server.forms import logic, reading
from server.forms.logic import Answers
from server.forms.questionnaires import Form, Item, every

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing


class Mapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the answer to a question goes. `to`: measure or profile; `slug`: which; `part`: of a blood pressure;
    `field`: of the section of the profile.
    """

    loinc: str
    to: str
    slug: str
    part: int = 0
    field: str = ""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    entries: tuple[Mapped, ...]


TABLE: Final = msgspec.json.decode((Path(__file__).parent / "data/mapping.json").read_bytes(), type=_Table)
_BY_LOINC: Final = {one.loinc: one for one in TABLE.entries}


@dataclass(frozen=True, slots=True)
class Ready:
    """Something to enter: a measure (checked), or words of a section. `links`: the questions it comes from."""

    links: tuple[str, ...]
    measure: Entry | None = None
    section: str = ""
    values: tuple[tuple[str, str], ...] = ()


def mapped(item: Item) -> Mapped | None:
    """Where its answer would go, by its LOINC code (`code`, or `definition` that ends in one)."""
    return _BY_LOINC.get(item.loinc or item.definition.rpartition("/")[2])


def offered(form: Form, answers: Answers) -> list[Item]:
    """The answered questions whose answers may enter the dossier, in order."""
    counted = logic.counting(form, answers)
    by_id = {item.id: item for item in every(form.items)}
    return [by_id[link] for link in counted if mapped(by_id[link]) and _worth(by_id[link], counted[link])]


def _worth(item: Item, kept: tuple[str, ...]) -> bool:
    """Whether it says something: « non » to « prenez-vous un traitement ? » is no treatment."""
    to = mapped(item)
    return to is not None and (to.slug == "lifestyle" or item.type != "boolean") and bool(kept)


async def ready(app: App, handle: DossierHandle, form: Form, answers: Answers, keep: Sequence[str]) -> list[Ready]:
    """What of the chosen (`keep`) answers is to be entered; what does not fit is left out."""
    found: list[Ready] = []
    pressures: dict[int, tuple[str, str]] = {}
    for item in offered(form, answers):
        to = mapped(item)
        if item.id not in keep or to is None:
            continue
        kept = answers[item.id]
        if to.slug == kinds.PRESSURE:
            pressures[to.part] = (item.id, kept[0])
        elif to.to == "measure":
            found += await _measure(app, handle, (item.id,), _entry(to.slug, kept[0]))
        else:
            found += _said(item, to, kept)
    if len(pressures) == 2:
        values = tuple(pressures[part][1].partition("|")[0] for part in (0, 1))
        links = tuple(pressures[part][0] for part in (0, 1))
        found += await _measure(app, handle, links, Entry(kinds.PRESSURE, values, at=_now()))
    return found


def _entry(slug: str, kept: str) -> Entry:
    value, _, unit = kept.partition("|")
    return Entry(slug, (value,), "" if kinds.kind(slug).unit == unit else unit, at=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def _measure(app: App, handle: DossierHandle, links: tuple[str, ...], entry: Entry) -> list[Ready]:
    try:
        return [Ready(links, measure=await measures.checked(app, handle, entry))]
    except Invalid:  # impossible for this person: it stays in the answer, for who asked to look at
        return []


def _said(item: Item, to: Mapped, kept: tuple[str, ...]) -> list[Ready]:
    most = next(one.most for one in profile.section(to.slug).fields if one.name == to.field)
    words: tuple[str, ...]
    if to.slug == "lifestyle":
        words = (f"{item.text} {reading.all_said(item, kept)}",)
    else:
        words = tuple(line.strip() for one in kept for line in reading.said(item, one).splitlines() if line.strip())
    return [Ready((item.id,), section=to.slug, values=((to.field, one[:most]),)) for one in words]


# ---- in the transaction of the answer --------------------------------------------------------------------------------


def enter(doing: Doing, handle: DossierHandle, entries: Sequence[Ready], before: str) -> None:
    """Enter them, with the answer as their source; what the answer `before` entered is withdrawn. Raises `Refused`,
    `NotAllowed`.
    """
    tx, message_id = doing.tx, doing.message_id
    if before:
        for one in findings.held(tx, handle):
            if one.message == before and not one.document:
                measures.may_write(tx, handle)
                findings.correct(tx, handle, one.id, None, message_id=message_id)
    for entry in entries:
        if entry.measure is not None:
            measures.enter(tx, handle, entry.measure, message_id=message_id)
        else:
            profile.enter_in(doing.app, tx, handle, entry.section, dict(entry.values), message_id=message_id)


def told(form: Form, entries: Sequence[Ready], language: str = "fr") -> str:
    """Which questions’ answers entered, in a sentence; "" for none."""
    by_id: Mapping[str, Item] = {item.id: item for item in every(form.items)}
    names = list(dict.fromkeys(by_id[link].said(language).rstrip(" ?") for entry in entries for link in entry.links))
    if not names:
        return ""
    return (
        f"Also in the record: {', '.join(names)}."
        if language == "en"
        else f"Aussi dans le dossier : {', '.join(names)}."
    )
