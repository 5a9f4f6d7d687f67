"""« Qui peut lire mon dossier », by pages alone: as somebody whose browser runs no script."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server import sessions
from server.dossier import asking, choices
from server.dossier.delays import DELAYS
from storage import delegations, visibilities
from tests.browser.visitor import visitor
from tests.doors.test_consents import file, titles
from tests.doors.test_emergencies import declare
from tests.house import House


async def test_dr_morel_asks_dominique_narrows_and_takes_it_back_without_a_script(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    await file(house, "prescriptions", "57833-6", "Ordonnance")
    await file(house, "biology", "11502-2", "Analyses")
    async with visitor(house, "morel") as morel, visitor(house, "dominique") as dominique:
        page = f"/sharing/request/{sent.conversation}"
        assert page in (await morel.get(f"/c/{sent.conversation}")).text
        refused = await morel.post(page, {"reason": "Préparer votre opération", "days": "90"})
        assert refused.status == 422
        assert "Choisissez ce qui peut être lu." in refused.said
        assert "Préparer votre opération" in refused.text  # what was typed is kept
        wish = {"thing.prescriptions": "1", "thing.biology": "1", "days": "90", "reason": "Préparer votre opération"}
        assert (await morel.post(page, wish)).place == f"/c/{sent.conversation}"

        thread = await dominique.get(f"/c/{sent.conversation}")
        assert "Dr Agathe MOREL demande à lire vos ordonnances et vos analyses pendant 3 mois" in thread.said
        choose = thread.text.partition('href="/sharing/ask/')[2].partition('"')[0]
        form = await dominique.get(f"/sharing/ask/{choose}")
        assert 'name="thing.biology" value="1" checked' in form.text
        assert "thing.imaging" not in form.text
        assert (await dominique.post(f"/sharing/ask/{choose}", {"days": "1"})).status == 422
        done = await dominique.post(f"/sharing/ask/{choose}", {"thing.biology": "1", "days": "1"})
        assert done.place == f"/c/{sent.conversation}#m-{choose}"
        assert await titles(house, "morel") == ["Analyses"]
        again = await dominique.get(f"/sharing/ask/{choose}")
        assert (again.status, again.place) == (303, done.place)  # it has its answer
        assert "Retirer l’autorisation" in (await dominique.get(f"/c/{sent.conversation}")).text

        (_, given) = (await dominique.get("/sharing")).text.split('name="consent" value="')
        assert (await dominique.post("/sharing/withdraw", {"consent": given.partition('"')[0]})).status == 303
        assert await titles(house, "morel") == []
        assert "Fin décidée par Dominique PAT-TROIS." in (await dominique.get("/sharing")).said


async def test_dominique_names_her_doctor_and_changes_a_choice(house: House) -> None:
    await house.letter("leroy", "dominique")
    async with visitor(house, "dominique") as dominique:
        page = f"/sharing/allow/{house.leroy.account_id}"
        assert page in (await dominique.get("/sharing")).text
        assert (await dominique.post(page, {"kind": "treating"})).place == "/sharing?done=allowed"
        assert "Médecin traitant" in (await dominique.get("/sharing")).said
        assert (await dominique.post("/sharing/choices", {"name": "emergency", "state": "off"})).status == 303
        shown = (await dominique.get("/sharing")).said
        assert "Non choisi le" in shown
        assert "par Dominique PAT-TROIS" in shown
        news = (await dominique.get("/")).said
        assert "Choix changé. Aucun médecin n’ouvre ce dossier en urgence." in news
        assert (await dominique.post("/sharing/choices", {"name": "tarot", "state": "on"})).status == 422
        assert (await dominique.get(f"/sharing/allow/{house.benali.account_id}")).status == 404


async def test_what_opens_wider_asks_for_a_second_factor_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.letter("leroy", "dominique")
    secret = await sessions.open_session(house.app, house.dominique.account_id, strong=False)
    monkeypatch.setattr(house.app, "settings", replace(house.app.settings, demo=False))
    allow = f"/sharing/allow/{house.leroy.account_id}"
    async with visitor(house) as dominique:
        dominique.session.cookie_jar.update_cookies({"pli": secret})
        for path, form, strong in (
            ("/sharing/choices", {"name": "emergency", "state": "off"}, False),
            ("/sharing/choices", {"name": "emergency", "state": "on"}, True),
            ("/sharing/choices", {"name": "hidden_in_emergency", "state": "on"}, True),
            ("/sharing/choices", {"name": "hidden_by_default", "state": "off"}, True),
            (allow, {"kind": "treating"}, False),
            (allow, {"kind": "administrator"}, True),
        ):
            place = (await dominique.post(path, form)).place
            assert place.startswith("/step-up" if strong else "/sharing?done="), (path, form, place)


async def test_a_helper_is_not_shown_who_reads_and_a_mother_settles_it_for_her_child(house: House) -> None:
    until, space = None, house.dominique.space_id
    await house.app.db.write(
        delegations.grant, space, house.marcel.account_id, "helper", until, house.dominique.account_id,
        delegations.EVERYTHING,
    )  # fmt: skip
    await house.letter("leroy", "camille")
    async with visitor(house, "marcel") as marcel, visitor(house, "dominique") as mother:
        hers, childs = f"/for/{house.dominique.mailbox_id}", f"/for/{house.camille.mailbox_id}"
        assert (await marcel.get(f"{hers}/sharing")).status == 404
        off = {"name": "emergency", "state": "off"}
        assert (await marcel.post(f"{hers}/sharing/choices", off)).status == 404
        assert "/sharing" not in (await marcel.get(f"{hers}/documents")).text
        page = await mother.get(f"{childs}/sharing")
        assert "Qui peut lire le dossier de Camille" in page.said
        assert (await mother.post(f"{childs}/sharing/choices", off)).status == 303
    chosen = await house.app.db.read(lambda tx: visibilities.chosen(tx, house.camille.space_id))
    assert chosen["emergency"][::2] == ("off", house.dominique.account_id)
    assert (await house.app.db.read(choices.chosen, space))["emergency"]


async def test_a_professional_asks_on_first_access_and_the_emergency_stands_out(house: House) -> None:
    await declare(house)  # who found her by her identity, and knows her not
    async with visitor(house, "benali") as benali, visitor(house, "dominique") as dominique:
        page = f"/sharing/first/{house.dominique.space_id}"
        assert "Dominique PAT-TROIS" in (await benali.get(page)).said
        asked = await benali.post(page, {"thing.all": "1", "days": "1", "reason": "Suite de l’urgence"})
        assert asked.place.startswith("/c/")
        assert (await benali.post(page, {"thing.all": "1", "days": "1", "reason": "Encore"})).status == 403
        shown = (await dominique.get("/sharing")).said
        assert "A ouvert le dossier en urgence. Pourquoi : Patiente inconsciente aux urgences" in shown
        assert f"{DELAYS.emergency_hours} heures au plus" in shown
        inbox = (await dominique.get("/")).said
        assert asking.SUBJECT in inbox


async def test_consent_and_emergency_are_told_in_easy_french(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        dominique.session.cookie_jar.update_cookies({"pli-language": "falc"})
        said = (await dominique.get("/sharing")).said
    assert "Un médecin lit seulement si vous dites oui." in said
    assert "L’urgence, c’est quand votre vie est en danger." in said
