"""Forms by the FHIR façade: an office keeps them by its token, asks by the API, and reads what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doors.test_forms import ASKED
from tests.support.api import Api, open_api
from tests.support.fhir import ask, found


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def test_an_office_keeps_a_form_asks_it_and_reads_what_was_sent_last(api: Api) -> None:
    for version in ("3", "4"):
        kept = await ask(api, "admissions", "POST", "/Questionnaire", json={**ASKED, "version": version})
        assert kept.status == 201
    (form,) = await found(api, "admissions", "Questionnaire", url=ASKED["url"])
    assert (form["version"], form["title"]) == ("4", "Avant l’opération")
    bad = {**ASKED, "item": [{"linkId": "z", "type": "reference", "text": "?"}]}
    refused = await ask(api, "admissions", "POST", "/Questionnaire", json=bad)
    assert refused.status == 422
    assert "« z »" in refused.data.decode()

    asked = await api.letter("admissions", "dominique", card={"type": "form", "questionnaire": ASKED})
    action = f"/messages/{asked['message']}/actions/forms"
    incomplete = await api.post("dominique", f"{action}.send", {"values": {"a.smokes": False}})
    assert (incomplete.status, incomplete.json["code"]) == (422, "form_incomplete")
    given = {"a.smokes": False, "a.weight": "72 kg", "a.allergies": "pollen\nlatex", "keep": "weight"}
    assert (await api.post("dominique", f"{action}.send", {"values": given})).status == 201
    assert (await api.post("dominique", f"{action}.correct", {"values": {"a.weight": "73"}})).status == 201
    for who in ("dominique", "admissions"):
        named = {"patient": "dominique"} if who == "admissions" else {}
        (response,) = await found(api, who, "QuestionnaireResponse", questionnaire=f"{ASKED['url']}|3", **named)
        assert response["status"] == "amended"
        assert [len(one["answer"]) for one in response["item"]] == [1, 1, 2]
        assert response["item"][1]["answer"][0]["valueQuantity"]["value"] == 73
        assert await found(api, who, "QuestionnaireResponse", questionnaire=f"{ASKED['url']}|9", **named) == []
    assert await found(api, "lab", "Questionnaire") == []


async def test_a_checklist_is_sent_and_ticked_by_the_api(api: Api) -> None:
    card = {"type": "checklist", "title": "La veille", "items": ["Douche", "À jeun"], "until": "2026-12-31"}
    asked = await api.letter("admissions", "dominique", card=card)
    action = f"/messages/{asked['message']}/actions/checklists"
    assert (await api.post("dominique", f"{action}.tick", {"values": {"items": "7"}})).status == 422
    assert (await api.post("dominique", f"{action}.tick", {"values": {"items": "1"}})).status == 201
    assert (await api.post("admissions", f"{action}.done", {})).status == 403
    assert (await api.post("dominique", f"{action}.done", {})).status == 201
