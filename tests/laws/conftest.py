"""Dominique's letter, and everybody who might ask for it: what the matrix of rights is held against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server import access, people, reading
from server.actions import own_appointments
from server.actions.acting import act
from server.agenda import book
from server.agenda.own import Entry
from server.dossier import documents as shelf
from server.drafts import Actor
from storage import delegations
from storage.ids import now_ms
from tests.browser.scenes import REPORT, letter_with_documents
from tests.house import House, Kept
from tests.laws.matrix import Rule

NEEDS_DOSSIER = {Rule.DOSSIER: "dossier", Rule.AGENDA: "agenda", Rule.SERVICES: "services"}
NEEDS_DOSSIER |= {Rule.MESSAGES: "messages", Rule.PATIENT: "messages"}
EVERYTHING = delegations.EVERYTHING
Told = tuple[dict[str, str], dict[str, frozenset[str]]]  # `ids` and `delegates` of a scene


@dataclass
class Scene:
    """Dominique's letter, and everybody who might ask for it. `ids`: what stands for each name of a path."""

    house: House
    ids: dict[str, str]
    delegates: dict[str, frozenset[str]]

    def owner(self, who: str, prefix: str) -> str:
        """Whose mailbox that is, when `who` may open it; '' when not."""
        if not who:
            return ""
        if not prefix:
            return who
        if prefix == "dominique":
            return "dominique" if who == "dominique" or who in self.delegates else ""
        return "admissions" if who in {"admissions", "petit"} else ""

    def may(self, who: str, prefix: str, rule: Rule, *, named: bool) -> bool:
        """What the table says. `named`: the path names something of Dominique's."""
        if rule is Rule.ANYBODY:
            return True
        owner = self.owner(who, prefix)
        if not owner:
            return False
        kind = self.house.people[owner].kind
        match rule:
            case Rule.SIGNED_IN | Rule.MAILBOX:
                return True
            case Rule.OPERATOR:
                return kind == "operator" and not prefix
            case Rule.OFFICE:
                return kind in {"professional", "team"}
            case Rule.TEAM:
                return kind == "team" and not named
            case Rule.HOLDER | Rule.OWN_AFFAIRS:  # those who act for Dominique here are helpers
                return kind == "holder" and owner == who
        if rule is Rule.RECORD:
            return owner == who == "morel"
        if rule in {Rule.AUTHOR, Rule.WITH_PATIENT}:
            return owner == who == "morel"
        if rule is Rule.MESSAGES:
            has = not named or owner in {"dominique", "morel"}
        else:
            has = kind == "holder" and (not named or owner == "dominique")
        return has and (owner == who or NEEDS_DOSSIER[rule] in self.delegates.get(who, EVERYTHING))


@pytest.fixture(scope="session")
def kept_scene(tmp_path_factory: pytest.TempPathFactory) -> Kept[Told]:
    return Kept(tmp_path_factory.mktemp("scene"), _happen)


@pytest.fixture
async def scene(kept_scene: Kept[Told], tmp_path: Path) -> AsyncIterator[Scene]:
    """Made once a test process; this test's own copy."""
    async with kept_scene.opened(tmp_path / "scene") as (house, told):
        yield Scene(house, *told)


async def _happen(house: House) -> Told:
    receipt = await letter_with_documents(house)
    box = await house.mailbox("dominique")
    files = (await reading.since(house.app, box, 0)).entries[0].message.attachments
    report = next(item for item in files if item.title == REPORT)
    await act(house.app, box, receipt.message, "dossier.file", {"attachment": report.id}, "once")
    (document,) = await shelf.list_documents(house.app, await access.dossier(house.app, box))
    await own_appointments.record(
        house.app, box, Entry("Dentiste", (datetime.now(UTC) + timedelta(days=9)).date().isoformat()), "noted"
    )
    (noted,) = await book.appointments(house.app, await access.dossier(house.app, box, "agenda"))
    ids = {
        "appointment": noted.id,
        "conversation": receipt.conversation,
        "message": receipt.message,
        "space": house.dominique.space_id,
        "attachment": report.id,
        "document": document.id,
    }
    delegates: dict[str, frozenset[str]] = {}
    for name, scopes, until in (
        ("camille", EVERYTHING, None),  # here as an adult who helps
        ("reader", frozenset({"messages"}), None),
        ("former", EVERYTHING, now_ms() - 1),
    ):
        if name not in house.people:
            house.people[name] = await _somebody(house, name)
        account = house.people[name].account_id
        await house.app.db.write(
            delegations.grant, house.dominique.space_id, account, "helper", until, house.dominique.account_id, scopes
        )
        if until is None:
            delegates[name] = scopes
    return ids, delegates


async def _somebody(house: House, name: str) -> Actor:
    number = {"reader": "279035121518990", "former": "279035121518991"}[name]
    traits = people.Traits(number, "1.2.250.1.213.1.4.10", name.upper(), name.title(), "1980-01-01", "F", "75056")
    return await people.open_space(house.app, traits)


def address(scene: Scene, prefix: str, path: str) -> str:
    parts = [scene.ids.get(part[1:-1], "A" * 22) if part.startswith("{") else part for part in path.split("/")]
    begin = f"/for/{scene.house.people[prefix].mailbox_id}" if prefix else ""
    return begin + "/".join(parts)
