"""The patient's folders, and what is new since a visit; on both engines."""

from __future__ import annotations

import pytest

from server import access
from server.dossier import folders
from server.errors import Conflict, Invalid, Refused
from server.handles import DossierHandle
from storage import visits
from storage.folders import PINNED
from tests.house import House
from tests.storage.shelf import filed

MINUTE = 60_000


async def dossier(core: House, who: str = "dominique") -> DossierHandle:
    return await access.dossier(core.app, await core.mailbox(who))


async def names(core: House) -> dict[str, frozenset[str]]:
    handle = await dossier(core)
    return {folder.name: folder.documents for folder in await core.app.db.read(folders.listed, handle)}


async def test_dominique_puts_her_documents_in_folders_and_takes_them_out(core: House) -> None:
    handle = await dossier(core)
    one, two = await filed(core, handle, "Genou"), await filed(core, handle, "Épaule")
    knee = await folders.create(core.app, handle, "  Mon   genou ")
    await folders.put(core.app, handle, knee, [one, two], on=True)
    await folders.put(core.app, handle, knee, [one], on=True)
    await folders.put(core.app, handle, PINNED, [two], on=True)
    assert await names(core) == {"Mon genou": frozenset({one, two})}
    await folders.put(core.app, handle, knee, [two], on=False)
    assert await names(core) == {"Mon genou": frozenset({one})}
    assert await core.app.db.read(folders.pinned, handle) == {two}
    await folders.rename(core.app, handle, knee, "Arrêts de travail")
    await folders.remove(core.app, handle, knee)
    assert await names(core) == {}
    with pytest.raises(Refused):
        await folders.put(core.app, handle, knee, [one], on=True)


async def test_a_folder_has_a_name_of_its_own_and_holds_only_what_one_may_see(core: House) -> None:
    handle = await dossier(core)
    knee = await folders.create(core.app, handle, "Genou")
    with pytest.raises(Conflict):
        await folders.create(core.app, handle, "genou")
    for bad in ("", " \u202e ", "x" * 61):
        with pytest.raises(Invalid):
            await folders.rename(core.app, handle, knee, bad)
    others = await filed(core, await dossier(core, "marcel"), "De Marcel")
    with pytest.raises(Refused):
        await folders.put(core.app, handle, knee, [others], on=True)


async def test_what_is_new_is_new_for_a_whole_visit_and_no_longer(core: House) -> None:
    space, me = core.dominique.space_id, core.dominique.account_id

    async def look(minute: int) -> int | None:
        return await core.app.db.write(visits.visit, space, me, "documents", minute * MINUTE, 30 * MINUTE)

    assert await look(0) is None
    assert await look(10) is None, "the same visit"
    assert await look(100) == 10 * MINUTE
    assert await look(120) == 10 * MINUTE, "loaded again, it still shows it"
    assert await look(151) == 120 * MINUTE
