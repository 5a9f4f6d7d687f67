"""Campaigns by the operator's doors: a page with numbers, the API, the command line; to everybody else, nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server import admin
from server.prevention import campaigns, pausing
from tests.browser import campaigns as scene
from tests.browser.visitor import visitor
from tests.doors.test_campaigns import EVERYBODY
from tests.house import House
from tests.support.api import Api, open_api


async def test_the_operator_sees_numbers_pauses_and_goes_on_and_nobody_else_sees_anything(house: House) -> None:
    campaign = await scene.made(house)
    async with visitor(house, "operator") as operator:
        listed = await operator.get("/campaigns")
        assert f"{scene.NAME}" in listed.said
        shown = await operator.get(f"/campaigns/{campaign}")
        assert "En pause" in shown.said
        assert "67 % traités" in shown.said
        assert "Dominique" not in shown.text
        assert "PAT-DEUX" not in shown.text
        said = await operator.post(f"/campaigns/{campaign}", {"do": "stop"})
        assert said.status == 422
        assert "c’est définitif" in said.said
        assert (await operator.post(f"/campaigns/{campaign}", {"do": "start"})).status == 409
        await operator.post(f"/campaigns/{campaign}", {"do": "stop", "sure": "1"})
        stopped = await operator.get(f"/campaigns/{campaign}")
        assert "Arrêtée" in stopped.said
        assert "Exploitation de Pli" in stopped.said, "who did it"
    for who in ("dominique", "morel", "petit"):
        async with visitor(house, who) as other:
            for path in ("/campaigns", f"/campaigns/{campaign}"):
                assert (await other.get(path)).status == 404, (who, path)
            assert (await other.post(f"/campaigns/{campaign}", {"do": "resume"})).status == 404


async def test_a_campaign_by_the_api_is_a_draft_until_it_is_started(tmp_path: Path, sqlite_url: str) -> None:
    async with open_api(tmp_path, database_url=sqlite_url) as api:
        await _by_the_api(api)


async def _by_the_api(api: Api) -> None:
    added = await api.post("operator", "/campaigns", {"campaign": {**EVERYBODY, "starts": "2099-01-01"}})
    assert added.status == 201
    assert (added.json["state"], added.json["gathered"]) == ("draft", 0)
    wrong = await api.post("operator", "/campaigns", {"campaign": {**EVERYBODY, "population": []}})
    assert (wrong.status, wrong.code) == (422, "bad_campaign")
    moved = await api.post("operator", f"/campaigns/{added.json['id']}/moves", {"do": "start"})
    assert moved.json["state"] in {"gathering", "running"}
    again = await api.post("operator", f"/campaigns/{added.json['id']}/moves", {"do": "start"})
    assert (again.status, again.code) == (409, "campaign_state")
    assert (await api.get("lab", f"/campaigns/{added.json['id']}")).status == 404


async def test_a_campaign_by_the_command_line(house: House) -> None:
    async def ask(command: str, **arguments: Any) -> Any:
        return (await admin._answer(house.app, {"command": command, "arguments": arguments})).get("result")

    plan = json.dumps({**EVERYBODY, "starts": "2099-01-01"})
    campaign = (await ask("campaign.add", text=plan, by="root"))["id"]
    assert (await ask("campaign.move", campaign=campaign, what="stop", by="root"))["state"] == "stopped"
    assert [one["id"] for one in await ask("campaign.list")] == [campaign]
    shown = await ask("campaign.show", campaign=campaign)
    assert [change["by"] for change in shown["changes"]] == ["root", "root"]
    refused = await admin._answer(house.app, {"command": "campaign.show", "arguments": {"campaign": "nothing"}})
    assert refused["error"] == "Aucune campagne à ce nom."


async def test_marcel_pauses_his_reminders_on_a_page_and_the_choice_is_a_line(house: House) -> None:
    async with visitor(house, "marcel") as marcel:
        page = await marcel.get("/prevention/reminders")
        assert "Vous recevez les rappels." in page.said
        assert (await marcel.post("/prevention/reminders", {"do": "paused", "months": "99"})).status == 422
        await marcel.post("/prevention/reminders", {"do": "paused", "months": "3"})
        assert "En pause jusqu’au" in (await marcel.get("/prevention/reminders")).said
        await marcel.post("/prevention/reminders", {"do": "stopped"})
        assert "Vous ne recevez plus de rappels." in (await marcel.get("/prevention/reminders")).said
        assert "Plus de rappels de prévention" in (await marcel.get("/")).said
        child = f"/for/{house.camille.mailbox_id}/prevention/reminders"
        assert (await marcel.get(child)).status == 404
    async with visitor(house, "dominique") as dominique:
        assert "Rappels de prévention de Camille" in (await dominique.get(child)).said
        await dominique.post(child, {"do": "stopped"})
    rows = await house.app.db.read(
        lambda tx: tx.run("SELECT outcome FROM audit WHERE act = 'choice:changed' AND object = 'reminders' ORDER BY at")
    )
    assert [row[0] for row in rows] == [pausing.PAUSED, pausing.STOPPED, pausing.STOPPED]


def test_the_shipped_words_of_campaigns_alarm_nobody() -> None:
    """What leaves as a reminder never shouts: neither in its words nor in how it is set."""
    folder = Path(campaigns.__file__).parent / "data"
    book = json.loads((folder / "rules.json").read_text())
    for rule in book["rules"]:
        for name in ("title", "title_for", "text", "text_falc", "title_en", "title_for_en", "text_en"):
            said = rule[name]
            assert "!" not in said, (rule["id"], name)
            for word in ("urgent", "danger", "mort", "attention", "risquez", "death", "immediately"):
                assert word not in said.lower().split(), (rule["id"], name, word)
