"""Appointments that an office's program organises by the API: proposed, moved, called off, listed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.api import Api, open_api

DAY = (datetime.now(ZoneInfo("Europe/Paris")) + timedelta(days=30)).date()
NINE = {"start": f"{DAY}T09:00", "end": f"{DAY}T09:30"}


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


def proposal(api: Api, **changes: Any) -> dict[str, Any]:
    return {"to": api.house.ins("dominique"), "title": "Prise de sang", "moments": [NINE], "location": "Labo"} | changes


async def test_the_laboratory_proposes_moves_and_calls_off_and_a_retry_does_it_once(api: Api) -> None:
    once = {"Idempotency-Key": "a"}
    first = await api.post("lab", "/appointments", proposal(api, identifier="LAB-1"), headers=once)
    again = await api.post("lab", "/appointments", proposal(api, identifier="LAB-1"), headers=once)
    assert (first.status, again.status) == (201, 201)
    assert first.json["message"] == again.json["message"]
    known = await api.post("lab", "/appointments", proposal(api, identifier="LAB-1"))
    assert (known.status, known.code) == (409, "appointment_known")
    one = first.json["appointment"]
    assert (one["state"], one["patient"], one["uid"], one["mine"]) == ("proposed", "Dominique PAT-TROIS", "LAB-1", True)
    later = {"moments": [{"start": f"{DAY}T14:00"}]}
    moved = await api.reach("lab", "PATCH", f"/api/v1/appointments/{one['id']}", json=later, headers=once)
    twice = await api.reach("lab", "PATCH", f"/api/v1/appointments/{one['id']}", json=later, headers=once)
    assert (moved.status, moved.json["message"]) == (200, twice.json["message"])
    assert (moved.json["appointment"]["start"][11:16], moved.json["appointment"]["title"]) == ("14:00", "Prise de sang")
    days = f"/planning?since={DAY}&until={DAY}"
    assert [item["id"] for item in (await api.get("lab", days)).json["appointments"]] == [one["id"]]
    for _ in range(2):
        gone = await api.reach("lab", "DELETE", f"/api/v1/appointments/{one['id']}?reason=Panne")
        assert (gone.status, gone.json["appointment"]["state"]) == (200, "cancelled")
    assert (await api.get("lab", f"/appointments/{one['id']}")).json["state"] == "cancelled"
    cards = [entry["message"]["card"]["type"] for entry in (await api.get("dominique", "/entries")).json["entries"]]
    assert cards == ["appointment", "appointment", "cancellation"]


async def test_a_secretary_s_token_organises_in_the_name_of_her_team(api: Api) -> None:
    box = api.house.admissions.mailbox_id
    made = await api.post("petit", f"/appointments?mailbox={box}", proposal(api))
    assert made.status == 201
    place = f"/appointments/{made.json['appointment']['id']}"
    assert (await api.get("petit", f"{place}?mailbox={box}")).status == 200
    assert (await api.get("admissions", place)).status == 200
    assert (await api.get("petit", place)).status == 404
    (card,) = [one["message"]["card"] for one in (await api.get("dominique", "/entries")).json["entries"]]
    assert card["organizer_name"] == "Admissions, CHU de Pli"


async def test_in_a_conversation_one_has_and_in_no_other(api: Api) -> None:
    sent = await api.letter("lab", "dominique")
    changes = {"to": "", "conversation": sent["conversation"]}
    made = await api.post("lab", "/appointments", proposal(api, **changes))
    assert (made.status, made.json["conversation"]) == (201, sent["conversation"])
    assert (await api.post("morel", "/appointments", proposal(api, **changes))).status == 404


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"to": ""}, 422, "bad_recipient"), ({"to": "279035121518988"}, 404, "no_such_recipient"),
        ({"moments": []}, 422, "invalid"), ({"moments": [{"start": "hier"}]}, 422, "appointment_without_day"),
        ({"rrule": "FREQ=SECONDLY"}, 422, "bad_rule"), ({"zone": "Mars"}, 422, "bad_zone"),
        ({"title": "\n"}, 422, "appointment_without_title"), ({"agreed": True}, 422, "invalid"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said(api: Api, changes: dict[str, Any], status: int, code: str) -> None:
    answer = await api.post("lab", "/appointments", proposal(api, **changes))
    assert (answer.status, answer.code) == (status, code)
    assert (await api.get("lab", f"/planning?since={DAY}&until={DAY + timedelta(days=90)}")).code == "bad_days"
    assert (await api.get("dominique", "/planning")).code == "no_office"
