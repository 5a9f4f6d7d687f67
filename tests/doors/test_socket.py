"""The live socket: who may come in, what is told and done; nothing is lost, doubled or told to the wrong person."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.browser.scenes import appointment, letter_with_documents
from tests.browser.sockets import SOON, client, raw, refused
from tests.house import House
from webchat import socket as door

# ---- coming in ------------------------------------------------------------------------------------------------------


async def test_who_is_not_signed_in_is_refused(house: House) -> None:
    assert await refused(house) == "unauthorised"
    assert await refused(house, auth={"token": "guess"}) == "unauthorised"
    assert await refused(house, auth={"token": ["a", "list"]}) == "unauthorised"
    assert await refused(house, auth="a text") == "unauthorised"
    assert await refused(house, headers={"Cookie": "pli=guess"}) == "unauthorised"


@pytest.mark.parametrize("cookie", [True, False])
async def test_the_session_cookie_and_a_token_both_sign_in(house: House, cookie: bool) -> None:
    await house.letter("morel", "dominique")
    async with client(house, "dominique", cookie=cookie) as dominique:
        page = await dominique.ask("sync", {"cursor": 0})
    assert [entry["message"]["text"] for entry in page["entries"]] == ["Bonjour"]


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1.evil.test", "http://localhost:1"])
async def test_a_page_of_another_site_opens_no_socket_with_dominiques_cookie(house: House, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as handshake:
        async with raw(house, Cookie=f"pli={await house.session('dominique')}", Origin=origin):
            pass
    assert handshake.value.status == 400


async def test_there_is_no_long_polling_whose_address_would_be_a_key(house: House) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4"):
            async with session.get(house.http + path) as answer:
                assert answer.status == 400
            async with session.post(house.http + path, data="40") as answer:
                assert answer.status == 400


async def test_frames_are_not_compressed_even_when_the_browser_offers_it(house: House) -> None:
    async with raw(house) as wire:
        assert not wire.compress
        assert str(await wire.receive_str()).startswith("0{")


async def test_who_says_nothing_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "FIRST_FRAME_S", 0.2)
    async with raw(house) as wire:
        await wire.receive_str()
        async with asyncio.timeout(SOON):
            ended = await wire.receive()
    assert ended.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}


# ---- what arrives ---------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_as_the_contract_says(house: House) -> None:
    async with client(house, "dominique") as dominique:
        assert await dominique.ask("sync", {"cursor": 0}) == {"entries": [], "cursor": 0, "more": False}
        receipt = await letter_with_documents(house)
        await dominique.until(lambda: bool(dominique.entries))
    ((name, event),) = dominique.told
    assert name == "entries"
    assert event["mailbox"] == house.dominique.mailbox_id
    assert event["cursor"] == 1
    (entry,) = event["entries"]
    assert set(entry) == {"seq", "kind", "conversation", "message"}
    assert (entry["seq"], entry["kind"], entry["conversation"]) == (1, "message", receipt.conversation)
    message = entry["message"]
    assert {"id", "at", "author", "subject", "text", "attachments", "status"} <= set(message)
    assert {"kind": "professional", "name": "Dr Agathe MOREL"}.items() <= message["author"].items()
    assert [{name: item[name] for name in ("name", "type")} for item in message["attachments"]] == [
        {"name": "consignes.pdf", "type": "application/pdf"},
        {"name": "DOC0001.XML", "type": "text/xml"},
    ]


async def test_many_long_letters_come_in_pages_that_any_socket_takes(house: House) -> None:
    for number in range(30):
        await house.letter("morel", "dominique", text="é" * 190_000, subject=str(number))
    async with client(house, "dominique") as dominique:  # whose frames are 4 MiB at most, as aiohttp has it
        cursor, more, subjects = 0, True, list[str]()
        while more:
            page = await dominique.ask("sync", {"cursor": cursor, "limit": 50})
            cursor, more = page["cursor"], page["more"]
            subjects += [entry["message"]["subject"] for entry in page["entries"]]
    assert subjects == [str(number) for number in range(30)]


async def test_who_never_syncs_hears_what_comes_after_they_came(house: House) -> None:
    await house.letter("morel", "dominique", "avant")
    async with client(house, "dominique") as dominique:
        await house.letter("morel", "dominique", "après")
        await dominique.until(lambda: bool(dominique.entries))
    assert dominique.texts() == ["après"]


async def test_dominique_comes_back_and_has_everything_in_order_once(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "0")
    for number in range(1, 25):
        await house.answer("morel", receipt.conversation, str(number))
    async with client(house, "dominique") as dominique:
        cursor, more, pages = 0, True, 0
        while more:
            page = await dominique.ask("sync", {"cursor": cursor, "limit": 10})
            dominique.take("entries", page)
            cursor, more, pages = page["cursor"], page["more"], pages + 1
        assert pages == 3
        await house.answer("morel", receipt.conversation, "25")
        await dominique.until(lambda: len(dominique.entries) >= 26)
    assert dominique.texts() == [str(number) for number in range(26)]
    assert [entry["seq"] for entry in dominique.entries] == sorted({entry["seq"] for entry in dominique.entries})


async def test_fifty_cuts_while_letters_come_lose_none_and_double_none(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "0")

    async def write() -> None:
        for number in range(1, 101):
            await house.answer("morel", receipt.conversation, str(number))

    writing = asyncio.create_task(write())
    seen: dict[int, str] = {}
    cursor, cuts = 0, 0
    while cuts < 50 or not writing.done() or len(seen) < 101:
        assert cuts < 1000, "letters are lost"
        async with client(house, "dominique") as dominique:
            page = await dominique.ask("sync", {"cursor": cursor, "limit": 7})
            await asyncio.sleep(0)
            for entry in [*page["entries"], *dominique.entries]:
                if entry["seq"] > cursor and entry["kind"] == "message":
                    assert entry["seq"] not in seen
                    seen[entry["seq"]] = entry["message"]["text"]
                    cursor = entry["seq"]
            cursor = max(cursor, page["cursor"])
        cuts += 1
    await writing
    assert [seen[seq] for seq in sorted(seen)] == [str(number) for number in range(101)]


async def test_who_asks_a_page_and_no_more_is_told_the_rest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    monkeypatch.setattr(door, "QUIET_S", 0.1)
    receipt = await house.letter("morel", "dominique", "0")
    for number in range(1, 5):
        await house.answer("morel", receipt.conversation, str(number))
    async with client(house, "dominique") as dominique:
        page = await dominique.ask("sync", {"cursor": 0, "limit": 2})
        assert page["more"]
        await dominique.until(lambda: len(dominique.entries) >= 3)
    assert dominique.texts() == ["2", "3", "4"]


async def test_a_wake_up_that_is_lost_costs_time_and_no_letter(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    async with client(house, "dominique") as dominique:
        monkeypatch.setattr(house.app.hub, "wake", lambda _: None)
        await house.letter("morel", "dominique", "sans bruit")
        await dominique.until(lambda: bool(dominique.entries))
    assert dominique.texts() == ["sans bruit"]


async def test_a_browser_gets_the_html_of_the_conversation_it_shows_and_of_no_other(house: House) -> None:
    shown = await house.letter("morel", "dominique", "ici", "Opération")
    async with client(house, "dominique", cookie=True) as dominique:
        render = {"conversation": shown.conversation, "language": "en"}
        await dominique.ask("sync", {"cursor": 100, "render": render})
        await dominique.ask("sync", {"cursor": 0, "render": render})
        await house.answer("morel", shown.conversation, "encore <ici>", subject="Re: Opération")
        await house.letter("morel", "dominique", "ailleurs")
        await dominique.until(lambda: len(dominique.entries) >= 2)
    here, there = dominique.entries
    assert "encore &lt;ici&gt;" in here["fragment"]
    assert "just now" in here["fragment"]
    assert "Re: Opération" not in here["fragment"]
    assert f'id="m-{here["message"]["id"]}"' in here["fragment"]
    assert "fragment" not in there


# ---- what is done ---------------------------------------------------------------------------------------------------


async def test_the_same_key_gives_the_same_receipt(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "dominique") as dominique, client(house, "morel") as morel:
        post = {"conversation": receipt.conversation, "text": "Merci", "client_key": "k"}
        first, second = await dominique.ask("post", post), await dominique.ask("post", post)
        assert first == second
        assert set(first) == {"message", "seq", "conversation"}
        await morel.until(lambda: "Merci" in morel.texts())
        await dominique.ask("post", {**post, "text": "Encore", "client_key": "l"})
        await morel.until(lambda: "Encore" in morel.texts())
    assert morel.texts() == ["Merci", "Encore"]


async def test_messages_of_one_socket_keep_their_order_without_waiting_for_receipts(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "dominique") as dominique, client(house, "morel") as morel:
        for number in range(10):
            post = {"conversation": receipt.conversation, "text": str(number), "client_key": str(number)}
            await dominique.sio.emit("post", post)
        await morel.until(lambda: len(morel.texts()) >= 10)
    assert morel.texts() == [str(number) for number in range(10)]


async def test_what_was_read_is_counted_and_the_writer_is_told(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "morel") as morel, client(house, "dominique") as dominique:
        assert await dominique.ask("read", {"conversation": receipt.conversation, "up_to": 1}) == {"unread": 0}
        await morel.until(lambda: any(entry["kind"] == "change" for entry in morel.entries))
    assert morel.entries[-1]["message"]["status"] == "read"


async def test_an_appointment_is_accepted_from_the_socket(house: House) -> None:
    receipt = await appointment(house)
    async with client(house, "dominique") as dominique:
        done = await dominique.ask(
            "act", {"message": receipt.message, "action": "agenda.accept", "values": {}, "client_key": "a"}
        )
        assert set(done) == {"message", "seq"}
        again = await dominique.ask("act", {"message": receipt.message, "action": "agenda.accept", "client_key": "b"})
        assert again["error"]["code"] == "already_answered"
        await dominique.until(lambda: any(entry["kind"] == "change" for entry in dominique.entries))
    changed = next(entry for entry in dominique.entries if entry["kind"] == "change")
    assert changed["message"]["card"]["answered"]["action"] == "agenda.accept"


async def test_what_cannot_be_done_is_answered_with_its_code_and_words(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "marcel") as marcel:
        for payload in ({"conversation": receipt.conversation, "text": "x"}, {"conversation": "none", "text": "x"}):
            answer = await marcel.ask("post", payload)
            assert answer == {
                "error": {"code": "not_found", "detail": "Cet élément n’existe pas, ou vous n’y avez pas accès."}
            }
        bad: list[tuple[str, Any]] = [
            ("post", None),
            ("post", {"conversation": 3}),
            ("post", ["a", "list"]),
            ("sync", {"cursor": "1"}),
            ("sync", {"limit": 1e400}),
            ("act", {"message": "x"}),
            ("read", {"conversation": "x", "up_to": None}),
            ("sync", "x" * 50_000),
        ]
        for event, sent in bad:
            assert (await marcel.ask(event, sent))["error"]["code"] == "invalid"
        assert (await marcel.ask("sync", {"mailbox": house.dominique.mailbox_id}))["error"]["code"] == "not_found"
        assert (await marcel.ask("sync", {"cursor": -5}))["entries"] == []


async def test_nonsense_under_the_protocol_harms_nobody_else(house: House) -> None:
    token = await house.token("marcel")
    nested = "42" + '["post",' + "[" * 40_000 + "]" * 40_000 + "]"
    for frame in (nested, "42[", "42{}", "429" * 100, "451-x", "4", "x", "46", "5", "2", '42["nothing"]', "42[1]"):
        async with raw(house) as wire:
            await wire.receive_str()
            await wire.send_str("40" + '{"token": "' + token + '"}')
            assert str(await wire.receive_str()).startswith("40")
            await wire.send_str(frame)
            await wire.send_str('427["sync",{}]')
            async with asyncio.timeout(SOON):
                while (answer := await wire.receive()).type is aiohttp.WSMsgType.TEXT and "427" not in answer.data:
                    if answer.data.startswith("437"):
                        break
    async with client(house, "dominique") as dominique:
        assert (await dominique.ask("sync", {}))["entries"] == []


async def test_typing_and_presence_reach_those_who_take_part_and_nobody_else(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with (
        client(house, "morel") as morel,
        client(house, "marcel") as marcel,
        client(house, "dominique") as dominique,
    ):
        await dominique.ask("typing", {"conversation": receipt.conversation})
        await morel.until(lambda: any(name == "typing" for name, _ in morel.told))
        assert morel.told[-1][1] == {
            "conversation": receipt.conversation,
            "who": {"kind": "holder", "name": "Dominique PAT-TROIS"},
        }
        await dominique.ask("read", {"conversation": receipt.conversation, "up_to": 1})
        await morel.until(lambda: any(name == "presence" for name, _ in morel.told))
        assert (await marcel.ask("typing", {"conversation": receipt.conversation}))["error"]["code"] == "not_found"
        await marcel.ask("sync", {})
        assert marcel.told == []
        assert [name for name, _ in dominique.told if name in {"typing", "presence"}] == []
