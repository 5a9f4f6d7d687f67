"""A form filled in on pages, step by step, without any script; a checklist ticked; rights; two devices."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import time_machine

from server import access
from server.actions import acting
from server.dossier import measures
from server.errors import Conflict
from server.forms import cards, filling, library
from storage import fillings, messages, uploads
from storage.ids import now_ms
from tests.browser.visitor import Answer, Visitor, visitor
from tests.doors.test_forms import ASKED, asked, place
from tests.house import House

LIST = cards.checklist_card("La veille", "Avant de venir", ["Douche", "À jeun", "Papiers prêts"], until="2026-11-30")


async def step(who: Visitor, shown: Answer, do: str = "next", **typed: str) -> Answer:
    """Answer the question on the page, and follow."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.text.split("form-step")[1]))
    sent = await who.post(re.findall(r'action="(/[^"]*/form/[^"]*)"', shown.text)[0], {**hidden, **typed, "do": do})
    return await who.get(sent.place) if sent.status == 303 else sent


async def test_dominique_fills_it_in_leaves_resumes_elsewhere_checks_and_sends(house: House) -> None:
    receipt = await asked(house)
    page = f"/c/{receipt.conversation}/form/{receipt.message}"
    async with visitor(house, "dominique") as phone, visitor(house, "dominique") as tablet:
        thread = await phone.get(f"/c/{receipt.conversation}")
        assert f'href="{page}"' in thread.text
        first = await phone.get(page)
        assert "Question 1 sur 3" in first.said
        second = await step(phone, first, a="true")
        assert "Question 2 sur 4 Combien par jour ?" in second.said, "what is answered brings a question"
        wrong = await step(phone, second, a="beaucoup")
        assert (wrong.status, "Écrivez un nombre entier" in wrong.said) == (422, True)
        assert 'value="beaucoup"' in wrong.text
        assert 'aria-invalid="true"' in wrong.text
        third = await step(phone, second, a="10 cigarettes", do="later")
        assert f"m-{receipt.message}" in third.text
        resumed = await tablet.get(page)
        assert "Question 3 sur 4 Votre poids" in resumed.said
        stale = await phone.get(f"{page}?q=3")
        check = await step(tablet, await step(tablet, resumed, a="72,5 kg"), a="pollen\nlatex")
        assert "Vérifiez vos réponses" in check.said
        assert "72,5 kg" in check.said
        told = await step(phone, stale, a="80")
        assert told.status == 409
        assert "Sur l’autre appareil, la réponse est : 72,5 kg" in told.said
        assert 'value="80"' in told.text, "what was typed is not lost"
        await step(phone, told, a="72,5")
        check = await tablet.get(f"{page}/check")
        assert "Noter aussi dans le dossier" in check.said
        fields = dict(re.findall(r'name="([\w.]+)" value="([^"]*)"', check.text.split("form-send")[1]))
        fields.pop("keep.allergies")  # unticked
        sent = await tablet.post(f"{page}/send", fields)
        assert sent.status == 303
        thread = await tablet.get(f"/c/{receipt.conversation}")
        assert "Réponses envoyées" in thread.said
        assert "Réponses : Avant l’opération" in thread.said
        assert "Voir ou corriger mes réponses" in thread.said
        assert "Envoyé le" in (await tablet.get(f"{page}/check")).said
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    assert [one.values for one in await measures.series(house.app, handle, "weight")] == [("72.5",)]
    async with visitor(house, "petit") as petit:
        box = house.admissions.mailbox_id
        seen = await petit.get(f"/for/{box}{page}/check")
        assert "pollen" in seen.said
        assert "Envoyer" not in seen.said
        refused = await petit.post(f"/for/{box}{page}", {"item": "weight", "version": "9", "a": "1"})
        assert refused.status == 403


async def test_what_is_missing_is_said_with_the_way_to_it(house: House) -> None:
    receipt = await asked(house)
    page = f"/c/{receipt.conversation}/form/{receipt.message}"
    async with visitor(house, "dominique") as dominique:
        await step(dominique, await dominique.get(page), a="false")
        check = await dominique.get(f"{page}/check")
        assert "Il manque une réponse" in check.said
        assert f'href="{page}?q=2"' in check.text
        refused = await dominique.post(f"{page}/send", {"version": "1", "client_key": "1"})
        assert refused.status == 422
        assert "Il manque une réponse : « Votre poids »" in refused.said
        async with visitor(house, "petit") as petit:
            box = house.admissions.mailbox_id
            assert "Pas encore rempli" in (await petit.get(f"/for/{box}{page}/check")).said


async def test_a_photo_goes_with_the_answers(house: House) -> None:
    form = library.shipped()["lendemain-operation"]
    receipt = await asked(house, **cards.form_card(form))
    page = f"/c/{receipt.conversation}/form/{receipt.message}"
    to = await place(house, "dominique", receipt)
    given = {"pain": ("2",), "fever": ("false",), "bleeding": ("true",), "eating": ("true",), "alone": ("true",)}
    await filling.keep(house.app, to, receipt.message, given, 0)
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get(f"{page}?q=4")
        assert "photo du pansement" in shown.said
        data = aiohttp.FormData()
        for name, value in {"item": "photo", "version": "1", "do": "next"}.items():
            data.add_field(name, value)
        data.add_field("files", b"\xff\xd8\xff\xe0" + bytes(40), filename="pansement.jpg", content_type="image/jpeg")
        assert (await dominique.post(page, data)).status == 303
        assert "Garder « pansement.jpg »" in (await dominique.get(f"{page}?q=4")).said
        assert (await dominique.post(f"{page}/send", {"version": "2", "client_key": "1"})).status == 303
        assert "pansement.jpg" in (await dominique.get(f"/c/{receipt.conversation}")).said


async def test_a_file_waits_a_month_for_the_answers_it_belongs_to(house: House) -> None:
    receipt = await asked(house, **cards.form_card(library.shipped()["lendemain-operation"]))
    page = f"/c/{receipt.conversation}/form/{receipt.message}"
    to = await place(house, "dominique", receipt)
    await filling.keep(house.app, to, receipt.message, {"bleeding": ("true",)}, 0)
    photo, begun = b"\xff\xd8\xff\xe0" + bytes(40), datetime.now(UTC)

    async def after(days: int) -> list[str]:
        """The files that still wait once the house was cleaned."""
        with time_machine.travel(begun + timedelta(days=days), tick=True):
            await house.app.db.write(uploads.sweep, now_ms())
            await house.app.db.write(messages.forget_uploads, house.dominique.space_id, now_ms() - 86_400_000)
        return [row[0] for row in await house.app.db.read(lambda tx: tx.run("SELECT id FROM attachments"))]

    async with visitor(house, "dominique") as dominique:
        assert "il est gardé un mois, puis effacé" in (await dominique.get(f"{page}?q=4")).said
        for version, name in enumerate(("floue.jpg", "nette.jpg"), 1):
            data = aiohttp.FormData({"item": "photo", "version": str(version), "do": "next"})
            data.add_field("files", photo, filename=name, content_type="image/jpeg")
            assert (await dominique.post(page, data)).status == 303
        ((kept, _, name),) = [
            one.partition("|") for one in (await filling.known(house.app, to, receipt.message)).facts.answers["photo"]
        ]
        assert name == "nette.jpg"
        assert set(await after(0)) > {kept}
        assert await after(2) == await after(29) == [kept], "what was taken back goes after a day"
        assert "n’est plus" not in (await dominique.get(f"{page}/check")).said
        assert await after(31) == []
        assert "il a attendu plus d’un mois" in (await dominique.get(f"{page}/check")).said


async def test_the_card_says_how_far_one_is_to_who_fills_it_in_alone(house: House) -> None:
    receipt = await asked(house)
    to = await place(house, "dominique", receipt)
    thread = f"/c/{receipt.conversation}"
    async with visitor(house, "dominique") as dominique, visitor(house, "petit") as petit:
        assert "Commencé" not in (await dominique.get(thread)).said
        await filling.keep(house.app, to, receipt.message, {"smokes": ("true",), "weight": ("72|kg",)}, 0)
        assert "Commencé : 2 réponses sur 4. Reprendre" in (await dominique.get(thread)).said
        assert "Commencé" not in (await petit.get(f"/for/{house.admissions.mailbox_id}{thread}")).said
        await acting.act(house.app, await house.mailbox("dominique"), receipt.message, "forms.send", {}, "sent")
        assert "Commencé" not in (await dominique.get(thread)).said


async def test_a_short_form_is_answered_in_its_card(house: House) -> None:
    short: dict[str, Any] = {**ASKED, "item": [{"linkId": "ok", "type": "boolean", "text": "Venez-vous seule ?"}]}
    receipt = await asked(house, **cards.form_card(short))
    async with visitor(house, "dominique") as dominique:
        done = await dominique.press(f"/c/{receipt.conversation}", "forms.send", **{"value.a.ok": "true"})
        assert done.status == 303
    to = await place(house, "dominique", receipt)
    known = await filling.known(house.app, to, receipt.message)
    assert (known.state, known.facts.sent[0].answers) == ("completed", {"ok": ("true",)})


async def test_a_helper_fills_in_for_marcel_in_their_own_name(house: House) -> None:
    receipt = await asked(house, "camille")  # her mother represents her
    page = f"/for/{house.camille.mailbox_id}/c/{receipt.conversation}/form/{receipt.message}"
    async with visitor(house, "dominique") as dominique:
        shown = await dominique.get(page)
        assert "Camille" in shown.said
        await step(dominique, await step(dominique, shown, a="false"), a="22")
        sent = await dominique.post(f"{page}/send", {"version": "2", "client_key": "1", "keep.weight": "1"})
        assert sent.status == 303
    box = await house.mailbox("dominique", house.camille.mailbox_id)
    handle = await access.dossier(house.app, box)
    (weight,) = await measures.series(house.app, handle, "weight")
    assert weight.source == "delegate"
    known = await filling.known(house.app, await place(house, "dominique", receipt, box.mailbox_id), receipt.message)
    assert (known.facts.sent[0].by, known.facts.sent[0].ground) == (house.dominique.name, "representative")


async def test_a_checklist_is_ticked_unticked_and_done_and_the_office_sees_who(house: House) -> None:
    receipt = await asked(house, **LIST, form=None)
    thread = f"/c/{receipt.conversation}"
    to = await place(house, "dominique", receipt)

    async def standing() -> str:
        return await house.app.db.read(fillings.standing, to.keys, receipt.message)

    assert await standing() == "none"
    async with visitor(house, "dominique") as dominique, visitor(house, "petit") as petit:
        ticks = {"message": receipt.message, "action": "checklists.tick"}
        first = {**ticks, "value.t.1": "1", "client_key": "1"}
        assert (await dominique.post(f"{thread}/act", first)).status == 303
        assert await standing() == "begun"
        office = f"/for/{house.admissions.mailbox_id}{thread}"
        seen = await petit.get(office)
        assert f"Douche fait, {house.dominique.name}" in seen.said
        assert "À jeun à faire" in seen.said
        assert (await dominique.press(thread, "checklists.done")).status == 303
        assert await standing() == "completed"
        whole = await dominique.get(f"{thread}/form/{receipt.message}")
        assert "Papiers prêts fait, " in whole.said
        assert "Tout est fait" not in whole.said
        await dominique.post(f"{thread}/act", {**ticks, "value.t.1": "1", "value.t.2": "1", "client_key": "2"})
        assert await standing() == "begun"
        assert "Plus coché : Papiers prêts." in (await petit.get(office)).said


async def test_after_its_day_a_checklist_changes_no_more(house: House, time_machine: Any) -> None:
    receipt, box = await asked(house, **LIST, form=None), await house.mailbox("dominique")
    time_machine.move_to("2026-12-01T10:00:00Z")
    with pytest.raises(Conflict, match="La date de cette liste est passée"):
        await acting.act(house.app, box, receipt.message, "checklists.done", {}, "1")
