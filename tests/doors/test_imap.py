"""Coming in by the IMAP door: signing in, opening a folder, and what a hostile client gets."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway.imap import imap_door
from mail_gateway.imap import server as imap_server
from storage import accounts
from tests.house import PASSWORD, House, open_core_house, settings_for
from tests.imap_client import MOREL, client, exchange, imap_house, trusting


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


# ---- signing in -----------------------------------------------------------------------------------------------------


async def plain(house: House, *lines: bytes) -> list[bytes]:
    """What the door says, without TLS, until it closes or has answered every line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    said = [await reader.readline()]
    for line in lines:
        writer.write(line)
        said.append(await asyncio.wait_for(reader.readline(), 10))
    writer.close()
    await writer.wait_closed()
    return said


async def test_a_password_is_refused_before_tls_and_the_door_says_so(house: House) -> None:
    said = await plain(
        house, b"a LOGIN " + MOREL.encode() + b' "' + PASSWORD.encode() + b'"\r\n', b"b AUTHENTICATE PLAIN\r\n"
    )
    assert b"LOGINDISABLED" in said[0]
    assert b"STARTTLS" in said[0]
    assert b"AUTH=" not in said[0]
    assert said[1].startswith(b"a NO [PRIVACYREQUIRED]")
    assert said[2].startswith(b"b NO [PRIVACYREQUIRED]")


async def test_a_command_slipped_in_before_the_handshake_is_never_run(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    await reader.readline()
    writer.write(b"a STARTTLS\r\nb NOOP\r\n")
    said = await asyncio.wait_for(reader.read(), 10)
    assert said.startswith(b"* BYE")
    assert b"b OK" not in said
    writer.close()


async def test_dr_morel_signs_in_by_login_and_by_both_forms_of_authenticate_plain(house: House) -> None:
    async with client(house, folder=None) as morel:
        _, [capability] = await morel.raw("CAPABILITY")
        for name in (b"IMAP4rev1", b"IDLE", b"UIDPLUS", b"UNSELECT", b"NAMESPACE", b"SPECIAL-USE", b"LITERAL+", b"ID"):
            assert name in capability.split()

    def authenticate(initial: bool) -> str:
        imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
        imap.starttls(trusting(house.app))
        words = f"\0{MOREL}\0{PASSWORD}".encode()
        try:
            if not initial:
                return imap.authenticate("PLAIN", lambda _: words)[0]
            imap.send(b"t1 AUTHENTICATE PLAIN " + base64.b64encode(words) + b"\r\n")
            return imap.readline().decode()
        finally:
            imap.shutdown()

    assert await asyncio.to_thread(authenticate, False) == "OK"
    assert (await asyncio.to_thread(authenticate, True)).startswith("t1 OK [CAPABILITY")


async def test_a_wrong_password_an_unknown_address_and_acting_as_another_get_the_same_words(house: House) -> None:
    def attempt(address: str, password: str, other: str = "") -> str:
        imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
        imap.starttls(trusting(house.app))
        try:
            imap.authenticate("PLAIN", lambda _: f"{other}\0{address}\0{password}".encode())
        except imaplib.IMAP4.error as error:
            return str(error)
        finally:
            imap.shutdown()
        return "signed in"

    wrong = await asyncio.to_thread(attempt, MOREL, "un autre mot de passe")
    unknown = await asyncio.to_thread(attempt, "personne@pli.example", PASSWORD)
    other = await asyncio.to_thread(attempt, MOREL, PASSWORD, "admissions@pli.example")
    assert "AUTHENTICATIONFAILED" in wrong
    assert wrong == unknown == other


async def test_the_operator_has_no_mailbox_to_read(house: House) -> None:
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        async with client(house, "exploitation@pli.example"):
            pass


async def test_guessing_passwords_ends_the_connection(house: House) -> None:
    def guess() -> int:
        imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
        imap.starttls(trusting(house.app))
        for number in range(20):
            try:
                imap.login(MOREL, f"mot de passe {number}")
            except imaplib.IMAP4.abort:
                imap.shutdown()
                return number
            except imaplib.IMAP4.error:
                continue
        return 20

    assert await asyncio.to_thread(guess) < 6


async def test_after_ten_wrong_passwords_the_right_one_has_to_wait(house: House) -> None:
    for number in range(10):
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            async with client(house, password=f"mot de passe {number}"):
                pass
    with pytest.raises(imaplib.IMAP4.error, match="LIMIT"):
        async with client(house):
            pass


async def test_a_session_ends_soon_after_its_account(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail_gateway.imap.session.STILL_S", 0)
    imap = await asyncio.to_thread(imaplib.IMAP4, "127.0.0.1", house.app.ports["imap"])
    await asyncio.to_thread(imap.starttls, trusting(house.app))
    await asyncio.to_thread(imap.login, MOREL, PASSWORD)
    await asyncio.to_thread(imap.noop)
    await house.app.db.write(accounts.end, house.morel.account_id)
    with pytest.raises(imaplib.IMAP4.abort):
        await asyncio.to_thread(imap.noop)
    await asyncio.to_thread(imap.shutdown)


async def test_too_many_connections_of_one_source_are_shown_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_server, "MAX_PER_SOURCE", 2)
    held = [await asyncio.open_connection("127.0.0.1", house.app.ports["imap"]) for _ in range(2)]
    for reader, _ in held:
        assert (await reader.readline()).startswith(b"* OK")
    assert (await plain(house))[0].startswith(b"* BYE [LIMIT]")
    held[0][1].close()
    assert await held[0][0].read() == b""
    for _, writer in held:
        writer.close()
        await writer.wait_closed()


# ---- folders --------------------------------------------------------------------------------------------------------


async def test_opening_a_folder_tells_its_size_its_numbers_and_the_first_unread(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        answer, said = await morel.raw("SELECT inbox")
        assert answer == "OK [READ-WRITE] Done"
        assert b"* 1 EXISTS" in said
        assert b"* 0 RECENT" in said
        assert any(line.startswith(b"* OK [UNSEEN 1]") for line in said)
        assert any(line.startswith(b"* OK [UIDNEXT 4]") for line in said)
        [validity] = [int(m[1]) for line in said if (m := re.match(rb"\* OK \[UIDVALIDITY (\d+)\]", line))]
        assert validity > 0
        [status] = await morel.do("status", "INBOX", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)")
        assert status == b"INBOX (MESSAGES 1 UNSEEN 1 UIDNEXT 4 UIDVALIDITY %d RECENT 0)" % validity
        [status] = await morel.do("status", "Sent", "(MESSAGES UNSEEN)")
        assert status == b"Sent (MESSAGES 1 UNSEEN 0)"
        answer, _ = await morel.raw("EXAMINE Sent")
        assert answer == "OK [READ-ONLY] Done"
        answer, _ = await morel.raw("STORE 1 +FLAGS (\\Flagged)")
        assert answer.startswith("NO [CANNOT]")
        _, said = await morel.raw('ID ("name" "essai")')
        assert said == [b'* ID ("name" "Pli")']
        answer, _ = await morel.raw("SELECT Archives")
        assert answer.startswith("NO [NONEXISTENT]")
        answer, _ = await morel.raw("FETCH 1 FLAGS")
        assert answer.startswith("BAD")  # a SELECT that fails leaves nothing open


# ---- bad input, limits ----------------------------------------------------------------------------------------------


async def test_wrong_commands_are_answered_and_the_session_goes_on(house: House) -> None:
    async with client(house) as morel:
        for line in (
            "NIMPORTE QUOI",
            "FETCH",
            "FETCH 1",
            "STORE 1 FLAGS",
            "SEARCH NIMPORTE",
            "UID NOOP",
            "LOGIN a b",
            "FETCH 0 FLAGS",
        ):
            answer, said = await morel.raw(line)
            assert answer.startswith("BAD"), line
            assert said == []
        answer, said = await morel.raw("UID FETCH 1:* (FLAGS)")
        assert (answer, said) == ("OK Done", [])
        await morel.do("noop")


async def test_a_non_synchronising_literal_is_taken_and_one_too_large_ends_the_session(house: House) -> None:
    async with client(house) as morel:
        answer, _ = await morel.raw("STATUS {5+}\r\nINBOX (MESSAGES)")
        assert answer == "OK Done"
        answer, said = await morel.raw("STATUS {26214401}")
        assert answer.startswith("BAD [TOOBIG]")
        assert said == []
    said = await plain(house, b"a LOGIN {70000}\r\n", b"b NOOP\r\n", b"c LOGIN {70000+}\r\n")
    assert said[1].startswith(b"a BAD [TOOBIG]")
    assert said[2] == b"b OK Done\r\n"
    assert said[3].startswith(b"c BAD [TOOBIG]")


async def test_an_endless_line_ends_the_session(house: House) -> None:

    def idle() -> bytes:
        imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
        imap.starttls(trusting(house.app))
        imap.login(MOREL, PASSWORD)
        imap.send(b"i1 IDLE\r\n")
        imap.readline()
        imap.send(b"x" * 100_000)
        said = imap.readline()
        imap.shutdown()
        return said

    assert (await asyncio.to_thread(idle)).startswith(b"* BYE")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    await reader.readline()
    writer.write(b"a " + b"x" * 100_000)
    said = await asyncio.wait_for(reader.read(), 10)
    assert b"* BYE" in said
    writer.close()


async def test_the_door_says_goodbye_when_it_closes(tmp_path: Path) -> None:
    async with open_core_house(settings_for(tmp_path)) as core:
        async with imap_door(core.app):
            reader, writer = await asyncio.open_connection("127.0.0.1", core.app.ports["imap"])
            await reader.readline()
        assert (await reader.read()).startswith(b"* BYE")
        writer.close()


async def test_no_message_of_one_patient_is_reached_by_another_professional(house: House) -> None:
    await exchange(house)
    async with client(house, "admissions@pli.example") as admissions:
        assert await admissions.uids("ALL") == []
        answer, said = await admissions.raw("UID FETCH 1:* (FLAGS BODY.PEEK[])")
        assert (answer, said) == ("OK Done", [])


async def test_who_says_nothing_is_shown_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail_gateway.imap.session.FIRST_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    said = await asyncio.wait_for(reader.read(), 10)
    assert said.splitlines()[-1].startswith(b"* BYE")
    writer.close()


async def test_noise_in_place_of_a_handshake_ends_the_connection(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    await reader.readline()
    writer.write(b"a STARTTLS\r\n")
    assert (await reader.readline()).startswith(b"a OK")
    writer.write(b"b LOGIN x y\r\nc AUTHENTICATE PLAIN\r\n" * 50)
    said = await asyncio.wait_for(reader.read(), 15)
    assert b" OK" not in said
    assert b" NO" not in said
    writer.close()


async def test_commands_sent_together_are_answered_in_order(house: House) -> None:
    async with client(house) as morel:

        def talk() -> list[bytes]:
            morel.imap.send(b"p1 NOOP\r\np2 STATUS INBOX (MESSAGES)\r\np3 EXAMINE Sent\r\np4 CLOSE\r\np5 NOOP\r\n")
            said: list[bytes] = []
            while not said or not said[-1].startswith(b"p5"):
                said.append(morel.imap.readline())
            return [line.split()[0] for line in said if line.startswith(b"p")]

        assert await asyncio.to_thread(talk) == [b"p1", b"p2", b"p3", b"p4", b"p5"]


async def test_what_was_asked_before_leaving_is_answered(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["imap"])
    writer.write(b"a NOOP\r\nb CAPABILITY\r\n")
    writer.write_eof()
    said = await asyncio.wait_for(reader.read(), 10)
    assert b"a OK Done\r\n" in said
    assert said.endswith(b"b OK Done\r\n")
    writer.close()
