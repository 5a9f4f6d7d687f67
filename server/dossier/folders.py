"""The patient's own order of their documents: folders, and what is pinned. It shares nothing with anybody, and hides
nothing: whoever may write in the dossier may put it in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server import access
from server.dossier import documents as shelf
from server.dossier import standing
from server.dossier.visibility import few
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import DossierHandle
from storage import folders
from storage.database import Tx
from storage.folders import PINNED
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

MOST: Final = 50  # folders of a dossier
MOST_NAME: Final = 60  # characters


@dataclass(frozen=True, slots=True)
class Folder:
    id: str
    name: str
    documents: frozenset[str]


def listed(tx: Tx, handle: DossierHandle) -> list[Folder]:
    """The folders of a dossier by name."""
    contents = folders.contents(tx, handle.space_id)
    found = [
        Folder(row.id, _name(handle, row), frozenset(contents.get(row.id, ())))
        for row in folders.of(tx, handle.space_id)
    ]
    return sorted(found, key=lambda folder: folder.name.casefold())


def pinned(tx: Tx, handle: DossierHandle) -> frozenset[str]:
    return frozenset(folders.contents(tx, handle.space_id).get(PINNED, ()))


async def create(app: App, handle: DossierHandle, name: str) -> str:
    """Returns its id. Raises `Invalid`, `Conflict`."""
    name = _checked(name)
    folder_id = new_id()
    sealed = handle.keys.seal("folder", folder_id, name.encode())

    def insert(tx: Tx) -> None:
        _may(tx, handle)
        known = folders.of(tx, handle.space_id)
        if len(known) >= MOST:
            raise Conflict("too_many_folders", f"Vous avez déjà {MOST} dossiers de classement.")
        _check_free(handle, known, name)
        folders.insert(tx, handle.space_id, folder_id, sealed, handle.actor.account_id)

    await app.db.write(insert)
    return folder_id


async def rename(app: App, handle: DossierHandle, folder_id: str, name: str) -> None:
    """Raises `Invalid`, `Conflict`, `Refused`."""
    name = _checked(name)
    sealed = handle.keys.seal("folder", folder_id, name.encode())

    def change(tx: Tx) -> None:
        _may(tx, handle)
        _check_free(handle, [row for row in folders.of(tx, handle.space_id) if row.id != folder_id], name)
        if not folders.rename(tx, handle.space_id, folder_id, sealed):
            raise Refused

    await app.db.write(change)


async def remove(app: App, handle: DossierHandle, folder_id: str) -> None:
    """The folder goes, its documents stay. Raises `Refused`."""

    def end(tx: Tx) -> None:
        _may(tx, handle)
        if not folders.end(tx, handle.space_id, folder_id):
            raise Refused

    await app.db.write(end)


async def put(app: App, handle: DossierHandle, folder_id: str, document_ids: Sequence[str], *, on: bool) -> None:
    """Put documents in a folder, or pin them (`PINNED`); with `on` false, take them out. Raises `Refused`, `Invalid`,
    `TooLarge`.
    """
    wanted = few(document_ids)

    def move(tx: Tx) -> None:
        _may(tx, handle)
        if folder_id != PINNED and folder_id not in {row.id for row in folders.of(tx, handle.space_id)}:
            raise Refused
        for document in wanted:
            shelf.one_seen(tx, handle, document)
            if on:
                folders.put(tx, handle.space_id, folder_id, document, handle.actor.account_id)
            else:
                folders.take_out(tx, handle.space_id, folder_id, document)

    await app.db.write(move)


def _may(tx: Tx, handle: DossierHandle) -> None:
    if handle.ground in {standing.CARE, standing.SERVICE}:
        raise NotAllowed("not_your_folders", "Seul le patient range ses documents.")
    access.confirm_record(tx, handle)


def _checked(name: str) -> str:
    kept = " ".join("".join(char for char in name if char.isprintable()).split())
    if not kept or len(kept) > MOST_NAME:
        raise Invalid("bad_folder_name", f"Donnez un nom au dossier ({MOST_NAME} caractères au plus).")
    return kept


def _check_free(handle: DossierHandle, known: Sequence[folders.Folder], name: str) -> None:
    if any(_name(handle, row).casefold() == name.casefold() for row in known):
        raise Conflict("folder_exists", "Vous avez déjà un dossier de ce nom.")


def _name(handle: DossierHandle, row: folders.Folder) -> str:
    return handle.keys.open("folder", row.id, row.name).decode()
