"""The appointments of an office by its days: found by time, by their last date, by their id; on both engines."""

from __future__ import annotations

from storage import appointments as rows
from storage.appointments import Organised
from storage.database import Tx
from tests.house import House

DAY = 86_400_000


async def test_an_office_finds_its_appointments_by_time_and_its_series_until_they_end(core: House) -> None:
    box, other = core.admissions.mailbox_id, core.anesthesia.mailbox_id
    space = core.dominique.space_id
    single, series = Organised(space, "single", 10 * DAY, "proposed"), Organised(space, "x", DAY, "accepted", 20 * DAY)

    def write(tx: Tx) -> None:
        for one in (single, series):
            rows.put_organised(tx, box, one)
        rows.put_organised(tx, box, Organised(space, "x", DAY, "asked"))  # by who knows nothing of its dates

    await core.app.db.write(write)
    found = [await core.app.db.read(rows.series, box, since, 9) for since in (DAY, 2 * DAY, 20 * DAY, 20 * DAY + 1)]
    assert [[one.appointment_id for one in those] for those in found] == [[], ["x"], ["x"], []]
    assert (found[1][0].state, found[1][0].until_at) == ("asked", 20 * DAY)
    (only,) = await core.app.db.read(rows.organised, box, 9 * DAY, 11 * DAY, 9)
    assert only == single
    assert await core.app.db.read(rows.space_of, box, "single") == space
    for mailbox, named in ((other, "single"), (box, "nothing")):
        assert await core.app.db.read(rows.space_of, mailbox, named) == ""
