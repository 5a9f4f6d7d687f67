"""Situations of what letters carry: forty files with very long names, five of the largest letters at once, and links
that a machine opens before the person does.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections.abc import AsyncIterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp
import pytest

from mail_gateway.rendition import as_mail
from server import access, attachments, reading
from server.bots import reminders
from storage.database import Tx
from tests import letters
from tests.doors.test_outbound import opened
from tests.house import PASSWORD, House
from tests.mail_house import TO_DOMINIQUE, MailHouse, bring, plain
from tests.other_operator import OtherOperator
from tests.walks.test_story import screen

FORTY = 40
LARGEST = 19_000_000  # octets of a file that make a letter of just under 25 MiB


# ---- many files, long names ------------------------------------------------------------------------------------------


def long_name(number: int) -> str:
    """200 characters, with accents, their number first."""
    stem = f"{number:02} – Compte rendu détaillé de l’échographie cardiaque réalisée à l’hôpital Sévérine où "
    return (stem * 3)[:196] + ".pdf"


def as_outlook_names_it(name: str) -> str:
    """RFC 2231 § 3 and § 4.1: percent-encoded UTF-8, cut where a line is full, even in the middle of a letter."""
    coded = quote(name, safe="")
    pieces = [coded[start : start + 60] for start in range(0, len(coded), 60)]
    first, *rest = pieces
    lines = [f" filename*0*=UTF-8''{first}", *(f" filename*{place}*={piece}" for place, piece in enumerate(rest, 1))]
    return ";\r\n".join(lines)


def many_files(count: int) -> bytes:
    """A letter with `count` PDFs, each with a long name of its own."""
    letter = plain(files=[(f"F{number}.pdf", "application/pdf", letters.pdf(f"n {number}")) for number in range(count)])
    for number in range(count):
        plainly = f'Content-Disposition: attachment; filename="F{number}.pdf"'.encode()
        assert plainly in letter
        named = f"Content-Disposition: attachment;\r\n{as_outlook_names_it(long_name(number))}"
        letter = letter.replace(plainly, named.encode())
    return letter


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[tuple[MailHouse, OtherOperator]]:
    async with opened(tmp_path, sqlite_url) as pair:
        yield pair


async def test_forty_files_with_accented_names_of_200_characters_come_in_and_go_out_whole(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    names = [long_name(number) for number in range(FORTY)]
    assert {len(name) for name in names} == {200}
    assert (await bring(house, many_files(FORTY))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert [file.name for file in entry.message.attachments] == names
    box = await house.mailbox("dominique")
    for number, file in enumerate(entry.message.attachments):
        _, data = await attachments.opened(house.app, box, file.space, file.id)
        assert data == letters.pdf(f"n {number}")
    uploaded = [
        await attachments.upload(house.app, house.dominique, name, "application/pdf", letters.pdf(name[:2]))
        for name in names[:10]
    ]
    await house.answer("dominique", entry.conversation, "Voici les miens", uploads=tuple(uploaded))
    await house.delivered()
    sent = list(operator.got[0].letter.iter_attachments())
    assert [part.get_filename() for part in sent] == names[:10], "as another reader of RFC 2231 has them"
    assert [part.get_content() for part in sent] == [letters.pdf(name[:2]) for name in names[:10]]


# ---- five of 25 MB ---------------------------------------------------------------------------------------------------


def _trusting(house: House) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=house.app.settings.tls_ca)


def bring_largest(house: House, number: int) -> None:
    """Dr Morel's client sends a letter of just under 25 MiB, again after each 452."""
    letter = letters.plain(
        "Les images", subject=f"IRM {number}", message_id=f"<irm-{number}@pli.example>",
        files=[("irm.dcm", "application/dicom", bytes([number]) * LARGEST)],
    )  # fmt: skip
    while True:
        with smtplib.SMTP("localhost", house.app.ports["submission"], timeout=120) as smtp:
            smtp.starttls(context=_trusting(house))
            smtp.login(house.address("morel"), PASSWORD)
            try:
                smtp.sendmail(house.address("morel"), [TO_DOMINIQUE], letter)
                return
            except smtplib.SMTPResponseException as refused:
                if refused.smtp_code != 452:
                    raise


def _is_about(subject: str, entry: Any) -> bool:
    return bool(entry["message"]["subject"] == subject)


@pytest.mark.timeout(240)
async def test_five_letters_of_25_mb_at_once_are_all_taken_while_the_chat_goes_on(house: House) -> None:
    talk = await house.letter("admissions", "dominique", "Écrivez-nous ici")
    said: list[str] = []
    async with screen(house, "dominique") as chat:
        sending = [asyncio.create_task(asyncio.to_thread(bring_largest, house, number)) for number in range(5)]
        while not all(task.done() for task in sending):
            text = f"message {len(said)}"
            sent = await chat.client.call(
                "post", {"conversation": talk.conversation, "text": text, "client_key": text}, timeout=60
            )
            assert "error" not in sent
            said.append(text)
        await asyncio.gather(*sending)
        for number in range(5):
            subject = f"IRM {number}"
            entry = await chat.until(partial(_is_about, subject))
            assert [file["size"] for file in entry["message"]["attachments"]] == [LARGEST]
    async with screen(house, "admissions") as desk:
        heard = [e["message"]["text"] for e in desk.entries if e["message"]["author"]["kind"] == "holder"]
    assert heard == said
    assert said


# ---- a scanner -------------------------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """Everything of a page that a machine may follow: links, pictures, and where forms go."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attributes if name in {"href", "src", "action", "formaction"} and value}


def _decided(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
    """All that somebody may have decided, said or been promised."""
    tables = ("reminders", "answers", "documents", "appointments", "grants", "exchanges", "messages", "deliveries")
    return {table: sorted(tx.run(f"SELECT * FROM {table}"), key=str) for table in tables}


async def test_a_scanner_that_opens_every_link_of_a_reminder_confirms_nothing(house: House) -> None:
    assert await reminders.remind(house.app, house.marcel.space_id, "pneumococcus-65") == 1
    box = await house.mailbox("marcel")
    (entry,) = (await reading.since(house.app, box, 0, 10)).entries
    handle = await access.conversation(house.app, box, entry.conversation)
    message = await reading.open_unchecked(house.app, handle.keys, entry.message.id)
    mail = (await as_mail(house.app, handle.keys, message)).decode()
    before = await house.app.db.read(_decided)
    session = await house.session("marcel")
    thread = f"{house.http}/c/{entry.conversation}"
    for cookies in ({}, {"pli": session}):
        async with aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as scanner:
            async with scanner.get(thread) as page:
                shown = await page.text()
            links = _Links(shown).found | _Links(mail).found | set(re.findall(r"https?://[^\s<>\"]+", mail))
            ours = {urljoin(thread, link) for link in links}
            opened_ = 0
            for link in sorted(link for link in ours if link.startswith(house.http)):
                for method in ("HEAD", "GET"):
                    async with scanner.request(method, link) as answer:
                        assert answer.status < 500, link
                        await answer.read()
                    opened_ += 1
        assert opened_ > 4
    assert "form" in shown
    assert re.search("Déjà fait", shown), "there was something to confirm"
    assert await house.app.db.read(_decided) == before
    async with aiohttp.ClientSession(cookies={"pli": session}, cookie_jar=aiohttp.CookieJar(unsafe=True)) as marcel:
        async with marcel.get(thread, allow_redirects=False) as answer:
            assert answer.status == 200, "nor was he signed out"
