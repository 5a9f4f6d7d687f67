"""What the IMAP door says it can do, in each state; each of it is asked for, so that nothing is said that is not so."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doors.test_imap import plain
from tests.house import House
from tests.imap_client import client, exchange, imap_house

IN_CLEAR = "IMAP4rev1 IMAP4rev2 LITERAL+ ID LOGINDISABLED STARTTLS"
UNDER_TLS = "IMAP4rev1 IMAP4rev2 LITERAL+ ID SASL-IR AUTH=PLAIN AUTH=LOGIN AUTH=OAUTHBEARER AUTH=XOAUTH2"

# Capability → what is asked, in this order in one session; what must be in the answer.
PROOFS = {
    "IMAP4rev1": ("NOOP", r"OK Done"),
    "ID": ("ID NIL", r"\* ID \("),
    "LITERAL+": ("STATUS {5+}\r\nINBOX (MESSAGES)", r"\* STATUS INBOX \(MESSAGES 2\)"),
    "ENABLE": ("ENABLE CONDSTORE", r"\* ENABLED CONDSTORE"),
    "NAMESPACE": ("NAMESPACE", r'\* NAMESPACE \(\("" "/"\)\)'),
    "CHILDREN": ('LIST "" "%"', r"\\HasChildren\b.*Equipes"),
    "SPECIAL-USE": ('LIST (SPECIAL-USE) "" "*"', r"\\Archive\) \"/\" Archive"),
    "LIST-EXTENDED": ('LIST (SUBSCRIBED) "" ("IN%" "Sent") RETURN (CHILDREN)', r"\\Subscribed\) \"/\" INBOX"),
    "LIST-STATUS": ('LIST "" INBOX RETURN (STATUS (UNSEEN))', r"\* STATUS INBOX \(UNSEEN 2\)"),
    "STATUS=SIZE": ("STATUS INBOX (SIZE)", r"\* STATUS INBOX \(SIZE [1-9]\d+\)"),
    "OBJECTID": ("STATUS INBOX (MAILBOXID)", r"\(MAILBOXID \([A-Za-z0-9_-]+\)\)"),
    "APPENDLIMIT=26214400": ("STATUS INBOX (APPENDLIMIT)", r"\(APPENDLIMIT 26214400\)"),
    "QUOTA": ("GETQUOTA INBOX", r"\* QUOTA INBOX \("),
    "QUOTA=RES-STORAGE": ("GETQUOTAROOT INBOX", r"\* QUOTA INBOX \(STORAGE \d+ 1024 "),
    "QUOTA=RES-MESSAGE": ("GETQUOTAROOT Sent", r"MESSAGE 3 4294967295\)"),
    "IDLE": ("IDLE\r\nDONE", r"\+ Idling.*OK Done"),
    "CONDSTORE": ("SELECT INBOX (CONDSTORE)", r"\[HIGHESTMODSEQ \d+\].*\[READ-WRITE\]"),
    "ESEARCH": ("SEARCH RETURN (MIN MAX COUNT) ALL", r'\* ESEARCH \(TAG "x1"\) MIN 1 MAX 2 COUNT 2'),
    "SEARCHRES": ("SEARCH RETURN (SAVE) ALL\r\nx1 FETCH $ (UID)", r"\* 1 FETCH .*\* 2 FETCH "),
    "WITHIN": ("SEARCH YOUNGER 3600", r"\* SEARCH 1 2"),
    "BINARY": ("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])", r"BINARY\.SIZE\[1\] \d+ BINARY\[1\] "),
    "PREVIEW": ("FETCH 1 (PREVIEW)", r"PREVIEW \"?.*merci"),
    "UIDPLUS": ("COPY 1 Archive", r"OK \[COPYUID \d+ \d+ \d+\]"),
    "MOVE": ("MOVE 1 Trash", r"\* OK \[COPYUID \d+ \d+ \d+\].*\* 1 EXPUNGE"),
    "UNSELECT": ("UNSELECT", r"OK Done"),
    "QRESYNC": ("ENABLE QRESYNC\r\nx1 SELECT INBOX (QRESYNC ({validity} 1))", r"\* VANISHED \(EARLIER\) 2"),
    "UTF8=ACCEPT": ("ENABLE UTF8=ACCEPT", r"\* ENABLED UTF8=ACCEPT"),
    "IMAP4rev2": ("ENABLE IMAP4rev2\r\nx1 SEARCH ALL", r'\* ESEARCH \(TAG "x1"\) ALL 1'),
}  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


async def test_before_tls_nothing_is_said_but_how_to_come_under_it(house: House) -> None:
    greeting, listed, *_ = await plain(house, b"a CAPABILITY\r\n")
    assert f"[CAPABILITY {IN_CLEAR}]".encode() in greeting
    assert listed == f"* CAPABILITY {IN_CLEAR}\r\n".encode()


async def test_all_that_is_said_to_who_is_signed_in_is_done(house: House) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Encore une question.")
    house.app.settings = replace(house.app.settings, mailbox_quota_mb=1)
    async with client(house, folder=None) as morel:
        assert list(morel.imap.capabilities) == UNDER_TLS.upper().split(), "asked after the handshake"
        _, [line] = await morel.raw("CAPABILITY")
        assert sorted(line.decode().split()[2:]) == sorted(PROOFS)
        _, [status] = await morel.raw("STATUS INBOX (UIDVALIDITY)")
        [validity] = re.findall(rb"UIDVALIDITY (\d+)", status)
        for name, (asked, expected) in PROOFS.items():
            told = ""
            lines = asked.replace("{validity}", validity.decode())
            for one in lines.split("\r\nx1 "):
                answer, heard = await morel.raw(one)
                told += " ".join([*(word.decode() for word in heard), answer]) + " "
            assert re.search(expected, told), (name, told)
