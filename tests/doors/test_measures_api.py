"""Measures by the HTTP API: a patient's own token, and a service that she granted it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, open_api

MORNING = {"measure": "blood-pressure", "values": ["130", "80"], "at": "2026-11-20T08:00:00+01:00", "heart_rate": "72"}


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def _granted(api: Api, **values: Any) -> tuple[str, str]:
    """(id of the grant, path of its card) that Dominique gave to the notebook."""
    card = {"type": "service", "service": "suivi-mesures", "title": "Mesures"}
    offer = await api.letter("carnet", "dominique", card=card)
    path = f"/messages/{offer['message']}/actions/catalogue"
    assert (await api.post("dominique", f"{path}.grant", {"values": values})).status == 201
    [grant] = (await api.get("carnet", "/grants")).json["grants"]
    return grant["id"], path


async def test_dominique_adds_measures_and_reads_them_back_a_page_at_a_time(api: Api) -> None:
    body = {"measures": [MORNING, {"measure": "weight", "values": ["72400"], "unit": "g", "at": "2026-11-19"}]}
    added = await api.post("dominique", "/measures", {**body, "client_key": "one"})
    again = await api.post("dominique", "/measures", {**body, "client_key": "one"})
    assert (added.status, again.status) == (201, 201)
    assert added.json == again.json
    kept = {one["measure"]: (one["values"], one["unit"], one["source"]) for one in added.json["measures"]}
    assert kept == {
        "blood-pressure": (["130", "80"], "mm[Hg]", "patient"),
        "heart-rate": (["72"], "/min", "patient"),
        "weight": (["72.4"], "kg", "patient"),
    }
    first = (await api.get("dominique", "/measures?limit=2")).json
    assert [one["at"][:10] for one in first["measures"]] == ["2026-11-20", "2026-11-20"]
    assert first["more"]
    rest = (await api.get("dominique", "/measures?limit=2&skip=2")).json
    assert ([one["measure"] for one in rest["measures"]], rest["more"]) == (["weight"], False)
    one = (await api.get("dominique", "/measures?measure=weight&until=2026-11-18")).json
    assert one["measures"] == []
    assert (await api.get("dominique", "/measures?measure=mood")).code == "unknown_measure"
    assert (await api.get("morel", "/measures")).status == 404


async def test_what_is_unlikely_must_be_said_to_be_sure_and_all_is_kept_or_nothing(api: Api) -> None:
    heavy = {"measure": "weight", "values": ["720"]}
    asked = await api.post("dominique", "/measures", {"measures": [MORNING, heavy]})
    assert (asked.status, asked.code) == (422, "doubtful_measure")
    assert (await api.get("dominique", "/measures")).json["measures"] == []
    sure = await api.post("dominique", "/measures", {"measures": [MORNING, {**heavy, "sure": True}]})
    assert sure.status == 201
    for wrong, code in (
        ({**MORNING, "values": ["80", "130"]}, "pressure_turned"),
        ({**MORNING, "values": ["130"]}, "two_numbers"),
        ({**MORNING, "at": "2126-01-01"}, "measure_in_future"),
        ({"measure": "weight", "values": ["72"], "unit": "lb"}, "bad_unit"),
        ({"measure": "bmi", "values": ["22"]}, "computed_measure"),
    ):
        refused = await api.post("dominique", "/measures", {"measures": [wrong]})
        assert (refused.status, refused.code) == (422, code)


async def test_a_service_does_what_it_was_granted_and_nothing_once_it_is_withdrawn(api: Api) -> None:
    grant, card = await _granted(api, scope="measures:write")
    place = f"/measures?grant={grant}"
    added = await api.post("carnet", place, {"measures": [{**MORNING, "device": "Tensiomètre"}]})
    assert added.status == 201
    assert {one["source"] for one in added.json["measures"]} == {"service"}
    assert (await api.get("carnet", place)).status == 404  # to write is not to read
    assert (await api.post("lab", place, {"measures": [MORNING]})).status == 404
    assert (await api.post("carnet", "/measures", {"measures": [MORNING]})).status == 404
    told = [entry["message"]["text"] for entry in (await api.get("dominique", "/entries")).json["entries"]]
    assert any("Noté : tension artérielle 130/80" in text for text in told)
    assert (await api.post("dominique", f"{card}.withdraw", {})).status == 201
    assert (await api.post("carnet", place, {"measures": [MORNING]})).status == 404


async def test_a_service_that_may_read_sees_measures_and_no_document(api: Api) -> None:
    grant, _ = await _granted(api, scope="measures:read")
    assert (await api.post("dominique", "/measures", {"measures": [MORNING]})).status == 201
    read = (await api.get("carnet", f"/measures?grant={grant}&measure=blood-pressure")).json
    assert [one["values"] for one in read["measures"]] == [["130", "80"]]
    assert (await api.post("carnet", f"/measures?grant={grant}", {"measures": [MORNING]})).status == 404
    assert (await api.get("carnet", f"/grants/{grant}/documents")).status == 404
