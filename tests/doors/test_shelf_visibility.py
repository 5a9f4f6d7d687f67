"""Who may hide a document, from whom, and what stays so: on both sides of the desk."""

from __future__ import annotations

import pytest

from server import access
from server.dossier import documents as shelf
from server.dossier import visibility
from server.dossier.habilitation import ARCHIVED, HIDDEN, SECRET, UNTOLD
from server.errors import NotAllowed, Refused
from server.handles import DossierHandle
from storage import consents, delegations, visibilities
from storage.ids import new_id, now_ms
from tests.browser.visitor import visitor
from tests.doors.test_shelf import act, dossier, lines
from tests.house import House
from tests.storage.shelf import filed


async def record(house: House, who: str, patient: str = "dominique") -> DossierHandle:
    """A professional's way to a patient's dossier, with consent, after they wrote once."""
    space = house.people[patient].space_id
    await house.letter(who, patient)
    consent = consents.Consent(
        space, new_id(), house.people[who].account_id, "treating", b"", now_ms() - 1, None, "holder", ""
    )
    keys = (await dossier(house, patient)).keys
    sealed = keys.seal("consent", consent.id, b"{}")
    await house.app.db.write(consents.insert, consent, sealed)
    return await access.record_of(house.app, await house.mailbox(who), space)


async def titles(house: House, handle: DossierHandle) -> set[str]:
    return {item.title for item in await shelf.list_documents(house.app, handle)}


async def test_what_dominique_hides_no_professional_sees_but_who_wrote_it(house: House) -> None:
    handle = await dossier(house)
    leroy, morel = await record(house, "leroy"), await record(house, "morel")
    ids = [await filed(house, handle, title, author="morel", document_type="11488-4") for title in ("Genou", "Épaule")]
    assert await titles(house, leroy) == {"Genou", "Épaule"}
    assert await visibility.change(house.app, handle, ids[:1], HIDDEN, on=True) == ids[:1]
    assert await titles(house, leroy) == {"Épaule"}
    assert await titles(house, morel) == {"Genou", "Épaule"}
    with pytest.raises(NotAllowed, match="hidden_by_patient"):
        await visibility.change(house.app, morel, ids[:1], HIDDEN, on=False)
    with pytest.raises(Refused):
        await visibility.change(house.app, leroy, ids[:1], HIDDEN, on=False)
    with pytest.raises(NotAllowed, match="not_your_document"):
        await visibility.change(house.app, leroy, ids[1:], ARCHIVED, on=True)
    rows = await house.app.db.read(lambda tx: tx.run("SELECT object, outcome FROM audit WHERE act = 'document:marked'"))
    assert rows == [(ids[0], "hidden:on")]


async def test_dr_morel_tells_what_she_withheld_once_and_for_all_and_a_line_says_so(house: House) -> None:
    handle, morel = await dossier(house), await record(house, "morel")
    withheld = await filed(house, handle, "Résultat", author="morel", confidentiality=("N", "INVISIBLE_PATIENT"))
    assert await titles(house, handle) == set()
    with pytest.raises(NotAllowed, match="hidden_and_untold"):
        await visibility.change(house.app, morel, [withheld], HIDDEN, on=True)
    await visibility.change(house.app, morel, [withheld], UNTOLD, on=False)
    assert await titles(house, handle) == {"Résultat"}
    assert "Dr Agathe MOREL a ajouté « Résultat » à votre dossier." in await lines(house)
    with pytest.raises(NotAllowed, match="cannot_hide_again"):
        await visibility.change(house.app, morel, [withheld], UNTOLD, on=True)
    with pytest.raises(NotAllowed, match="hidden_and_untold"):
        await filed(house, handle, "À personne", author="morel", confidentiality=("MASQUE_PS", "INVISIBLE_PATIENT"))


async def test_a_minor_s_secret_is_told_to_nobody_until_she_shows_it_for_good(house: House) -> None:
    own = await dossier(house, "camille")
    secret = await filed(
        house, own, "Contraception", author="morel", confidentiality=("N", "INVISIBLE_REPRESENTANTS_LEGAUX")
    )
    mother = await access.dossier(house.app, await house.mailbox("dominique", house.camille.mailbox_id))
    with pytest.raises(Refused):
        await visibility.change(house.app, mother, [secret], HIDDEN, on=True)
    before = await lines(house, "camille")
    assert await visibility.change(house.app, own, [secret], HIDDEN, on=True) == [secret]
    assert await lines(house, "camille") == before, "her mother reads these lines too"
    async with visitor(house, "camille") as camille:
        page = await camille.get(f"/documents/{secret}/manage")
        assert "Ce choix est définitif" in page.said
        assert "Cochez la case pour confirmer" in (await act(camille, "reveal", secret)).said
        shown = await act(camille, "reveal", secret, sure="1", manage=secret)
        assert "Vos représentants légaux voient ce document. " in shown.said
        assert "Annuler" not in shown.said
    assert await titles(house, mother) == {"Contraception"}
    assert SECRET not in await house.app.db.read(
        lambda tx: visibilities.marks_of(tx, house.camille.space_id, [secret])[secret]
    )


async def test_a_helper_puts_in_order_but_hides_archives_and_deletes_nothing(house: House) -> None:
    marcel = house.marcel
    everything = delegations.EVERYTHING
    await house.app.db.write(
        delegations.grant, marcel.space_id, house.dominique.account_id, "helper", None, marcel.account_id, everything
    )
    mine = await filed(house, await dossier(house, "marcel"), "De Marcel", source="patient")
    base = f"/for/{marcel.mailbox_id}"
    async with visitor(house, "dominique") as helper:
        for what in ("hide", "archive"):
            answer = await act(helper, what, mine, prefix=base)
            assert (answer.status, "Seul le titulaire de cet espace" in answer.said) == (403, True)
        answer = await act(helper, "delete", mine, prefix=base, sure="1")
        assert answer.status == 403
        page = await helper.get(f"{base}/documents/{mine}/manage")
        assert "seul le titulaire de cet espace peut le faire" in page.said
        assert "Masquer aux professionnels</button>" not in page.text
        assert "C’est rangé." in (await act(helper, "put", mine, prefix=base, name="Papiers")).said
        assert (await helper.post(f"{base}/documents/by-itself", {"on": "1"})).status == 403
    async with visitor(house, "morel") as morel:
        assert (await morel.get(f"/documents/{mine}/manage")).status == 404
