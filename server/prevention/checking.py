"""What is wrong with a file of rules beyond its shape: each fault a sentence that says the row and the field. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from server.dossier.vaccinations import TABLE
from server.prevention.rules import Dose, Group, Rule, Rulebook, Season
from server.prevention.spans import Span

_WORDS = ("title", "title_for", "text", "text_falc", "title_en", "title_for_en", "text_en")


def faults(book: Rulebook) -> list[str]:
    """Every fault of the rows, and of the tables they name; none for a file that can serve."""
    found = [
        f"{name}: id: stands {times} times" for name, times in Counter(r.id for r in book.rules).items() if times > 1
    ]
    known = {row.id: row for row in book.rules}
    for row in book.rules:
        found += [f"{row.id}: {fault}" for fault in _of(row, book, known)]
    return found


def of_seasons(seasons: Sequence[Season], book: Rulebook) -> list[str]:
    found = []
    for one in seasons:
        name = f"season {one.season} {one.opens}"
        if not one.opens <= one.closes:
            found.append(f"{name}: closes: before it opens")
        if one.counts_from > one.opens:
            found.append(f"{name}: counts_from: after it opens")
        if one.verified and not one.sources:
            found.append(f"{name}: sources: a verified season says where its dates come from")
        found += [f"{name}: sources: unknown code {code}" for code in one.sources if code not in book.sources]
        found += [f"{name}: opens_in: unknown situation {slug}" for slug in one.opens_in if slug not in book.situations]
    return found


def _of(row: Rule, book: Rulebook, known: dict[str, Rule]) -> Iterator[str]:
    yield from _names(row, book, known)
    yield from _words(row)
    yield from _dates(row)
    for number, group in enumerate(row.population, 1):
        yield from _group(number, group, row)
    yield from _doses(row)
    yield from _spans(row)


def _names(row: Rule, book: Rulebook, known: dict[str, Rule]) -> Iterator[str]:
    """What it names must be somewhere."""
    things = {*TABLE.diseases, *book.examinations}
    situations = [slug for group in row.population for slug in (*group.situations, *group.excluding)]
    situations += row.satisfied_by + tuple(slug for spacing in row.spacing for slug in spacing.other_situations)
    if row.window:
        situations.append(row.window.of)
    spaced = [slug for spacing in row.spacing for slug in spacing.what]
    yield from _unknown("counts", (*row.counts, *row.repeat), things)
    yield from _unknown("spacing", spaced, things)
    yield from _unknown("sources", row.sources, book.sources)
    yield from _unknown("population", situations, book.situations)
    yield from _unknown("alternatives", row.alternatives, known)
    if row.catch_up_of:
        yield from _unknown("catch_up_of", (row.catch_up_of,), known)
        if row.catch_up_of == row.id or (row.catch_up_of in known and known[row.catch_up_of].catch_up_of):
            yield "catch_up_of: a catch-up names a rule that is none"
    if row.not_of:
        yield from _unknown("not_of", (row.not_of,), known)
    if not row.counts:
        yield "counts: what is done by it is not said"
    if not row.sources:
        yield "sources: a row says where it comes from"
    if row.repeat and set(row.counts) - set(row.repeat):
        yield "repeat: each thing that counts has its span"


def _unknown(field: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{field}: unknown « {name} »"


def _words(row: Rule) -> Iterator[str]:
    for name in _WORDS:
        text = getattr(row, name)
        if not text.strip():
            yield f"{name}: empty"
        if ("{name}" in text) != name.startswith("title_for"):
            yield f"{name}: {{name}} stands in title_for and title_for_en, and nowhere else"


def _dates(row: Rule) -> Iterator[str]:
    if row.valid_until is not None and row.valid_until < row.valid_from:
        yield "valid_until: before valid_from"
    if row.version < 1:
        yield "version: from 1 on"
    if row.active and (not row.verified or row.conflict):
        yield "active: a row that is not verified, or conflicts, is off; an operator switches it on by its id"
    if sum((bool(row.repeat), row.steps is not None, row.yearly, bool(row.season))) > 1:
        yield "repeat: only one of repeat, steps, yearly, season"


def _group(number: int, group: Group, row: Rule) -> Iterator[str]:
    if group.from_ and group.before and group.from_.about >= group.before.about:
        yield f"population {number}: before: not after from"
    if group.born_from and group.born_before and group.born_from >= group.born_before:
        yield f"population {number}: born_before: not after born_from"
    if row.finish_before and (group.before is None or row.finish_before.about < group.before.about):
        yield "finish_before: sooner than the window to begin"
    if not group.label.strip() or not group.label_en.strip():
        yield f"population {number}: label: who these are is said in both languages"


def _doses(row: Rule) -> Iterator[str]:
    if not row.doses:
        yield "doses: none"
    before = 0
    for number, dose in enumerate(row.doses, 1):
        yield from (f"doses {number}: {fault}" for fault in _dose(dose, number))
        if dose.at is not None and dose.at.about < before:
            yield f"doses {number}: at: before that of the dose before"
        before = dose.at.about if dose.at is not None else before
        if dose.max_age and any(g.from_ and g.from_.about >= dose.max_age.about for g in row.population):
            yield f"doses {number}: max_age: before the window"
    if len(row.doses) > 1 and (row.repeat or row.yearly or row.season or row.steps):
        yield "doses: what comes again has one dose"


def _dose(dose: Dose, number: int) -> Iterator[str]:
    for name in ("interval", "min_interval", "late_after"):
        of: Span | None = getattr(dose, name)
        if of is not None and of.n < 1:
            yield f"{name}: not positive"
    if number > 1 and dose.min_interval is None:
        yield "min_interval: not said"
    if number == 1 and dose.interval:
        yield "interval: there is no dose before"
    if dose.interval and dose.min_interval and dose.interval.about < dose.min_interval.about:
        yield "interval: shorter than min_interval"
    ages = [of.about for of in (dose.min_age, dose.at, dose.max_age) if of is not None]
    if ages != sorted(ages):
        yield "min_age, at, max_age: not in order"


def _spans(row: Rule) -> Iterator[str]:
    spans = [("steps", row.steps), ("early", row.early)]
    spans += [("repeat", again) for again in row.repeat.values()]
    spans += [("rhythm", again) for again in row.rhythm]
    for spacing in row.spacing:
        spans += [("spacing", spacing.least), ("spacing", spacing.other)]
    for name, of in spans:
        if of is not None and of.n < 1:
            yield f"{name}: not positive"
    if row.steps and (row.steps.unit != "y" or any(g.from_ is None or g.from_.unit != "y" for g in row.population)):
        yield "steps: years, from an age in years"
    if row.early and not row.steps:
        yield "early: of steps only"
    if row.window and row.window.ends == "since" and row.window.before.about <= row.window.from_.about:
        yield "window: before: not after from"
    if [again.about for again in row.rhythm] != sorted({again.about for again in row.rhythm}):
        yield "rhythm: not in order"
