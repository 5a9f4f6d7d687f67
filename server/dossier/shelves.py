"""The shelf of documents: what its reader may see, in order, with what belongs together as one line.

    documents (decided on, one by one)  →  versions folded under the newest, the same content received twice once
    →  filtered, counted, sorted  →  a page of `PAGE` lines

Promises: what is obsolete is found under what replaced it, and by itself when that is not there; two documents are one
line only when their content is the same to the octet and the same people may see both. What is new is what came since
the reader's last visit, and was not filed by them. Does not: search in the text of documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from server import people
from server.dossier import by_itself, choices, folders, titles
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView, Seen
from server.dossier.habilitation import ARCHIVED, HIDDEN
from server.dossier.titles import Title
from server.query import fold
from storage import accounts, visits
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.dossier.folders import Folder
    from server.handles import DossierHandle

AREA: Final = "documents"  # of visits
VISIT_MS: Final = 30 * 60_000  # what is looked at again within that is the same visit
PAGE: Final = 50
SHOWN: Final = ("", "new", "pinned", "hidden", "archived", "obsolete")
SORTS: Final = ("", "oldest", "filed", "title", "author")
SOURCES: Final = ("letter", "api", "patient", "pli", "import")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the shelf. `who`: `mark_of` an author or an organisation. `page` from 1."""

    category: str = ""
    year: str = ""
    who: str = ""
    source: str = ""
    show: str = ""
    folder: str = ""
    words: str = ""
    sort: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """`times`: how often the same content came. `older`: what it replaced, the newest first. `added_by`: who filed it
    for the holder, "" for themselves.
    """

    view: DocumentView
    title: Title
    new: bool = False
    pinned: bool = False
    times: int = 1
    older: tuple[Line, ...] = ()
    folders: tuple[str, ...] = ()
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """`counts`: of each category, with everything but the category asked for. `total`: lines of all pages."""

    lines: list[Line]
    total: int
    page: int
    pages: int
    counts: dict[str, int]
    years: list[str]
    authors: list[tuple[str, str]]
    sources: list[str]
    folders: list[Folder]
    folder: Folder | None
    new: int
    has: frozenset[str]  # which of `SHOWN` would show something
    anything: bool
    by_itself: bool
    offered: bool


@dataclass(slots=True)
class _Group:
    head: Seen
    same: list[Seen] = field(default_factory=list)
    older: list[Seen] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Looking:
    """What lines are made with. `since`: ms, None at a first visit."""

    app: App
    handle: DossierHandle
    language: str
    this_year: int
    since: int | None
    pinned: frozenset[str]
    folders: Sequence[Folder]


async def look(app: App, handle: DossierHandle, asked: Asked, language: str, this_year: int) -> Shelf:
    """A page of the shelf. That somebody looked is noted, for what is new next time."""
    space, me = handle.space_id, handle.actor.account_id
    since = await app.db.write(visits.visit, space, me, AREA, now_ms(), VISIT_MS)

    def read(tx: Tx) -> Shelf:
        known = folders.listed(tx, handle)
        looking = _Looking(app, handle, language, this_year, since, folders.pinned(tx, handle), known)
        return _page(tx, looking, asked)

    return await app.db.read(read)


def _page(tx: Tx, looking: _Looking, asked: Asked) -> Shelf:
    seen = list(shelf.seen(tx, looking.handle))
    groups = grouped(seen)
    standing = [group for group in groups if _stands(group.head)]
    shown = _shown(looking, groups, seen, asked)
    folder = next((one for one in looking.folders if one.id == asked.folder), None)
    if asked.folder:
        shown = [group for group in shown if folder and _ids(group) & folder.documents]
    sought = fold(asked.words).split()
    fit = [group for group in shown if _fits(looking, group.head, asked) and _found(group, sought)]
    counts = Counter(_category(group.head) for group in fit)
    if asked.category:
        fit = [group for group in fit if _category(group.head) == asked.category]
    fit = _sorted(fit, asked.sort)
    pages = max(1, -(-len(fit) // PAGE))
    page = max(1, min(asked.page, pages))
    names: dict[str, str] = {}
    lines = [_line(tx, looking, group, names) for group in fit[(page - 1) * PAGE : page * PAGE]]
    heads = [group.head for group in shown]
    return Shelf(
        lines,
        len(fit),
        page,
        pages,
        {name: counts.get(name, 0) for name in shelf.CATEGORIES},
        sorted({_year(item) for item in heads} - {""}, reverse=True),
        _authors(looking, heads),
        [name for name in SOURCES if any(item.row.source == name for item in heads)],
        list(looking.folders),
        folder,
        sum(_new(looking, group.head) for group in standing),
        _has(looking, groups, seen),
        bool(seen),
        choices.chosen(tx, looking.handle.space_id)[by_itself.CHOICE],
        by_itself.offered(tx, looking.handle),
    )


# ---- what belongs together -------------------------------------------------------------------------------------------


def grouped(seen: Iterable[Seen]) -> list[_Group]:
    """Documents with their older versions and their doubles; each document is in one group."""
    items = list(seen)
    current = [item for item in items if item.row.state == "current"]
    groups: dict[str, _Group] = {}
    twins: dict[tuple[str, frozenset[str]], str] = {}
    for item in current:
        twin = (item.row.content_hash, frozenset(item.marks))
        known = twins.get(twin) if item.row.content_hash else None
        if known is None:
            groups[item.row.id] = _Group(item)
            twins[twin] = item.row.id
        else:
            groups[known].same.append(item)
    heads = {item.row.id: group for group in groups.values() for item in (group.head, *group.same)}
    places: dict[str, list[Seen]] = {}
    for item in items:
        for place in {item.row.id, item.row.message_id} - {""}:
            places.setdefault(place, []).append(item)
    for item in items:
        if item.row.state == "current":
            continue
        newer = _newest(item, places)
        if newer is not None and newer.row.id in heads:
            heads[newer.row.id].older.append(item)
        else:
            groups[item.row.id] = _Group(item)
    for group in groups.values():
        group.older.sort(key=lambda item: (item.row.version, item.row.filed_at), reverse=True)
    return list(groups.values())


def _newest(old: Seen, places: Mapping[str, Sequence[Seen]]) -> Seen | None:
    """What took its place in the end, as far as it is in the dossier. `places`: documents by their id, and by the
    message they came in.
    """
    seen, here = {old.row.id}, old
    while here.row.state == "replaced" and here.row.replaced_by:
        after = places.get(here.row.replaced_by, ())
        alike = [item for item in after if here.row.set_hash and item.row.set_hash == here.row.set_hash] or after
        found = next((item for item in alike if item.row.id not in seen), None)
        if found is None or len(alike) > 1:
            return None
        seen.add(found.row.id)
        here = found
    return here if here is not old and here.row.state == "current" else None


# ---- what is asked for -----------------------------------------------------------------------------------------------


def _stands(item: Seen) -> bool:
    """Whether it stands on the shelf when nothing is asked for."""
    return ARCHIVED not in item.marks


def _shown(looking: _Looking, groups: Sequence[_Group], seen: Sequence[Seen], asked: Asked) -> list[_Group]:
    if asked.show == "obsolete":
        return [_Group(item) for item in seen if item.row.state != "current"]
    if asked.show == "archived":
        return [group for group in groups if not _stands(group.head)]
    if asked.show == "hidden":
        return [group for group in groups if HIDDEN in group.head.marks]
    if asked.show == "pinned":
        return [group for group in groups if _ids(group) & looking.pinned]
    if asked.show == "new":
        return [group for group in groups if _stands(group.head) and _new(looking, group.head)]
    return list(groups) if asked.folder else [group for group in groups if _stands(group.head)]


def _has(looking: _Looking, groups: Sequence[_Group], seen: Sequence[Seen]) -> frozenset[str]:
    return frozenset(show for show in SHOWN[1:] if _shown(looking, groups, seen, Asked(show=show)))


def _fits(looking: _Looking, item: Seen, asked: Asked) -> bool:
    names = (item.facts.author, item.facts.organisation)
    return (
        (not asked.year or _year(item) == asked.year)
        and (not asked.source or item.row.source == asked.source)
        and (not asked.who or asked.who in {mark_of(looking, name) for name in names})
    )


def _found(group: _Group, sought: Sequence[str]) -> bool:
    """By what stands on the line, in both languages: a title is told in one, and remembered in another."""
    if not sought:
        return True
    facts = group.head.facts
    made = " ".join(titles.of(group.head, language).text for language in ("fr", "en"))
    text = fold(f"{made} {facts.title} {facts.name} {facts.document_label} {facts.author} {facts.organisation}")
    return all(word in text for word in sought)


def _sorted(groups: list[_Group], sort: str) -> list[_Group]:
    if sort == "title":
        return sorted(groups, key=lambda group: fold(titles.of(group.head).text))
    if sort == "author":
        return sorted(groups, key=lambda group: (not group.head.facts.author, fold(group.head.facts.author)))
    if sort == "filed":
        return sorted(groups, key=lambda group: group.head.row.filed_at, reverse=True)
    return sorted(
        groups, key=lambda group: (group.head.facts.created, group.head.row.filed_at), reverse=sort != "oldest"
    )


def mark_of(looking: _Looking, name: str) -> str:
    """What stands for an author in an address: names do not, they would stay in a history."""
    key = f"{looking.handle.space_id}|{fold(name)}"
    return looking.app.vault.lookup("shelf-author", key)[:16] if name else ""


def _authors(looking: _Looking, items: Iterable[Seen]) -> list[tuple[str, str]]:
    """(mark, name) of everybody who made one of these documents."""
    names = {name for item in items for name in (item.facts.author, item.facts.organisation) if name}
    return [(mark_of(looking, name), name) for name in sorted(names, key=fold)]


def _year(item: Seen) -> str:
    year = item.facts.created[:4]
    return year if len(year) == 4 and year.isdecimal() else ""


def _category(item: Seen) -> str:
    return item.facts.category if item.facts.category in shelf.CATEGORIES else shelf.OTHER


def _ids(group: _Group) -> set[str]:
    return {item.row.id for item in (group.head, *group.same)}


def _new(looking: _Looking, item: Seen) -> bool:
    me = looking.handle.actor.account_id
    return looking.since is not None and item.row.filed_at > looking.since and item.row.filed_by != me


# ---- lines -----------------------------------------------------------------------------------------------------------


def _line(tx: Tx, looking: _Looking, group: _Group, names: dict[str, str]) -> Line:
    item, ids = group.head, _ids(group)
    return Line(
        shelf.view(tx, looking.handle, item),
        titles.of(item, looking.language, looking.this_year),
        _new(looking, item),
        bool(ids & looking.pinned),
        1 + len(group.same),
        tuple(_line(tx, replace(looking, pinned=frozenset()), _Group(old), names) for old in group.older),
        tuple(folder.name for folder in looking.folders if ids & folder.documents),
        _filed_by(tx, looking, item, names),
    )


def _filed_by(tx: Tx, looking: _Looking, item: Seen, names: dict[str, str]) -> str:
    """Who filed it for the holder: a delegate. "" for anybody else."""
    by = item.row.filed_by
    if by in {looking.handle.holder, by_itself.BY} or item.row.source not in {"letter", titles.PATIENT}:
        return ""
    if by not in names:
        account = accounts.by_id(tx, by)
        names[by] = people.actor_in(looking.app, tx, account).name if account else ""
    return names[by]
