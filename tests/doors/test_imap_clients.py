"""The IMAP door with the programs that keep a copy of a mailbox on one's own disk, as Debian ships them: mbsync and
offlineimap; and with a script that somebody writes on their first day with Python's own library.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import os
import re
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mail_gateway import rendition
from mail_gateway.imap import append, imap_door
from server import attachments, keeping, listing, mail_passwords, reading
from server.app import App
from server.listing import Choice
from storage import entries
from storage.vault import SpaceKeys
from tests.house import House, open_core_house, settings_for
from tests.imap_client import MOREL, client, exchange, in_the_chat, trusting
from tests.mail_programs import Copy, Mbsync, Offlineimap

DRAFT = (
    b"From: %b\nSubject: Essai\nMessage-ID: <1@poste.example>\nMIME-Version: 1.0\n\nVenez demain.\n" % MOREL.encode()
)


async def in_step(house: House, copy: Copy) -> None:
    """Once more changes nothing, on either side."""
    before, last = copy.state(), await house.app.db.read(entries.last_seq, house.morel.mailbox_id)
    await copy.sync()
    assert copy.state() == before
    assert await house.app.db.read(entries.last_seq, house.morel.mailbox_id) == last


async def archived(house: House) -> list[str]:
    """The conversations that the web shows in the archive."""
    box = await house.mailbox("morel")
    return [row.subject for row in (await listing.page(house.app, box, Choice("archived"), None, 40)).rows]


async def test_mbsync_copies_the_mailbox_and_the_second_time_there_is_nothing_to_do(
    house: House, tmp_path: Path
) -> None:
    password = await mail_passwords.make(house.app, house.morel, "Ordinateur du cabinet")
    copy = Mbsync(house, tmp_path, password)
    conversation = await exchange(house)
    upload = await attachments.upload(house.app, house.dominique, "bilan.pdf", "application/pdf", os.urandom(200_000))
    await house.answer("dominique", conversation, "Voici mon bilan.", uploads=(upload,))
    for word in ("À classer.", "À jeter."):
        await house.answer("dominique", conversation, word)
    team = await house.letter("anesthesia", "dominique", "Bonjour", "Anesthésie")
    await house.answer("dominique", team.conversation, "À l’équipe.")
    async with client(house) as morel:
        await morel.raw("MOVE 3 Archive")
        await morel.raw("MOVE 3 Trash")
        await morel.do("append", "Drafts", "(\\Draft \\Seen)", None, DRAFT.replace(b"\n", b"\r\n"))
        await copy.sync()
        assert copy.counts() == {"INBOX": 2, "Sent": 1, "Archive": 1, "Trash": 1, "Drafts": 1}
        assert len(copy.mails("Equipes/Anesth&AOk-sie, CHU de Pli")) == 1
        await in_step(house, copy)
        for uid in await morel.uids("ALL"):
            _, mail = await morel.fetch(uid)
            text = mail.replace(b"\r\n", b"\n")
            kept = [re.sub(rb"X-TUID: .*\n", b"", path.read_bytes()) for path in copy.mails("INBOX").values()]
            assert text in kept  # but for the mark by which mbsync knows its own
    [device] = await mail_passwords.listed(house.app, house.morel.account_id)
    assert device.door == "imap"


@pytest.mark.parametrize("kind", [Mbsync, Offlineimap])
async def test_what_is_done_on_either_side_reaches_the_other(
    house: House, tmp_path: Path, kind: type[Mbsync] | type[Offlineimap]
) -> None:
    copy = kind(house, tmp_path)
    conversation = await exchange(house)
    other = (await house.letter("morel", "marcel", "Bonjour", "Rendez-vous")).conversation
    for talk, patient, word in (
        (conversation, "dominique", "À jeter."),
        (conversation, "dominique", "À supprimer."),
        (other, "marcel", "Vu, merci."),
    ):
        await house.answer(patient, talk, word)
    await copy.sync()
    assert copy.counts() == {"INBOX": 4, "Sent": 2, "Archive": 0, "Trash": 0, "Drafts": 0}
    # On the disk: one is read and flagged, one archived, one thrown away, one deleted for good; a draft is begun.
    copy.mark(copy.one("INBOX", b"accord"), "FS")
    copy.move(copy.one("INBOX", b"Vu, merci."), "Archive")
    copy.move(copy.one("INBOX", b"jeter"), "Trash")
    copy.delete(copy.one("INBOX", b"supprimer"))
    (copy.folder / "Drafts" / "cur" / "1.begun.here:2,DS").write_bytes(DRAFT)
    await copy.sync()
    there = {"INBOX": 1, "Sent": 2, "Archive": 1, "Trash": 1, "Drafts": 1}
    assert copy.counts() == there
    assert await archived(house) == ["Rendez-vous"]
    [draft] = await keeping.kept(house.app, await house.mailbox("morel"))
    assert draft.writing.text.strip() == "Venez demain."
    async with client(house) as morel:
        assert await morel.uids("SEEN", "FLAGGED") == await morel.uids("ALL") != []
        for folder, count in there.items():
            assert await morel.do("select", folder) == [b"%d" % count]
        # On the server: thrown away; back from the archive, and answered; out of the trash for good; and there is a
        # new one.
        await morel.raw("MOVE 1 Trash")
        await morel.do("select", "Archive")
        await morel.raw("MOVE 1 INBOX")
        await morel.do("select", "Trash")
        await morel.do("store", "1", "+FLAGS", "\\Deleted")
        await morel.do("expunge")
        await morel.do("select", "INBOX")
        await morel.do("store", "1", "FLAGS", "(\\Seen \\Answered)")
    await house.answer("dominique", conversation, "Une dernière.")
    await copy.sync()
    assert copy.counts() == {"INBOX": 3, "Sent": 2, "Archive": 0, "Trash": 0, "Drafts": 0}
    assert sorted(set(flags) - {"S"} for flags in copy.flags("INBOX")) == [set(), set(), {"R"}]
    assert await archived(house) == []
    await in_step(house, copy)
    page = await reading.thread(house.app, await in_the_chat(house, "dominique", conversation))
    assert len(page.entries) == 5  # what was thrown away left the mailbox, not the conversation


async def test_mbsync_that_is_killed_leaves_nothing_out_and_nothing_twice(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it takes mails in, then twice as the server has kept what it sent and it does not know that yet."""
    conversation = await exchange(house)
    for number in range(6):
        await house.answer("dominique", conversation, f"Message {number}.")
    copy = Mbsync(house, tmp_path)
    opened = 0
    octets, known, keep = rendition.octets, append._known, append._keep

    async def taken(app: App, keys: SpaceKeys, blob_id: str) -> bytes:
        nonlocal opened
        opened += 1
        if opened == 4:
            copy.kill()
        return await octets(app, keys, blob_id)

    async def filed(*asked: object) -> int:
        uid = await known(*asked)  # type: ignore[arg-type]
        copy.kill()
        return uid

    async def kept(*asked: object) -> int:
        uid = await keep(*asked)  # type: ignore[arg-type]
        copy.kill()
        return uid

    with monkeypatch.context() as when:
        when.setattr(rendition, "octets", taken)
        assert (await copy.run())[0] == -9
    assert (await copy.run())[0] == 0
    everything = {"INBOX": 7, "Sent": 1, "Archive": 0, "Trash": 0, "Drafts": 0}
    assert copy.counts() == everything
    copy.move(copy.one("INBOX", b"Message 3"), "Archive")
    (copy.folder / "Drafts" / "cur" / "1.begun.here:2,D").write_bytes(DRAFT)
    for name, then in (("_known", filed), ("_keep", kept)):
        with monkeypatch.context() as when:
            when.setattr(append, name, then)
            assert (await copy.run())[0] == -9
    assert (await copy.run())[0] == 0
    there = {"INBOX": 6, "Sent": 1, "Archive": 1, "Trash": 0, "Drafts": 1}
    assert copy.counts() == there
    async with client(house) as morel:
        assert {folder: int((await morel.do("select", folder))[0]) for folder in there} == there
    await in_step(house, copy)


async def test_mbsync_goes_on_where_a_restart_of_the_server_cut_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_core_house(settings_for(tmp_path / "pli")) as house, AsyncExitStack() as door:
        await door.enter_async_context(imap_door(house.app))
        conversation = await exchange(house)
        for number in range(6):
            await house.answer("dominique", conversation, f"Message {number}.")
        copy = Mbsync(house, tmp_path)
        stopping: list[asyncio.Task[None]] = []
        opened = 0
        octets = rendition.octets

        async def taken(app: App, keys: SpaceKeys, blob_id: str) -> bytes:
            nonlocal opened
            opened += 1
            if opened == 4:
                stopping.append(asyncio.create_task(door.aclose()))
                await asyncio.Event().wait()  # and there it ends
            return await octets(app, keys, blob_id)

        with monkeypatch.context() as when:
            when.setattr(rendition, "octets", taken)
            ended, said = await copy.run()
        assert ended != 0
        assert "Shutting down" in said
        await stopping[0]
        async with imap_door(house.app):
            assert (await copy.run())[0] == 0
            assert copy.counts() == {"INBOX": 7, "Sent": 1, "Archive": 0, "Trash": 0, "Drafts": 0}
            await in_step(house, copy)


# ---- a script --------------------------------------------------------------------------------------------------------


def newcomer(port: int, tls: ssl.SSLContext, password: str) -> list[str]:
    """Tells what is unread, files the last one, and waits for the next: as one writes it after an hour of reading."""
    told: list[str] = []
    imap = imaplib.IMAP4("localhost", port, timeout=20)
    imap.starttls(tls)
    imap.login(MOREL, password)
    _, folders = imap.list()
    assert b'(\\Noinferiors \\HasNoChildren \\Archive) "/" Archive' in folders, folders
    _, count = imap.select("INBOX")
    told.append(f"{int(count[0] or 0)} messages")
    _, found = imap.search(None, "UNSEEN")
    for number in found[0].split():
        _, data = imap.fetch(number, "(RFC822)")
        assert isinstance(data[0], tuple)
        mail = email.message_from_bytes(data[0][1], policy=email.policy.default)
        told.append(str(mail.get_content()).strip())
    imap.copy(found[0].split()[-1].decode(), "Archive")
    imap.store(found[0].split()[-1].decode(), "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.send(b"x1 IDLE\r\n")  # imaplib does not know it before Python 3.14
    told.append(imap.readline().decode().strip()[0])
    told.append(imap.readline().decode().strip())
    imap.send(b"DONE\r\n")
    told.append(imap.readline().decode().strip()[:5])
    imap.close()
    imap.logout()
    return told


async def test_a_script_of_a_newcomer_reads_files_and_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Et mon traitement ?")
    password = await mail_passwords.make(house.app, house.morel, "Script")
    waits = asyncio.Event()
    enter = "mail_gateway.imap.idle.Idlers.enter"
    monkeypatch.setattr(enter, lambda idlers, idler: waits.set())
    script = asyncio.create_task(asyncio.to_thread(newcomer, house.app.ports["imap"], trusting(house.app), password))
    await asyncio.wait_for(waits.wait(), 30)
    await house.answer("dominique", conversation, "Pardon, j’insiste.")
    assert await script == ["2 messages", "D’accord, merci.", "Et mon traitement ?", "+", "* 2 EXISTS", "x1 OK"]
    assert await archived(house) == []
