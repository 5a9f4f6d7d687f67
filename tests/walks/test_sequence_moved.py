"""A surgeon's invitation by mail moves twice, is declined, is cancelled: the sequence bound to it follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from server.actions import acting
from server.journeys import Sequence, Step
from server.settings import PLACE
from tests.notice_post import DAY, HOUR, Post, outside, read_all, settled
from tests.walks import sequences as walk

FIRST = datetime(2026, 12, 10, 8, 0, tzinfo=PLACE)
SECOND = datetime(2026, 12, 17, 8, 0, tzinfo=PLACE)
THIRD = datetime(2027, 1, 14, 14, 30, tzinfo=PLACE)
NAMED = "[parcours operation du Genou] Votre opération"


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url, doors=True) as opened:
        yield opened


async def test_an_invitation_that_moves_twice_takes_its_sequence_along(post: Post) -> None:
    house = post.house
    await walk.prepare(house)
    await walk.invite(house, FIRST, 0, subject=NAMED)
    await settled(house)
    assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
    assert await walk.dues(house) == ["03/12 09:00", "09/12 09:00", "11/12 10:00"]
    assert await walk.lines(house) == ["Parcours « Opération du genou » pour « Opération du genou » : 3 messages."]

    await walk.invite(house, SECOND, 1)
    await settled(house)
    assert await walk.dues(house) == ["10/12 09:00", "16/12 09:00", "18/12 10:00"]
    assert await walk.titles(house) == ["Opération du genou"] * 2, "nothing was sent yet: nothing is taken back"

    await post.after(16 * DAY + 23 * HOUR)
    assert await walk.titles(house) == ["Opération du genou"] * 2 + ["Préparer votre opération"]
    (sent,) = [one for one in await walk.messages(house) if one.message.text.startswith("Préparer")]
    assert sent.message.text.endswith("Le jeudi 17 décembre 2026 à 8 h 00, Bloc B.")
    assert sent.message.author.name == house.morel.name

    await walk.invite(house, THIRD, 2)
    await settled(house)
    told = (await walk.messages(house))[-1].message.text
    assert told.startswith("« Opération du genou » est déplacé au jeudi 14 janvier 2027 à 14 h 30 : les consignes")
    assert "- Préparer votre opération" in told
    assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
    assert await walk.dues(house) == ["07/01 09:00", "13/01 09:00", "15/01 10:00"]

    await post.after(40 * DAY)
    assert await walk.titles(house) == [
        "Opération du genou", "Opération du genou", "Préparer votre opération", "Opération du genou",
        told.split("\n")[0], "Préparer votre opération", "À jeun : bien compris ?", "Comment allez-vous ?",
    ]  # fmt: skip
    assert await walk.state(house) == ["1 sent", "2 sent", "3 sent"]


async def test_declined_it_stops_and_accepted_after_all_it_goes_on(post: Post) -> None:
    house = post.house
    await walk.prepare(house)
    await walk.invite(house, FIRST, 0, subject="Votre opération", **{"X-Pli-Parcours": "Opération du genou"})
    await settled(house)
    (card,) = await walk.messages(house)
    box = await house.mailbox("dominique")
    await acting.act(house.app, box, card.message.id, "agenda.decline", {}, "no")
    await settled(house)
    assert await walk.state(house) == ["1 cancelled", "2 cancelled", "3 cancelled"]
    assert (await walk.lines(house))[-1].startswith("Le parcours « Opération du genou » est arrêté")
    await acting.act(house.app, box, card.message.id, "agenda.accept", {}, "yes")
    assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
    await post.after(11 * DAY)
    assert (await walk.titles(house))[-1] == "Préparer votre opération"


async def test_cancelled_nothing_more_is_sent(post: Post) -> None:
    house = post.house
    await walk.prepare(house)
    await walk.invite(house, FIRST, 0, subject=NAMED)
    await walk.invite(house, FIRST, 1, method="CANCEL", subject="Annulé")
    await post.after(30 * DAY)
    assert await walk.state(house) == ["1 cancelled", "2 cancelled", "3 cancelled"]
    assert "Préparer votre opération" not in await walk.titles(house)
    assert (await walk.lines(house))[-1].startswith("Le parcours « Opération du genou » est arrêté")


async def test_a_name_that_is_not_known_loses_nothing_and_is_told_to_its_writer_alone(post: Post) -> None:
    house = post.house
    await walk.prepare(house)
    await walk.invite(house, FIRST, 0, subject="[parcours hanche] Votre opération")
    await settled(house)
    assert await walk.journeys(house) == []
    assert await walk.titles(house) == ["Opération du genou"]
    assert await walk.lines(house) == []
    (told,) = await walk.lines(house, "morel")
    assert told.startswith("Aucun parcours ne s’appelle « hanche »")
    assert "- Opération du genou" in told


async def test_a_letter_without_invitation_binds_it_to_the_one_appointment_that_comes(post: Post) -> None:
    house = post.house
    await walk.prepare(house)
    await walk.invite(house, FIRST, 0)
    await settled(house)
    assert await walk.journeys(house) == []
    await walk.write(house, "[Parcours : Opération du genou] Vos consignes", "Elles suivent.")
    await settled(house)
    assert await walk.state(house) == ["1 planned", "2 planned", "3 planned"]
    sent = (await walk.messages(house))[-1]
    assert sent.message.subject == "Vos consignes"
    assert sent.message.text.strip() == "Elles suivent."
    await read_all(house, "dominique", sent.conversation)
    assert await walk.ready(house) == "unknown", "nothing was asked yet"


async def test_another_moment_asked_for_stops_nothing_and_a_reader_of_english_reads_english(post: Post) -> None:
    house = post.house
    steps = (
        Step(1, "instructions", "Avant", -7, text="Le {date}.", title_en="Before", text_en="On {date} at {hour}."),
    )
    await walk.prepare(house, sequence=Sequence("Opération du genou", "", steps))
    language = "UPDATE accounts SET language = 'en' WHERE id = :a"
    await house.app.db.write(lambda tx: tx.run(language, a=house.dominique.account_id))
    await walk.invite(house, FIRST, 0, subject=NAMED)
    await settled(house)
    (card,) = await walk.messages(house)
    await acting.act(house.app, await house.mailbox("dominique"), card.message.id, "agenda.counter", {"text": "?"}, "x")
    assert (await walk.appointment(house)).state == "asked"
    await post.after(10 * DAY)
    assert (await walk.messages(house))[-1].message.text == "Before\n\nOn Thursday 10 December 2026 at 8:00 am."
