"""The day before an appointment, and at the hour of a reminder: told once, at a decent hour, or not at all when it is
not so any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from server import access, reading
from server.actions import own_appointments as acts
from server.actions.acting import act
from server.agenda import book, notices, organiser
from server.agenda.own import Entry
from server.drafts import Receipt
from server.enrolment import lifecycle
from server.posting import Doing
from server.settings import PLACE
from storage.ids import now_ms
from tests.doors.test_appointment_pages import BERTIN, FACTS
from tests.house import House
from tests.notice_post import DAY, HOUR, Post, body, outside


@asynccontextmanager
async def opened(folder: Path, url: str, at: str) -> AsyncIterator[Post]:
    async with outside(folder, url, datetime.fromisoformat(at).replace(tzinfo=PLACE)) as post:
        post.house.app.delivery.add(notices.AppointmentNotices(post.house.app))
        yield post


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with opened(tmp_path, sqlite_url, "2026-11-24T08:00") as found:
        yield found


def clock(post: Post, at: str) -> float:
    """Seconds from now until that hour in Paris."""
    return datetime.fromisoformat(at).replace(tzinfo=PLACE).timestamp() - now_ms() / 1000


async def lines(house: House, who: str = "dominique") -> list[tuple[str, str]]:
    """(when in Paris, words) of what Pli told of itself."""
    page = await reading.since(house.app, await house.mailbox(who), 0, 200)
    told = [entry.message for entry in page.entries if entry.kind == "message" and entry.message.kind == "line"]
    return [
        (f"{datetime.fromisoformat(one.at).astimezone(PLACE):%d/%m %H:%M}", one.text)
        for one in told
        if one.text.startswith(("Demain", "Rappel"))
    ]


async def note(post: Post, *entries: Entry) -> dict[str, str]:
    house, box = post.house, await post.house.mailbox("dominique")
    for entry in entries:
        await acts.record(house.app, box, entry, entry.title + entry.start)
    found = await book.appointments(house.app, await access.dossier(house.app, box, "agenda"))
    return {one.title: one.id for one in found}


async def proposed(house: House, **facts: Any) -> Receipt:
    card = book.appointment_card(**(FACTS | facts))

    def arrives(doing: Doing) -> None:
        organiser.offered(doing, card, BERTIN)

    return await house.letter("morel", "dominique", "", "Rendez-vous", kind="card", card=card, raw=b".", effect=arrives)


async def test_one_line_the_day_before_at_ten_for_whatever_there_is(post: Post) -> None:
    await note(
        post, Entry("Dentiste", "2026-12-01T14:00", place="Reims"), Entry("Kiné", "2026-12-01T09:30"),
        Entry("À jeun", "2026-12-01"),
    )  # fmt: skip
    sent = await proposed(
        post.house, title="Radio", start="2026-12-03T11:00:00+01:00", end="2026-12-03T11:15:00+01:00", location=""
    )
    await proposed(post.house, uid="2", start="2026-12-05T11:00:00+01:00", end="")  # never answered
    await act(post.house.app, await post.house.mailbox("dominique"), sent.message, "agenda.accept", {}, "1")
    await post.after(clock(post, "2026-11-30T09:59"))
    assert await lines(post.house) == []
    await post.after(12 * DAY)
    assert await lines(post.house) == [
        (
            "30/11 10:00",
            "Demain, mardi 1er décembre 2026\u00a0:\n– À jeun\n– 9\u00a0h\u00a030, Kiné\n– 14\u00a0h, Dentiste, Reims",
        ),
        ("02/12 10:00", "Demain, jeudi 3 décembre 2026\u00a0: 11\u00a0h, Radio."),
    ]
    said = " ".join(body(mail) for mail in post.mails)
    assert "Un message vous attend" in said
    assert not any(word in said for word in ("Dentiste", "Radio", "rendez-vous", "Demain"))


async def test_what_moved_or_was_cancelled_is_told_when_it_is_or_not_at_all(post: Post) -> None:
    ids = await note(post, Entry("Dentiste", "2026-12-01T14:00"), Entry("Kiné", "2026-12-01T09:30"))
    box = await post.house.mailbox("dominique")
    await acts.amend(post.house.app, box, ids["Dentiste"], Entry("Dentiste", "2026-12-04T14:00"), "move")
    await acts.amend(post.house.app, box, ids["Kiné"], None, "remove")
    sent = await proposed(post.house, start="2026-12-02T11:00:00+01:00", end="2026-12-02T11:15:00+01:00")
    await act(post.house.app, box, sent.message, "agenda.accept", {}, "1")
    await proposed(post.house, sequence=1, start="2026-12-09T11:00:00+01:00", end="2026-12-09T11:15:00+01:00")
    await post.after(20 * DAY)
    assert [when for when, _ in await lines(post.house)] == ["03/12 10:00"]


async def test_what_repeats_is_told_each_time_also_after_many_changes(post: Post) -> None:
    weekly = Entry("Kiné", "2026-11-26T18:00", repeats="weekly", until="2026-12-17")
    ids = await note(post, weekly, Entry("Gym", "2026-11-26T20:00", repeats="weekly", until="2026-12-03"))
    box = await post.house.mailbox("dominique")
    for number in range(3):
        entry = Entry(f"Kiné {number}", "2026-11-26T18:00", repeats="weekly", until="2026-12-17")
        await acts.amend(post.house.app, box, ids["Kiné"], entry, f"{number}")
    await post.after(40 * DAY)
    told = await lines(post.house)
    assert [when for when, _ in told] == ["25/11 10:00", "02/12 10:00", "09/12 10:00", "16/12 10:00"]
    assert ["Gym" in words for _, words in told] == [True, True, False, False]
    assert all("Kiné 2" in words for _, words in told)


@pytest.mark.parametrize(
    ("now", "day", "due"),
    [
        ("2026-10-23T08:00", "2026-10-26", "25/10 10:00"),  # the day of 25 hours is the day before
        ("2026-10-23T08:00", "2026-10-25", "24/10 10:00"),
        ("2027-03-26T08:00", "2027-03-29", "28/03 10:00"),  # that of 23 hours
        ("2027-03-26T08:00", "2027-03-28", "27/03 10:00"),
    ],
)
async def test_it_is_ten_in_paris_on_both_sides_of_a_change_of_clocks(
    tmp_path: Path, sqlite_url: str, now: str, day: str, due: str
) -> None:
    async with opened(tmp_path, sqlite_url, now) as post:
        await note(post, Entry("Dentiste", f"{day}T00:30"))
        await post.after(5 * DAY)
        assert [when for when, _ in await lines(post.house)] == [due]


async def test_who_does_not_wish_it_is_not_told_and_series_go_on_when_they_wish_again(post: Post) -> None:
    app, box = post.house.app, await post.house.mailbox("dominique")
    handle = await access.dossier(app, box, "agenda")
    await note(post, Entry("Kiné", "2026-11-26T18:00", repeats="weekly", until="2026-12-03"))
    await notices.choose(app, box, handle, on=False)
    await post.after(2 * DAY)
    assert await lines(post.house) == []
    await notices.choose(app, box, handle, on=True)
    await post.after(14 * DAY)
    assert [when for when, _ in await lines(post.house)] == ["02/12 10:00"]


async def test_a_reminder_comes_at_its_hour_whatever_is_wished_for_appointments(post: Post) -> None:
    app, box = post.house.app, await post.house.mailbox("dominique")
    await notices.choose(app, box, await access.dossier(app, box, "agenda"), on=False)
    ids = await note(
        post, Entry("Appeler le cabinet", "2026-11-25T16:30", note="01 23 45 67 89", kind="reminder"),
        Entry("Traitement", "2026-11-26T08:00", repeats="daily", until="2026-11-28", kind="reminder"),
        Entry("Renouveler", "2026-11-27", kind="reminder"),
    )  # fmt: skip
    await post.after(2 * DAY + HOUR)
    await acts.amend(app, box, ids["Traitement"], None, "enough")
    await post.after(9 * DAY)
    assert await lines(post.house) == [
        ("25/11 16:30", "Rappel\u00a0: Appeler le cabinet\n01 23 45 67 89"),
        ("26/11 08:00", "Rappel\u00a0: Traitement"),
        ("27/11 09:00", "Rappel\u00a0: Renouveler"),
    ]


async def test_late_or_closed_nothing_is_said(post: Post) -> None:
    await note(post, Entry("Dentiste", "2026-11-26T14:00"), Entry("Appeler", "2026-11-25T16:30", kind="reminder"))
    post.clock.shift(2 * DAY + 12 * HOUR)  # nobody was at work until the evening of the day itself
    await post.told()
    assert await lines(post.house) == []
    await note(post, Entry("Radio", "2026-12-01T14:00"))
    await lifecycle.by_operator(post.house.app, post.house.dominique.space_id, "suspended", "Vérification")
    await post.after(6 * DAY)
    await lifecycle.by_operator(post.house.app, post.house.dominique.space_id, "open", "Vérifié")
    assert await lines(post.house) == []
