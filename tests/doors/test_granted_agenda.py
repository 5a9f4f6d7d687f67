"""A service of the catalogue reads the agenda that Dominique let it see: no more than that, and no longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.settings import PLACE
from tests.support.api import Api, open_api

SOON = (datetime.now(PLACE) + timedelta(days=30)).isoformat(timespec="minutes")
DENTIST = {"title": "Dentiste", "start": SOON, "note": "Lui dire que j’ai peur", "place": "12 rue du Port"}


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def test_a_service_sees_when_and_where_and_not_what_she_noted_until_she_withdraws(api: Api) -> None:
    assert (await api.post("dominique", "/agenda", DENTIST)).status == 201
    offer = await api.letter(
        "carnet", "dominique", card={"type": "service", "service": "mon-agenda", "title": "Agenda"}
    )
    card = f"/messages/{offer['message']}/actions/catalogue"
    assert (await api.post("dominique", f"{card}.grant", {})).status == 201
    [grant] = (await api.get("carnet", "/grants")).json["grants"]
    [seen] = (await api.get("carnet", f"/grants/{grant['id']}/appointments")).json["appointments"]
    assert (seen["title"], seen["location"], seen["note"]) == ("Dentiste", "12 rue du Port", "")
    assert (seen["message"], seen["conversation"]) == ("", "")
    assert (await api.get("carnet", f"/grants/{grant['id']}/documents")).status == 404
    assert (await api.get("lab", f"/grants/{grant['id']}/appointments")).status == 404
    assert (await api.post("dominique", f"{card}.withdraw", {})).status == 201
    assert (await api.get("carnet", f"/grants/{grant['id']}/appointments")).status == 404
