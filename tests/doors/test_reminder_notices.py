"""What of reminders is told outside Pli: one notice for a household, in its own time, without a word of health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from server import reading
from server.bots import households
from server.settings import PLACE
from storage import rounds as rows
from storage.ids import now_ms
from tests.notice_post import DAY, HOUR, Post, body, outside, wish

HEALTH = ("vaccin", "dépist", "rappel", "prévention", "examen", "bilan", "tétanos", "camille", "dominique")


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url) as opened:
        opened.clock.move_to(datetime(2026, 11, 30, 11, 0, tzinfo=PLACE))
        yield opened


async def remind(post: Post) -> int:
    """Dominique's household is due; how many cards its people have then."""
    app = post.house.app
    await app.db.write(rows.look_at, post.house.dominique.space_id, now_ms())
    while await households.go_round(app):
        pass
    count = 0
    for name in ("dominique", "camille"):
        count += len((await reading.since(app, await post.house.mailbox(name), 0)).entries)
    return count


async def test_six_reminders_of_a_household_are_one_notice_that_names_nothing(post: Post) -> None:
    await wish(post.house, "dominique", spaces=(post.house.camille.mailbox_id,))
    assert await remind(post) == 6
    assert await post.after(2 * HOUR) == (1, 0)
    (mail,) = post.mails
    said = f"{mail['Subject']} {body(mail)}".lower()
    assert [word for word in HEALTH if word in said] == []
    assert await post.after(2 * DAY) == (1, 0)


async def test_it_waits_for_the_end_of_quiet_hours_and_of_a_pause(post: Post) -> None:
    await wish(post.house, "dominique", quiet_from=9, quiet_to=14)
    assert await remind(post) == 6
    assert await post.after(2 * HOUR) == (0, 0), "it is one o'clock"
    assert await post.after(1.2 * HOUR) == (1, 0)


async def test_who_wants_nothing_of_services_is_told_nothing_and_has_the_card_all_the_same(post: Post) -> None:
    await wish(post.house, "dominique", services=False)
    assert await remind(post) == 6
    assert await post.after(DAY) == (0, 0)
