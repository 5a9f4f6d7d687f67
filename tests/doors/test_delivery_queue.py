"""The queue of what leaves: connections that are used again, peers that are down for days, and who is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import time_machine

from mail_gateway import notices, peers, trust
from mail_gateway.compose import failure_report
from mail_gateway.headers import Mailbox
from server import access, reading
from server.settings import Settings, problems, routes
from storage import deliveries
from storage.database import Tx
from storage.ids import now_ms
from tests import letters
from tests.certificates import Certificates
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.scripted_peer import ScriptedPeer, scripted_peer

SOMEBODY = "anne.petit@autre.example"


@asynccontextmanager
async def opened(
    folder: Path, url: str, *extensions: str, retry: str = "0", **settings: object
) -> AsyncIterator[tuple[MailHouse, ScriptedPeer]]:
    """A Pli that knows the route to `operator.example`, a peer of many moods."""
    made = Certificates.at(folder / "certificates")
    async with scripted_peer(made.operator(), made.ours.certificate, *extensions) as peer:
        routes = f"operator.example=127.0.0.1:{peer.port}"
        async with open_mail_house(
            folder,
            url,
            **{"mail_routes": routes, "mail_retry_seconds": retry, **settings},  # type: ignore[arg-type]
        ) as house:
            yield house, peer


async def conversation(house: MailHouse, sender: str = FROM) -> str:
    """Dr Bertin of operator.example writes to Dominique; the conversation."""
    await bring(house, plain("Bonjour", subject="Consignes", from_=("Dr Paul BERTIN", sender)), sender=sender)
    return (await house.entries("dominique"))[-1].conversation


async def owed(house: MailHouse) -> list[tuple[str, str, int]]:
    """(state, last error, attempts) of what is owed, oldest first."""
    sql = "SELECT state, last_error, attempts FROM deliveries ORDER BY created_at, id"
    return cast(list[tuple[str, str, int]], await house.app.db.read(lambda tx: tx.run(sql)))


async def lines(house: MailHouse, kind: str, name: str = "dominique") -> list[str]:
    return [entry.message.text for entry in await house.entries(name) if entry.message.kind == kind]


async def until_due(house: MailHouse, clock: time_machine.Traveller) -> None:
    """Let the time pass until something is due, and be delivered or not."""
    due = await house.app.db.read(deliveries.next_due)
    assert due is not None, "nothing is owed any more"
    clock.shift(max(0.0, (due - now_ms()) / 1000) + 1)
    await house.delivered()


# ---- connections -----------------------------------------------------------------------------------------------------


async def test_one_connection_serves_for_several_letters(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        for number in range(3):
            await house.answer("dominique", thread, f"n° {number}")
            await house.delivered()
        assert (len(peer.got), peer.connections) == (3, 1)


async def test_a_connection_that_served_long_enough_is_closed(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "PER_CONNECTION", 2)
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        for number in range(3):
            await house.answer("dominique", thread, f"n° {number}")
            await house.delivered()
        assert (len(peer.got), peer.connections) == (3, 2)


async def test_a_letter_that_is_refused_spoils_nothing_for_the_next(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, retry="3600") as (house, peer):
        thread = await conversation(house)
        peer.answers.append("451 4.3.0 later")
        await house.answer("dominique", thread, "pas maintenant")
        await house.delivered()
        await house.answer("dominique", thread, "maintenant")
        await house.delivered()
        assert (len(peer.got), peer.connections) == (1, 1)
        assert "RSET" in peer.said
        assert await owed(house) == [("due", "smtp_451", 1), ("done", "", 1)]


@pytest.mark.parametrize("how", ["cut", "MAIL"])
async def test_a_connection_that_died_in_its_sleep_costs_no_attempt(how: str, tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, retry="3600") as (house, peer):
        thread = await conversation(house)
        await house.answer("dominique", thread, "un")
        await house.delivered()
        peer.cut() if how == "cut" else peer.hangs_up.append("MAIL")
        await house.answer("dominique", thread, "deux")
        await house.delivered()
        assert (len(peer.got), peer.connections) == (2, 2)
        assert await owed(house) == [("done", "", 1)] * 2


async def test_a_peer_that_hangs_up_in_the_middle_of_a_letter_gets_it_once(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        peer.hangs_up.append("middle")
        await house.answer("dominique", thread, "Merci")
        await house.delivered()
        assert (len(peer.got), peer.connections) == (1, 2)
        assert await owed(house) == [("done", "cut", 2)]


async def test_a_letter_nobody_answered_for_is_brought_again_under_its_own_name(
    tmp_path: Path, sqlite_url: str
) -> None:
    """It may have been taken; RFC 5321 would rather see it twice than lost, and its Message-ID says it is the same."""
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        peer.hangs_up.append("end")
        await house.answer("dominique", thread, "Merci")
        await house.delivered()
        assert len(peer.got) == 2
        assert peer.got[0] == peer.got[1]


async def test_an_open_connection_is_of_no_use_once_trust_is_gone(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        await house.answer("dominique", thread, "un")
        await house.delivered()
        await trust.remove(house.app, "operator.example")
        await house.answer("dominique", thread, "deux")
        await house.delivered()
        assert len(peer.got) == 1
        (bounce,) = await lines(house, "bounce")
        assert "messageries de santé reconnues" in bounce


# ---- a peer that is down ---------------------------------------------------------------------------------------------


async def test_a_peer_down_for_three_days_gets_the_letter_once_when_it_returns(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, retry="300,600,1200,2400,4000") as (house, peer):
        thread = await conversation(house)
        await peer.go()
        start = now_ms()
        with time_machine.travel(start / 1000, tick=True) as clock:
            sent = (await house.answer("dominique", thread, "Merci docteur")).message
            await house.delivered()
            first = await house.app.db.read(deliveries.next_due)
            assert first is not None
            assert first - start >= 300_000, "five minutes first"
            while now_ms() - start < 3 * 86_400_000:
                await until_due(house, clock)
            ((state, error, attempts),) = await owed(house)
            assert (state, error) == ("due", "no_connection")
            assert 50 <= attempts <= 75, "an hour and a quarter apart in the end"
            assert await state_of(house, sent) == "delayed"
            await peer.come()
            await until_due(house, clock)
            assert len(peer.got) == 1
            assert await state_of(house, sent) == "delivered"
        (line,) = await lines(house, "line")
        assert line.startswith("Pas encore remis : le serveur de Dr Paul BERTIN ne répond pas. Nous continuons")
        assert await lines(house, "bounce") == []


async def test_after_five_days_it_is_given_up_aloud(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, retry="36000") as (house, peer):
        thread = await conversation(house)
        await peer.go()
        with time_machine.travel(now_ms() / 1000, tick=True) as clock:
            start = now_ms()
            sent = (await house.answer("dominique", thread, "Merci docteur")).message
            await house.delivered()
            while await house.app.db.read(deliveries.next_due) is not None:
                await until_due(house, clock)
            assert abs(now_ms() - start - 5 * 86_400_000) < 60_000
        (bounce,) = await lines(house, "bounce")
        assert "n’a pas répondu à temps" in bounce
        assert await state_of(house, sent) == "failed"
        await peer.come()


async def state_of(house: MailHouse, message: str) -> str:
    return {entry.message.id: entry.message.status for entry in await house.entries("dominique")}[message]


async def test_letters_to_a_dead_peer_cost_nobody_anything(tmp_path: Path, sqlite_url: str) -> None:
    """Forty letters wait; one probes. A letter to another operator leaves at once."""
    made = Certificates.at(tmp_path / "certificates")
    async with scripted_peer(made.operator("autre.example"), made.ours.certificate) as sound:
        route = f", autre.example=127.0.0.1:{sound.port}"
        async with scripted_peer(made.operator(), made.ours.certificate) as dead:
            routes = f"operator.example=127.0.0.1:{dead.port}{route}"
            async with open_mail_house(
                tmp_path, sqlite_url, deliver=False, mail_routes=routes, mail_retry_seconds="300"
            ) as house:
                pem = made.operator("autre.example")[0].read_bytes()
                await trust.add(house.app, "autre.example", pem)
                thread = await conversation(house)
                dead.always_down = True
                with time_machine.travel(now_ms() / 1000, tick=True) as clock:
                    for number in range(40):
                        await house.answer("dominique", thread, f"n° {number}")
                    house.app.delivery.start()
                    await house.delivered()
                    assert dead.connections <= peers.PER_PEER, "those that were on their way together"
                    tried = dead.connections
                    for _ in range(3):
                        clock.shift(400)
                        await owe_notice(house, SOMEBODY)
                        await house.delivered()
                    assert len(sound.got) == 3
                    assert dead.connections <= tried + 3, "one probe each time it may be back"
                    dead.always_down = False
                    while await waiting(house):
                        await until_due(house, clock)
                    assert len(dead.got) == 40
                    assert len({letter["Message-ID"] for letter in dead.letters}) == 40


async def waiting(house: MailHouse) -> bool:
    return any(state == "due" for state, _, _ in await owed(house))


# ---- automatic mail --------------------------------------------------------------------------------------------------


async def owe_notice(house: MailHouse, to: str) -> None:
    mail = letters.plain(
        "Avis automatique.", from_="no-reply@pli.example", to=to, headers={"Auto-Submitted": "auto-replied"}
    )

    def owe(tx: Tx) -> None:
        keys = reading.space_keys(house.app, tx, house.dominique.space_id)
        notices.owe(tx, keys, "", to, mail)

    await house.app.db.write(owe)
    house.app.delivery.wake()


async def test_an_automatic_mail_leaves_from_the_null_path(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, "8BITMIME", "DSN", mss_nil="DEV935997") as (house, peer):
        await owe_notice(house, FROM)
        await house.delivered()
        (letter,) = peer.letters
        assert letter["X-MSS-NIL"] == "DEV935997"
        assert [said for said in peer.said if said.startswith("MAIL")] == ["MAIL FROM:<> RET=HDRS"]
        assert next(said for said in peer.said if said.startswith("RCPT")).split()[2] == "NOTIFY=NEVER"


@pytest.mark.parametrize("to", [FROM, "x@inconnu.example"])
async def test_an_automatic_mail_that_fails_is_dropped_and_counted(to: str, tmp_path: Path, sqlite_url: str) -> None:
    """Bounce meets bounce: nothing is sent about it, to anybody."""
    async with opened(tmp_path, sqlite_url) as (house, peer):
        peer.answers.append("550 5.1.1 no such user")
        await owe_notice(house, to)
        await house.delivered()
        assert peer.got == []
        assert [state for state, _, _ in await owed(house)] == ["failed"]
        assert b"pli_deliveries_failed_total 1.0" in house.app.metrics.text()
        assert await house.entries("dominique") == []


async def test_a_letter_carries_what_reports_need_to_come_back(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, "8BITMIME", "DSN") as (house, peer):
        await house.answer("dominique", await conversation(house), "Merci")
        await house.delivered()
        (row,) = await house.app.db.read(lambda tx: tx.run("SELECT space_id, id FROM deliveries"))
        assert f"MAIL FROM:<{TO_DOMINIQUE}> RET=HDRS ENVID={row[0]}.{row[1]}" in peer.said
        assert f"RCPT TO:<{FROM}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{FROM}" in peer.said


async def test_every_letter_names_our_product_once(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, mss_nil="DEV935997") as (house, peer):
        await house.answer("dominique", await conversation(house), "Merci")
        await house.delivered()
        assert peer.letters[0].get_all("X-MSS-NIL") == ["DEV935997"]
        assert not {"x-mss-mes", "x-mss-ins", "x-mss-codecda"} & {name.lower() for name in peer.letters[0]}


async def test_bounce_meets_bounce_and_all_is_quiet(tmp_path: Path, sqlite_url: str) -> None:
    """Their server returns our receipt to the patient, against all rules: nothing more is said, to anybody."""
    async with opened(tmp_path, sqlite_url) as (house, peer):
        await bring(house, plain("Bonjour", headers={"Disposition-Notification-To": FROM}))
        (entry,) = await house.entries("dominique")
        box = await house.mailbox("dominique")
        conversation = await access.conversation(house.app, box, entry.conversation)
        await reading.mark_read(house.app, conversation, entry.seq)
        await house.delivered()
        (ours,) = peer.got
        for sender in ("", FROM):
            returned = failure_report(
                message_id="<r@operator.example>", date=letters.NOON, from_=Mailbox("", FROM),
                to=Mailbox("", TO_DOMINIQUE), original=ours, recipient=FROM, reason="Non", status="5.7.1",
                reporting_mta="mx.operator.example",
            )  # fmt: skip
            assert (await bring(house, returned, sender=sender)).startswith("250")
        await house.delivered()
        assert len(peer.got) == 1
        assert len(await house.entries("dominique")) == 1


def test_routes_that_cannot_be_read_are_named() -> None:
    settings = Settings(mail_routes="operator.example=127.0.0.1:25, autre.example = [::1]:2525")
    assert routes(settings) == {"operator.example": ("127.0.0.1", 25), "autre.example": ("::1", 2525)}
    for wrong in ("operator.example", "operator.example=host", "=host:25", "a.example=host:0"):
        assert any(text.startswith("mail_routes") for text in problems(replace(settings, mail_routes=wrong)))


async def test_what_waits_for_its_turn_when_pli_closes_is_due_at_once_when_it_opens(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with opened(tmp_path, sqlite_url, deliver=False) as (house, peer):
        thread = await conversation(house)
        for number in range(peers.PER_PEER + 6):
            await house.answer("dominique", thread, f"n° {number}")
        peer.silent.clear()
        house.app.delivery.start()
        await asyncio.wait_for(peer.busy.wait(), 30)
        await house.app.delivery.close()
        peer.silent.set()
        rows = await house.app.db.read(lambda tx: tx.run("SELECT lease_at > 0, attempts FROM deliveries"))
        assert sorted(tuple(map(int, row)) for row in rows) == [(0, 0)] * 6 + [(1, 1)] * peers.PER_PEER


async def test_a_server_hears_the_size_of_a_letter_before_it_takes_it(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, "SIZE 1000000") as (house, peer):
        await house.answer("dominique", await conversation(house), "Merci")
        await house.delivered()
        assert f"MAIL FROM:<{TO_DOMINIQUE}> SIZE={len(peer.got[0])}" in peer.said
