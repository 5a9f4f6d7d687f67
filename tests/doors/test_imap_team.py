"""A team's mailbox beside one's own: read and answered for by those who work there, in their own name, while so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import keeping, teams
from server.audit import Act
from storage.database import Tx
from tests.house import House
from tests.imap_client import Client, client, exchange, imap_house


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Dr Morel works in the team of the anaesthetists, whose patient Dominique answered them."""
    monkeypatch.setattr("mail_gateway.sign_ins.ROUND_S", 0.1)
    async with imap_house(tmp_path) as opened:
        letter = await opened.letter("anesthesia", "dominique", "Prenez-vous un traitement ?", "Votre consultation")
        await opened.answer("dominique", letter.conversation, "Oui, un anticoagulant.")
        yield opened


async def said(program: Client, line: str) -> list[bytes]:
    answer, lines = await program.raw(line)
    assert answer.startswith("OK"), (line, answer)
    return lines


async def inbox(program: Client) -> str:
    """The folder of the team, as it is listed."""
    [line] = await said(program, 'LIST "" "Equipes/%"')
    return line.partition(b' "/" ')[2].decode()


async def leave(house: House) -> None:
    await teams.leave(house.app, house.anesthesia.account_id, house.morel.account_id)


async def test_who_works_in_a_team_finds_its_folders_beside_their_own(house: House) -> None:
    async with client(house, folder=None) as morel:
        assert await said(morel, "NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL (("Equipes/" "/"))']
        name = await inbox(morel)
        listed = await said(morel, 'LIST "" "Equipes*"')
        assert [line.rpartition(b"/")[2].strip(b'"') for line in listed[2:]] == [
            b"Drafts",
            b"Sent",
            b"Archive",
            b"Trash",
        ]
        assert b"\\Sent" not in b"".join(listed)
        [status] = await said(morel, f"STATUS {name} (MESSAGES UNSEEN)")
        assert status.endswith(b"(MESSAGES 1 UNSEEN 1)")
        [status] = await said(morel, f'STATUS "{name.strip(chr(34))}/Sent" (MESSAGES UNSEEN)')
        assert status.endswith(b"(MESSAGES 1 UNSEEN 0)")
        [status] = await said(morel, "STATUS INBOX (MESSAGES)")
        assert status.endswith(b"(MESSAGES 0)")
    async with client(house, house.address("leroy"), folder=None) as leroy:
        assert await said(leroy, 'LIST "" "Equipes*"') == []
        for line in (f"SELECT {name}", f"STATUS {name} (MESSAGES)", f"EXAMINE {name}", f"GETQUOTAROOT {name}"):
            answer, lines = await leroy.raw(line)
            assert (answer[:16], lines) == ("NO [NONEXISTENT]", []), line


async def test_what_one_of_the_team_reads_is_read_for_all_of_it_and_written_down_in_their_name(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house, house.address("anesthesia")) as team:
        name = await inbox(morel)
        lines = await said(morel, f"SELECT {name}")
        assert b"* 1 EXISTS" in lines
        [uid] = await morel.uids("UNSEEN")
        _, mail = await morel.fetch(uid, "(BODY[TEXT])")
        assert b"anticoagulant" in mail
        [told] = await said(team, "NOOP")
        assert b"\\Seen" in told
        await said(morel, "SELECT INBOX")
        assert len(await morel.uids("UNSEEN")) == 1
        await said(morel, f"SELECT {name}")

    def opened(tx: Tx) -> list[tuple[str, str]]:
        rows = tx.run(
            "SELECT actor_id, ground FROM audit WHERE act = :act AND object = :box ORDER BY id",
            act=Act.MAILBOX_READ.value[0],
            box=house.anesthesia.mailbox_id,
        )
        return [(row[0], row[1]) for row in rows]

    written = await house.app.db.read(opened)
    assert written.count((house.morel.account_id, "team")) == 1, "once a session"


async def test_each_of_the_team_has_drafts_of_their_own_there(house: House) -> None:
    async with client(house, folder=None) as morel, client(house, house.address("anesthesia"), folder=None) as team:
        name = (await inbox(morel)).strip('"')
        mail = b"Subject: Suite\r\n\r\nBonjour\r\n"
        status, _ = await asyncio.to_thread(morel.imap.append, f'"{name}/Drafts"', "(\\Draft)", "", mail)
        assert status == "OK"
        assert await morel.do("select", f'"{name}/Drafts"') == [b"1"]
        assert await team.do("select", "Drafts") == [b"0"]
    kept = await keeping.kept(house.app, await house.mailbox("morel", house.anesthesia.mailbox_id))
    assert [one.writing.subject for one in kept] == ["Suite"]


async def test_a_message_does_not_pass_from_one_mailbox_to_another(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        name = await inbox(morel)
        for line in (f"COPY 1 {name}", f"MOVE 1 {name}", "COPY 1 Drafts"):
            answer, _ = await morel.raw(line)
            assert answer.startswith("NO [CANNOT]"), line
        assert len(await morel.uids("ALL")) == 1


async def test_who_leaves_the_team_while_waiting_in_its_folder_is_shown_out_within_seconds(house: House) -> None:
    async with client(house) as morel:
        name = await inbox(morel)
        await said(morel, f"SELECT {name}")
        await asyncio.to_thread(morel.imap.send, b"i1 IDLE\r\n")
        assert (await asyncio.to_thread(morel.imap.readline)).startswith(b"+ ")
        await leave(house)
        assert (await asyncio.to_thread(morel.imap.readline)).startswith(b"* BYE")
        morel.shown_out = True
    async with client(house) as morel:
        assert await said(morel, 'LIST "" "Equipes*"') == []


async def test_who_leaves_the_team_reads_nothing_of_it_from_then_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not only when somebody looks: each command asks again."""
    monkeypatch.setattr("mail_gateway.sign_ins.ROUND_S", 3600)
    for line in ("FETCH 1 BODY.PEEK[]", "NOOP", "STORE 1 +FLAGS (\\Seen)", "SEARCH ALL", "CLOSE"):
        await teams.join(house.app, house.anesthesia.account_id, house.morel.account_id, "member", "operator")
        async with client(house) as morel:
            name = await inbox(morel)
            await said(morel, f"SELECT {name}")
            await leave(house)

            def ask(asked: str = line, program: Client = morel) -> bytes:
                program.imap.send(f"x1 {asked}\r\n".encode())
                return program.imap.readline()

            assert (await asyncio.to_thread(ask)).startswith(b"* BYE"), line
            morel.shown_out = True


async def test_who_leaves_the_team_with_their_own_folder_open_goes_on_there_without_the_team_s(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        name = await inbox(morel)
        await said(morel, f"SELECT {name}")
        await said(morel, "SELECT INBOX")
        await leave(house)
        assert len(await morel.uids("ALL")) == 1
        assert await said(morel, 'LIST "" "Equipes*"') == []
        await morel.do("unselect")
        for line in (f"SELECT {name}", f"STATUS {name} (MESSAGES)", f"APPEND {name} {{0+}}\r\n"):
            answer, lines = await morel.raw(line)
            assert (answer[:16], lines) == ("NO [NONEXISTENT]", []), line


async def test_the_folders_of_a_team_keep_who_they_are_when_it_takes_another_name(house: House) -> None:
    async with client(house, folder=None) as morel:
        name = await inbox(morel)
        [before] = await said(morel, f"STATUS {name} (MAILBOXID UIDVALIDITY)")

        def rename(tx: Tx) -> None:
            tx.run("UPDATE accounts SET name = 'Bloc' WHERE id = :id", id=house.anesthesia.account_id)

        await house.app.db.write(rename)
        [after] = await said(morel, "STATUS Equipes/Bloc (MAILBOXID UIDVALIDITY)")
        assert before.partition(b"(")[2] == after.partition(b"(")[2] != b""
