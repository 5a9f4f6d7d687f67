"""Notices outside Pli: told of what stays unread, at the wished hours, in words that say nothing; and no more."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from server import access, demo, notices, people, posting, push
from server.drafts import Draft, Opening
from server.settings import PLACE
from storage import deliveries, marks
from storage import notices as storage_notices
from storage.conversations import Participant
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House
from tests.notice_post import DAY, HOUR, MINUTE, Post, body, outside, reached, read_all, settled, wish


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url) as opened:
        yield opened


# ---- the chain -------------------------------------------------------------------------------------------------------


async def test_a_letter_left_unread_is_told_by_mail_after_half_an_hour_and_once(post: Post) -> None:
    await post.house.letter("morel", "dominique")
    assert await post.after(29 * MINUTE) == (0, 0)
    assert await post.after(2 * MINUTE) == (1, 0)
    assert await post.after(3 * DAY) == (1, 0)


async def test_opening_it_anywhere_ends_the_chain(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=60)
    sent = await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (1, 0)
    await read_all(post.house, "dominique", sent.conversation)
    assert await post.after(DAY) == (1, 0)


async def test_the_next_way_is_taken_only_for_what_stays_unread(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=240)
    await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (1, 0)
    assert await post.after(3 * HOUR) == (1, 0)
    assert await post.after(HOUR) == (1, 1)
    assert post.texts[0]["to"] == "+33612345678"


async def test_a_burst_of_twenty_letters_is_one_notice(post: Post) -> None:
    first = await post.house.letter("morel", "dominique")
    for number in range(19):
        await post.house.answer("morel", first.conversation, f"n° {number}")
    assert await post.after(DAY / 4) == (1, 0)
    rows = "SELECT channel, COUNT(*) FROM deliveries GROUP BY channel ORDER BY channel"
    assert await post.house.app.db.read(lambda tx: tx.run(rows)) == [("notice", 1), ("notice_mail", 1)]


async def test_what_comes_after_one_looked_is_told_anew(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    assert await post.after(HOUR) == (1, 0)
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("morel", sent.conversation, "Encore un mot.")
    assert await post.after(HOUR) == (2, 0)


async def test_a_muted_conversation_tells_nothing(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    box, account = post.house.dominique.mailbox_id, post.house.dominique.account_id
    await post.house.app.db.write(marks.put, box, sent.conversation, marks.MUTED, "on", account, 1)
    assert await post.after(DAY) == (0, 0)


async def test_ones_own_words_and_people_without_an_address_are_told_of_nothing(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("dominique", sent.conversation, "Merci docteur.")
    await post.house.letter("morel", "marcel")
    assert await post.after(DAY) == (0, 0)
    rows = "SELECT COUNT(*) FROM deliveries WHERE space_id = :s"
    spaces = (post.house.marcel.space_id, post.house.morel.space_id)
    assert await post.house.app.db.read(lambda tx: [tx.run(rows, s=one) for one in spaces]) == [[(0,)]] * 2


async def test_a_letter_that_arrives_while_the_clock_is_looked_at_is_not_lost(post: Post) -> None:
    await post.house.app.delivery.close()
    sent = await post.house.letter("morel", "dominique")
    post.clock.shift(10)
    (held,) = await post.house.app.db.write(deliveries.claim, 900_000, 10)
    await post.house.answer("morel", sent.conversation, "Et ceci.")
    keys = await post.house.app.db.read(lambda tx: people.own_keys(post.house.app, tx, post.house.dominique.account_id))
    sealed = keys.seal("delivery", held.id, keys.open("delivery", held.id, held.target))
    assert not await post.house.app.db.write(storage_notices.settle, held, sealed, None)
    post.clock.shift(10)
    assert len(await post.house.app.db.write(deliveries.claim, 900_000, 10)) == 1


async def test_a_professional_is_told_too_and_a_reminder_only_to_who_wants_services(post: Post) -> None:
    await reached(post.house, "morel", "email", "agathe@exemple.fr")
    sent = await post.house.letter("morel", "dominique")
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("dominique", sent.conversation, "Puis-je venir lundi ?")
    assert await post.after(HOUR) == (1, 0)
    assert post.mails[0]["To"] == "agathe@exemple.fr"
    await wish(post.house, "dominique", services=False)
    await post.house.letter("lab", "dominique", "Vos résultats sont là.")
    assert await post.after(HOUR) == (1, 0)


async def test_a_relay_that_is_busy_is_tried_again_and_one_that_refuses_is_not(post: Post) -> None:
    post.relay.refuses = ["451 later"]
    await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (0, 0)
    assert await post.after(10 * MINUTE) == (1, 0)
    post.relay.refuses = ["550 unknown"]
    await wish(post.house, "dominique", mail=0)
    await post.house.letter("morel", "dominique", subject="Une autre")
    assert await post.after(2 * DAY) == (1, 0)


# ---- what leaves -----------------------------------------------------------------------------------------------------


async def test_what_leaves_says_that_a_message_waits_and_nothing_else(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=60)
    await post.house.letter("morel", "dominique", "Votre opération du genou", "Consignes de chirurgie")
    assert await post.after(2 * HOUR) == (1, 1)
    assert re.fullmatch(r"[\w .:/'éèà-]+", post.texts[0]["text"], re.ASCII), "the plain alphabet of SMS"
    mail = post.mails[0]
    assert (mail["From"], mail["Auto-Submitted"], mail["Subject"]) == (
        "avis@pli.example", "auto-generated", "Pli : un message vous attend",
    )  # fmt: skip
    link = re.search(r"http://\S+/notices/[\w-]+", body(mail))
    assert link is not None
    assert mail["List-Unsubscribe"] == f"<{link[0]}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, rich = (bytes(part.get_payload(decode=True)).decode() for part in mail.get_payload())  # type: ignore[union-attr]
    assert " ".join(re.sub(r"<[^>]+>", " ", rich).split()) == " ".join(plain.split())
    everything = (post.relay.got[0] + plain.encode() + rich.encode() + str(post.texts).encode()).decode().lower()
    personal = [word for person in demo.HOLDERS.values() for word in (person.ins, person.birth_name, person.given)]
    personal += [who["name"] for who in demo.WRITERS.values()] + [
        "morel",
        "genou",
        "opération",
        "chirurgie",
        "consigne",
    ]
    said = everything.replace("dominique@exemple.fr", "")
    assert [word for word in personal if word.lower() in said] == []


async def test_who_acts_for_a_child_is_told_when_they_wish_in_words_that_name_nobody(post: Post) -> None:
    await post.house.letter("morel", "camille")
    assert await post.after(HOUR) == (0, 0)
    await wish(post.house, "dominique", spaces=(post.house.camille.mailbox_id,))
    await post.house.letter("morel", "camille", subject="Vaccin")
    assert await post.after(HOUR) == (1, 0)
    assert "un espace dont vous vous occupez" in body(post.mails[0])
    assert "Camille" not in body(post.mails[0])
    sent = await post.house.letter("morel", "camille", subject="Rappel")
    await post.house.answer("camille", sent.conversation, "Merci docteur.")  # in Dr Morel's mailbox: nobody acts there
    clocks = "SELECT COUNT(*) FROM deliveries WHERE channel = 'notice'"
    assert await post.house.app.db.read(lambda tx: tx.run(clocks)) == [(1,)]


async def test_who_acts_no_longer_is_told_no_longer(post: Post) -> None:
    await wish(post.house, "dominique", spaces=(post.house.camille.mailbox_id,))
    await post.house.letter("morel", "camille")
    await post.house.app.db.write(lambda tx: tx.run("UPDATE delegations SET revoked_at = :now", now=now_ms()))
    assert await post.after(DAY) == (0, 0)


async def test_a_post_to_somebody_nobody_tells_costs_one_look_up(sqlite_core: House) -> None:
    said: list[str] = []

    class Counting:
        engine = "sqlite"

        def __init__(self, tx: Tx) -> None:
            self.tx = tx

        def run(self, sql: str, **params: Any) -> list[Any]:
            said.append(sql)
            return self.tx.run(sql, **params)

    space = await access.patient(sqlite_core.app, sqlite_core.morel, sqlite_core.ins("dominique"))
    account = sqlite_core.dominique.account_id
    member = Participant(account, "account", sqlite_core.dominique.mailbox_id, "")

    def look(tx: Tx) -> bool:
        return storage_notices.owe(Counting(tx), sqlite_core.app.vault, space.keys, "m", member, 1, account)

    assert await sqlite_core.app.db.write(look) is False
    assert len(said) == 1
    plan = await sqlite_core.app.db.read(lambda tx: tx.run(f"EXPLAIN QUERY PLAN {said[0]}", a="a", s="s"))
    assert [row[3] for row in plan if "SCAN" in row[3] and "CONSTANT" not in row[3]] == []


async def test_a_post_tells_in_its_own_transaction(core: House) -> None:
    await wish(core, "dominique", mail=30)
    space = await access.patient(core.app, core.morel, core.ins("dominique"))
    sent = await posting.post(core.app, core.morel, Draft(to=Opening(space, "Consignes"), text="Bonjour"))
    assert await core.app.db.read(deliveries.of_message, core.dominique.space_id, sent.message) == [
        ("notice", "due", 0)
    ]


async def test_the_clock_runs_alike_on_both_engines(core: House) -> None:
    account, box = core.dominique.account_id, core.dominique.mailbox_id
    await push.subscribe(core.app, account, "https://push.example/1", "", "")
    sent = await core.letter("morel", "dominique")
    core.app.delivery.add(notices.Clock(core.app))
    states = "SELECT channel, state, attempts FROM deliveries WHERE channel LIKE 'notice%' ORDER BY channel"
    with time_machine.travel(datetime.now(PLACE).replace(hour=10) + timedelta(days=1), tick=True) as clock:
        core.app.delivery.start()
        await settled(core)
        assert await core.app.db.read(lambda tx: tx.run(states)) == [("notice", "done", 0), ("notice_push", "due", 1)]
        await core.answer("morel", sent.conversation, "Encore")
        clock.shift(6)
        await settled(core)
        found = await core.app.db.read(lambda tx: tx.run(states))
        assert found[0] == ("notice", "done", 0)
        assert len(found) == 2, "the first notice still speaks for it"
        await core.app.db.write(marks.put, box, sent.conversation, marks.MUTED, "on", account, 1)
        assert await core.app.db.read(storage_notices.unread, box, 0) == []
        assert await core.app.db.write(storage_notices.look_again, account) is False
