"""An office sends a questionnaire or a list by hand, from a conversation with a patient. No script is needed."""

from __future__ import annotations

import re

from server.forms import library
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House

FORM = {"do": "form", "client_key": "one", "words": "À remplir avant jeudi, merci."}
LIST = {"do": "list", "title": "La veille", "things": "Douche\n\nÀ jeun\n", "until": "2099-11-30", "client_key": "two"}


async def own(house: House, who: str, mailbox: str = "") -> str:
    """This office keeps a copy of an example; its id."""
    box = await house.mailbox(who, mailbox)
    return (await library.save(house.app, box, library.shipped()["avant-anesthesie"])).id


async def page_of(house: House) -> tuple[str, str]:
    """(conversation, the page of the admissions) of a conversation with Dominique."""
    receipt = await house.letter("admissions", "dominique")
    return receipt.conversation, f"/for/{house.admissions.mailbox_id}/c/{receipt.conversation}/ask-form"


async def sent(who: Visitor, page: str, fields: dict[str, str]) -> Answer:
    """It went, and once, though it was pressed twice."""
    first, again = await who.post(page, fields), await who.post(page, fields)
    assert (first.status, again.place) == (303, first.place)
    return first


async def test_mme_petit_sends_a_questionnaire_of_her_team_and_dominique_fills_it_in(house: House) -> None:
    kept = await own(house, "petit", house.admissions.mailbox_id)
    conversation, page = await page_of(house)
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        assert f'href="{page}"' in (await petit.get(page.removesuffix("/ask-form"))).text
        shown = await petit.get(page)
        assert "Dominique PAT-TROIS" in shown.said
        assert re.search(r"Avant votre anesthésie \(\d+ questions\)", shown.said)
        none = await petit.post(page, FORM)
        assert (none.status, "Choisissez un questionnaire." in none.said) == (422, True)
        assert "avant jeudi" in none.text, "what was typed is not lost"
        done = await sent(petit, page, FORM | {"form": kept})
        thread = await dominique.get(f"/c/{conversation}")
        assert thread.said.count("À remplir avant jeudi, merci.") == 1
        assert f'href="/c/{conversation}/form/{done.place.rpartition("#m-")[2]}"' in thread.text
        example = await petit.post(page, FORM | {"form": "lendemain-operation"})
        assert example.status == 404, "an example is copied first, and read again"


async def test_a_list_typed_there_is_ticked_until_its_day(house: House) -> None:
    conversation, page = await page_of(house)
    async with visitor(house, "petit") as petit, visitor(house, "dominique") as dominique:
        assert "Vous n’avez pas encore de questionnaire" in (await petit.get(page)).said
        for wrong, why in (("2020-01-01", "Ce jour est passé"), ("demain", "AAAA-MM-JJ")):
            refused = await petit.post(page, LIST | {"until": wrong})
            assert (refused.status, why in refused.said) == (422, True)
            assert "À jeun" in refused.text, "what was typed is not lost"
        empty = await petit.post(page, LIST | {"things": " \n"})
        assert (empty.status, "Une liste a de 1 à 30 choses" in empty.said) == (422, True)
        await sent(petit, page, LIST)
        await dominique.press(f"/c/{conversation}", "checklists.tick", **{"value.t.2": "1"})
        assert "À jeun fait, Dominique PAT-TROIS" in (await petit.get(page.removesuffix("/ask-form"))).said


async def test_neither_a_patient_nor_another_office_asks_there_nor_with_the_forms_of_another(house: House) -> None:
    theirs = await own(house, "morel")
    conversation, page = await page_of(house)
    place = f"/c/{conversation}/ask-form"
    for who in ("dominique", "morel"):
        async with visitor(house, who) as other:
            assert "ask-form" not in (await other.get(f"/c/{conversation}")).text
            assert [(await other.get(place)).status, (await other.post(place, LIST)).status] == [404, 404]
            assert (await other.post(page, LIST)).status == 404
    async with visitor(house, "petit") as petit:
        assert (await petit.post(page, FORM | {"form": theirs})).status == 404
