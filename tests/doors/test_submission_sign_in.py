"""Signing in to hand over a letter: by token as in IMAP, in one's own name."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import sessions
from tests import letters
from tests.doors.test_imap_sign_in import ADMISSIONS, PETIT, oauthbearer, xoauth2
from tests.letters import MOREL
from tests.mail_house import TO_DOMINIQUE, MailHouse, open_mail_house
from tests.wire import Wire, connected


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


async def say(wire: Wire, mechanism: str, answer: bytes, *, at_once: bool) -> str:
    coded = base64.b64encode(answer).decode()
    if at_once:
        return await wire.say(f"AUTH {mechanism} {coded}")
    assert await wire.say(f"AUTH {mechanism}") == "334 "
    return await wire.say(coded)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_letter_is_handed_over_with_a_token(house: MailHouse, at_once: bool) -> None:
    token = await house.token("morel")
    for mechanism, answer in (("OAUTHBEARER", oauthbearer(MOREL[1], token)), ("xoauth2", xoauth2(MOREL[1], token))):
        async with connected(house.app.ports["submission"], house.client()) as wire:
            assert (await say(wire, mechanism, answer, at_once=at_once)).startswith("235")
            assert all(told.startswith("250") for told in await wire.envelope(MOREL[1], TO_DOMINIQUE))
            letter = letters.plain("Bonjour", message_id=f"<{mechanism}@pli.example>")
            assert (await wire.data(letter)).startswith("250")
    assert len(await house.texts("dominique")) == 2


async def test_a_token_that_is_none_is_told_why_before_it_is_refused(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        for nothing in ("AQ==", ""):
            told = await say(wire, "OAUTHBEARER", oauthbearer(MOREL[1], "jeton-de-personne"), at_once=True)
            assert told.startswith("334 ")
            assert json.loads(base64.b64decode(told[4:]))["status"] == "401"
            assert (await wire.say(nothing)).startswith("535 5.7.8")
        assert (await say(wire, "XOAUTH2", b"user=x", at_once=True)).startswith("501 5.5.2")
        assert (await wire.say("AUTH CRAM-MD5")).startswith("504 5.5.4")


async def test_nobody_writes_under_the_address_of_a_team_nor_a_service_at_all(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        told = await say(wire, "XOAUTH2", xoauth2(ADMISSIONS, await house.token("petit")), at_once=True)
        assert told.startswith("535 5.7.8 On ecrit ici sous sa propre adresse")
        lab = await house.token("lab")
        assert (await say(wire, "XOAUTH2", xoauth2("labo@pli.example", lab), at_once=True)).startswith("334 ")
        assert (await wire.say("")).startswith("535")


async def test_a_token_that_ended_hands_over_nothing_more(house: MailHouse) -> None:
    token = await house.token("petit")
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await say(wire, "XOAUTH2", xoauth2(PETIT, token), at_once=True)).startswith("235")
        await sessions.sign_out_everywhere(house.app, house.petit.account_id)
        assert (await wire.say(f"MAIL FROM:<{PETIT}>"))[:3] in {"421", "530"}
