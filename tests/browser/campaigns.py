"""Campaigns to look at: one half-way and paused, and a draft. Nothing is sent: they stand as they would."""

from __future__ import annotations

import json

from server.prevention import campaigns
from storage import campaigns as rows
from storage.database import Tx
from tests.house import House

NAME = "Grippe et Covid-19, automne 2026"
WORDS = {
    "title": "Se protéger avant l’hiver", "text": "La vaccination a commencé.", "title_en": "Before winter",
    "text_en": "Vaccination has begun.", "text_falc": "Vous pouvez faire le vaccin.",
}  # fmt: skip


async def made(house: House) -> str:
    """The id of the one that is paused."""
    plan = {"name": NAME, **WORDS, "population": [{"from": "65y"}], "per_minute": 600, "starts": "2026-10-13"}
    found = await campaigns.add(house.app, campaigns.read(json.dumps(plan).encode()), house.operator.account_id)
    await house.app.db.write(_half_way, house, found)
    draft = {**plan, "name": "Chaleur, été 2027", "starts": "2027-06-01"}
    await campaigns.add(house.app, campaigns.read(json.dumps(draft).encode()), house.operator.account_id)
    return found


def _half_way(tx: Tx, house: House, campaign: str) -> None:
    people = [house.people[name] for name in ("dominique", "marcel", "camille")]
    for state, by in (
        ("gathering", house.operator.account_id),
        ("running", "pli"),
        ("paused", house.operator.account_id),
    ):
        known = rows.find(tx, campaign)
        assert known is not None
        assert rows.change(tx, known, state, by)
        if state == "gathering":
            rows.gather(tx, campaign, [one.space_id for one in people])
        if state == "running":
            rows.settle(tx, campaign, people[0].space_id, "sent")
            rows.settle(tx, campaign, people[1].space_id, "spared", "not_due")
