"""One account that opens many patients' dossiers is slowed at 20 an hour, and stopped at 50 until somebody looked."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from time_machine import TimeMachineFixture

from server import access, people
from server.admin import admin_door
from server.dossier import operating, volume
from server.errors import Invalid, NotAllowed, PliError, Throttled
from storage import reviews
from tests.doors.test_emergencies import WHY, declare
from tests.house import House
from tests.support.command import pli


async def patients(house: House, count: int) -> list[str]:
    found = []
    for number in range(count):
        traits = people.Traits(
            f"2790351215{number:05}", "1.2.250.1.213.1.4.10", f"NOM{number}", "Jeanne", "1980-01-01", "F", "75056"
        )
        found.append((await people.open_space(house.app, traits)).space_id)
    return found


async def opens(house: House, space_id: str) -> str:
    """Nothing when it opens, else the code of the refusal."""
    try:
        await volume.may_open(house.app, house.morel, space_id)
    except PliError as error:
        return error.code
    return ""


async def test_an_account_that_opens_fifty_patients_is_slowed_then_stopped_until_an_operator_decides(
    core: House, time_machine: TimeMachineFixture
) -> None:
    spaces, now = await patients(core, 54), datetime.now(UTC)
    time_machine.move_to(now, tick=False)
    assert [await opens(core, one) for one in spaces[:20]] == [""] * 20
    with pytest.raises(Throttled, match="60 secondes"):
        await volume.may_open(core.app, core.morel, spaces[20])
    assert [await opens(core, one) for one in spaces[:20]] == [""] * 20  # the same again never counts
    for number in range(20, 50):
        now += timedelta(minutes=1)
        time_machine.move_to(now, tick=False)
        assert await opens(core, spaces[number]) == ""
        assert await opens(core, spaces[51]) == ("openings_slowed" if number < 49 else "openings_stopped")
    now += timedelta(hours=3)
    time_machine.move_to(now, tick=False)
    assert await opens(core, spaces[52]) == "openings_stopped"  # time does not lift it
    with pytest.raises(NotAllowed, match="openings_stopped"):  # as every way to a dossier
        await access.record_of(core.app, await core.mailbox("morel"), spaces[53])
    (review,) = await operating.listed(core.app)
    assert (review["kind"], review["who"], review["space"]) == ("volume", "Dr Agathe MOREL", "")
    await operating.close(core.app, review["review"], "pli", "Appelée : remplacement d’un confrère")
    assert await opens(core, spaces[52]) == ""
    assert [one.state for one in await core.app.db.read(reviews.of_account, core.morel.account_id, "volume")] == [
        "closed"
    ]
    with pytest.raises(Invalid):
        await operating.close(core.app, review["review"], "pli", "encore")


async def test_many_at_once_are_counted_one_by_one_and_another_account_is_not_slowed(core: House) -> None:
    spaces = await patients(core, 30)
    codes = await asyncio.gather(*(opens(core, one) for one in spaces))
    assert (codes.count(""), codes.count("openings_slowed")) == (20, 10)
    await volume.may_open(core.app, core.leroy, spaces[0])
    assert await opens(core, "A" * 22) == ""  # nobody's: refused as such, and not counted


async def test_an_operator_sees_who_opened_never_whose_dossier_and_lets_go_on(house: House) -> None:
    await declare(house)
    environ = {"PLI_DATA_DIR": str(house.app.settings.data_dir), "PLI_DATABASE_URL": house.app.settings.database}
    async with admin_door(house.app):
        listed = await asyncio.to_thread(pli, "reviews", "list", **environ)
        (review,) = map(json.loads, listed.stdout.splitlines())
        assert (review["kind"], review["who"], review["space"]) == (
            "emergency", "Dr Karim BENALI", house.dominique.space_id
        )  # fmt: skip
        assert not any(word in listed.stdout for word in ("DOMINIQUE", "Dominique", house.ins("dominique"), WHY))
    await operating.close(house.app, review["review"], "pli", "Conforme : patiente aux urgences")
    assert await operating.listed(house.app) == []
    (decided,) = await operating.listed(house.app, everything=True)
    assert (decided["state"], decided["decision"]) == ("closed", "Conforme : patiente aux urgences")
    assert decided["decided_by"] == "pli"
