"""When notices leave: quiet hours over both changes of clocks, digest, pause; and how people say so, page or link."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from server import wishes
from server.settings import PLACE
from server.wishes import NEVER, Wishes
from storage import notices as storage_notices
from storage.ids import now_ms
from tests.browser.visitor import visitor
from tests.house import House
from tests.notice_post import DAY, HOUR, Post, body, outside, wish


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url) as opened:
        yield opened


# ---- hours -----------------------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PLACE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-24T20:59", "2026-11-24T20:59"),
        ("2026-11-24T21:00", "2026-11-25T08:00"),
        ("2026-11-25T07:59", "2026-11-25T08:00"),
        ("2026-11-25T08:00", "2026-11-25T08:00"),
        ("2026-10-24T22:00", "2026-10-25T08:00"),  # the night of 25 hours
        ("2027-03-27T22:00", "2027-03-28T08:00"),  # the night of 23 hours
    ],
)
def test_the_quiet_hours_end_when_clocks_in_paris_say_so(moment: str, told: str) -> None:
    assert wishes.quiet_until(Wishes(), at(moment)) == at(told)


def test_a_night_of_a_change_of_clocks_has_its_own_length() -> None:
    hours = [wishes.quiet_until(Wishes(), at(f"{day}T21:00")) - at(f"{day}T21:00") for day in
             ("2026-10-23", "2026-10-24", "2027-03-27")]  # fmt: skip
    assert [length // 3_600_000 for length in hours] == [11, 12, 10]
    assert wishes.quiet_until(Wishes(quiet_from=0, quiet_to=0), at("2026-11-25T03:00")) == at("2026-11-25T03:00")
    noon = Wishes(quiet_from=12, quiet_to=14)
    assert wishes.quiet_until(noon, at("2026-11-25T13:30")) == at("2026-11-25T14:00")


async def test_a_letter_of_the_night_is_told_in_the_morning(post: Post) -> None:
    post.clock.move_to(datetime(2026, 10, 24, 23, 0, tzinfo=PLACE))
    await post.house.letter("morel", "dominique")
    assert await post.after(9.9 * HOUR) == (0, 0)  # 7 h 54 by the clocks, an hour later than on other nights
    assert await post.after(0.2 * HOUR) == (1, 0)


async def test_a_digest_is_one_mail_a_day_that_says_how_many(post: Post) -> None:
    await wish(post.house, "dominique", digest=18)
    for subject in ("Un", "Deux", "Trois"):
        await post.house.letter("morel", "dominique", subject=subject)
    assert await post.after(7.9 * HOUR) == (0, 0)
    assert await post.after(0.2 * HOUR) == (1, 0)
    assert "3 messages vous attendent" in body(post.mails[0])
    assert await post.after(3 * DAY) == (1, 0), "nothing new came"


async def test_a_pause_ends_with_what_is_still_unread(post: Post) -> None:
    await wish(post.house, "dominique", paused_until=now_ms() + 2 * DAY * 1000)
    await post.house.letter("morel", "dominique")
    assert await post.after(1.9 * DAY) == (0, 0)
    assert await post.after(0.2 * DAY) == (1, 0)


# ---- the pages -------------------------------------------------------------------------------------------------------


async def test_a_link_lessens_without_signing_in_and_never_adds(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post:
        await post.house.letter("morel", "dominique")
        assert await post.after(HOUR) == (1, 0)
        found = re.search(r"/notices/[\w-]+", body(post.mails[0]))
        assert found is not None
        async with visitor(post.house) as anybody:
            page = await anybody.get(found[0])
            assert page.status == 200
            assert "Ne plus m’écrire par e-mail" in page.said
            assert "Dominique" not in page.text
            clicked = await anybody.post(found[0], {"List-Unsubscribe": "One-Click"})
            assert (clicked.status, clicked.text) == (200, "")
            paused = await anybody.post(found[0], {"less": "pause"})
            assert "une pause commence" in paused.said
            assert (await anybody.post(found[0], {"less": "push"})).status == 404
            assert (await anybody.get("/notices/autre")).status == 404
        kept = await post.house.app.db.read(lambda tx: wishes.of(post.house.app, tx, post.house.dominique.account_id))
        assert (kept.mail, kept.push, kept.paused_until > now_ms() + 6 * DAY * 1000) == (NEVER, 0, True)


FORM = {"push": "5", "mail": "60", "sms": "-1", "rhythm": "each", "hour": "18", "quiet": "1", "quiet_from": "22",
        "quiet_to": "7", "people": "1"}  # fmt: skip


async def test_dominique_settles_her_notices_by_plain_forms_and_tries_them(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post, visitor(post.house, "dominique") as dominique:
        saved = await dominique.post("/account/notices", FORM)
        assert saved.place == "/account/notices?done=saved"
        page = await dominique.get(saved.place)
        assert "C’est enregistré." in page.said
        assert "d•••@exemple.fr" in page.said
        kept = await post.house.app.db.read(lambda tx: wishes.of(post.house.app, tx, post.house.dominique.account_id))
        assert (kept.push, kept.mail, kept.quiet_from, kept.quiet_to, kept.services) == (5, 60, 22, 7, False)
        assert (await dominique.post("/account/notices", {**FORM, "mail": "7"})).status == 422
        assert (await dominique.post("/account/notices/trial")).place == "/account/notices?done=tried"
        assert await post.told() == (1, 0)
        assert "Ceci est un essai" in body(post.mails[0])
        again = await dominique.post("/account/notices/trial")
        assert (again.status, "Attendez deux minutes" in again.said) == (429, True)
        assert (await dominique.post("/account/notices/pause", {"until": "2026-12-01"})).place.endswith("done=paused")
        assert "En pause jusqu’au 2 décembre 2026" in (await dominique.get("/account/notices")).said
        assert (await dominique.post("/account/notices/pause", {"until": "2020-01-01"})).status == 422
        assert (await dominique.post("/account/notices/pause", {"until": ""})).place.endswith("done=resumed")


async def test_who_acts_for_a_child_chooses_on_their_own_page_and_nobody_settles_it_for_them(house: House) -> None:
    camille, morel = house.camille.mailbox_id, house.morel.mailbox_id
    async with visitor(house, "dominique") as dominique:
        assert "Camille PAT-TROIS" in (await dominique.get("/account/notices")).said
        await dominique.post("/account/notices", {**FORM, f"space.{camille}": "1", f"space.{morel}": "1"})
        kept = await house.app.db.read(lambda tx: wishes.of(house.app, tx, house.dominique.account_id))
        assert kept.spaces == (camille,)
        for path in ("", "/pause", "/trial", "/push", "/push/end", "/offer", "/offline"):
            assert (await dominique.post(f"/for/{camille}/account/notices{path}", FORM)).status == 404, path
    nobodys = await house.app.db.read(lambda tx: storage_notices.wishes(tx, house.camille.account_id))
    assert nobodys is None
