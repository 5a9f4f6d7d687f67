"""Reading over IMAP: Dr Morel’s thread, every piece of a mail, searching."""

from __future__ import annotations

import base64
import email
import email.policy
import os
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from mail_gateway import rendition
from server import access, attachments, people, reading
from server.app import App
from server.drafts import Author, Draft, Member
from server.posting import post
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys
from tests.house import House
from tests.imap_client import MOREL, client, exchange, imap_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


# ---- reading --------------------------------------------------------------------------------------------------------


async def test_the_patients_answer_stands_in_the_doctors_thread(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house, folder="Sent") as again:
        [answered] = await morel.uids("ALL")
        [asked] = await again.uids("ALL")
        answer, letter = await morel.mail(answered), await again.mail(asked)
    assert answer["In-Reply-To"] == letter["Message-ID"]
    assert answer["References"] == letter["Message-ID"]
    assert answer["Subject"] == "Re: Consignes avant l’opération"
    assert answer["From"].addresses[0].addr_spec == house.address("dominique")
    assert answer["From"].addresses[0].display_name == "Dominique PAT-TROIS"
    assert answer["To"].addresses[0].addr_spec == MOREL
    assert answer.get_content().rstrip() == "D’accord, merci."


async def test_a_mail_keeps_its_octets_for_ever(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        [uid] = await morel.uids("ALL")
        _, first = await morel.fetch(uid)
        line, again = await morel.fetch(uid, "(RFC822.SIZE BODY.PEEK[])")
    assert first == again
    assert b"RFC822.SIZE %d " % len(first) in line
    async with client(house, "admissions@pli.example") as admissions:
        assert await admissions.uids("ALL") == []


async def test_every_piece_of_a_mail_is_what_the_whole_says(house: House) -> None:
    upload = await attachments.upload(
        house.app, house.dominique, "ordonnance é.pdf", "application/pdf", b"%PDF-1.7 " * 500
    )
    letter = await house.letter("morel", "dominique")
    await house.answer("dominique", letter.conversation, "Voici mon ordonnance.", uploads=(upload,))
    async with client(house) as morel:
        [uid] = await morel.uids("ALL")
        _, whole = await morel.fetch(uid)
        head, _, body = whole.partition(b"\r\n\r\n")
        header = head + b"\r\n\r\n"
        expected = {
            "BODY.PEEK[HEADER]": header,
            "BODY.PEEK[TEXT]": body,
            "RFC822": whole,
            "RFC822.HEADER": header,
            "RFC822.TEXT": body,
            "BODY[]<10.20>": whole[10:30],
            "BODY[]<999999.5>": b"",
            "BODY[1]": b"Voici mon ordonnance.\r\n",
            "BODY[1.MIME]": b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
            "BODY[HEADER.FIELDS (message-id)]": b"Message-ID: "
            + re.findall(rb"Message-ID: (.*?\r\n)", head)[0]
            + b"\r\n",
        }
        for item, octets in expected.items():
            assert (await morel.fetch(uid, f"({item})"))[1] == octets, item
        _, others = await morel.fetch(uid, "(BODY.PEEK[HEADER.FIELDS.NOT (Message-ID Date)])")
        assert b"Message-ID" not in others
        assert b"From: " in others
        assert others.endswith(b"\r\n\r\n")
        _, encoded = await morel.fetch(uid, "(BODY[2])")
        parsed = email.message_from_bytes(whole, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        [attachment] = list(parsed.iter_attachments())
        assert attachment.get_filename() == "ordonnance é.pdf"
        assert attachment.get_content() == base64.b64decode(encoded)
        answer, said = await morel.raw(f"UID FETCH {uid} (BODY[7] BODY[1.HEADER])")
        assert answer == "OK Done"
        assert b"BODY[7] NIL BODY[1.HEADER] NIL" in said[0]
        [structure] = await morel.do("uid", "FETCH", str(uid), "(BODYSTRUCTURE)")
        assert b'("APPLICATION" "PDF" ("NAME*" "utf-8\'\'ordonnance%20%C3%A9.pdf")' in structure
        assert b'"MIXED" ("BOUNDARY"' in structure
        [envelope] = await morel.do("uid", "FETCH", str(uid), "ALL")
        assert b"ENVELOPE (" in envelope
        assert b'"279035121518989" "patient.pli.example"' in envelope
        assert re.search(rb'INTERNALDATE "\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d \+0000"', envelope)


async def test_reading_a_mail_marks_it_read_in_the_chat_and_tells_the_patient(house: House) -> None:
    conversation = await exchange(house)
    box = await house.mailbox("morel")
    assert await reading.unread(house.app, box) == 1
    async with client(house) as morel:
        [uid] = await morel.uids("UNSEEN")
        await morel.fetch(uid)
        assert await morel.uids("UNSEEN") == [uid]  # PEEK
        line, _ = await morel.fetch(uid, "(BODY[])")
        assert b"FLAGS (\\Seen)" in line
        assert await morel.uids("UNSEEN") == []
    assert await reading.unread(house.app, box) == 0
    theirs = await reading.since(house.app, await house.mailbox("dominique"), 0)
    sent = [entry.message for entry in theirs.entries if entry.message.mine]
    assert [(message.status, message.status_by) for message in sent] == [("read", "Dr Agathe MOREL")]
    assert {entry.conversation for entry in theirs.entries} == {conversation}


async def test_an_examined_folder_stays_unread(house: House) -> None:
    await exchange(house)
    async with client(house, folder=None) as morel:
        await morel.do("select", "INBOX", True)
        await morel.fetch(2, "(BODY[])")
    assert await reading.unread(house.app, await house.mailbox("morel")) == 1


async def test_a_card_can_be_read_and_answered_as_text(house: House) -> None:
    card = {"type": "reminder", "title": "Vaccin contre la grippe", "text": "Il est temps.", "rule": "grippe"}
    doctor = Member(house.morel.account_id, house.morel.mailbox_id)
    await house.letter("lab", "marcel", "", "Rappel", kind="card", card=card, members=(doctor,))
    async with client(house) as morel:
        [uid] = await morel.uids("ALL")
        mail = await morel.mail(uid)
    assert mail["From"].addresses[0].addr_spec == "labo@pli.example"
    assert [to.addr_spec for to in mail["To"].addresses] == [MOREL, house.address("marcel")]
    assert mail["Auto-Submitted"] == "auto-generated"
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = plain.get_content().replace("\r\n", "\n")
    assert text.startswith("Vaccin contre la grippe\n\nIl est temps.")
    assert "  1. Déjà fait\n  2. Me le rappeler dans un mois\n" in text


async def test_ten_thousand_messages_are_opened_and_listed_without_opening_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await exchange(house)

    def many(tx: Tx) -> None:
        tx.run(
            "INSERT INTO entries (mailbox_id, seq, kind, space_id, conversation_id, message_id, of_seq, flags, folder,"
            " modseq) WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 10003)"
            " SELECT mailbox_id, n.i, kind, space_id, conversation_id, message_id || n.i, n.i, 1, folder, n.i"
            " FROM entries, n"
            " WHERE mailbox_id = :m AND seq = 2",
            m=house.morel.mailbox_id,
        )
        # Opened by a client today already: nothing is made ready behind the test's back.
        today = "UPDATE mailboxes SET last_seq = 10003, mail_at = :now WHERE id = :m"
        tx.run(today, m=house.morel.mailbox_id, now=now_ms())

    def none(tx: Tx) -> None:
        tx.run("DELETE FROM entries WHERE seq > 3 AND mailbox_id = :m", m=house.morel.mailbox_id)

    await house.app.db.write(many)
    async with client(house, folder=None) as morel:
        opened: list[str] = []
        vault_space = house.app.vault.space

        def counted(space_id: str, wrapped: bytes) -> SpaceKeys:
            if space_id != house.morel.space_id:  # her own holds the names of keywords
                opened.append(space_id)
            return vault_space(space_id, wrapped)

        monkeypatch.setattr(house.app.vault, "space", counted)
        assert await morel.do("select", "INBOX") == [b"10001"]
        listed = await morel.do("uid", "FETCH", "1:*", "(FLAGS)")
        assert len(listed) == 10001
        assert listed[-1] == b"10001 (UID 10003 FLAGS (\\Seen))"
        assert len(await morel.uids("SEEN")) == 10000
        assert not opened
    await house.app.db.write(none)


async def test_a_delegate_writes_in_her_own_name_for_the_child(house: House) -> None:
    letter = await house.letter("morel", "camille", "Bonjour")
    spaces = await people.spaces_of(house.app, house.dominique)
    child = next(space for space in spaces if space.kind == "representative")
    box = await access.mailbox(house.app, house.dominique, child.mailbox_id)
    handle = await access.conversation(house.app, box, letter.conversation)
    author = Author("holder", house.dominique.name, acting_for=child.name)
    await post(house.app, house.dominique, Draft(to=handle, text="Elle a de la fièvre.", author=author))
    async with client(house) as morel:
        [uid] = await morel.uids("ALL")
        mail = await morel.mail(uid)
    assert mail["From"].addresses[0].display_name == "Dominique PAT-TROIS, pour Camille PAT-TROIS"
    assert mail["From"].addresses[0].addr_spec == house.address("camille")


# ---- searching ------------------------------------------------------------------------------------------------------


async def test_searches_find_what_they_say(house: House) -> None:
    first = await house.letter("morel", "dominique", "Bonjour", "Opération du genou")
    await house.answer("dominique", first.conversation, "Dois-je arrêter l’aspirine ?")  # uid 2
    second = await house.letter("morel", "marcel", "Bonjour", "Contrôle de la tension")
    await house.answer("marcel", second.conversation, "13/8 ce matin.")  # uid 5: that the first was answered took 3
    async with client(house) as morel:
        await morel.do("uid", "STORE", "5", "+FLAGS", "(\\Flagged)")
        cases = {
            (2, 5): "ALL; OR FLAGGED UID 2; OLD; UNDRAFT UNANSWERED; UNKEYWORD vu; TO morel; SUBJECT Re:; "
            'HEADER In-Reply-To pli.example; HEADER Subject ""; LARGER 100; SINCE 1-Jan-2020; '
            "SENTSINCE 1-Jan-2020",
            (2,): '1; UNFLAGGED; NOT FLAGGED; FROM pat-trois; FROM "279035121518989"; SUBJECT genou; '
            "SUBJECT operation; BODY aspirine; TEXT ARRETER",
            (5,): "2:*; UID 5:9; *; FLAGGED; (UNSEEN FLAGGED); TEXT tension",
            (): "SEEN; NEW; RECENT; DELETED; KEYWORD vu; CC morel; BCC a; HEADER X-Nothing x; BODY "
            'tension; SMALLER 100; BEFORE 1-Jan-2020; ON "1-Jan-2020"; SENTBEFORE 1-Jan-2020; '
            "SENTON 1-Jan-2020",
        }
        for expected, searches in cases.items():
            for keys in searches.split("; "):
                assert await morel.uids(keys) == list(expected), keys
        morel.imap.literal = "arrêter".encode()  # type: ignore[assignment]  # imaplib sends it as it is
        assert await morel.uids("CHARSET", "UTF-8", "TEXT") == [2]
        [numbers] = await morel.do("search", None, "FLAGGED")
        assert numbers == b"2"
        answer, _ = await morel.raw("SEARCH CHARSET KOI8-R ALL")
        assert answer.startswith("NO [BADCHARSET")


async def test_a_mail_that_no_longer_opens_is_left_out_and_the_others_are_served(house: House) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Encore une question.")
    async with client(house) as morel:
        await morel.fetch(2)

        def spoil(tx: Tx) -> None:
            tx.run(
                "UPDATE renditions SET structure = :junk WHERE message_id ="
                " (SELECT message_id FROM entries WHERE mailbox_id = :m AND seq = 2)",
                junk=b"\x01" + bytes(60),
                m=house.morel.mailbox_id,
            )

        await house.app.db.write(spoil)
        answer, said = await morel.raw("UID FETCH 1:* (RFC822.SIZE)")
        assert answer.startswith("NO [UNAVAILABLE]")
        assert [line.split()[1] for line in said] == [b"2"]
        answer, _ = await morel.raw("UID SEARCH SUBJECT consignes")
        assert answer.startswith("NO [UNAVAILABLE]")
        assert await morel.uids("ALL") == [2, 4]


async def test_a_large_mail_taken_in_pieces_is_opened_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = await house.letter("morel", "dominique")
    upload = await attachments.upload(house.app, house.dominique, "radio.jpg", "image/jpeg", os.urandom(3_000_000))
    await house.answer("dominique", letter.conversation, "Ma radio.", uploads=(upload,))
    opened: list[str] = []
    octets = rendition.octets

    async def counted(app: App, keys: SpaceKeys, blob_id: str) -> bytes:
        opened.append(blob_id)
        return await octets(app, keys, blob_id)

    async with client(house) as morel:
        _, whole = await morel.fetch(2)
        monkeypatch.setattr(rendition, "octets", counted)
        pieces = [(await morel.fetch(2, f"(BODY.PEEK[]<{start}.65536>)"))[1] for start in range(0, len(whole), 65536)]
        assert b"".join(pieces) == whole
        assert len(opened) == 1
        await morel.do("noop")
        await morel.fetch(2, "(BODY.PEEK[2]<0.10>)")
        assert len(opened) == 2
