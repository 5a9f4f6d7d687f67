"""Who may see a document, changed: hidden from professionals or shown, made visible to representatives, told, archived.

    a page, the record, the API  →  change()  →  a record a document · an audit row · a line in « Votre espace »

Who may: the holder and their legal representatives, for any document; a professional, for what they deposited
themselves (CI-SIS, DMP: ITI-57). A helper never: sharing is the holder's (`scopes.shares`). What is made visible to
representatives, or told, stays so; everything else can be undone by its contrary. A document is never hidden from
professionals and from its patient at once (DMP EX_2.1-1050).

Does not: decide who sees what (`habilitation`). Nothing here hides a document from who deposited it, from the
administrator whom the patient named, or from the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server import access, audit, people, reading, scopes, space_news
from server.audit import Act
from server.dossier import documents as shelf
from server.dossier import standing, titles
from server.dossier.documents import Seen
from server.dossier.habilitation import ARCHIVED, HIDDEN, SECRET, UNTOLD
from server.errors import Conflict, Invalid, NotAllowed, TooLarge
from storage import accounts, teams, visibilities
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing

MOST: Final = 50  # documents changed at once; said beforehand
ONE_WAY: Final = frozenset({SECRET, UNTOLD})  # only ever taken off

# (mark, on) → what « Votre espace » says of one document, and of several; in French, then in English.
NEWS: Final[dict[tuple[str, bool], tuple[str, str, str, str]]] = {
    (HIDDEN, True): (
        "{by} a masqué aux professionnels {name}.",
        "{by} a masqué {count} documents aux professionnels : {name}.",
        "{by} hid {name} from professionals.",
        "{by} hid {count} documents from professionals: {name}.",
    ),
    (HIDDEN, False): (
        "{by} montre de nouveau {name} aux professionnels autorisés.",
        "{by} montre de nouveau {count} documents aux professionnels autorisés : {name}.",
        "{by} shows {name} to authorised professionals again.",
        "{by} shows {count} documents to authorised professionals again: {name}.",
    ),
    (SECRET, False): (
        "{by} a rendu {name} visible pour les représentants légaux.",
        "{by} a rendu {count} documents visibles pour les représentants légaux : {name}.",
        "{by} made {name} visible to legal representatives.",
        "{by} made {count} documents visible to legal representatives: {name}.",
    ),
    (UNTOLD, False): (
        "{by} a ajouté {name} à votre dossier.",
        "{by} a ajouté {count} documents à votre dossier : {name}.",
        "{by} added {name} to your record.",
        "{by} added {count} documents to your record: {name}.",
    ),
    (ARCHIVED, True): (
        "{by} a archivé {name}.",
        "{by} a archivé {count} documents : {name}.",
        "{by} archived {name}.",
        "{by} archived {count} documents: {name}.",
    ),
    (ARCHIVED, False): (
        "{by} a désarchivé {name}.",
        "{by} a désarchivé {count} documents : {name}.",
        "{by} took {name} out of the archive.",
        "{by} took {count} documents out of the archive: {name}.",
    ),
}
MOST_NAMED: Final = 5


@dataclass(slots=True)
class _Changing:
    """What a change works with: it may run twice, and keeps of itself only what the last run found."""

    handle: DossierHandle
    ids: tuple[str, ...]
    mark: str
    on: bool
    changed: tuple[str, ...] = ()

    def run(self, tx: Tx) -> None:
        access.confirm_record(tx, self.handle)
        scopes.shares(tx, self.handle)
        self.changed = tuple(document for document in self.ids if _change(tx, self, document))

    def effect(self, doing: Doing) -> None:
        self.run(doing.tx)
        if not self.changed:
            raise Conflict("nothing_changed", "C’est déjà ainsi.")


async def change(app: App, handle: DossierHandle, document_ids: Sequence[str], mark: str, *, on: bool) -> list[str]:
    """Put a mark on documents, or take it off; returns those that it changed: they alone are to be undone.

    Raises `Refused` when one of them is not there for this actor; `NotAllowed`, `Invalid`, `TooLarge`.
    """
    if on and mark in ONE_WAY:
        raise NotAllowed("cannot_hide_again", "Ce qui a été montré à quelqu’un ne peut plus lui être caché.")
    if (mark, on) not in NEWS:
        raise Invalid("not_a_change", "Ce changement n’existe pas.")
    changing = _Changing(handle, few(document_ids), mark, on)
    named = await app.db.read(_named, changing)
    if not named:  # a secret is nowhere told: those it is kept from read « Votre espace » too
        await app.db.write(changing.run)
        return list(changing.changed)
    try:
        news = said(NEWS[mark, on], handle.actor.name, named)
        await space_news.tell(app, handle.space_id, *news, changing.effect)
    except Conflict as error:
        if error.code != "nothing_changed":
            raise
    return list(changing.changed)


def few(document_ids: Sequence[str]) -> tuple[str, ...]:
    """Each once. Raises `Invalid` for none, `TooLarge` for too many."""
    wanted = tuple(dict.fromkeys(document_ids))
    if not wanted:
        raise Invalid("no_document", "Choisissez au moins un document.")
    if len(wanted) > MOST:
        raise TooLarge("too_many_documents", f"Choisissez {MOST} documents au plus.")
    return wanted


def said(news: tuple[str, str, str, str], by: str, documents: Sequence[Seen]) -> tuple[str, str]:
    """What is told of these documents, in French and in English."""
    told = []
    for language, one, several in (("fr", *news[:2]), ("en", *news[2:])):
        names = [f"« {titles.of(item, language).text} »" for item in documents[:MOST_NAMED]]
        name = ", ".join(names) + ("…" if len(documents) > MOST_NAMED else "")
        told.append((one if len(documents) == 1 else several).format(by=by, count=len(documents), name=name))
    return told[0], told[1]


def _named(tx: Tx, changing: _Changing) -> list[Seen]:
    """Those that may be told of."""
    handle, opening = changing.handle, changing.mark == SECRET
    seen = [shelf.one_seen(tx, handle, document) for document in changing.ids]
    for item in seen:
        _may(tx, handle, item, changing.mark, on=changing.on)
    return [item for item in seen if opening or SECRET not in item.marks]


def _change(tx: Tx, changing: _Changing, document: str) -> bool:
    """Whether it was otherwise before."""
    handle, mark, on = changing.handle, changing.mark, changing.on
    item = shelf.one_seen(tx, handle, document)
    _may(tx, handle, item, mark, on=on)
    if (mark in item.marks) == on:
        return False
    visibilities.record(tx, handle.space_id, document, mark, on=on, by=handle.actor.account_id)
    outcome = f"{mark}:{'on' if on else 'off'}"
    audit.record(tx, Act.DOCUMENT_MARKED, handle.actor, handle.space_id, handle.ground, document, outcome)
    return True


def _may(tx: Tx, handle: DossierHandle, item: Seen, mark: str, *, on: bool) -> None:
    """Raises `NotAllowed`."""
    if handle.ground in {standing.CARE, standing.SERVICE}:
        own = own_accounts(tx, handle)
        if item.row.author_id not in own:
            raise NotAllowed("not_your_document", "Seul le patient, ou l’auteur de ce document, peut faire cela.")
        known = item.marks.get(mark)
        if mark == HIDDEN and not on and known and known.by not in own:
            raise NotAllowed("hidden_by_patient", "Ce document a été masqué par le patient : lui seul peut le montrer.")
    if mark == HIDDEN and on and UNTOLD in item.marks:
        raise both()


def both() -> NotAllowed:
    """A document that nobody may read is no document of a shared record."""
    return NotAllowed(
        "hidden_and_untold", "Un document ne peut pas être masqué à la fois aux professionnels et au patient."
    )


def own_accounts(tx: Tx, handle: DossierHandle) -> frozenset[str]:
    """By which the actor is known as an author: their own account, and the teams they work in."""
    return frozenset({handle.actor.account_id, *(team for team, _, _ in teams.of_account(tx, handle.actor.account_id))})


def history(app: App, tx: Tx, handle: DossierHandle, item: Seen) -> list[tuple[str, str, str, str]]:
    """(mark, on or off, when, by whom) of everything that was settled for a document, the newest first. "" for what a
    choice for the whole dossier settled.
    """
    found = []
    for mark, state, at, by in reversed(visibilities.of_item(tx, handle.space_id, item.row.id)):
        account = accounts.by_id(tx, by)
        found.append((mark, state, reading.iso(at), people.actor_in(app, tx, account).name if account else ""))
    return found
