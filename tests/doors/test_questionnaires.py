"""What an office writes, imports and keeps; what is refused; how hostile forms end."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from server.errors import Conflict, Invalid, PliError, Refused, TooLarge
from server.forms import cards, fhir, library
from server.forms.questionnaires import every
from tests.browser.visitor import visitor
from tests.doors.test_forms import ASKED
from tests.house import House
from tests.support.fhir_shapes import faults

PAGE = "/questionnaires"


async def test_a_team_writes_one_question_after_the_other_and_each_change_is_a_version(house: House) -> None:
    base = f"/for/{house.admissions.mailbox_id}{PAGE}"
    async with visitor(house, "petit") as petit:
        assert "Exemple à adapter" in (await petit.get(base)).said
        begun = await petit.post(base, {"title": "Votre séjour", "first": "Venez-vous seul ?", "type": "boolean"})
        page = begun.place
        choice = {"version": "1", "do": "put", "question": "", "type": "choice", "text": "Quelle chambre ?"}
        choice["options"] = "Seule | Single\nDouble"
        added = await petit.post(page, {**choice, "when": "q1=true"})
        assert added.status == 303
        shown = await petit.get(page)
        assert "2. Quelle chambre ?" in shown.said
        assert "Un choix : Seule, Double · sous condition" in shown.said
        late = await petit.post(page, {**choice, "text": "Trop tard"})
        assert (late.status, "Quelqu’un a changé ce questionnaire" in late.said) == (409, True)
        bad = await petit.post(page, {**choice, "version": "2", "text": ""})
        assert (bad.status, "elle n’a pas de texte" in bad.said) == (422, True)
        moved = await petit.post(page, {"version": "2", "do": "up", "question": "q2"})
        assert moved.status == 422, "it would hang on a question after it"
        assert (await petit.post(page, {"version": "2", "do": "remove", "question": "q2"})).status == 303
        file = json.loads((await petit.get(f"{page}/file")).text)
        assert [one["text"] for one in file["item"]] == ["Venez-vous seul ?"]
        assert (await petit.post(page, {"do": "withdraw"})).place == base
        assert (await petit.get(page)).status == 404
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.get(PAGE)).status == 404
        assert (await dominique.get(f"{PAGE}/avant-anesthesie")).status == 404


async def test_a_form_is_imported_under_its_name_and_again_as_its_next_version(house: House) -> None:
    async with visitor(house, "morel") as morel:
        for version in ("3", "4"):
            data = aiohttp.FormData()
            content = json.dumps({**ASKED, "version": version}).encode()
            data.add_field("file", content, filename="form.json", content_type="application/json")
            assert (await morel.post(PAGE, data)).status == 303
        copied = await morel.post(PAGE, {"copy": "avant-anesthesie"})
        assert copied.status == 303
        bad = aiohttp.FormData()
        bad.add_field("file", b"[1", filename="form.json", content_type="application/json")
        refused = await morel.post(PAGE, bad)
        assert (refused.status, "Ce n’est pas un Questionnaire FHIR" in refused.said) == (422, True)
    kept = await library.of_office(house.app, await house.mailbox("morel"))
    assert [(one.version, one.form.version) for one in kept if one.form.url == ASKED["url"]] == [(2, "4")]
    with pytest.raises(Conflict):
        await library.save(house.app, await house.mailbox("morel"), kept[0].form, kept[0].id, 9)
    with pytest.raises(Refused):
        await library.of_office(house.app, await house.mailbox("dominique"))


def item(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "title": "x",
        "item": [{"linkId": "a", "type": "string", "text": "?"} | more],
    }


DEEP: dict[str, Any] = {"linkId": "0", "type": "boolean", "text": "?"}
for number in range(1, 40):
    DEEP = {"linkId": str(number), "type": "group", "item": [DEEP]}
REFUSED: dict[str, tuple[object, str]] = {
    "no object": ([], "Ce n’est pas un Questionnaire"),
    "another resource": ({"resourceType": "Patient"}, "Ce n’est pas un Questionnaire"),
    "no title": ({"resourceType": "Questionnaire", "item": item()["item"]}, "titre"),
    "no question": ({"resourceType": "Questionnaire", "title": "x"}, "de 1 à 60 questions"),
    "a modifier": ({**item(), "modifierExtension": []}, "modifierExtension"),
    "a modifier of a question": (item(modifierExtension=[{}]), "Question « a »"),
    "an unknown type": (item(type="reference"), "Question « a » : le type « reference »"),
    "the same name twice": ({**item(), "item": item()["item"] * 2}, "Question « a » : cet identifiant sert deux fois"),
    "a value set": (item(type="choice", answerValueSet="x"), "Question « a » : « answerValueSet »"),
    "a choice of nothing": (item(type="choice"), "Question « a »"),
    "a condition on nothing": (
        item(enableWhen=[{"question": "z", "operator": "=", "answerBoolean": True}]), "Question « a » : sa condition",
    ),
    "a condition on itself": (
        item(enableWhen=[{"question": "a", "operator": "=", "answerString": "x"}]), "Question « a » : sa condition",
    ),
    "questions under a question": (item(item=item()["item"]), "Question « a »"),
    "too deep": ({"resourceType": "Questionnaire", "title": "x", "item": [DEEP]}, "Question «"),
    "an answer of another type": (item(type="integer", initial=[{"valueString": "x"}]), "Question « a » : sa réponse"),
    "a text without end": (item(text="x" * 5_000), "Question « a » : son texte"),
    "lists that are none": ({**item(), "item": {"linkId": "a"}}, "Question «"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_is_not_understood_is_refused_by_the_name_of_its_question(name: str) -> None:
    resource, said = REFUSED[name]
    with pytest.raises((Invalid, TooLarge)) as refused:
        fhir.read(resource)
    assert said in refused.value.detail


@pytest.mark.parametrize("slug", sorted(library.shipped()))
def test_a_shipped_form_says_everything_twice_is_marked_and_comes_back_from_fhir(slug: str) -> None:
    form = library.shipped()[slug]
    assert not form.verified
    assert form.title_en
    assert form.description_en
    assert all(one.text_en for one in every(form.items))
    assert all(option.text_en for one in every(form.items) for option in one.options)
    assert fhir.read(fhir.write(form)) == form
    assert faults(fhir.write(form)) == []
    assert cards.form_of(cards.form_card(form)) == form


@pytest.mark.parametrize("card", [
    {"type": "form", "title": "x"}, {"type": "form", "title": "x", "form": {"items": 3}},
    {"type": "form", "title": "x", "questionnaire": item(type="bad")},
    {"type": "checklist", "title": "x"}, {"type": "checklist", "title": "x", "items": [""]},
    {"type": "checklist", "title": "x", "items": ["a"], "until": "demain"},
    {"type": "checklist", "title": "x", "items": ["a"] * 31}, {"type": "checklist", "title": "x", "items": "ab"},
    {"type": "form", "title": "x", "questionnaire": ASKED, "for": "everybody"},
])  # fmt: skip
def test_a_card_of_an_application_that_cannot_be_filled_in_is_refused(card: dict[str, Any]) -> None:
    with pytest.raises(PliError):
        cards.from_outside(card)
