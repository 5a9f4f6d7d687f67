"""Measures of health of a dossier: entered, corrected, withdrawn; what is known of each, with its source.

    typed, API, service  →  checked (measure_kinds)  →  enter(): findings, audit row, one transaction
    documents            →  filing, as they are reported  →  here beside the others, in the unit people read

Promises: a value is never overwritten (a correction names what it corrects, what was withdrawn stays); two numbers of
one blood pressure stay together; where each value comes from is said; what a document reports stays as reported, beside
the value in the usual unit. The index of body mass is computed from the nearest height, never kept. Does not: judge a
value, or tell anybody (`server.actions.measures` and the doors do, in the same transaction).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, people
from server.audit import Act
from server.dossier import choices, findings, measure_targets, standing
from server.dossier import measure_kinds as kinds
from server.dossier.findings import Held
from server.dossier.measure_kinds import Doubt, Entry, Kind, known_codes
from server.dossier.measure_targets import Target
from server.errors import Conflict, Invalid, Refused
from server.formats.findings import Found, Measure, Quantity
from server.people import Traits
from server.settings import PLACE
from storage import accounts
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

__all__ = ["Doubt", "Entry", "Kind", "Target", "enter", "known_codes"]

READ, WRITE = "measures:read", "measures:write"  # scopes of a service of the catalogue
COMPUTED: Final = "computed"
HEIGHT_DAYS_OF_A_CHILD: Final = 92  # a height is a child's for so long; an adult's, for ever
_ADULT: Final = 18


class MeasureView(msgspec.Struct, frozen=True):
    """A measure as read. `values`: one decimal, or two of a blood pressure ("" when its document says only one), in
    `unit` (UCUM, canonical). `at`: when it was measured, ISO 8601 with the precision that was given. `source`: patient,
    delegate, professional, service, document, computed. `by`: who recorded it, as named now; of a document, its author.
    `reported`: the value as its document says it, when that is otherwise. `state`: current, corrected, withdrawn.
    """

    id: str
    measure: str
    values: tuple[str, ...]
    unit: str
    at: str
    recorded: str
    source: str
    by: str = ""
    moment: str = ""
    note: str = ""
    device: str = ""
    reported: str = ""
    document: str = ""
    title: str = ""
    message: str = ""
    state: str = "current"
    ended: str = ""
    ended_by: str = ""
    corrects: str = ""
    mine: bool = False

    @property
    def decimals(self) -> tuple[Decimal, ...]:
        return tuple(Decimal(value) for value in self.values if value)

    @property
    def moment_of(self) -> datetime:
        return kinds.moment_of(self.at) or datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything known: `series`, by measure, the oldest first; `ended`: what was corrected or withdrawn."""

    series: dict[str, list[MeasureView]]
    ended: dict[str, list[MeasureView]]
    targets: dict[str, Target]
    traits: Traits | None = None

    def last(self, slug: str) -> MeasureView | None:
        return self.series[slug][-1] if self.series.get(slug) else None


# ---- read ------------------------------------------------------------------------------------------------------------


async def gather(app: App, handle: DossierHandle) -> Gathered:
    """All measures that the reader may see."""
    return await app.db.read(gathered, app, handle)


def gathered(tx: Tx, app: App, handle: DossierHandle) -> Gathered:
    """As `gather`, inside a transaction."""
    names = _Names(tx, app)
    shown = findings.held(tx, handle, ("measure",), current=False)
    if not choices.chosen(tx, handle.space_id)["measures_from_documents"]:
        shown = [one for one in shown if not one.document]
    views = _views([one for one in shown if one.state != "outdated"], handle, names)
    series: dict[str, list[MeasureView]] = {}
    ended: dict[str, list[MeasureView]] = {}
    for view in views:
        (series if view.state == "current" else ended).setdefault(view.measure, []).append(view)
    for one in (*series.values(), *ended.values()):
        one.sort(key=lambda view: (view.moment_of, view.recorded))
    traits = people.traits(app, tx, handle.space_id)
    born = date.fromisoformat(traits.birth_date) if traits else None
    if computed := _indices(series.get("weight", []), series.get("height", []), born):
        series["bmi"] = sorted([*series.get("bmi", []), *computed], key=lambda view: view.moment_of)
    return Gathered(series, ended, measure_targets.of(tx, handle, names.of), traits)


async def series(app: App, handle: DossierHandle, slug: str, since: str = "", until: str = "") -> list[MeasureView]:
    """One measure between two days (included; "" for no end), the oldest first. Raises `Invalid`."""
    kinds.kind(slug)
    return between((await gather(app, handle)).series.get(slug, []), since, until)


def between(views: Iterable[MeasureView], since: str, until: str) -> list[MeasureView]:
    return [view for view in views if (not since or _day(view) >= since) and (not until or _day(view) <= until)]


def _day(view: MeasureView) -> str:
    return view.moment_of.astimezone(PLACE).date().isoformat()


@dataclass(slots=True)
class _Names:
    """Who entered what, by name; each looked up once."""

    tx: Tx
    app: App
    known: dict[str, str]

    def __init__(self, tx: Tx, app: App) -> None:
        self.tx, self.app, self.known = tx, app, {}

    def of(self, account_id: str) -> str:
        if account_id not in self.known:
            found = accounts.even_ended(self.tx, account_id)
            account = found[0] if found else None
            self.known[account_id] = people.actor_in(self.app, self.tx, account).name if account else ""
        return self.known[account_id]


def _views(found: Sequence[Held], handle: DossierHandle, names: _Names) -> list[MeasureView]:
    views, pressures = [], dict[tuple[str, ...], list[tuple[Held, Kind]]]()
    for one in found:
        measure = one.finding
        of = kinds.of_code(measure.what) if isinstance(measure, Measure) else None
        if of is None or not isinstance(measure, Measure):
            continue
        if of.part_of:
            together = (one.document, measure.group or one.id, measure.at, one.state)
            pressures.setdefault(together, []).append((one, of))
        elif not of.parts and (value := kinds.normal(of, measure.value.value, measure.value.unit)) is not None:
            views.append(_view(one, measure, of, (kinds.plain(value),), handle, names))
    for parts in pressures.values():
        views += _pressures(parts, handle, names)
    return views


def _pressures(parts: list[tuple[Held, Kind]], handle: DossierHandle, names: _Names) -> list[MeasureView]:
    """The two numbers of each blood pressure of a group, in the order they were recorded."""
    of = kinds.KINDS[kinds.PRESSURE]
    high = [one for one, part in parts if part.slug == kinds.SYSTOLIC]
    low = [one for one, part in parts if part.slug == kinds.DIASTOLIC]
    views = []
    for number in range(max(len(high), len(low))):
        pair = [side[number] if number < len(side) else None for side in (high, low)]
        values = tuple(_value(one, part) for one, part in zip(pair, of.parts, strict=True))
        first = next(one for one in pair if one is not None)
        if isinstance(first.finding, Measure) and any(values):
            views.append(_view(first, first.finding, of, values, handle, names))
    return views


def _value(one: Held | None, slug: str) -> str:
    if one is None or not isinstance(one.finding, Measure):
        return ""
    value = kinds.normal(kinds.KINDS[slug], one.finding.value.value, one.finding.value.unit)
    return "" if value is None else kinds.plain(value)


def _view(
    one: Held, measure: Measure, of: Kind, values: tuple[str, ...], handle: DossierHandle, names: _Names
) -> MeasureView:
    same = measure.value.unit == of.unit or len(values) > 1
    return MeasureView(
        one.id,
        of.slug,
        values,
        of.unit,
        measure.at or one.dated or one.at,
        one.at,
        one.source,
        (one.author or one.organisation) if one.document else names.of(one.by),
        measure.moment,
        measure.note,
        measure.device,
        "" if same else f"{measure.value.value} {kinds.unit_label(measure.value.unit)}",
        one.document,
        one.title,
        one.message,
        one.state,
        one.ended_at,
        names.of(one.ended_by) if one.ended_by else "",
        one.corrects,
        findings_mine(handle, one),
    )


def findings_mine(handle: DossierHandle, one: Held) -> bool:
    """Whether its reader may correct it: what somebody of the holder's side entered, or oneself."""
    holders = handle.ground not in {standing.CARE, standing.SERVICE}
    own = one.by == handle.actor.account_id or (holders and one.source in {"patient", "delegate"})
    return own and not one.document and one.state == "current"


def _indices(weights: list[MeasureView], heights: list[MeasureView], born: date | None) -> list[MeasureView]:
    """The body mass index (kg/m²) of each weight, with the nearest height; a child's must be of the same months."""
    of, found = kinds.KINDS["bmi"], []
    for weight in weights:
        when = weight.moment_of
        height = min(heights, key=lambda one: abs(one.moment_of - when), default=None)
        if height is None:
            continue
        grown = born is not None and (when.date() - born) / timedelta(days=365.25) >= _ADULT
        if not grown and abs(height.moment_of - when) > timedelta(days=HEIGHT_DAYS_OF_A_CHILD):
            continue
        metres = height.decimals[0] / 100
        value = kinds.rounded(of, weight.decimals[0] / (metres * metres))
        found.append(MeasureView("", "bmi", (kinds.plain(value),), of.unit, weight.at, weight.recorded, COMPUTED))
    return found


# ---- write -----------------------------------------------------------------------------------------------------------


async def checked(app: App, handle: DossierHandle, entry: Entry, now: datetime | None = None) -> Entry:
    """An entry ready to be kept. Raises `Invalid`."""
    traits = await app.db.read(lambda tx: people.traits(app, tx, handle.space_id))
    born = date.fromisoformat(traits.birth_date) if traits else None
    return kinds.checked(entry, now or datetime.now(UTC), born)


def enter(tx: Tx, handle: DossierHandle, entry: Entry, *, message_id: str = "") -> list[str]:
    """Keep a checked entry; returns the ids of its findings. `message_id`: of the message that it was said in. The
    right to write is asked here. Raises `Refused`, `NotAllowed`.
    """
    may_write(tx, handle)
    ids = [findings.enter(tx, handle, one, message_id=message_id) for one in _measures(entry)]
    audit.record(tx, Act.MEASURE_ENTERED, handle.actor, handle.space_id, handle.ground, ids[0])
    return ids


def may_write(tx: Tx, handle: DossierHandle) -> None:
    """The right to write, inside the write; of a service, its grant as it stands now. Raises `Refused`,
    `NotAllowed`.
    """
    access.confirm_record(tx, handle)
    if handle.ground == standing.SERVICE and WRITE not in standing.reader(tx, handle).areas:
        raise Refused


def correct(tx: Tx, handle: DossierHandle, finding_id: str, entry: Entry | None, *, message_id: str = "") -> None:
    """What was entered was wrong: the checked entry stands in its place, or (None) it is withdrawn. Both numbers of a
    blood pressure change together. Raises `Refused`, `NotAllowed`, `Conflict`.
    """
    may_write(tx, handle)
    known = findings.held(tx, handle, ("measure",))
    one = next((item for item in known if item.id == finding_id), None)
    if one is None or not isinstance(one.finding, Measure):
        raise (
            Conflict("already_corrected", "Cette ligne a déjà été corrigée.")
            if _ended(tx, handle, finding_id)
            else (Refused)
        )
    new = _measures(entry) if entry else []
    of = kinds.of_code(one.finding.what)
    if entry and (of is None or entry.slug not in {of.slug, of.part_of}):
        raise Invalid("other_measure", "Corrigez cette mesure par une valeur de la même mesure.")
    for item in _together(known, one):
        said = item.finding
        same = next((m for m in new if isinstance(said, Measure) and m.what.code == said.what.code), None)
        findings.correct(tx, handle, item.id, same, message_id=message_id)
    audit.record(
        tx, Act.MEASURE_CORRECTED, handle.actor, handle.space_id, handle.ground, finding_id,
        outcome="done" if entry else "withdrawn",
    )  # fmt: skip


def undo(tx: Tx, handle: DossierHandle, message_id: str) -> int:
    """Withdraw what was kept by that message and still stands; how many findings."""
    may_write(tx, handle)
    kept = [one for one in findings.held(tx, handle, ("measure",)) if one.message and one.message == message_id]
    for one in kept:
        findings.correct(tx, handle, one.id, None)
    if kept:
        audit.record(
            tx, Act.MEASURE_CORRECTED, handle.actor, handle.space_id, handle.ground, kept[0].id, outcome="withdrawn"
        )
    return len(kept)


def _ended(tx: Tx, handle: DossierHandle, finding_id: str) -> bool:
    return any(one.id == finding_id for one in findings.held(tx, handle, ("measure",), current=False))


def _together(known: list[Held], one: Held) -> list[Held]:
    """The numbers of the same blood pressure; anything else stands alone."""
    parts = {kinds.SYSTOLIC, kinds.DIASTOLIC}
    of = kinds.of_code(one.finding.what) if isinstance(one.finding, Measure) else None
    if of is None or of.slug not in parts or not one.finding.group:
        return [one]
    return [other for other in known if other.finding.group == one.finding.group and _slug(other.finding) in parts]


def _slug(finding: Found) -> str:
    of = kinds.of_code(finding.what) if isinstance(finding, Measure) else None
    return of.slug if of else ""


def _measures(entry: Entry) -> list[Measure]:
    """The findings of a checked entry; what stands together has one group."""
    of = kinds.kind(entry.slug)
    parts = [kinds.KINDS[slug] for slug in of.parts] or [of]
    given = [*zip(parts, entry.values, strict=True)]
    if entry.heart_rate:
        given.append((kinds.KINDS[kinds.HEART_RATE], entry.heart_rate))
    group = new_id() if len(given) > 1 else ""
    return [
        Measure(
            at=entry.at,
            note=entry.note,
            group=group,
            what=part.what,
            value=Quantity(value, part.unit),
            moment=entry.moment,
            device=entry.device,
        )
        for part, value in given
    ]


def aim(tx: Tx, handle: DossierHandle, slug: str, low: str, high: str) -> None:
    """A personal target (`measure_targets`), with the right to write. Raises `Invalid`, `Refused`, `NotAllowed`."""
    may_write(tx, handle)
    measure_targets.aim(tx, handle, slug, low, high)
    audit.record(tx, Act.MEASURE_ENTERED, handle.actor, handle.space_id, handle.ground, "", outcome="target")
