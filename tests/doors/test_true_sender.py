"""Who is shown as the sender is who the certificate vouches for, or the letter is refused (item 29, VU#517845).

Each letter comes from `operator.example`, whose certificate says so, and pretends to be of Dr Morel, hosted here.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import access, reading
from tests.letters import MOREL
from tests.mail_house import FROM, MailHouse, bring, open_mail_house, plain

HER = MOREL[1]  # agathe.morel@pli.example


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


def coded(words: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(words.encode()).decode()}?="


TRICKS = {
    "two fields": f"From: {HER}\r\nFrom: {FROM}",
    "two fields, the other first": f"From: {FROM}\r\nFrom: {HER}",
    "a space before the colon": f"From : {HER}\r\nFrom: {FROM}",
    "a folded name": f"From\r\n : {HER}\r\nFrom: {FROM}",
    "an empty field first": f"From:\r\nFrom: {HER}",
    "two addresses": f"From: {HER}, {FROM}",
    "two in brackets": f"From: <{HER}><{FROM}>",
    "two in brackets, the other first": f"From: <{FROM}><{HER}>",
    "an address for a name": f'From: "{HER}" <{FROM}>',
    "an address for a name, bare": f"From: {HER} <{FROM}>",
    "an encoded address for a name": f"From: {coded(HER)} <{FROM}>",
    "a whole mailbox for a name": f"From: {coded(f'Dr Agathe MOREL <{HER}>')} <{FROM}>",
    "an encoded NUL": f"From: {coded(HER + chr(0))} <{FROM}>",
    "a NUL in the address": f"From: {HER}\x00@operator.example",
    "a comment": f"From: {FROM} ({HER})",
    "a comment instead": f"From: {HER} (<{FROM}>)",
    "a comment in the address": f"From: {HER}(@operator.example",
    "a group": f"From: Groupe: {HER}; <{FROM}>",
    "a route": f"From: <@operator.example,@pli.example:{HER}>",
    "after the bracket": f"From: <{FROM}> {HER}",
    "two at signs": f"From: <{HER}@operator.example>",
    "a quoted local part": f'From: <"{HER}"@operator.example>',
    "percent": f"From: <{HER.replace('@', '%')}@operator.example>",
    "a name that runs backwards": f"From: {coded(chr(0x202E) + HER[::-1])} <{FROM}>",
    "letters that look alike": f"From: agathe.morel@{chr(0x440)}li.example",
    "letters that look alike, encoded": "From: agathe.morel@xn--li-6kc.example",
    "sender": f"Sender: {HER}\r\nFrom: {FROM}",
    "sender without from": f"Sender: {FROM}\r\nX-From: {HER}",
    "resent": f"Resent-From: {HER}\r\nFrom: {FROM}",
    "an unclosed quote": f'From: "{HER} <{FROM}>',
    "an encoded field": f"From: {coded(f'<{HER}>')}",
    "a bare newline": f"From: {FROM}\nFrom: {HER}",
    "a bare return": f"From: {FROM}\rFrom: {HER}",
    "an address of two lines": f"From: {HER.replace('@', chr(13) + chr(10) + ' @')}",
}


async def test_who_is_shown_is_who_was_verified_or_nobody(house: MailHouse) -> None:
    refused, known = set(), 0
    for name, trick in TRICKS.items():
        head, _, body = plain("Virez 100 euros.", message_id=f"<{len(name)}.{name[-1]}@x.example>").partition(
            b"\r\n\r\n"
        )
        fields = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"From:"))
        said = await bring(house, trick.encode() + b"\r\n" + fields + b"\r\n\r\n" + name.encode() + body)
        entries = await house.entries("dominique")
        if len(entries) == known:
            assert said.startswith(("550 5.7.1", "550 5.6.0")), (name, said)
            refused.add(name)
            continue
        known += 1
        assert said.startswith("250"), (name, said)
        author = entries[-1].message.author
        assert author.organisation.endswith("@operator.example"), (name, "the address is beside the name")
        assert author.name == author.organisation or "@" not in author.name, (name, "and no name passes for one")
        handle = await access.conversation(house.app, await house.mailbox("dominique"), entries[-1].conversation)
        contacts = [one for one in await reading.people_in(house.app, handle) if one.kind == "professional"]
        assert [(one.address, one.organisation) for one in contacts] == [(author.organisation,) * 2], name
    assert {"two fields", "two addresses", "an empty field first", "a bare newline"} < refused
    assert "a comment" not in refused


async def test_dr_morel_by_her_own_name_elsewhere_is_seen_to_be_elsewhere(house: MailHouse) -> None:
    assert (await bring(house, plain(from_=(MOREL[0], FROM)))).startswith("250")
    await house.letter("morel", "dominique", "Bonjour")
    one, two = [entry.message.author for entry in await house.entries("dominique")]
    assert one.name == two.name
    assert one.organisation == FROM != two.organisation
