"""Forms: asked in the conversation, filled in step by step or in one go, sent, corrected; where their answers go."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from typing import Any

import pytest

from mail_gateway.rendition import as_mail
from server import access, reading
from server.actions import acting
from server.dossier import measures, profile
from server.drafts import Receipt
from server.errors import Conflict, Invalid, NotAllowed
from server.forms import cards, filling
from server.handles import ConversationHandle
from storage import fillings
from tests.house import House
from tests.support.fhir_shapes import faults

LOINC = "http://loinc.org"
KG = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unit",
    "valueCoding": {"system": "http://unitsofmeasure.org", "code": "kg"},
}
ASKED: dict[str, Any] = {
    "resourceType": "Questionnaire", "url": "https://chu.example/before", "version": "3", "status": "active",
    "title": "Avant l’opération",
    "item": [
        {"linkId": "smokes", "type": "boolean", "text": "Fumez-vous ?", "required": True,
         "code": [{"system": LOINC, "code": "72166-2"}]},
        {"linkId": "many", "type": "integer", "text": "Combien par jour ?",
         "enableWhen": [{"question": "smokes", "operator": "=", "answerBoolean": True}]},
        {"linkId": "weight", "type": "quantity", "text": "Votre poids", "required": True, "extension": [KG],
         "code": [{"system": LOINC, "code": "29463-7"}]},
        {"linkId": "allergies", "type": "string", "text": "Vos allergies", "repeats": True,
         "code": [{"system": LOINC, "code": "48765-2"}]},
    ],
}  # fmt: skip


async def asked(house: House, who: str = "dominique", **card: Any) -> Receipt:
    """The admissions team asks."""
    made = cards.form_card(ASKED) | card
    return await house.letter("admissions", who, kind="card", card=made)


async def place(house: House, name: str, receipt: Receipt, mailbox: str = "") -> ConversationHandle:
    box = await house.mailbox(name, mailbox)
    return await access.conversation_of_message(house.app, box, receipt.message)


async def test_what_dominique_answers_comes_back_as_text_pdf_and_fhir_and_enters_her_dossier(house: House) -> None:
    receipt = await asked(house)
    to = await place(house, "dominique", receipt)
    now = await filling.keep(house.app, to, receipt.message, {"smokes": ("true",), "many": ("10",)}, 0)
    assert await house.app.db.read(fillings.standing, to.keys, receipt.message) == "begun"
    await filling.keep(house.app, to, receipt.message, {"weight": ("72|kg",), "allergies": ("pollen", "latex")}, 1)
    box = await house.mailbox("dominique")
    with pytest.raises(Conflict, match="ailleurs"):
        await filling.keep(house.app, to, receipt.message, {"weight": ("12|kg",)}, now.version)
    values = {"version": "2", "keep": "weight allergies smokes"}
    sent = await acting.act(house.app, box, receipt.message, "forms.send", values, "1")
    again = await acting.act(house.app, box, receipt.message, "forms.send", values, "1")
    assert again.message == sent.message, "pressed twice, sent once"
    assert await house.app.db.read(fillings.standing, to.keys, receipt.message) == "completed"

    office = await place(house, "admissions", sent)
    raw = await as_mail(house.app, office.keys, await reading.open_unchecked(house.app, office.keys, sent.message))
    mail = message_from_bytes(raw, policy=policy.default)
    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_content()
    assert "3. Votre poids : 72 kg" in text
    assert "4. Vos allergies : pollen, latex" in text
    files = {part.get_filename(): part for part in mail.walk() if part.get_filename()}
    assert files["reponses.pdf"].get_content()[:5] == b"%PDF-"
    response = json.loads(files["reponses.json"].get_content())
    assert (response["status"], response["questionnaire"]) == ("completed", "https://chu.example/before|3")
    assert faults(response) == []
    assert response["source"]["type"] == "Patient"
    assert [one["linkId"] for one in response["item"]] == ["smokes", "many", "weight", "allergies"]
    assert response["item"][2]["answer"][0]["valueQuantity"]["value"] == 72

    handle = await access.dossier(house.app, box)
    (weight,) = await measures.series(house.app, handle, "weight")
    assert (weight.values, weight.source, weight.message) == (("72",), "patient", sent.message)
    said = {one.section.slug: [line.values for line in one.entries] for one in await profile.filled(house.app, handle)}
    assert {line["what"] for line in said["allergies"]} == {"pollen", "latex"}
    assert said["lifestyle"][0]["tobacco"] == "Fumez-vous ? Oui"


async def test_corrected_answers_are_a_new_version_and_replace_what_they_entered(house: House) -> None:
    receipt = await asked(house)
    box = await house.mailbox("dominique")
    first = {"answers": {"smokes": False, "weight": "72"}, "keep": "weight"}
    await acting.act(house.app, box, receipt.message, "forms.send", first, "1")
    with pytest.raises(Conflict, match="rien n’a changé"):
        await acting.act(house.app, box, receipt.message, "forms.correct", first, "2")
    await acting.act(house.app, box, receipt.message, "forms.correct", {"a.weight": "74,5 kg", "keep": "weight"}, "3")
    handle = await access.dossier(house.app, box)
    assert [one.values for one in await measures.series(house.app, handle, "weight")] == [("74.5",)]
    known = await filling.known(house.app, await place(house, "dominique", receipt), receipt.message)
    assert known.state == "corrected"
    assert [version.answers["weight"] for version in known.facts.sent] == [("72|kg",), ("74.5|kg",)]
    page = await reading.since(house.app, await house.mailbox("admissions"), 0)
    entry = [one for one in page.entries if one.message.kind == "answer"][-1]
    assert entry.message.text.startswith("Réponses corrigées : Avant l’opération")


async def test_nothing_goes_incomplete_nor_by_somebody_it_is_not_for(house: House) -> None:
    receipt = await asked(house)
    box, desk = await house.mailbox("dominique"), await house.mailbox("admissions")
    with pytest.raises(Invalid, match="Votre poids"):
        await acting.act(house.app, box, receipt.message, "forms.send", {"a.smokes": "non"}, "1")
    with pytest.raises(Invalid, match="oui ou non"):
        await acting.act(house.app, box, receipt.message, "forms.send", {"a.smokes": "peut-être"}, "2")
    with pytest.raises(NotAllowed):
        await acting.act(house.app, desk, receipt.message, "forms.send", {"a.smokes": "non", "a.weight": "3"}, "3")


async def test_what_is_left_unticked_stays_out_of_the_dossier(house: House) -> None:
    receipt = await asked(house)
    box = await house.mailbox("dominique")
    await acting.act(house.app, box, receipt.message, "forms.send", {"a.smokes": "non", "a.weight": "72"}, "1")
    assert await measures.series(house.app, await access.dossier(house.app, box), "weight") == []
