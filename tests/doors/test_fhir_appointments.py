"""Appointments through the FHIR façade: what an office's program sends, finds and changes; what its patient reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.api import Api, Reply, open_api
from tests.support.fhir import NIR, ask, code, found

DAY = (datetime.now(ZoneInfo("Europe/Paris")) + timedelta(days=30)).date()
BLOCK = "urn:oid:1.2.3.4"
HEADERS = {"Content-Type": "application/fhir+json"}


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


def appointment(api: Api, patient: str = "dominique", **changes: Any) -> dict[str, Any]:
    identifier = {"system": NIR, "value": api.house.ins(patient)}
    resource = {
        "resourceType": "Appointment", "status": "booked", "identifier": [{"system": BLOCK, "value": "42"}],
        "description": "Consultation d’anesthésie", "start": f"{DAY}T09:00:00Z", "end": f"{DAY}T09:30:00Z",
        "patientInstruction": "Venez à jeun.",
        "participant": [
            {"actor": {"type": "Patient", "identifier": identifier}, "status": "accepted"},
            {"actor": {"type": "Location", "display": "Bâtiment B"}, "status": "accepted"},
        ],
    }  # fmt: skip
    return {name: value for name, value in (resource | changes).items() if value is not None}


async def send(
    api: Api, resource: dict[str, Any], method: str = "POST", path: str = "/Appointment", who: str = "admissions",
    **headers: str,
) -> Reply:  # fmt: skip
    return await ask(api, who, method, path, data=json.dumps(resource), headers=HEADERS | headers)


async def tap(api: Api, action: str, who: str = "dominique", **values: str) -> None:
    entries = (await api.get(who, "/entries")).json["entries"]
    card = [one for one in entries if one["message"].get("card")][-1]["message"]["id"]
    answer = await api.post(who, f"/messages/{card}/actions/{action}", {"values": values})
    assert answer.status == 201, answer.data


def patient_of(resource: dict[str, Any]) -> str:
    return str(resource["participant"][0]["status"])


async def test_booked_by_software_is_pending_until_dominique_says_so(api: Api) -> None:
    reply = await send(api, appointment(api))
    sent = reply.json
    assert (reply.status, sent["status"], patient_of(sent)) == (201, "pending", "needs-action")
    assert sent["identifier"] == [{"system": BLOCK, "value": "42"}]
    assert (sent["start"], sent["end"]) == (f"{DAY}T09:00:00Z", f"{DAY}T09:30:00Z")
    assert [one["actor"].get("display") for one in sent["participant"]] == [
        None,
        "Admissions, CHU de Pli",
        "Bâtiment B",
    ]
    assert sent["patientInstruction"] == "Venez à jeun."
    assert reply.headers["Location"].endswith(f"/api/fhir/Appointment/{sent['id']}")
    (hers,) = await found(api, "dominique", "Appointment")
    assert (hers["id"], hers["status"]) == (sent["id"], "pending")
    await tap(api, "agenda.accept")
    read = (await ask(api, "admissions", "GET", f"/Appointment/{sent['id']}")).json
    assert (read["status"], patient_of(read)) == ("booked", "accepted")
    again = await send(api, appointment(api), "PUT", f"/Appointment/{sent['id']}")
    assert (again.status, again.json["status"]) == (200, "booked"), "nothing changed: her word stays"
    later = appointment(api, start=f"{DAY}T14:00:00Z", end=None, minutesDuration=45)
    moved = await send(api, later, "PUT", f"/Appointment/{sent['id']}")
    assert (moved.json["status"], moved.json["end"]) == ("pending", f"{DAY}T14:45:00Z")


async def test_a_lost_answer_and_a_second_attempt_make_one_appointment(api: Api) -> None:
    once = {"If-None-Exist": f"identifier={BLOCK}|42"}
    first = await send(api, appointment(api), **once)
    second = await send(api, appointment(api), **once)
    assert (first.status, second.status) == (201, 200)
    assert first.json["id"] == second.json["id"]
    plain = await send(api, appointment(api))
    assert (plain.status, code(plain)) == (409, "appointment_known")
    other = await send(api, appointment(api, identifier=[{"system": BLOCK, "value": "43"}]), **once)
    assert other.status == 200, "the condition is what the caller says"
    together = await asyncio.gather(*(
        send(api, appointment(api, identifier=[{"system": BLOCK, "value": "44"}]), "PUT",
             f"/Appointment?identifier={BLOCK}|44") for _ in range(3)
    ))  # fmt: skip
    assert sorted(one.status for one in together) == [200, 200, 201]
    assert len({one.json["id"] for one in together}) == 1


async def test_a_program_follows_its_own_number_from_proposed_to_cancelled(api: Api) -> None:
    by_number = f"/Appointment?identifier={BLOCK}|42"
    made = await send(api, appointment(api), "PUT", by_number)
    assert made.status == 201
    moved = await send(api, appointment(api, start=f"{DAY}T15:00:00Z", end=f"{DAY}T15:30:00Z"), "PUT", by_number)
    assert (moved.status, moved.json["id"], moved.json["start"]) == (200, made.json["id"], f"{DAY}T15:00:00Z")
    stale = await send(api, appointment(api), "PUT", by_number, **{"If-Match": made.headers["Etag"]})
    assert stale.status == 412
    gone = await send(api, appointment(api, status="cancelled"), "PUT", by_number)
    assert (gone.status, gone.json["status"]) == (200, "cancelled")
    assert (await send(api, appointment(api, status="cancelled"), "PUT", by_number)).status == 200
    late = await send(api, appointment(api), "PUT", by_number)
    assert (late.status, code(late)) == (409, "appointment_off")
    nobody = appointment(api, status="cancelled", identifier=[{"system": BLOCK, "value": "9"}])
    assert (await send(api, nobody, "PUT", f"/Appointment?identifier={BLOCK}|9")).status == 412


async def test_several_periods_are_proposed_and_the_one_she_picks_is_booked(api: Api) -> None:
    periods = [{"start": f"{DAY}T{hour}:00:00Z", "end": f"{DAY}T{hour}:30:00Z"} for hour in ("09", "14", "17")]
    reply = await send(api, appointment(api, status="proposed", start=None, end=None, requestedPeriod=periods))
    assert (reply.json["status"], reply.json["requestedPeriod"]) == ("proposed", periods)
    assert "start" not in reply.json
    await tap(api, "agenda.second")
    (booked,) = await found(api, "admissions", "Appointment", status="booked")
    assert (booked["start"], patient_of(booked)) == (f"{DAY}T14:00:00Z", "accepted")


async def test_her_wish_and_her_refusal_are_read_by_the_program(api: Api) -> None:
    sent = (await send(api, appointment(api))).json
    await tap(api, "agenda.counter", text="Plutôt le soir.", start=f"{DAY}T18:00:00+00:00")
    asked = (await ask(api, "admissions", "GET", f"/Appointment/{sent['id']}")).json
    assert (asked["status"], patient_of(asked), asked["comment"]) == ("pending", "tentative", "Plutôt le soir.")
    assert asked["requestedPeriod"] == [{"start": f"{DAY}T18:00:00Z"}]
    await tap(api, "agenda.decline")
    declined = (await ask(api, "admissions", "GET", f"/Appointment/{sent['id']}")).json
    assert (declined["status"], patient_of(declined)) == ("cancelled", "declined")


async def test_searches_find_by_patient_day_status_and_number_and_only_one_s_own(api: Api) -> None:
    await send(api, appointment(api))
    await send(api, appointment(api, "marcel"))
    await send(api, appointment(api), who="lab")
    assert len(await found(api, "admissions", "Appointment")) == 2
    (hers,) = await found(api, "admissions", "Appointment", "dominique")
    space = hers["participant"][0]["actor"]["reference"]
    by_id = await ask(api, "admissions", "POST", "/Appointment/_search", data={"patient": space})
    assert by_id.json["total"] == 1
    assert len(await found(api, "admissions", "Appointment", actor=space)) == 1
    assert len(await found(api, "admissions", "Appointment", date=f"{DAY}")) == 2
    assert await found(api, "admissions", "Appointment", date=f"gt{DAY}") == []
    assert len(await found(api, "admissions", "Appointment", identifier=f"{BLOCK}|42", status="pending")) == 2
    assert await found(api, "admissions", "Appointment", status="booked") == []
    assert await found(api, "morel", "Appointment", "dominique") == []
    assert len(await found(api, "dominique", "Appointment")) == 2
    for who in ("morel", "lab", "marcel"):
        assert (await ask(api, who, "GET", f"/Appointment/{hers['id']}")).status == 404
        assert (await send(api, appointment(api), "PUT", f"/Appointment/{hers['id']}", who)).status in {403, 404}
    unknown = await ask(api, "admissions", "POST", "/Appointment/_search", data={"room": "3"})
    assert unknown.json["total"] == 2
    strict = await ask(api, "admissions", "GET", "/Appointment?room=3", headers={"Prefer": "handling=strict"})
    assert strict.status == 400


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"status": "arrived"}, 422, "bad_status"), ({"participant": []}, 422, "no_patient"),
        ({"modifierExtension": [{"url": "urn:x"}]}, 422, "modifier_extension"),
        ({"start": "demain"}, 422, "appointment_without_day"), ({"start": None, "end": None}, 422, "bad_moments"),
        ({"start": "2020-01-01T09:00:00Z", "end": None}, 422, "appointment_out_of_range"),
        ({"resourceType": "Slot"}, 400, "wrong_resource"), ({"participant": "Dominique"}, 422, "invalid"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_an_operation_outcome(api: Api, changes: dict[str, Any], status: int, told: str) -> None:
    reply = await send(api, appointment(api, **changes))
    assert (reply.status, code(reply)) == (status, told)
    assert await found(api, "dominique", "Appointment") == []


async def test_a_patient_proposes_nothing_and_one_who_is_not_there_is_not_there(api: Api) -> None:
    assert (await send(api, appointment(api), who="dominique")).status == 403
    nobody = appointment(api)
    nobody["participant"][0]["actor"]["identifier"]["value"] = "150017505604275"
    assert (await send(api, nobody)).status == 404
    by_id = appointment(api)
    space = api.house.dominique.space_id.replace("_", ".")
    by_id["participant"][0]["actor"] = {"reference": f"Patient/{space}"}
    assert (await send(api, by_id)).status == 404, "an office names by id whom it writes with"
    await api.letter("admissions", "dominique")
    assert (await send(api, by_id)).status == 201
